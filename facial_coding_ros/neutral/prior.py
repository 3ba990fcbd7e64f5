# SPDX-License-Identifier: Apache-2.0
"""What is known about neutral faces and about expressions before a person has been seen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from ..keypoints.learnt import load_arrays
from ..types import FloatArray
from .vectors import DENSE_SIZE, SIZE

# Real faces lie further from the mean than rendered ones, above all where rendered ones hardly differ; see
# docs/neutral.md.
_WIDER, _WIDER_BY = 1.3, 5.0


@dataclass(frozen=True, eq=False)
class FacePrior:
    """A linear model of registered faces in k coordinates, in which one image's noise has unit variance.

    mean: (1540,) of neutral faces, as in `vectors`. coordinates: (1540, k), c = (x - mean) @ coordinates.
    faces: (k, 1540), the part of x - mean that c stands for is c @ faces. spread: (k,) variance of neutral faces over
    people; their coordinates are uncorrelated. expressions: (m, k) full-strength expression shapes, of either side.
    rest: variance per number of x of what the coordinates leave out, over people.
    """

    mean: FloatArray
    coordinates: FloatArray
    faces: FloatArray
    spread: FloatArray
    expressions: FloatArray
    rest: float

    @cached_property
    def face_sizes(self) -> FloatArray:
        """(k,) squared length of each coordinate's dense points."""
        return np.asarray((self.faces[:, :DENSE_SIZE] ** 2).sum(1))

    @cached_property
    def expression_axes(self) -> FloatArray:
        """(r, 1540), for the part of x that expressions change, in as many coordinates as differ between them."""
        basis, _ = np.linalg.qr(self.expressions.T)
        return np.ascontiguousarray((self.coordinates @ basis).T)

    @classmethod
    def load(cls) -> FacePrior:
        """The shipped one. Raises FileNotFoundError or ValueError when it cannot be used."""
        return _shipped()


@cache
def _shipped() -> FacePrior:
    shapes = {
        "mean": (SIZE,),
        "coordinates": (SIZE, 0),
        "faces": (0, SIZE),
        "spread": (0,),
        "expressions": (0, 0),
        "rest": (),
    }
    arrays = load_arrays("neutral_prior", shapes)
    k = len(arrays["spread"])
    if arrays["coordinates"].shape[1] != k or len(arrays["faces"]) != k or arrays["expressions"].shape[1] != k:
        raise ValueError("models/neutral_prior.npz: its arrays do not fit each other.")
    return FacePrior(**{**arrays, "rest": float(arrays["rest"])})  # type: ignore[arg-type]


def fit_prior(neutrals: FloatArray, expressions: FloatArray, noise: FloatArray, people: int = 60) -> FacePrior:
    """neutrals: (n, 1540) of n people. expressions: (m, 1540) motion at full strength. noise: (j, 1540), registered
    faces minus what they should be: tracker, pose, expressions the shapes do not explain. people: coordinates kept for
    differences between people, beside those of the expressions.
    """
    mean = neutrals.mean(0, dtype=np.float64)
    offsets = (neutrals - mean) / np.sqrt(len(neutrals) - 1)
    # Noise covariance: its main directions, and the rest of its variance evenly over all numbers.
    _, size, axes = np.linalg.svd(noise / np.sqrt(len(noise)), full_matrices=False)
    kept = min(60, len(size) - 1)
    floor = (size[kept:] ** 2).sum() / SIZE + 1e-6
    variance = size[:kept] ** 2 + floor
    axes = axes[:kept]

    def scaled(rows: FloatArray, power: float) -> FloatArray:
        along = rows @ axes.T
        return (rows - along @ axes) * floor**power + (along * variance**power) @ axes

    white_people, white_expressions = scaled(offsets, -0.5), scaled(expressions, -0.5)
    _, _, main = np.linalg.svd(white_people, full_matrices=False)
    basis, _ = np.linalg.qr(np.concatenate([main[:people], white_expressions]).T)
    within = white_people @ basis
    spread, turn = np.linalg.eigh(within.T @ within)
    basis = (basis @ turn[:, ::-1]).T
    coordinates, faces = scaled(basis, -0.5), scaled(basis, 0.5)
    left_out = offsets - (offsets @ coordinates.T) @ faces
    return FacePrior(
        mean=mean.astype(np.float32),
        coordinates=np.ascontiguousarray(coordinates.T, np.float32),
        faces=np.ascontiguousarray(faces, np.float32),
        spread=(_WIDER * np.maximum(spread[::-1], 0) + _WIDER_BY).astype(np.float32),
        expressions=(white_expressions @ basis.T).astype(np.float32),
        rest=float(_WIDER * (left_out**2).sum(0).mean()),
    )
