# SPDX-License-Identifier: Apache-2.0
"""How well codes stand for motions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def variance_explained(x: ArrayLike, reconstructed: ArrayLike) -> float:
    """First form, percent: 100 (1 - |X - Xh|_F^2 / |X|_F^2); not mean-centred (arXiv 2406.09017)."""
    x = np.asarray(x, np.float64)
    return 100.0 * (1.0 - float(((x - reconstructed) ** 2).sum() / (x**2).sum()))


def variance_explained_by_length(x: ArrayLike, reconstructed: ArrayLike) -> float:
    """Second form, percent: 100 (1 - sum_i |x_i - xh_i| / sum_i |x_i|), as used against keypoint-based FACS AUs."""
    x = np.asarray(x, np.float64)
    return 100.0 * (1.0 - float(np.linalg.norm(x - reconstructed, axis=1).sum() / np.linalg.norm(x, axis=1).sum()))


def active_units(codes: ArrayLike, threshold: float = 1e-3) -> float:
    """Mean number of AUs in a motion whose |code| is above `threshold` of the largest code of all."""
    size = np.abs(np.asarray(codes))
    return float((size > threshold * size.max()).sum(1).mean())


def sparsity_of(codes: ArrayLike, threshold: float = 1e-3) -> float:
    """Share of codes that are zero (at most `threshold` of the largest), 0..1."""
    size = np.abs(np.asarray(codes))
    return float((size <= threshold * size.max()).mean())
