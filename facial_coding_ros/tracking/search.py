# SPDX-License-Identifier: Apache-2.0
"""When and where the detector looks for new faces."""

from __future__ import annotations

import numpy as np

from .regions import Square

SEARCH_RATE_HZ = 10.0
"""How often the detector runs, at least, while nobody is followed or somebody is out of sight."""
TILE = 0.5
"""Side of the tiles over the shorter side of the image."""
LEAST_TILE_PX = 64
"""Below it tiles show no face that the whole image does not."""


class FaceSearch:
    """Shares the detector's runs out over time and over the parts of the image, for one stream of images."""

    def __init__(self) -> None:
        self._done_ns: int | None = None
        self._turn = 0

    def due(self, stamp_ns: int, rate_hz: float, hurry: bool) -> bool:
        """Whether the detector runs on the image of this time.

        hurry: nobody is followed or somebody is out of sight, so SEARCH_RATE_HZ at least.
        """
        if self._done_ns is None:
            return True
        return stamp_ns - self._done_ns >= 0.98e9 / (max(rate_hz, SEARCH_RATE_HZ) if hurry else rate_hz)

    def views(self, width: int, height: int, tiles: bool) -> list[Square]:
        """Where to look for new faces.

        The detector shrinks what it sees to 192 x 192, so a square part of the image shows it smaller faces. At the
        start it looks at all of the image and at the squares at both its ends, later at one of the three, the whole
        image every second time. tiles: at overlapping parts too.
        """
        whole, side = Square.around(width, height), min(height, width)
        ends = [Square(side / 2, side / 2, side), Square(width - side / 2, height - side / 2, side)]
        tile = round(TILE * side)
        overlapping = _tiles(width, height, tile) if tiles and tile >= LEAST_TILE_PX else []
        if height == width:
            return [whole, *overlapping]
        if self._done_ns is None:
            return [whole, *ends, *overlapping]
        self._turn += 1
        return [whole if self._turn % 2 == 0 else ends[self._turn // 2 % 2], *overlapping]

    def done(self, stamp_ns: int) -> None:
        """The detector has run on the image of this time."""
        self._done_ns = stamp_ns


def _tiles(width: int, height: int, side: int) -> list[Square]:
    """Squares that cover an image, a quarter overlapping."""
    across, down = (max(int(np.ceil((whole - side / 4) / (0.75 * side))), 1) for whole in (width, height))
    xs = np.linspace(0, width - side, across).round()
    ys = np.linspace(0, height - side, down).round()
    return [Square(x + side / 2, y + side / 2, side) for y in ys.tolist() for x in xs.tolist()]
