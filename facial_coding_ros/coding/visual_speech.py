# SPDX-License-Identifier: Apache-2.0
"""Whether somebody talks, by the mouth's movement alone.

In speech the lips part and close in the rhythm of syllables, three to seven a second. A smile or a yawn moves them
once and slowly; chewing moves the jaw once or twice a second. So the syllables of the last moments are counted: how
often the lips part, or close, within half a second of the last time. The first syllable is known when the second one
begins: earlier it cannot be told from a mouth that opens and closes once. No sound is heard: somebody who talks behind
a hand, or hardly opens the mouth, does not talk; somebody who mimes does.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from dataclasses import dataclass, field

import numpy as np

from ..types import SURFACE_POINTS, Face

MOST_FACES = 64
_LONGEST_STEP_S = 0.5
_UPPER_LIP, _LOWER_LIP = 13, 14
_EYE_CORNERS = (33, 133, 362, 263)
_POINTS = np.array([_UPPER_LIP, _LOWER_LIP, *_EYE_CORNERS])
WINDOW_S = 0.6
"""Over which syllables are counted."""
LONGEST_SYLLABLE_S = 0.45
"""From one parting of the lips to the next, or from one closing to the next; chewing takes longer."""
SYLLABLES_AT_HALF, SYLLABLES_SLOPE = 0.5, 4.0
"""Syllables in the window at which the probability is one half, and how much each further one raises it. Each counts
twice, as it parts the lips and closes them."""
SIZE_AT_HALF, SIZE_SLOPE = 0.018, 4.0
"""The same of the mean movement, in eye distances; its logarithm counts."""
LEAST_TURN, LEAST_TURN_PX, LEAST_TURN_SHARE = 0.012, 0.7, 0.2
"""A movement back by less is no turning point: in eye distances, in pixels, and as a share of the largest gap of the
window, for the lips of an open mouth tremble."""
LEAST_PARTED = 0.1
"""AU25 that somebody who talks shows within the window; of closed lips, which tremble in a poor picture, it is 0."""


def lip_gap(face: Face) -> tuple[float, float]:
    """Gap between the lips in eye distances, and the eye distance in pixels; NaN without a mesh."""
    if len(face.mesh) < SURFACE_POINTS:
        return math.nan, math.nan
    upper, lower, *corners = face.mesh.take(_POINTS, 0).tolist()
    eyes = max(math.hypot(*(a + b - c - d for a, b, c, d in zip(*corners, strict=True))) / 2, 1e-6)
    return math.dist(upper, lower) / eyes, eyes


@dataclass
class _HeldMouth:
    """farthest: time and gap that may become the next turning point. moves: of each finished turn, when it was noticed,
    +1 where the lips part and -1 where they close, and how far they had moved before it. parted: AU25 of each gap's
    frame."""

    stamp_ns: int
    since_ns: int
    farthest: float
    farthest_ns: int
    turned_at: float = 0.0
    rising: int = 0
    moves: deque[tuple[int, int, float]] = field(default_factory=lambda: deque(maxlen=24))
    gaps: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=240))
    parted: deque[float] = field(default_factory=lambda: deque(maxlen=240))


class VisualSpeech:
    """Probability that each face talks, frame after frame."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, _HeldMouth] = OrderedDict()

    def update(self, key: str, face: Face, stamp_ns: int, parted: float = math.nan) -> float:
        """Of one face in one frame; NaN until it has been watched for as long as the window. key: whose it is. parted:
        AU25, NaN where it is not known."""
        gap, eyes_px = lip_gap(face)
        if math.isnan(gap):
            return math.nan
        held = self._held.get(key)
        if held is None or not 0 < (stamp_ns - held.stamp_ns) / 1e9 <= _LONGEST_STEP_S:
            held = self._held[key] = _HeldMouth(stamp_ns, stamp_ns, gap, stamp_ns)
        held.stamp_ns = stamp_ns
        self._held.move_to_end(key)
        while len(self._held) > MOST_FACES:
            self._held.popitem(last=False)
        held.gaps.append((stamp_ns, gap))
        held.parted.append(math.inf if math.isnan(parted) else parted)
        while stamp_ns - held.gaps[0][0] > WINDOW_S * 1e9:
            held.gaps.popleft()
            held.parted.popleft()
        largest = max(gap for _, gap in held.gaps)
        _follow(held, gap, stamp_ns, max(LEAST_TURN, LEAST_TURN_PX / eyes_px, LEAST_TURN_SHARE * largest))
        if stamp_ns - held.since_ns < WINDOW_S * 1e9:
            return math.nan
        return _probability(held, stamp_ns) if max(held.parted) >= LEAST_PARTED else 0.0


def _follow(held: _HeldMouth, gap: float, stamp_ns: int, least: float) -> None:
    """Takes in one frame. least: how far the lips must move back for it to be a turn."""
    moved = gap - held.farthest
    if held.rising * moved > 0:
        held.farthest, held.farthest_ns = gap, stamp_ns
    elif abs(moved) >= least:
        direction = 1 if moved > 0 else -1
        held.moves.append((stamp_ns, direction, abs(held.farthest - held.turned_at) if held.rising else abs(moved)))
        held.turned_at, held.rising = held.farthest, direction
        held.farthest, held.farthest_ns = gap, stamp_ns
    elif stamp_ns - held.farthest_ns > WINDOW_S * 1e9:  # at rest: drifts are no movements
        held.rising, held.farthest, held.farthest_ns = 0, gap, stamp_ns


def _probability(held: _HeldMouth, stamp_ns: int) -> float:
    begin_ns, longest_ns = stamp_ns - WINDOW_S * 1e9, LONGEST_SYLLABLE_S * 1e9
    last: dict[int, int] = {}
    syllables, sizes = 0, []
    for at_ns, direction, size in held.moves:
        if at_ns >= begin_ns:
            sizes.append(size)
            syllables += at_ns - last.get(direction, -(10**18)) <= longest_ns
        last[direction] = at_ns
    if not syllables:
        return 0.0
    counted = SYLLABLES_SLOPE * (syllables - SYLLABLES_AT_HALF)
    far = SIZE_SLOPE * math.log(max(sum(sizes) / len(sizes), 1e-6) / SIZE_AT_HALF)
    return 1 / (1 + math.exp(-counted)) / (1 + math.exp(-far))
