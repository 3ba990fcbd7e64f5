# SPDX-License-Identifier: Apache-2.0
"""Whether somebody talks, by the mouth's movement alone.

In speech the lips part and close in the rhythm of syllables, three to seven a second. A smile or a yawn moves them
once and slowly; chewing moves the jaw once or twice a second with the lips nearly closed. So the turning points of the
gap between the lips are counted over a short while, and how far it moves between them. No sound is heard: somebody who
talks behind a hand, or hardly opens the mouth, does not talk; somebody who mimes does.
"""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict, deque
from dataclasses import dataclass, field

import numpy as np

from ..types import SURFACE_POINTS, Face

MOST_FACES = 64
_LONGEST_STEP_S = 0.5
_UPPER_LIP, _LOWER_LIP = 13, 14
_EYE_CORNERS = (33, 133, 362, 263)
WINDOW_S = 0.7
"""Over which turning points are counted."""
TURNS_AT_HALF, TURNS_SLOPE = 2.5, 2.0
"""Turning points in the window at which the probability is one half, and by how much each further one raises it."""
SIZE_AT_HALF, SIZE_SLOPE = 0.022, 4.0
"""The same of the mean movement between them, in eye distances; its logarithm counts."""
LEAST_TURN, LEAST_TURN_PX = 0.012, 0.5
"""A movement back by less is no turning point: in eye distances, and in pixels."""


def lip_gap(face: Face) -> tuple[float, float]:
    """Gap between the lips in eye distances, and the eye distance in pixels; NaN without a mesh."""
    if len(face.mesh) < SURFACE_POINTS:
        return math.nan, math.nan
    points = face.mesh[[_UPPER_LIP, _LOWER_LIP, *_EYE_CORNERS]].astype(np.float64)
    eyes = max(float(np.linalg.norm(points[2:4].mean(0) - points[4:].mean(0))), 1e-6)
    return float(np.linalg.norm(points[0] - points[1])) / eyes, eyes


@dataclass
class _HeldMouth:
    """turns: time and gap of the turning points; farthest: the gap that may become the next one."""

    stamp_ns: int
    since_ns: int
    farthest: tuple[int, float]
    rising: int = 0
    turns: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=24))


class VisualSpeech:
    """Probability that each face talks, frame after frame."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, _HeldMouth] = OrderedDict()

    def update(self, key: str, face: Face, stamp_ns: int) -> float:
        """Of one face in one frame; NaN until it has been watched for as long as the window. key: whose it is."""
        gap, eyes_px = lip_gap(face)
        if math.isnan(gap):
            return math.nan
        held = self._held.get(key)
        if held is None or not 0 < (stamp_ns - held.stamp_ns) / 1e9 <= _LONGEST_STEP_S:
            held = self._held[key] = _HeldMouth(stamp_ns, stamp_ns, (stamp_ns, gap))
        held.stamp_ns = stamp_ns
        self._held.move_to_end(key)
        while len(self._held) > MOST_FACES:
            self._held.popitem(last=False)
        least = max(LEAST_TURN, LEAST_TURN_PX / eyes_px)
        _zigzag(held, gap, stamp_ns, least)
        if stamp_ns - held.since_ns < WINDOW_S * 1e9:
            return math.nan
        return _probability(held, stamp_ns, least)


def _zigzag(held: _HeldMouth, gap: float, stamp_ns: int, least: float) -> None:
    moved = gap - held.farthest[1]
    if held.rising == 0:
        if abs(moved) >= least:
            held.turns.append(held.farthest)
            held.rising, held.farthest = (1 if moved > 0 else -1), (stamp_ns, gap)
        elif stamp_ns - held.farthest[0] > 0.2e9:
            held.farthest = stamp_ns, gap
    elif moved * held.rising >= 0:
        held.farthest = stamp_ns, gap
    elif abs(moved) >= least:
        held.turns.append(held.farthest)
        held.rising, held.farthest = -held.rising, (stamp_ns, gap)
    elif stamp_ns - held.farthest[0] > WINDOW_S * 1e9:
        held.rising, held.farthest = 0, (stamp_ns, gap)


def _probability(held: _HeldMouth, stamp_ns: int, least: float) -> float:
    begin_ns = stamp_ns - WINDOW_S * 1e9
    turns = [(at, gap) for at, gap in held.turns if at >= begin_ns]
    if not turns:
        return 0.0
    points = [*turns, held.farthest] if held.rising else turns
    moved = [abs(b - a) for (_, a), (_, b) in itertools.pairwise(points)]
    size = max(sum(moved) / len(moved), least) if moved else least
    turned = TURNS_SLOPE * (len(turns) - TURNS_AT_HALF)
    far = SIZE_SLOPE * math.log(size / SIZE_AT_HALF)
    return 1 / (1 + math.exp(-turned)) / (1 + math.exp(-far))
