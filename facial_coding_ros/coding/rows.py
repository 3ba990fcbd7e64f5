# SPDX-License-Identifier: Apache-2.0
"""Outputs of models for those faces of a frame that have a neutral, at their places among all faces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..types import FloatArray


def scatter(values: FloatArray, known: Sequence[int], count: int, other: float = np.nan) -> FloatArray:
    """(count, k): a copy of values (n, k) in the rows `known`, in rising order; `other` in all other rows."""
    if len(known) == count:
        return values.copy()
    out = np.full((count, values.shape[1]), other, np.float32)
    out[known] = values
    return out
