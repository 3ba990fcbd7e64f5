# SPDX-License-Identifier: Apache-2.0
"""Messages from face codes; nothing else in the package builds one.

REP-155 says what each message means; hri_msgs and facial_coding_msgs say how it looks.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np
from facial_coding_msgs import msg as codes
from geometry_msgs.msg import TransformStamped
from hri_msgs import msg as hri
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from ..drawing.frontal import frontal_view
from ..events import Event, Summary
from ..face_codes.fields import event_fields, face_code_fields
from ..face_codes.rep155_landmarks import landmarks_70
from ..image.conversion import fill_image
from ..types import (
    ActionUnits,
    Expression,
    Face,
    FaceCode,
    FloatArray,
    Frame,
    Gaze,
    HeadPose,
    ImageArray,
    NeutralState,
    Region,
    Visibility,
)

if TYPE_CHECKING:
    from builtin_interfaces.msg import Time

CROP_SIDE_PX = 128
# Where the eyes lie in an aligned crop, in its sides.
_ALIGNED_EYES = ((0.32, 0.38), (0.68, 0.38))
# FACS codes of what cannot be seen, and the visibility they follow.
_NOT_VISIBLE = {70: "brows", 71: "eyes", 72: "lower_face", 73: "face"}


def stamp_message(stamp_ns: int) -> Time:
    from builtin_interfaces.msg import Time

    return Time(sec=stamp_ns // 1_000_000_000, nanosec=stamp_ns % 1_000_000_000)


def stamp_ns_of(header: Header) -> int:
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def nanoseconds(time: Time) -> int:
    return int(time.sec) * 1_000_000_000 + int(time.nanosec)


def header_of(stamp_ns: int, frame_id: str) -> Header:
    return Header(stamp=stamp_message(stamp_ns), frame_id=frame_id)


def tracked(header: Header, ids: list[str]) -> hri.IdsList:
    return hri.IdsList(header=header, ids=ids)


def roi(header: Header, face: Face) -> hri.NormalizedRegionOfInterest2D:
    box = face.region
    return hri.NormalizedRegionOfInterest2D(
        header=header, xmin=box.xmin, ymin=box.ymin, xmax=box.xmax, ymax=box.ymax, c=face.visibility.face
    )


def landmarks(
    header: Header, face: Face, height: int, width: int, into: hri.FacialLandmarks | None = None
) -> hri.FacialLandmarks:
    """into: the face's message of the frame before, to be filled anew: 70 points are dear to make."""
    message = hri.FacialLandmarks() if into is None else into
    message.header, message.height, message.width = header, height, width
    points = landmarks_70(face) / (width, height)
    c = face.visibility.face
    for point, (x, y) in zip(message.landmarks, points.tolist(), strict=True):
        point.x, point.y, point.c = x, y, c
    return message


def facs(header: Header, code: FaceCode) -> hri.FacialActionUnits:
    message = hri.FacialActionUnits(header=header)
    aus = code.aus
    sure = aus.confidence > 0
    known = np.array(aus.codes, np.intp)[sure]
    message.intensity[known], message.confidence[known] = aus.intensity[sure], aus.confidence[sure]
    for au, part in _NOT_VISIBLE.items():
        seen = float(getattr(code.face.visibility, part))
        message.intensity[au] = 1.0 - seen if seen < 0.5 else 0.0
        message.confidence[au] = max(seen, 1.0 - seen)
    return message


def expression(header: Header, code: FaceCode, label: str) -> hri.Expression:
    """`label` is one of REP-155's strings; confidence is that of this label, not of the likeliest."""
    estimate = code.expression
    shares = dict(zip(estimate.labels, estimate.probability, strict=True))
    return hri.Expression(
        header=header,
        expression=label,
        valence=estimate.valence,
        arousal=estimate.arousal,
        confidence=float(shares.get(label, 0.0)),
    )


def cropped(header: Header, image: ImageArray, region: Region) -> Image:
    """128 x 128 of the face's box, its shape kept, the rest black."""
    height, width = image.shape[:2]
    left, right = round(region.xmin * width), max(round(region.xmax * width), round(region.xmin * width) + 1)
    top, bottom = round(region.ymin * height), max(round(region.ymax * height), round(region.ymin * height) + 1)
    part = image[max(top, 0) : bottom, max(left, 0) : right]
    crop = np.zeros((CROP_SIDE_PX, CROP_SIDE_PX, 3), np.uint8)
    if part.size:
        scale = CROP_SIDE_PX / max(part.shape[:2])
        h, w = (max(1, min(CROP_SIDE_PX, round(side * scale))) for side in part.shape[:2])
        y, x = (CROP_SIDE_PX - h) // 2, (CROP_SIDE_PX - w) // 2
        crop[y : y + h, x : x + w] = cv2.resize(part, (w, h), interpolation=cv2.INTER_AREA)
    message = Image(header=header)
    fill_image(message, crop)
    return message


def aligned(header: Header, image: ImageArray, face: Face) -> Image:
    """128 x 128, turned so that the eyes are level, at the same place and distance in every crop."""
    points = landmarks_70(face)
    right, left = points[36:42].mean(0), points[42:48].mean(0)
    target = np.array(_ALIGNED_EYES) * CROP_SIDE_PX
    dx, dy = left - right
    wanted = target[1, 0] - target[0, 0]
    squared = max(float(dx * dx + dy * dy), 1e-6)
    a, b = wanted * dx / squared, -wanted * dy / squared
    turn = np.array([[a, -b], [b, a]])
    shift = target.mean(0) - turn @ ((left + right) / 2)
    crop = cv2.warpAffine(image, np.hstack([turn, shift[:, None]]), (CROP_SIDE_PX, CROP_SIDE_PX), flags=cv2.INTER_AREA)
    message = Image(header=header)
    fill_image(message, crop)  # type: ignore[arg-type]
    return message


def frontalized(header: Header, image: ImageArray, face: Face) -> Image:
    """128 x 128, the head turned to the front; what the camera did not see of the face is black."""
    message = Image(header=header)
    fill_image(message, frontal_view(image, face, CROP_SIDE_PX))
    return message


def transforms(header: Header, face: Face, gaze: Gaze | None = None) -> list[TransformStamped]:
    """Of face_<id> (origin the sellion, x out of the face, z up) and gaze_<id> (optical: z along the gaze, y down).

    Without a gaze, its z is the face's x. Empty when the distance is not known.
    """
    if face.pose.position_m is None:
        return []
    # Columns: the face frame's x (out), y (left), z (up) among the canonical axes x (left), y (up), z (out).
    frame = face.pose.rotation.astype(float) @ np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], float)
    head = TransformStamped(header=header, child_frame_id=f"face_{face.face_id}")
    x, y, z = (float(v) for v in face.pose.position_m)
    head.transform.translation.x, head.transform.translation.y, head.transform.translation.z = x, y, z
    _set_rotation(head, quaternion(frame))
    eyes = TransformStamped(
        header=Header(stamp=header.stamp, frame_id=head.child_frame_id), child_frame_id=f"gaze_{face.face_id}"
    )
    if gaze is None or gaze.direction is None:
        _set_rotation(eyes, (-0.5, 0.5, -0.5, 0.5))
    else:
        along = gaze.direction.astype(float)
        right = np.cross(-frame[:, 2], along)
        right /= max(float(np.linalg.norm(right)), 1e-9)
        _set_rotation(eyes, quaternion(frame.T @ np.stack([right, np.cross(along, right), along], axis=1)))
    return [head, eyes]


def _set_rotation(transform: TransformStamped, xyzw: tuple[float, float, float, float]) -> None:
    q = transform.transform.rotation
    q.x, q.y, q.z, q.w = xyzw


def quaternion(rotation: FloatArray) -> tuple[float, float, float, float]:
    """x, y, z, w of a rotation matrix (3, 3)."""
    vector, _ = cv2.Rodrigues(np.asarray(rotation, float))
    angle = float(np.linalg.norm(vector))
    if angle < 1e-9:
        return 0.0, 0.0, 0.0, 1.0
    x, y, z = (float(v) for v in vector[:, 0] / angle * math.sin(angle / 2))
    return x, y, z, math.cos(angle / 2)


def face_codes(frame: Frame, face_codes: tuple[FaceCode, ...], latency_s: float) -> codes.FaceCodeArray:
    height, width = frame.image.shape[:2]
    return codes.FaceCodeArray(
        header=header_of(frame.stamp_ns, frame.frame_id),
        faces=[face_code(code, height, width) for code in face_codes],
        processing_latency_s=latency_s,
    )


def face_code(code: FaceCode, height: int, width: int) -> codes.FaceCode:
    fields = face_code_fields(code, height, width)
    return codes.FaceCode(**{n: v.tolist() if isinstance(v, np.ndarray) else v for n, v in fields.items()})


def event(header: Header, event: Event) -> codes.FaceEvent:
    return codes.FaceEvent(header=header, **event_fields(event, stamp_message))


def summary(found: Summary) -> codes.PersonSummary:
    figures = {
        name: float(getattr(found, name))
        for name in (
            "seen_share", "confidence", "smiling_share", "frowning_share", "looking_share", "talking_share",
            "valence_mean", "valence_trend", "arousal_mean", "arousal_trend",
        )
    }  # fmt: skip
    return codes.PersonSummary(
        person_id=found.person_id,
        face_ids=list(found.face_ids),
        start=stamp_message(found.start_ns),
        end=stamp_message(found.end_ns),
        expression_label=list(found.expressions),
        expression_share=list(found.expressions.values()),
        events=[event(header_of(one.stamp_ns, ""), one) for one in found.events],
        text=found.text,
        **figures,
    )


def face_code_of(message: codes.FaceCode) -> FaceCode:
    """The face code of a message; its mesh is empty, as messages carry 70 landmarks instead."""

    def floats(values: object) -> FloatArray:
        return np.array(values, np.float32)

    position = None if math.isnan(message.distance_m) else np.full(3, np.nan, np.float32)
    pose = HeadPose(message.yaw_deg, message.pitch_deg, message.roll_deg, np.full((3, 3), np.nan, np.float32), position)
    face = Face(
        face_id=message.face_id,
        person_id=message.person_id,
        mesh=np.empty((0, 3), np.float32),
        region=Region(message.roi_xmin, message.roi_ymin, message.roi_xmax, message.roi_ymax),
        pose=pose,
        visibility=Visibility(
            message.visibility, message.brows_visibility, message.eyes_visibility, message.lower_face_visibility
        ),
    )
    aus = ActionUnits(
        tuple(message.au),
        floats(message.au_intensity),
        floats(message.au_confidence),
        floats(message.au_intensity_left),
        floats(message.au_intensity_right),
        floats(message.au_presence),
    )
    estimate = Expression(
        tuple(message.expression_label),
        floats(message.expression_probability),
        message.expression_unsure,
        message.expression,
        message.expression_confidence,
        message.valence,
        message.arousal,
    )
    return FaceCode(
        face,
        NeutralState(message.neutral_state),
        message.neutral_uncertainty,
        aus,
        estimate,
        floats(message.dfecs),
        floats(message.latent),
        message.au_age_s,
        Gaze(message.gaze_yaw_deg, message.gaze_pitch_deg, message.gaze_confidence),
        message.attention,
        message.talking,
    )


def landmarks_of(message: codes.FaceCode, height: int, width: int) -> FloatArray:
    """(70, 2) pixels of an image of this size."""
    return np.stack([message.landmark_x, message.landmark_y], axis=1).astype(np.float32) * (width, height)
