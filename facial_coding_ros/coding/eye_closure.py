# SPDX-License-Identifier: Apache-2.0
"""Blink or closed eyes: AU45 and AU43 look alike in one frame, so only time can tell them apart."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np

from ..types import ActionUnits

BLINK, CLOSURE = 45, 43
LONGEST_BLINK_S = 0.5
SHUT, OPEN = 0.5, 0.35
"""Intensity from which lids count as shut, and under which as open again."""
MOST_FACES = 64
_LONGEST_STEP_S = 0.5


@dataclass
class _HeldLids:
    stamp_ns: int
    shut_ns: int | None = None


class EyeClosure:
    """Gives the intensity of shut lids to AU45 for as long as they may be a blink, and to AU43 afterwards.

    While it may be either, the confidence of AU43's 0 is halved. A source of action units that lacks one of the two is
    left as it is.
    """

    def __init__(self) -> None:
        self._held: OrderedDict[str, _HeldLids] = OrderedDict()

    def update(self, key: str, aus: ActionUnits, stamp_ns: int) -> tuple[ActionUnits, float]:
        """Action units with both told apart, and how far the lids are shut, 0..1."""
        if BLINK not in aus.codes or CLOSURE not in aus.codes:
            return aus, max((aus[code] for code in (BLINK, CLOSURE) if code in aus.codes), default=0.0)
        shut = max(aus[BLINK], aus[CLOSURE])
        held = self._held.get(key)
        if held is None or not 0 < (stamp_ns - held.stamp_ns) / 1e9 <= _LONGEST_STEP_S:
            held = self._held[key] = _HeldLids(stamp_ns)
        held.stamp_ns = stamp_ns
        self._held.move_to_end(key)
        while len(self._held) > MOST_FACES:
            self._held.popitem(last=False)
        if shut >= SHUT and held.shut_ns is None:
            held.shut_ns = stamp_ns
        elif shut < OPEN:
            held.shut_ns = None
        long = held.shut_ns is not None and stamp_ns - held.shut_ns > LONGEST_BLINK_S * 1e9
        return _given_to(aus, CLOSURE if long else BLINK, unsure=held.shut_ns is not None and not long), shut


def _given_to(aus: ActionUnits, one: int, unsure: bool) -> ActionUnits:
    """The closure as that of one unit; the other is 0."""
    here, other = aus.codes.index(one), aus.codes.index(CLOSURE if one == BLINK else BLINK)
    changed = {}
    for name in ("intensity", "left", "right", "presence"):
        values = getattr(aus, name)
        if len(values):
            values = values.copy()
            values[here], values[other] = np.fmax(values[here], values[other]), 0.0
            changed[name] = values
    confidence = aus.confidence.copy()
    if unsure:
        confidence[other] *= 0.5
    return replace(aus, confidence=confidence, **changed)
