# SPDX-License-Identifier: Apache-2.0
"""How long something takes, over and over, in bounded memory."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

_LOW_S, _HIGH_S, _BINS = 1e-5, 100.0, 700  # a bin is 2.3 % wide


class Durations:
    """A histogram with bins of equal ratio."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS, np.int64)
        self._sum = self._max = 0.0

    def add(self, seconds: float) -> None:
        place = math.log(max(seconds, _LOW_S) / _LOW_S) / math.log(_HIGH_S / _LOW_S)
        self._counts[min(int(place * _BINS), _BINS - 1)] += 1
        self._sum += seconds
        self._max = max(self._max, seconds)

    def summary_ms(self) -> dict[str, float]:
        """mean, p50, p95, p99 and max; empty when nothing was added. Percentiles are exact to 2.3 %."""
        count = int(self._counts.sum())
        if not count:
            return {}
        reached = np.cumsum(self._counts) / count
        middles = _LOW_S * (_HIGH_S / _LOW_S) ** ((np.arange(_BINS) + 0.5) / _BINS)
        shares = {f"p{p}": float(middles[np.searchsorted(reached, p / 100)]) for p in (50, 95, 99)}
        values = {"mean": self._sum / count, **shares, "max": self._max}
        return {name: 1000 * min(value, self._max) for name, value in values.items()}


def summary_ms(seconds: ArrayLike) -> dict[str, float]:
    """The same of durations at hand; those that are NaN do not count."""
    durations = Durations()
    for value in np.asarray(seconds, float).ravel():
        if np.isfinite(value):
            durations.add(float(value))
    return durations.summary_ms()
