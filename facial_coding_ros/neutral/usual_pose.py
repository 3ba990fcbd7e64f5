# SPDX-License-Identifier: Apache-2.0
"""Where a head usually points, and how far a frame can be trusted for the neutral."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .bins import FRONTAL, HeadTurn

_FIRST_POSE_S, _USUAL_POSE_S = 0.5, 20.0  # what the first frame's pose counts for, and all of them at most
_GLANCE_DEG = 6.0  # a pose further from the usual one moves it no more than this far away would
# A frame's weight falls to 0.6 this far from the usual pose, from straight ahead, and where the usual pose is so far.
_AWAY_DEG, _TURNED_DEG, _USUALLY_TURNED_DEG, _LEAST_WEIGHT = 8.0, 3.0, 20.0, 0.02
_STRAIGHT_DEG = 9.5  # a usual pose nearer than this to straight ahead is mostly taken for straight ahead


@dataclass
class UsualPose:
    """Where a head usually points, as a running mean of yaw and pitch, and how far a frame can be trusted for it.

    A neutral is worth most in the pose in which the person is mostly seen, be it because the camera hangs high, and
    less on the side away from straight ahead. The mean is of the last 20 s, of fewer in the beginning; later, a glance
    to the side moves it no more than one of 6 degrees. A usual pose within a few degrees of straight ahead is
    taken for that.

    head_turn: of the last frame, from the pose the neutral is for.
    """

    yaw_deg: float = math.nan
    pitch_deg: float = math.nan
    seen_s: float = 0.0
    head_turn: HeadTurn = FRONTAL

    def weight(self, yaw_deg: float, pitch_deg: float, seconds: float) -> float:
        """Takes one frame in; 0..1. A head that stays turned is learnt too, slowly."""
        if math.isnan(self.yaw_deg):
            self.yaw_deg, self.pitch_deg = yaw_deg, pitch_deg
        self.seen_s += seconds
        away = math.hypot(yaw_deg - self.yaw_deg, pitch_deg - self.pitch_deg)
        glance = min(1.0, _GLANCE_DEG * (1 + _USUAL_POSE_S / (2 * self.seen_s + 1)) / (away + 1e-6))
        share = glance * min(seconds / min(_FIRST_POSE_S + self.seen_s, _USUAL_POSE_S), 1.0)
        self.yaw_deg += share * (yaw_deg - self.yaw_deg)
        self.pitch_deg += share * (pitch_deg - self.pitch_deg)
        usually = math.hypot(self.yaw_deg, self.pitch_deg)
        width = _TURNED_DEG**2 + 0.5 * usually**2
        # Straight ahead is best, also for a head that is usually a few degrees off.
        believed = 1 - math.exp(-((usually / _STRAIGHT_DEG) ** 4))
        usually *= believed
        yaw_off, pitch_off = yaw_deg - believed * self.yaw_deg, pitch_deg - believed * self.pitch_deg
        self.head_turn = math.sin(math.radians(yaw_off)), math.sin(math.radians(pitch_off))
        away = math.hypot(yaw_off, pitch_off) / _AWAY_DEG
        further = max(yaw_deg**2 + pitch_deg**2 - usually**2, 0.0) / width
        exponent = away**2 + further + (usually / _USUALLY_TURNED_DEG) ** 2
        return min(math.exp(-0.5 * exponent) + _LEAST_WEIGHT, 1.0)
