"""Estimate of one face's neutral from its stream of frames."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from ..types import FloatArray


class Estimator(Protocol):
    """What the keeper asks of an estimator; vectors as in `vectors`."""

    support_s: float

    def observe(self, vector: FloatArray, weight: float, seconds: float) -> None:
        """One frame. weight: 0..1, how far it can be trusted. seconds: image time since the frame before."""

    def set(self, vector: FloatArray) -> None:
        """A neutral given from outside takes the place of all that was learnt."""

    def estimate(self) -> FloatArray:
        """The neutral now; only after a first frame."""

    def uncertainty(self) -> float:
        """Standard error in eye distances."""


class RunningMean:
    """Weighted mean of all frames."""

    def __init__(self) -> None:
        self.support_s = 0.0
        self._total: FloatArray | None = None
        self._weight = 0.0

    def observe(self, vector: FloatArray, weight: float, seconds: float) -> None:
        weight = weight * max(seconds, 0.01)
        self._total = vector * np.float32(weight) if self._total is None else self._total + vector * np.float32(weight)
        self._weight += weight
        self.support_s += weight

    def set(self, vector: FloatArray) -> None:
        self._total, self._weight, self.support_s = vector * np.float32(60), 60.0, 60.0

    def estimate(self) -> FloatArray:
        if self._total is None:
            raise ValueError("no frame has been observed")
        return self._total / np.float32(self._weight)

    def uncertainty(self) -> float:
        return 0.05 / math.sqrt(1 + 4 * self.support_s)
