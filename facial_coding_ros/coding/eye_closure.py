# SPDX-License-Identifier: Apache-2.0
"""Blink or closed eyes: AU45 and AU43 look alike in one frame, so only time can tell them apart.

Time also shows blinks that one frame hides: while somebody smiles, raised cheeks narrow the eyes, and a coder takes
closing lids for more of that. But lids close faster than anything else narrows the eyes, so the opening of the eyes is
compared with what it was less than half a second ago.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from dataclasses import dataclass, field, replace

import numpy as np

from ..types import SURFACE_POINTS, ActionUnits, Face

BLINK, CLOSURE = 45, 43
LONGEST_BLINK_S = 0.5
SHUT, OPEN = 0.5, 0.35
"""Intensity from which lids count as shut, and under which as open again."""
LOOK_BACK_S = 0.4
"""The opening of the eyes is compared with the largest one of this time."""
NARROWED, CLOSED = 0.15, 0.55
"""By which share of that the eyes are smaller when nothing but a smile narrows them, and when the lids are shut."""
MOST_FACES = 64
_LONGEST_STEP_S = 0.5
_CORNERS = ((33, 133), (263, 362))
_LIDS = (((160, 144), (159, 145), (158, 153)), ((387, 373), (386, 374), (385, 380)))
"""Points of the upper lid and those below them, of the right and of the left eye."""
_POINTS = np.array([point for pair in _CORNERS for point in pair] + [p for eye in _LIDS for pair in eye for p in pair])


def eye_openings(face: Face) -> tuple[float, float]:
    """Height of the right and of the left eye in widths; NaN without a mesh."""
    if len(face.mesh) < SURFACE_POINTS:
        return math.nan, math.nan
    # Few numbers of a face: plain Python is quicker than numpy.
    points = iter(face.mesh.take(_POINTS, 0).tolist())
    right_wide, left_wide, *heights = map(math.dist, points, points)
    return sum(heights[:3]) / 3 / max(right_wide, 1e-6), sum(heights[3:]) / 3 / max(left_wide, 1e-6)


@dataclass(frozen=True)
class Closing:
    """How far the lids have closed within `LOOK_BACK_S`, 0..1: of both eyes together, of the right and the left."""

    both: float = 0.0
    right: float = 0.0
    left: float = 0.0


@dataclass
class _HeldLids:
    stamp_ns: int
    shut_ns: int | None = None
    openings: deque[tuple[int, tuple[float, float, float]]] = field(default_factory=lambda: deque(maxlen=120))

    def closing(self, face: Face, stamp_ns: int) -> Closing:
        """From a face's eyes and those of the last moments; 0 where they are not known."""
        right, left = eye_openings(face)
        if math.isnan(right):
            return Closing()
        now = ((right + left) / 2, right, left)
        self.openings.append((stamp_ns, now))
        while stamp_ns - self.openings[0][0] > LOOK_BACK_S * 1e9:
            self.openings.popleft()
        widest = [max(each) for each in zip(*(one for _, one in self.openings), strict=True)]
        smaller = [1 - opening / max(wide, 1e-6) for opening, wide in zip(now, widest, strict=True)]
        return Closing(*(min(max((one - NARROWED) / (CLOSED - NARROWED), 0.0), 1.0) for one in smaller))


class EyeClosure:
    """Gives the intensity of shut lids to AU45 for as long as they may be a blink, and to AU43 afterwards.

    While it may be either, the confidence of AU43's 0 is halved. A source of action units that lacks one of the two is
    left as it is.
    """

    def __init__(self) -> None:
        self._held: OrderedDict[str, _HeldLids] = OrderedDict()

    def update(self, key: str, face: Face, aus: ActionUnits, stamp_ns: int) -> tuple[ActionUnits, float]:
        """Action units with both told apart, and how far the lids are shut, 0..1."""
        if BLINK not in aus.codes or CLOSURE not in aus.codes:
            return aus, max((aus[code] for code in (BLINK, CLOSURE) if code in aus.codes), default=0.0)
        held = self._held.get(key)
        if held is None or not 0 < (stamp_ns - held.stamp_ns) / 1e9 <= _LONGEST_STEP_S:
            held = self._held[key] = _HeldLids(stamp_ns)
        held.stamp_ns = stamp_ns
        self._held.move_to_end(key)
        while len(self._held) > MOST_FACES:
            self._held.popitem(last=False)
        closing = held.closing(face, stamp_ns)
        shut = max(aus[BLINK], aus[CLOSURE], closing.both)
        if shut >= SHUT and held.shut_ns is None:
            held.shut_ns = stamp_ns
        elif shut < OPEN:
            held.shut_ns = None
        long = held.shut_ns is not None and stamp_ns - held.shut_ns > LONGEST_BLINK_S * 1e9
        unsure = held.shut_ns is not None and not long
        return _given_to(aus, CLOSURE if long else BLINK, closing, unsure), shut


def _given_to(aus: ActionUnits, one: int, closing: Closing, unsure: bool) -> ActionUnits:
    """The closure as that of one unit, at least as strong as `closing`; the other is 0."""
    here, other = aus.codes.index(one), aus.codes.index(CLOSURE if one == BLINK else BLINK)
    changed = {}
    least = {"intensity": closing.both, "left": closing.left, "right": closing.right, "presence": 0.0}
    for name, seen in least.items():
        values = getattr(aus, name)
        if len(values):
            values = values.copy()
            values[here], values[other] = max(np.fmax(values[here], values[other]), seen), 0.0
            changed[name] = values
    confidence = aus.confidence.copy()
    if unsure:
        confidence[other] *= 0.5
    return replace(aus, confidence=confidence, **changed)
