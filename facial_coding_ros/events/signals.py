# SPDX-License-Identifier: Apache-2.0
"""The signals that kinds of events are defined on: numbers of a face code by name, each with its confidence."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from ..types import FaceCode

Measured = tuple[float, float]
"""Value, NaN when it is not known, and confidence 0..1."""

_UNIT = re.compile(r"au(\d{2})(_left|_right)?")
_SHARE = re.compile(r"p_([a-z]+)")


def _angle(name: str) -> Callable[[FaceCode], Measured]:
    return lambda code: (getattr(code.face.pose, name), code.face.visibility.face)


def _size(code: FaceCode) -> Measured:
    """100 times the logarithm of the face's width as if it were not turned, so that differences are in per cent."""
    region, yaw = code.face.region, code.face.pose.yaw_deg
    width = (region.xmax - region.xmin) / max(math.cos(math.radians(yaw)), 0.3)
    return 100 * math.log(max(width, 1e-6)), code.face.visibility.face


def _gaze_angle(code: FaceCode) -> Measured:
    return math.hypot(code.gaze.yaw_deg, code.gaze.pitch_deg), code.gaze.confidence


_NAMED: dict[str, Callable[[FaceCode], Measured]] = {
    "yaw_deg": _angle("yaw_deg"),
    "pitch_deg": _angle("pitch_deg"),
    "roll_deg": _angle("roll_deg"),
    "size": _size,
    "talking": lambda code: (code.talking, code.face.visibility.lower_face),
    "attention": lambda code: (code.attention, code.gaze.confidence),
    "gaze_yaw_deg": lambda code: (code.gaze.yaw_deg, code.gaze.confidence),
    "gaze_pitch_deg": lambda code: (code.gaze.pitch_deg, code.gaze.confidence),
    "gaze_angle_deg": _gaze_angle,
    "valence": lambda code: (code.expression.valence, 1.0 - code.expression.unsure),
    "arousal": lambda code: (code.expression.arousal, 1.0 - code.expression.unsure),
}

KNOWN = "au01 to au45 (with _left or _right for a side), p_LABEL for an expression's share, " + ", ".join(
    sorted(_NAMED)
)
"""The measures that there are, in words."""


def measure(name: str) -> Callable[[FaceCode], Measured]:
    """What reads a measure. Raises ValueError for a name that is none."""
    if name in _NAMED:
        return _NAMED[name]
    if unit := _UNIT.fullmatch(name):
        return _unit(int(unit[1]), unit[2] or "")
    if share := _SHARE.fullmatch(name):
        return _share(share[1])
    raise ValueError(f"{name!r} is no measure; there are {KNOWN}")


def _unit(au: int, side: str) -> Callable[[FaceCode], Measured]:
    field = side[1:] or "intensity"

    def read(code: FaceCode) -> Measured:
        aus = code.aus
        if au not in aus.codes:
            return math.nan, 0.0
        at = aus.codes.index(au)
        return float(getattr(aus, field)[at]), float(aus.confidence[at])

    return read


def _share(label: str) -> Callable[[FaceCode], Measured]:
    def read(code: FaceCode) -> Measured:
        expression = code.expression
        if label not in expression.labels:
            return math.nan, 0.0
        return float(expression.probability[expression.labels.index(label)]), 1.0

    return read


def side_of(code: FaceCode, names: tuple[str, ...], one_sided: float) -> str:
    """The side on which action units are at least `one_sided` times as strong as on the other; empty for both."""
    left = right = 0.0
    for name in names:
        if (unit := _UNIT.fullmatch(name)) and int(unit[1]) in code.aus.codes:
            at = code.aus.codes.index(int(unit[1]))
            left, right = left + float(code.aus.left[at]), right + float(code.aus.right[at])
    if not left + right > 0:  # NaN, too
        return ""
    if left >= one_sided * right:
        return "left"
    return "right" if right >= one_sided * left else ""
