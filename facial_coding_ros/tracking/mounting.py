# SPDX-License-Identifier: Apache-2.0
"""Whether the camera seems to be mounted turned: most faces are at another roll angle than expected."""

from __future__ import annotations

import math
from collections import Counter

WINDOW_NS = 60_000_000_000
LEAST_SIGHTINGS = 60


class MountingWatch:
    """Counts the quarter turns of faces in sight, a minute of image time after the other."""

    def __init__(self) -> None:
        self._since_ns: int | None = None
        self._quarters: Counter[int] = Counter()
        self.turned_deg: int | None = None
        """By how much most faces of the last whole minute were turned, clockwise in the image: 0, 90, 180 or 270; None
        where there were few faces, or none."""

    def add(self, angle: float, stamp_ns: int) -> None:
        """A face in sight; angle: radians, clockwise in the image."""
        if self._since_ns is None or stamp_ns < self._since_ns:
            self._since_ns, self._quarters = stamp_ns, Counter()
        self._quarters[round(angle / (math.pi / 2)) % 4] += 1
        if stamp_ns - self._since_ns >= WINDOW_NS:
            quarter, count = self._quarters.most_common(1)[0]
            total = self._quarters.total()
            self.turned_deg = 90 * quarter if total >= LEAST_SIGHTINGS and count > total / 2 else None
            self._since_ns, self._quarters = stamp_ns, Counter()
