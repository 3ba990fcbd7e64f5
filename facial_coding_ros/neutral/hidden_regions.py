# SPDX-License-Identifier: Apache-2.0
"""What is hidden of a face does not enter its neutral.

The landmark network draws a whole face where a hand covers half of it. A neutral is therefore learnt of the regions
that are seen; the others are as the estimate has them, which is as they are in people with the same visible part.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray, Visibility
from .prior import FacePrior
from .vectors import DENSE_SIZE, SIZE

REGIONS = ("brows", "eyes", "lower_face")
# A region is hidden when its visibility is below both: this, and this share of the best seen region's. A face that is
# seen badly as a whole hides nothing; it counts less.
_HIDDEN_BELOW, _HIDDEN_SHARE = 0.3, 0.5
_COMES_TO_SIGHT_S = 0.3
"""How long a region must have been seen to be learnt: a patterned cloth may look like a mouth in single images."""
_UPPER_EDGE, _LOWER_EDGE, _BESIDE_NOSE = -0.17, 0.2, 0.15  # of the eyes, from the middle between them, eye distances
_SUBNASALE = 2  # of the mesh
_SPARSE = {"brows": range(17, 27), "eyes": range(36, 48), "lower_face": (*range(3, 14), *range(48, 68))}


def hidden(seen: Visibility) -> frozenset[str]:
    """Those of REGIONS that cannot be seen in a face that can."""
    shares = {region: getattr(seen, region) for region in REGIONS}
    limit = min(_HIDDEN_BELOW, _HIDDEN_SHARE * max(shares.values()))
    return frozenset(region for region, share in shares.items() if share < limit)


@dataclass
class SeenRegions:
    """Which regions of one face its neutral is learnt of: all that were ever seen.

    learnt: None before the first frame.
    """

    learnt: frozenset[str] | None = None
    _new_s: dict[str, float] = field(default_factory=dict)

    def come_to_sight(self, covered: frozenset[str], seconds: float) -> bool:
        """Takes a frame's hidden regions in; whether a region is to be learnt that was hidden so far.

        Then all is learnt anew: frames in which a part was guessed cannot be compared with whole faces.
        """
        seen = frozenset(REGIONS) - covered
        if self.learnt is None:
            self.learnt = seen
            return False
        for region in seen - self.learnt:
            self._new_s[region] = self._new_s.get(region, 0.0) + seconds
        new = frozenset(region for region, so_far in self._new_s.items() if so_far >= _COMES_TO_SIGHT_S)
        if new <= self.learnt:
            return False
        self.learnt |= new
        return True

    def usable(self, covered: frozenset[str]) -> bool:
        """Whether a frame shows all that is learnt."""
        return self.learnt is not None and not self.learnt & covered

    def filled(self, vector: FloatArray, estimate: FloatArray | None) -> FloatArray:
        """A face (1540,) whose regions that were never seen are those of the estimate, or of the mean face."""
        unknown = frozenset(REGIONS) - (self.learnt or frozenset())
        if not unknown:
            return vector
        masks = _masks()
        guessed = np.any([masks[region] for region in unknown], axis=0)
        return np.where(guessed, FacePrior.load().mean if estimate is None else estimate, vector)


@cache
def _masks() -> dict[str, NDArray[np.bool_]]:
    """Of each region, the numbers of a vector (1540,) that belong to it."""
    points = FacePrior.load().mean[:DENSE_SIZE].reshape(-1, 3)
    across, down = np.abs(points[:, 0]), points[:, 1]
    dense = {
        "brows": down < _UPPER_EDGE,
        "eyes": (down >= _UPPER_EDGE) & (down < _LOWER_EDGE) & (across > _BESIDE_NOSE),
        "lower_face": down >= down[_SUBNASALE],
    }
    masks = {}
    for region, of_mesh in dense.items():
        mask = np.zeros(SIZE, bool)
        mask[:DENSE_SIZE] = np.repeat(of_mesh, 3)
        mask[DENSE_SIZE:].reshape(68, 2)[list(_SPARSE[region])] = True
        masks[region] = mask
    return masks
