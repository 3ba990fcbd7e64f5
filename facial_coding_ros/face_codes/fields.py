# SPDX-License-Identifier: Apache-2.0
"""Face codes and events as the fields of facial_coding_msgs, for rclpy and for bags written without ROS."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..events import Event, Phase
from ..types import FaceCode
from .rep155_landmarks import landmarks_70


def face_code_fields(code: FaceCode, height: int, width: int) -> dict[str, Any]:
    """Name -> number, text, list of texts or array. height, width: of the image, for the landmarks."""
    face, pose, seen, estimate = code.face, code.face.pose, code.face.visibility, code.expression
    points = (landmarks_70(face) / (width, height)).astype(np.float32)
    distance = math.nan if pose.position_m is None else float(np.linalg.norm(pose.position_m))
    return {
        "face_id": face.face_id,
        "person_id": face.person_id,
        "roi_xmin": face.region.xmin,
        "roi_ymin": face.region.ymin,
        "roi_xmax": face.region.xmax,
        "roi_ymax": face.region.ymax,
        "distance_m": distance,
        "landmark_x": points[:, 0],
        "landmark_y": points[:, 1],
        "yaw_deg": pose.yaw_deg,
        "pitch_deg": pose.pitch_deg,
        "roll_deg": pose.roll_deg,
        "visibility": seen.face,
        "brows_visibility": seen.brows,
        "eyes_visibility": seen.eyes,
        "lower_face_visibility": seen.lower_face,
        "neutral_state": int(code.neutral_state),
        "neutral_uncertainty": code.neutral_uncertainty,
        "au": np.array(code.aus.codes, np.uint8),
        "au_intensity": code.aus.intensity,
        "au_confidence": code.aus.confidence,
        "au_presence": code.aus.presence,
        "au_age_s": code.aus_age_s,
        "au_intensity_left": code.aus.left,
        "au_intensity_right": code.aus.right,
        "dfecs": code.dfecs,
        "latent": code.latent,
        "expression_label": list(estimate.labels),
        "expression_probability": estimate.probability,
        "expression_unsure": estimate.unsure,
        "expression": estimate.label,
        "expression_confidence": estimate.confidence,
        "valence": estimate.valence,
        "arousal": estimate.arousal,
    }


def event_fields(event: Event) -> dict[str, Any]:
    """Name -> value of the message FaceEvent, but for its header."""
    return {"face_id": event.face_id, "person_id": event.person_id, "kind": event.kind}


def event_of(message: Any) -> Event:
    """The event of a FaceEvent, of rclpy or of a bag read without ROS."""
    stamp_ns = int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)
    return Event(
        message.kind, message.face_id, message.person_id, stamp_ns, "", Phase.MOMENT, stamp_ns, stamp_ns, stamp_ns
    )
