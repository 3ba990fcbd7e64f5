# SPDX-License-Identifier: Apache-2.0
"""Neighbouring frames that become one before an estimator compares it with others."""

from __future__ import annotations

import numpy as np

from ..types import FloatArray

_MOMENT_S = 0.06  # frames are averaged over moments of this length, short enough to see a talking mouth closed
_MOMENT_SHARE = 1 / 8  # of the age of a bin that takes long, because its frames count little
# How far beyond the least expressive moment a moment's expression may lie, in units of the noise, to count in full,
# and by how much further its weight falls to 0.4. Noise alone gives differences of up to the first.
_CALM, _CALM_FALL = 8.0, 4.0

HeadTurn = tuple[float, float]
"""Sines of yaw and pitch, from the pose for which a neutral is wanted."""

FRONTAL: HeadTurn = (0.0, 0.0)


class Bin:
    """Sums of neighbouring frames, in moments; their number grows with the logarithm of time at most.

    seconds: time of the frames, each counted by its weight.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._sums: list[FloatArray] = []
        self._weights: list[float] = []
        self._head_turns: list[list[float]] = []
        self._age_s = self._moment_s = 0.0

    def add(self, vector: FloatArray, weight: float, seconds: float, head_turn: HeadTurn) -> None:
        """A frame of `weight` > 0 and as long as `seconds`."""
        if not self._sums or self._moment_s >= max(_MOMENT_S, _MOMENT_SHARE * self._age_s):
            self._sums.append(vector * np.float32(weight))
            self._weights.append(weight)
            self._head_turns.append([weight * sine for sine in head_turn])
            self._moment_s = 0.0
        else:
            self._sums[-1] += vector * np.float32(weight)
            self._weights[-1] += weight
            for axis, sine in enumerate(head_turn):
                self._head_turns[-1][axis] += weight * sine
        self._moment_s += seconds
        self._age_s += seconds
        self.seconds += weight * seconds

    def mean(self) -> tuple[FloatArray, FloatArray]:
        """Of all frames, by their weights, and of their head turns (2,)."""
        weight = np.float32(sum(self._weights))
        return np.asarray(sum(self._sums) / weight), np.array(self._head_turns, np.float32).sum(0) / weight

    def calm_mean(self, neutral: FloatArray, expression_axes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """`mean` in which moments count less the more expression they show: who talks is calm at times.

        neutral: (n,) as believed so far. expression_axes: (r, n), see `FacePrior`. Expression is measured in the
        direction of the mean's own, in which noise is small, so that of a held expression no moments are picked for
        their noise.
        """
        if len(self._sums) == 1:
            return self.mean()
        sums, weights = np.array(self._sums), np.array(self._weights, np.float32)
        of_neutral = expression_axes @ neutral
        away = np.array([expression_axes @ moment for moment in self._sums]) - weights[:, None] * of_neutral
        direction = away.sum(0)
        expressed = (away @ direction) / (weights * np.float32(np.linalg.norm(direction) + 1e-6))
        beyond = np.maximum(expressed - expressed.min() - np.float32(_CALM), 0)
        calm = np.exp(-beyond / np.float32(_CALM_FALL))
        calm /= calm @ weights
        return calm @ sums, calm @ np.array(self._head_turns, np.float32)
