# SPDX-License-Identifier: Apache-2.0
"""When and where the detector looks for new faces."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from .regions import Square

SEARCH_RATE_HZ = 10.0
"""How often the detector runs, at least, while nobody is followed or somebody is out of sight."""
TILE = 0.5
"""Side of the tiles over the shorter side of the image."""
LEAST_TILE_PX = 64
"""Below it tiles show no face that the whole image does not."""
WIDE = 2.0
"""Side of the wide view over the longer side of the image. The detector misses a face that fills its input: of 98 tight
crops it finds 13 at a side of 1, 80 at 1.5, and all at 2 to 4."""
WIDE_EVERY_ALONE, WIDE_EVERY = 4, 12
"""Of so many runs one is on the wide view, while nobody is followed and otherwise. Multiples of 4: it takes the turn of
the whole image."""

TURNED_EVERY = 2
"""Of so many runs while nobody is followed one has a turned view more, of the three in turn."""


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

    def views(
        self, width: int, height: int, tiles: bool, alone: bool = True, rotation_deg: int = 0, turned: bool = True
    ) -> list[Square]:
        """Where to look for new faces.

        The detector shrinks what it sees to 192 x 192, so a square part of the image shows it smaller faces, and a
        wide view, which has a border around the image, those that fill the image or are cut off. At the start it looks
        at all of the image, at the squares at both its ends and at the wide view, later at one of them: mostly at the
        whole image every second time. tiles: at overlapping parts too. alone: nobody is followed;
        then, with `turned`, heads are also sought that are turned by 90, 180 and 270 degrees. rotation_deg: by how much
        heads are turned that stand upright before the camera, clockwise in the image.
        """
        upright = self._upright_views(width, height, tiles, alone)
        base, views = math.radians(rotation_deg), upright
        if rotation_deg:
            views = [replace(view, angle=base) for view in upright]
        if turned and alone and self._turn % TURNED_EVERY == 0:
            whole = Square.around(width, height)
            quarters = (1, 2, 3) if self._done_ns is None else (1 + self._turn // TURNED_EVERY % 3,)
            views = [*views, *(replace(whole, angle=base + quarter * math.pi / 2) for quarter in quarters)]
        return views

    def _upright_views(self, width: int, height: int, tiles: bool, alone: bool) -> list[Square]:
        wide = Square(width / 2, height / 2, WIDE * max(width, height))
        whole, side = Square.around(width, height), min(height, width)
        ends = [Square(side / 2, side / 2, side), Square(width - side / 2, height - side / 2, side)]
        tile = round(TILE * side)
        overlapping = _tiles(width, height, tile) if tiles and tile >= LEAST_TILE_PX else []
        if height == width:
            ends = [whole]
        if self._done_ns is None:
            return [*dict.fromkeys((whole, *ends)), wide, *overlapping]
        self._turn += 1
        if self._turn % (WIDE_EVERY_ALONE if alone else WIDE_EVERY) == 0:
            return [wide, *overlapping]
        return [whole if self._turn % 2 == 0 else ends[self._turn // 2 % len(ends)], *overlapping]

    def done(self, stamp_ns: int) -> None:
        """The detector has run on the image of this time."""
        self._done_ns = stamp_ns


def _tiles(width: int, height: int, side: int) -> list[Square]:
    """Squares that cover an image, a quarter overlapping."""
    across, down = (max(int(np.ceil((whole - side / 4) / (0.75 * side))), 1) for whole in (width, height))
    xs = np.linspace(0, width - side, across).round()
    ys = np.linspace(0, height - side, down).round()
    return [Square(x + side / 2, y + side / 2, side) for y in ys.tolist() for x in xs.tolist()]
