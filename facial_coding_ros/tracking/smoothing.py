# SPDX-License-Identifier: Apache-2.0
"""One-Euro filter for meshes (Casiez, Roussel and Vogel, CHI 2012), in image time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..types import FloatArray

DERIVATIVE_CUTOFF_HZ = 1.5
LONGEST_STEP_S = 0.5


class OneEuroFilter:
    """A low-pass filter whose cut-off rises with speed: calm at rest, no lag in motion.

    min_cutoff_hz: cut-off at rest. beta: Hz per face width a second; speeds are measured in face widths, so that near
    and far faces are treated alike. value, speed, stamp_ns: the last filtered mesh, its speed in face widths a second,
    and their image's stamp.
    """

    def __init__(self, min_cutoff_hz: float, beta: float) -> None:
        self.min_cutoff_hz, self.beta = min_cutoff_hz, beta
        self.value: FloatArray | None = None
        self.speed: FloatArray | None = None
        self.stamp_ns = 0

    def __call__(self, mesh: FloatArray, stamp_ns: int, size: float) -> FloatArray:
        """The filtered mesh (n, 3). size: of the face, in pixels."""
        columns = np.ascontiguousarray(mesh.T)[None]
        return np.ascontiguousarray(smoothed([self], columns, stamp_ns, [size])[0].T)


def smoothed(filters: Sequence[OneEuroFilter], meshes: FloatArray, stamp_ns: int, sizes: Sequence[float]) -> FloatArray:
    """Filtered meshes (faces, 3, n) of one image, each by its own filter. sizes: of the faces, in pixels.

    Coordinates come before points: numpy is several times quicker along the longer axis.
    """
    steps = []
    for one, mesh in zip(filters, meshes, strict=True):
        step = (stamp_ns - one.stamp_ns) / 1e9
        if one.value is None or one.speed is None or not 0 < step <= LONGEST_STEP_S:
            one.value, one.speed, step = mesh, np.zeros_like(mesh), 1.0
        one.stamp_ns = stamp_ns
        steps.append(step)
    factors = []
    for one, step, size in zip(filters, steps, sizes, strict=True):
        turn = 2 * math.pi * step
        share = DERIVATIVE_CUTOFF_HZ * turn / (DERIVATIVE_CUTOFF_HZ * turn + 1)
        factors.append((1 - share, share / (step * size), one.min_cutoff_hz * turn, one.beta * turn))
    kept, added, at_rest, by_speed = np.array(factors, np.float32).T[:, :, None, None]
    values, speeds = np.array([one.value for one in filters]), np.array([one.speed for one in filters])
    moved = meshes - values
    speeds *= kept
    speeds += added * moved
    turns = np.sqrt(np.einsum("fdn,fdn->fn", speeds, speeds))[:, None]  # step times cut-off, as an angle
    turns *= by_speed
    turns += at_rest
    moved *= turns / (turns + np.float32(1))
    values += moved
    for one, value, speed in zip(filters, values, speeds, strict=True):
        one.value, one.speed = value, speed
    return values
