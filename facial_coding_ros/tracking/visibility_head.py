# SPDX-License-Identifier: Apache-2.0
"""Which parts of a face are hidden, from features that the landmark network has anyway: models/visibility."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..keypoints.learnt import load_arrays
from ..models import model_path
from ..types import FloatArray
from ..yaml_files import read_yaml_file

MODEL = "visibility"
REGIONS = (
    "right brow", "left brow", "right eye", "left eye", "nose", "right mouth", "left mouth", "right cheek",
    "left cheek",
)  # fmt: skip
"""What the head tells of, right and left being the person's own."""
_BROWS, _EYES, _MOUTH = (0, 1), (2, 3), (5, 6)


@dataclass(frozen=True)
class VisibilityHead:
    """Two layers: logits of a region being visible = relu(features[chosen] weight + bias) outer_weight + outer_bias.

    chosen: (d,), places of the features that are looked at; reading the weights is what costs, so they are a quarter of
    all. weight: (d, h); bias: (h,); outer_weight: (h, regions); outer_bias: (regions,). landmark_network: sha256 of the
    file of the landmark network whose features it takes.
    """

    chosen: NDArray[np.intp]
    weight: FloatArray
    bias: FloatArray
    outer_weight: FloatArray
    outer_bias: FloatArray
    landmark_network: str

    @classmethod
    def load_for(cls, landmark_network: str) -> VisibilityHead | None:
        """The shipped one, where it was made for this landmark network, else None. Raises as `load`."""
        head = cls.load() if landmark_network else None
        return head if head is not None and head.landmark_network == landmark_network else None

    @classmethod
    def load(cls) -> VisibilityHead:
        """The shipped one. Raises FileNotFoundError or ValueError when it cannot be used."""
        shapes: dict[str, tuple[int, ...]] = {"chosen": (0,), "weight": (0, 0), "bias": (0,)}
        shapes |= {"outer_weight": (0, len(REGIONS)), "outer_bias": (len(REGIONS),)}
        arrays = load_arrays(MODEL, shapes)
        chosen = arrays.pop("chosen").astype(np.intp)
        card = read_yaml_file(model_path(f"{MODEL}.yaml"))
        return cls(chosen, **arrays, landmark_network=str(card["landmark_source_sha256"]))

    def logits(self, features: Sequence[ArrayLike] | NDArray[Any]) -> FloatArray:
        """(n, regions) of features (n, d)."""
        # Row by row: for a few faces several times quicker than one product of matrices.
        rows = (np.asarray(row).take(self.chosen).astype(np.float32, copy=False) for row in features)
        inner = np.stack([row @ self.weight for row in rows]) + self.bias
        return np.asarray(np.maximum(inner, 0, out=inner) @ self.outer_weight + self.outer_bias, np.float32)

    def visible(self, features: Sequence[ArrayLike] | NDArray[Any]) -> FloatArray:
        """(n, regions), 0..1; below visibility.NOT_VISIBLE_BELOW a region is called hidden."""
        return np.asarray(1 / (1 + np.exp(-np.clip(self.logits(features), -30, 30))), np.float32)

    def parts(self, features: Sequence[ArrayLike] | NDArray[Any]) -> list[list[float]]:
        """Visibility of brows, eyes and lower face of each face, the means of the two sides."""
        shares = []
        for row in self.visible(features).tolist():
            brows, eyes, mouth = ((row[right] + row[left]) / 2 for right, left in (_BROWS, _EYES, _MOUTH))
            shares.append([brows, eyes, mouth])
        return shares
