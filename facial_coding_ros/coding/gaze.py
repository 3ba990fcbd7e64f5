# SPDX-License-Identifier: Apache-2.0
"""Where the eyes look: the head's turn and the irises in their eyes.

The eyeball turns about a point behind the middle of the eye's corners, so how far the iris is from there, in the
head's own axes and in widths of the eye, goes with the sine of the eye's turn. The gains are a straight line fitted on
rendered heads with known gaze, the rest position on photographs of people who look into the camera (docs/events.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..types import MESH_POINTS, Face, FloatArray, Gaze

_IRISES = (468, 473)
_CORNERS = ((33, 133), (263, 362))
"""Outer and inner corner of the right and of the left eye."""
_POINTS = np.array([point for corners, iris in zip(_CORNERS, _IRISES, strict=True) for point in (*corners, iris)])
YAW_GAIN, PITCH_GAIN = 2.6, 2.5
"""Sine of the eye's turn for an offset of one eye width; a sphere of 12 mm in an eye of 28.5 mm would have 2.4."""
PITCH_AT_REST = 0.064
"""Offset up of an iris that looks straight ahead, in eye widths."""
FULL_EYE_PX, NO_EYE_PX = 12.0, 6.0
"""Width of an eye from which its iris counts fully, and up to which it says nothing."""
_CLOSED = 0.5


def gazes(faces: Sequence[Face], closed: Sequence[float]) -> list[Gaze]:
    """Gaze of each face. closed: 0..1, how far its lids are shut; nothing is told of shut eyes.

    A face without a mesh (from a message or a table) has no gaze.
    """
    return [_gaze(face, shut) for face, shut in zip(faces, closed, strict=True)]


Rows = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
"""Of a (3, 3) matrix. Few numbers of a face: plain Python is quicker than numpy."""


def eye_offsets(face: Face, turn: Rows) -> tuple[float, float, float]:
    """How far the irises are from the middle of their eyes: across (to the person's left) and up in the head's axes,
    in widths of the eye, mean of both eyes; and that width in pixels. turn: `line_of_sight_rotation` of the face."""
    points = face.mesh.take(_POINTS, 0).tolist()
    to_left, to_down, _ = zip(*turn, strict=True)
    across, up, width = 0.0, 0.0, 0.0
    for outer, inner, iris in (points[:3], points[3:]):
        along = [a - b for a, b in zip(outer, inner, strict=True)]
        away = [c - (a + b) / 2 for a, b, c in zip(outer, inner, iris, strict=True)]
        size = max(math.hypot(_dot(along, to_left), _dot(along, to_down)), 1e-6)
        across += _dot(away, to_left) / size / 2
        up -= _dot(away, to_down) / size / 2
        width += size / 2
    return across, up, width


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def line_of_sight_rotation(face: Face) -> Rows:
    """Rows, from the head's axes (x to the person's left, y down, z into the head) to those of the mesh."""
    yaw, pitch, roll = (math.radians(a) for a in (face.pose.yaw_deg, face.pose.pitch_deg, face.pose.roll_deg))
    sy, cy, sp, cp, sr, cr = (f(a) for a in (yaw, pitch, roll) for f in (math.sin, math.cos))
    # Tilt, times turn, times nod.
    return (
        (cr * cy, -sr * cp + cr * sy * sp, -sr * sp - cr * sy * cp),
        (sr * cy, cr * cp + sr * sy * sp, cr * sp - sr * sy * cp),
        (sy, -cy * sp, cy * cp),
    )


def _gaze(face: Face, closed: float) -> Gaze:
    if len(face.mesh) < MESH_POINTS:
        return Gaze()
    turn = line_of_sight_rotation(face)
    across, up, width = eye_offsets(face, turn)
    seen = face.visibility.eyes
    share = min(max((width - NO_EYE_PX) / (FULL_EYE_PX - NO_EYE_PX), 0.0), 1.0) if closed < _CLOSED else 0.0
    # The irises count by the width of the eye; narrow or shut eyes are taken to look where the head points.
    eye_yaw = share * math.asin(min(max(YAW_GAIN * across, -0.9), 0.9))
    eye_pitch = share * math.asin(min(max(PITCH_GAIN * (up - PITCH_AT_REST), -0.9), 0.9))
    in_head = (
        math.sin(eye_yaw) * math.cos(eye_pitch), -math.sin(eye_pitch), -math.cos(eye_yaw) * math.cos(eye_pitch)
    )  # fmt: skip
    x, y, z = (_dot(row, in_head) for row in turn)
    # Left and up are the person's: the angles, as those of the head, are told without its roll.
    roll = math.radians(face.pose.roll_deg)
    left, down = x * math.cos(roll) + y * math.sin(roll), y * math.cos(roll) - x * math.sin(roll)
    yaw, pitch = math.degrees(math.atan2(left, -z)), math.degrees(math.asin(min(max(-down, -1.0), 1.0)))
    confidence = seen * (0.5 + 0.5 * share) if closed < _CLOSED else 0.0
    return Gaze(yaw, pitch, confidence, _in_camera(face, np.array([x, y, z])))


def _in_camera(face: Face, direction: NDArray[np.float64]) -> FloatArray:
    """A direction against the line of sight, turned into the camera's axes where it is known how they differ."""
    position = face.pose.position_m
    if position is None or not np.isfinite(position).all():
        return direction.astype(np.float32)
    ray = position.astype(np.float64) / max(float(np.linalg.norm(position)), 1e-9)
    axis = np.cross([0.0, 0.0, 1.0], ray)
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = np.eye(3) + skew + skew @ skew / (1 + ray[2])
    return np.asarray(turn @ direction, np.float32)
