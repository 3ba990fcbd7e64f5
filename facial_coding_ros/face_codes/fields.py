# SPDX-License-Identifier: Apache-2.0
"""Face codes and events as the fields of facial_coding_msgs, for rclpy and for bags written without ROS."""

from __future__ import annotations

import math
from collections.abc import Callable
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
        "talking": code.talking,
        "gaze_yaw_deg": code.gaze.yaw_deg,
        "gaze_pitch_deg": code.gaze.pitch_deg,
        "gaze_confidence": code.gaze.confidence,
        "attention": code.attention,
    }


def event_fields(event: Event, time: Callable[[int], Any]) -> dict[str, Any]:
    """Name -> value of the message FaceEvent, but for its header. time: a builtin_interfaces/Time of nanoseconds."""
    return {
        "face_id": event.face_id,
        "person_id": event.person_id,
        "kind": event.kind,
        "event_id": event.event_id,
        "phase": int(event.phase),
        "start": time(event.start_ns),
        "apex": time(event.apex_ns),
        "end": time(event.end_ns or 0),
        "peak": float(event.peak),
        "mean": float(event.mean),
        "side": event.side,
        "confidence": float(event.confidence),
        "label": event.label,
    }


def event_of(message: Any) -> Event:
    """The event of a FaceEvent, of rclpy or of a bag read without ROS."""
    end_ns = _nanoseconds(message.end)
    return Event(
        message.kind,
        message.face_id,
        message.person_id,
        _nanoseconds(message.header.stamp),
        message.event_id,
        Phase(message.phase),
        _nanoseconds(message.start),
        _nanoseconds(message.apex),
        end_ns or None,
        message.peak,
        message.mean,
        message.side,
        message.confidence,
        message.label,
    )


def _nanoseconds(time: Any) -> int:
    return int(time.sec) * 1_000_000_000 + int(time.nanosec)
