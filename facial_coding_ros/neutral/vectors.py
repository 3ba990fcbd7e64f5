# SPDX-License-Identifier: Apache-2.0
"""Registered keypoints as one vector, in eye distances: dense x, y, z of all points, then sparse x, y."""

from __future__ import annotations

import numpy as np

from ..types import SURFACE_POINTS, FloatArray, Registered

SPARSE_SCALE = np.float32(1 / 400)
"""Eye distances per unit of DFECS's registered frame: its eye centres lie at x = 500 and 900."""

DENSE_SIZE = SURFACE_POINTS * 3
SIZE = DENSE_SIZE + 68 * 2


def to_vector(registered: Registered) -> FloatArray:
    """(1540,)"""
    out = np.empty(SIZE, np.float32)
    out[:DENSE_SIZE] = registered.dense.reshape(-1)
    np.multiply(registered.sparse.reshape(-1), SPARSE_SCALE, out=out[DENSE_SIZE:])
    return out


def from_vector(vector: FloatArray) -> Registered:
    return Registered(
        sparse=(vector[DENSE_SIZE:] / SPARSE_SCALE).reshape(68, 2).astype(np.float32),
        dense=vector[:DENSE_SIZE].reshape(SURFACE_POINTS, 3).astype(np.float32),
    )
