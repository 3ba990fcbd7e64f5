# SPDX-License-Identifier: Apache-2.0
"""Which points a motion has, and which face parts they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The five parts that arXiv 2406.09017 registers one by one; that they are also the parts of the Partial-Face Model is
# our choice, the paper's list is not known.
PARTS_68: Mapping[str, tuple[int, ...]] = {
    "jaw": tuple(range(17)),
    "right_eye_brow": (*range(17, 22), *range(36, 42)),
    "left_eye_brow": (*range(22, 27), *range(42, 48)),
    "nose": tuple(range(27, 36)),
    "mouth": tuple(range(48, 68)),
}


@dataclass(frozen=True)
class Layout:
    """A motion of `count` points is x of all points, then y of all points.

    scheme: name of the keypoint scheme. parts: name -> points; together all points, none twice.
    """

    scheme: str
    count: int
    parts: Mapping[str, tuple[int, ...]]

    def __post_init__(self) -> None:
        if sorted(i for points in self.parts.values() for i in points) != list(range(self.count)):
            raise ValueError(f"the parts of layout {self.scheme} do not hold each of its {self.count} points once")

    @property
    def size(self) -> int:
        """Numbers in a motion."""
        return 2 * self.count

    def columns(self, part: str) -> NDArray[np.intp]:
        """Where a motion holds a part: its x, then its y."""
        points = np.array(self.parts[part])
        return np.concatenate([points, points + self.count])


LAYOUT_68 = Layout("68", 68, PARTS_68)
