# SPDX-License-Identifier: Apache-2.0
"""What DFECS is compared with: PCA AUs and keypoint-based FACS AUs, and the encodings they share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import lars_path_gram

from ...coding.dfecs.sparse_codes import Array, encode
from ...face_model.ict import AU_SHAPES, IctFaces
from ...keypoints import Registration, RegistrationSettings
from ...types import FloatArray
from .measures import variance_explained


def pca_units(x: ArrayLike, count: int) -> Array:
    """The first principal axes (count, d) of motions (n, d), not mean-centred: motions are already against rest."""
    return np.linalg.svd(np.asarray(x, np.float64), full_matrices=False)[2][:count]


def facs_units(
    subjects: int, seed: int = 0, registration: RegistrationSettings | None = None
) -> tuple[tuple[int, ...], Array]:
    """Keypoint-based FACS AUs: codes and (20, 136), each unit at full strength on both sides, mean over subjects."""
    faces = IctFaces.load()
    people = faces.people(subjects, np.random.default_rng([seed, 7]))
    register = Registration(registration or RegistrationSettings())
    rest = _sparse(register, people)
    units = [(_sparse(register, people + faces.au_offsets({code: 1.0})) - rest).mean(0).T.ravel() for code in AU_SHAPES]
    return tuple(AU_SHAPES), np.array(units, np.float64)


def _sparse(register: Registration, meshes: FloatArray) -> FloatArray:
    return np.stack([r.sparse for r in register.register(meshes)])


def tracked_facs_units(x: ArrayLike, intensities: ArrayLike) -> Array:
    """FACS AUs (units, d) as the tracker shows them: least squares from intensities (n, units) to motions (n, d).

    Needs labels, which DFECS does not; units that never occur are left out.
    """
    codes = np.asarray(intensities, np.float64)
    codes = codes[:, codes.max(0) > 0]
    gram = codes.T @ codes + 1e-3 * len(codes) * np.diag(codes.var(0))
    return np.linalg.solve(gram, codes.T @ np.asarray(x, np.float64))


def best_units(x: ArrayLike, units: ArrayLike, count: int) -> Array:
    """The `count` rows of `units` that together explain motions best, chosen one by one (optimal encoding)."""
    x, units = np.asarray(x, np.float64), np.asarray(units, np.float64)
    chosen: list[int] = []
    while len(chosen) < min(count, len(units)):
        rest = [i for i in range(len(units)) if i not in chosen]
        gains = [variance_explained(x, reconstruct(x, units[[*chosen, i]])) for i in rest]
        chosen.append(rest[int(np.argmax(gains))])
    return units[sorted(chosen)]


def reconstruct(x: ArrayLike, units: ArrayLike) -> Array:
    """Motions (n, d) by optimal non-negative codes: non-negative least squares."""
    return encode(x, units, 0.0, tolerance=1e-6) @ np.asarray(units, np.float64)


def project(x: ArrayLike, axes: ArrayLike) -> Array:
    """Motions (n, d) by unconstrained codes on orthonormal axes (PCA's own encoding)."""
    axes = np.asarray(axes)
    return np.asarray(x) @ axes.T @ axes


def lars(x: ArrayLike, units: ArrayLike, active: int, positive: bool) -> Array:
    """Motions (n, d) by the codes on the LARS-lasso path with `active` units: the same sparsity for every method."""
    units = np.asarray(units, np.float64)
    rows = units / np.maximum(np.linalg.norm(units, axis=1, keepdims=True), 1e-12)
    gram = rows @ rows.T
    out = np.empty((len(np.asarray(x)), rows.shape[1]))
    for i, target in enumerate(np.asarray(x, np.float64) @ rows.T):
        path = lars_path_gram(target, gram, n_samples=1, max_iter=active, method="lasso", positive=positive)[2]
        out[i] = path[:, -1] @ rows
    return out


def by_part(x: ArrayLike, made: ArrayLike, parts: Sequence[tuple[str, NDArray[np.intp]]]) -> dict[str, float]:
    """Variance explained (first form) of each part's columns."""
    x, made = np.asarray(x), np.asarray(made)
    return {name: variance_explained(x[:, columns], made[:, columns]) for name, columns in parts}
