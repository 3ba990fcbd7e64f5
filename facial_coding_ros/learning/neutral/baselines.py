# SPDX-License-Identifier: Apache-2.0
"""Other estimators of the neutral, for the comparison in docs/neutral.md; not used by the node."""

from __future__ import annotations

import numpy as np

from ...neutral.bins import FRONTAL, HeadTurn
from ...neutral.prior import FacePrior
from ...neutral.vectors import SIZE
from ...types import FloatArray

_HISTORY = 1800  # frames that a baseline may keep


class _History:
    """Keeps every third frame."""

    def __init__(self, prior: FacePrior) -> None:
        self.prior = prior
        self.support_s = 0.0
        self._frames: list[FloatArray] = []
        self._weights: list[float] = []
        self._count = 0

    def observe(self, vector: FloatArray, weight: float, seconds: float, head_turn: HeadTurn = FRONTAL) -> None:
        self._count += 1
        self.support_s += seconds * weight
        if self._count % 3 == 0 or self._count < 3:
            self._frames, self._weights = [*self._frames[-_HISTORY:], vector], [*self._weights[-_HISTORY:], weight]

    def set(self, vector: FloatArray, seconds: float) -> None:
        self._frames, self._weights = [vector], [seconds]

    def uncertainty(self) -> float:
        return float("nan")


class Mean(_History):
    def estimate(self) -> FloatArray:
        return np.average(self._frames, axis=0, weights=self._weights)


class RunningMedian(_History):
    """Median of every coordinate."""

    def estimate(self) -> FloatArray:
        return np.median(self._frames, axis=0)


class QuantileOfMotion(_History):
    """Mean of the tenth of the frames nearest to the mean face: OpenFace's running 10th percentile, for points."""

    def estimate(self) -> FloatArray:
        frames = np.array(self._frames)
        apart = (((frames - self.prior.mean) @ self.prior.coordinates) ** 2).sum(1)
        return frames[apart <= np.quantile(apart, 0.1)].mean(0)


class Mode(_History):
    """Weighted mean around the densest place, in the coordinates of the prior."""

    def estimate(self) -> FloatArray:
        frames, weights = np.array(self._frames), np.array(self._weights)
        places = (frames - self.prior.mean) @ self.prior.coordinates
        apart = ((places[:, None] - places[None]) ** 2).sum(2)
        width = np.quantile(apart, 0.1) + 1e-6
        kernel = np.exp(-apart / width)
        near = kernel[(kernel @ weights).argmax()] * weights
        return (near @ frames) / near.sum()


class HistogramMedian:
    """OpenFace's: a histogram of every coordinate, every second frame, no forgetting."""

    BINS, REACH = 400, 1.0

    def __init__(self, prior: FacePrior) -> None:
        self.support_s = 0.0
        self._mean = prior.mean
        self._counts = np.zeros((SIZE, self.BINS))
        self._frames = 0

    def observe(self, vector: FloatArray, weight: float, seconds: float, head_turn: HeadTurn = FRONTAL) -> None:
        self._frames += 1
        self.support_s += seconds * weight
        if self._frames % 2 == 1:
            place = (vector - self._mean + self.REACH) / (2 * self.REACH) * self.BINS
            self._counts[np.arange(SIZE), np.clip(place, 0, self.BINS - 1).astype(int)] += 1

    def set(self, vector: FloatArray, seconds: float) -> None:
        self._counts[:] = 0
        self.observe(vector, 1.0, seconds)

    def estimate(self) -> FloatArray:
        share = np.cumsum(self._counts, 1) / self._counts.sum(1, keepdims=True)
        return self._mean + ((share < 0.5).sum(1) + 0.5) / self.BINS * 2 * self.REACH - self.REACH

    def uncertainty(self) -> float:
        return float("nan")


class MeanFace(_History):
    """The mean of all people, whoever it is."""

    def estimate(self) -> FloatArray:
        return self.prior.mean
