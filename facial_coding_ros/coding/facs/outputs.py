# SPDX-License-Identifier: Apache-2.0
"""Outputs of a model -> types.ActionUnits."""

from __future__ import annotations

import numpy as np

from ...action_units import ACTION_UNITS, CODES
from ...types import ActionUnits, FloatArray

_SIDED = np.array([unit.sided for unit in ACTION_UNITS])
_NO_SIDES = np.where(_SIDED, 0, np.nan).astype(np.float32)
STRONGER, MEAN = _SIDED.astype(np.float32), 0.5 * (1 - _SIDED.astype(np.float32))
"""Of each unit: whether its stronger side counts, or half of each."""


def stronger_side(sides: FloatArray) -> FloatArray:
    """Intensity (n, units) of sides (n, 2, units), as FACS scores it: that of the stronger side."""
    right, left = sides.take(0, 1), sides.take(1, 1)
    return np.maximum(right, left) * STRONGER + (right + left) * MEAN


def assemble(
    sides: FloatArray,
    confidence: FloatArray,
    presence: FloatArray | None = None,
    intensity: FloatArray | None = None,
) -> list[ActionUnits]:
    """One result for each face. sides: (n, 2, units), right first, 0..1. confidence, presence and intensity: (n,
    units); the last is `stronger_side` of the sides, where it is known already."""
    if intensity is None:
        intensity = stronger_side(sides)
    sides = sides + _NO_SIDES
    presence_or_empty = np.empty((len(sides), 0), np.float32) if presence is None else presence
    return [
        ActionUnits(CODES, strength, trust, left, right, there)
        for strength, trust, (right, left), there in zip(intensity, confidence, sides, presence_or_empty, strict=True)
    ]


def unknown(count: int) -> list[ActionUnits]:
    """Nothing is known of `count` faces: intensity 0, confidence 0."""
    nothing = np.zeros((count, len(CODES)), np.float32)
    return assemble(np.zeros((count, 2, len(CODES)), np.float32), nothing)
