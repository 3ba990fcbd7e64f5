# SPDX-License-Identifier: Apache-2.0
"""Faces in a robot's 3-D view: MarkerArrays for RViz and Foxglove, in the camera's optical frame."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from ..drawing.overlay import NEUTRAL_COLOURS
from ..types import UNSURE, FaceCode, FloatArray
from .messages import quaternion

_AXIS_M, _GAZE_M = 0.15, 0.6
_HEAD_M = (0.18, 0.16, 0.24)
"""Depth, width and height of a head, about: in the face frame, x out of the face, y to the left, z up."""
_BEHIND_SELLION_M, _ABOVE_SELLION_M = 0.09, 0.22
_TEXT_M = 0.055
_AXES = ((1.0, 0.2, 0.2), (0.2, 0.9, 0.2), (0.3, 0.5, 1.0))
_LEAST_SHOWN = 0.15


def markers(header: Header, codes: Sequence[FaceCode]) -> MarkerArray:
    """Head, its axes, gaze, name and state of each face whose distance is known. Whatever was there before goes."""
    found = [Marker(header=header, action=Marker.DELETEALL)]
    for code in codes:
        if code.face.pose.position_m is not None:
            found += _of_face(header, code)
    return MarkerArray(markers=found)


def _of_face(header: Header, code: FaceCode) -> list[Marker]:
    face = code.face
    assert face.pose.position_m is not None
    number = zlib.crc32(face.face_id.encode()) & 0x7FFFFFFF
    # Columns: the face frame's x (out), y (left), z (up), as in messages.transforms.
    frame = face.pose.rotation.astype(float) @ np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], float)
    turn = Quaternion(**dict(zip("xyzw", quaternion(frame), strict=True)))
    sellion = face.pose.position_m.astype(float)

    def marker(namespace: str, kind: int, at: FloatArray, colour: ColorRGBA, scale: Sequence[float]) -> Marker:
        pose = Pose(position=_point(at), orientation=turn)
        made = Marker(header=header, ns=namespace, id=number, type=kind, action=Marker.ADD, pose=pose, color=colour)
        made.scale.x, made.scale.y, made.scale.z = scale
        return made

    red, green, blue = (share / 255 for share in NEUTRAL_COLOURS[code.neutral_state])
    state = ColorRGBA(r=red, g=green, b=blue, a=1.0)
    middle = sellion - frame[:, 0] * _BEHIND_SELLION_M
    head = marker("head", Marker.SPHERE, middle, ColorRGBA(r=red, g=green, b=blue, a=0.35), _HEAD_M)
    axes = marker("axes", Marker.LINE_LIST, sellion, ColorRGBA(a=1.0), (0.008, 0.0, 0.0))
    for axis, (r, g, b) in zip(np.eye(3) * _AXIS_M, _AXES, strict=True):
        axes.points += [Point(), _point(axis)]
        axes.colors += [ColorRGBA(r=r, g=g, b=b, a=1.0)] * 2
    gaze = marker("gaze", Marker.ARROW, sellion, ColorRGBA(r=0.95, g=0.8, b=0.2, a=0.9), (0.012, 0.03, 0.05))
    gaze.pose.orientation = Quaternion(w=1.0)
    gaze.points = [Point(), _point(_gaze(code, frame) * _GAZE_M)]
    name = marker("name", Marker.TEXT_VIEW_FACING, sellion + frame[:, 2] * _ABOVE_SELLION_M, state, (0.0, 0.0, _TEXT_M))
    name.text = "\n".join(lines_of(code))
    return [head, axes, gaze, name]


def _gaze(code: FaceCode, frame: FloatArray) -> FloatArray:
    """Unit vector in the camera's axes: of the eyes where it is known, else of the head."""
    direction = code.gaze.direction
    return frame[:, 0] if direction is None else direction.astype(float)


def lines_of(code: FaceCode) -> list[str]:
    """Who, how well the neutral is known, the expression and the strongest action units."""
    estimate = code.expression
    sure = "" if estimate.label == UNSURE else f" {estimate.confidence:.0%}"
    known = zip(code.aus.intensity.tolist(), code.aus.codes, strict=True)
    strong = sorted(((i, au) for i, au in known if i >= _LEAST_SHOWN), reverse=True)[:3]
    units = "  ".join(f"AU{au} {intensity:.1f}" for intensity, au in strong)
    name = code.face.person_id or code.face.face_id
    return [
        f"{name}, neutral {code.neutral_state.name.lower()}",
        f"{estimate.label}{sure}",
        *([units] if units else []),
    ]


def _point(at: FloatArray) -> Point:
    x, y, z = (float(value) for value in at)
    return Point(x=x, y=y, z=z)
