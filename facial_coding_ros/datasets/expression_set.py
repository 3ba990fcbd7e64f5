# SPDX-License-Identifier: Apache-2.0
"""Faces with expressions, each beside the same person's neutral face: the form the perceptual models learn from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..keypoints import Scheme
from ..types import FloatArray

Lids = tuple[tuple[int, ...], tuple[int, ...]]

# Points along an eye's upper and lower lid, between the corners: places in the scheme's own list of the eye's points.
_LIDS_OF_EYE = {6: ((1, 2), (4, 5)), 8: ((1, 2, 3), (5, 6, 7))}
_MESH_LOWER_LIDS = ((7, 163, 144, 145, 153, 154, 155), (249, 390, 373, 374, 380, 381, 382))


def lower_lids(neutrals: FloatArray, scheme: Scheme) -> Lids:
    """Points along the right and the left lower eyelid: of an eye's two rows, the one that is lower (y down).

    neutrals: (n, k, 3), frontal.
    """
    if "right_eye" not in scheme.parts:
        return _MESH_LOWER_LIDS
    lids = []
    for part in ("right_eye", "left_eye"):
        eye = scheme.parts[part]
        rows = [tuple(eye[i] for i in row) for row in _LIDS_OF_EYE[len(eye)]]
        lids.append(max(rows, key=lambda row: float(neutrals[:, row, 1].mean())))
    return lids[0], lids[1]


def centred_and_scaled(points: ArrayLike, lids: Lids) -> FloatArray:
    """Frontal points (..., k, 3) centred between the eyes and scaled so that the distance between them is 1.

    Each eye is where the middle of its lower lid is (Mikheeva et al., section V-A).
    """
    points = np.asarray(points, np.float32)
    right, left = (points[..., list(lid), :].mean(axis=-2, keepdims=True) for lid in lids)
    size = np.linalg.norm(left - right, axis=-1, keepdims=True)
    return (points - (right + left) / 2) / np.maximum(size, 1e-9)


def laid_on(points: ArrayLike, template: ArrayLike, stable: tuple[int, ...]) -> FloatArray:
    """Points (n, k, 3), each face turned so that its stable points lie best on the template's (k, 3) (Kabsch).

    Place and size are left as they are.
    """
    points = np.asarray(points, np.float64)
    chosen = points[:, list(stable)]
    chosen = chosen - chosen.mean(1, keepdims=True)
    target = np.asarray(template, np.float64)[list(stable)]
    u, _, vt = np.linalg.svd(chosen.transpose(0, 2, 1) @ (target - target.mean(0)))
    u[:, :, 2] *= np.sign(np.linalg.det(u @ vt))[:, None]
    return (points @ (u @ vt)).astype(np.float32)


class Split(NamedTuple):
    """Sets that share no person."""

    training: ExpressionSet
    validation: ExpressionSet
    test: ExpressionSet


@dataclass(frozen=True)
class ExpressionSet:
    """n faces of several people.

    keypoints: scheme name, key of keypoints.SCHEMES. points: (n, k, 3), preprocessed. neutrals: (people, k, 3).
    person: (n,) row of `neutrals`. ids: (n,) names of the faces, as in triplet files.
    label: (n,) index into `classes`, -1 where there is none. degree: (n,) 1 to 4; 0 for neutral or unknown.
    """

    name: str
    keypoints: str
    points: FloatArray
    neutrals: FloatArray
    person: NDArray[np.int64]
    ids: tuple[str, ...]
    label: NDArray[np.int64]
    degree: NDArray[np.int64]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        n = len(self.points)
        for field in ("person", "ids", "label", "degree"):
            if len(getattr(self, field)) != n:
                raise ValueError(f"{self.name}: {n} faces, but {len(getattr(self, field))} entries in {field}")
        if self.points.shape[1:] != self.neutrals.shape[1:]:
            raise ValueError(f"{self.name}: points {self.points.shape[1:]}, neutrals {self.neutrals.shape[1:]}")

    def __len__(self) -> int:
        return len(self.points)

    @property
    def x(self) -> FloatArray:
        """Faces, flat: (n, 3 k)."""
        return self.points.reshape(len(self), -1)

    @property
    def y(self) -> FloatArray:
        """The neutral face of each face's person, flat: (n, 3 k)."""
        return self.neutrals[self.person].reshape(len(self), -1)

    def chosen(self, which: ArrayLike) -> ExpressionSet:
        """The faces at these indices, or where this is true."""
        index = np.arange(len(self))[np.asarray(which)]
        return replace(
            self,
            points=self.points[index],
            person=self.person[index],
            ids=tuple(self.ids[i] for i in index),
            label=self.label[index],
            degree=self.degree[index],
        )

    def split(self, seed: int, shares: tuple[float, float, float] = (0.8, 0.1, 0.1)) -> Split:
        """Training, validation and test, person by person. Raises ValueError when a part would hold nobody."""
        people = np.random.default_rng(seed).permutation(np.unique(self.person))
        ends = np.round(np.cumsum(shares) / sum(shares) * len(people)).astype(int)
        parts = np.split(people, ends[:2])
        if any(len(part) == 0 for part in parts):
            raise ValueError(f"{self.name}: {len(people)} people cannot be split {shares}; at least 10 are needed")
        return Split(*(self.chosen(np.isin(self.person, part)) for part in parts))
