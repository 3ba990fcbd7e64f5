# SPDX-License-Identifier: Apache-2.0
"""How much somebody's attention is on the robot's face, by where they look."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..options import Settings, option
from ..types import Face, Gaze

MOST_FACES = 64
_LONGEST_STEP_S = 0.5
_EYES_SHUT_S = 0.5
"""As long as a blink: so long attention stays what it was."""


@dataclass(frozen=True)
class AttentionSettings(Settings):
    """Where the robot's face is, and how near to it a look must be."""

    target_x_m: float = option(
        0.0,
        "where the robot's face is, in the camera's optical frame: metres to the right",
        low=-5.0,
        high=5.0,
        live=True,
    )
    target_y_m: float = option(0.0, "the same: metres down", low=-5.0, high=5.0, live=True)
    target_z_m: float = option(0.0, "the same: metres ahead of the camera", low=-5.0, high=5.0, live=True)
    half_angle_deg: float = option(
        12.0, "angle between gaze and the robot's face at which attention is one half", low=1.0, high=60.0, live=True
    )
    softness_deg: float = option(3.0, "how gradually it falls there", low=0.1, high=30.0, live=True)
    smoothing_s: float = option(0.15, "time constant over which attention is averaged", low=0.0, high=5.0, live=True)


def angle_deg(face: Face, gaze: Gaze, target_m: Sequence[float]) -> float:
    """Angle between a gaze and the direction from the eyes to a point in the camera's optical frame; NaN unknown.

    Without a known distance the point is taken to be the camera.
    """
    if gaze.direction is None:
        return math.nan
    position = face.pose.position_m
    if position is None or not np.isfinite(position).all() or not any(target_m):
        return math.degrees(
            math.acos(_bounded(math.cos(math.radians(gaze.yaw_deg)) * math.cos(math.radians(gaze.pitch_deg))))
        )
    towards = np.asarray(target_m, np.float64) - position
    length = max(float(np.linalg.norm(towards)), 1e-9)
    return math.degrees(math.acos(_bounded(float(gaze.direction @ towards) / length)))


def _bounded(cosine: float) -> float:
    return min(max(cosine, -1.0), 1.0)


@dataclass
class _HeldAttention:
    stamp_ns: int
    value: float
    open_ns: int


class Attention:
    """Attention 0..1 of each face, averaged over time; a blink does not interrupt it."""

    def __init__(self, settings: AttentionSettings | None = None) -> None:
        self.settings = settings or AttentionSettings()
        self.measured_m: tuple[float, float, float] | None = None
        """Where the robot's face is now, as TF knows it; None: where the settings say."""
        self._held: OrderedDict[str, _HeldAttention] = OrderedDict()

    @property
    def target_m(self) -> tuple[float, float, float]:
        if self.measured_m is not None:
            return self.measured_m
        settings = self.settings
        return settings.target_x_m, settings.target_y_m, settings.target_z_m

    def update(self, key: str, face: Face, gaze: Gaze, stamp_ns: int) -> float:
        """Attention of a face in one frame. key: whose it is. NaN before the eyes were first seen."""
        angle = angle_deg(face, gaze, self.target_m) if gaze.confidence > 0 else math.nan
        held = self._held.get(key)
        if held is not None and not 0 < (stamp_ns - held.stamp_ns) / 1e9 <= _LONGEST_STEP_S:
            held = None
        if math.isnan(angle):
            if held is None:
                return math.nan
            held.stamp_ns = stamp_ns
            if stamp_ns - held.open_ns > _EYES_SHUT_S * 1e9:
                held.value = 0.0
            return held.value
        settings = self.settings
        now = 1 / (1 + math.exp(min((angle - settings.half_angle_deg) / settings.softness_deg, 50.0)))
        if held is None:
            held = self._held[key] = _HeldAttention(stamp_ns, now, stamp_ns)
        else:
            step_s = (stamp_ns - held.stamp_ns) / 1e9
            held.value += (now - held.value) * step_s / (step_s + settings.smoothing_s)
            held.stamp_ns = held.open_ns = stamp_ns
        self._held.move_to_end(key)
        while len(self._held) > MOST_FACES:
            self._held.popitem(last=False)
        return held.value
