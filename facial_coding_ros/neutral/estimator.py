# SPDX-License-Identifier: Apache-2.0
"""Estimate of one face's neutral from its stream of frames."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray
from .bins import FRONTAL, Bin, HeadTurn
from .contradiction import HeldLook, outlasts, unlikeliness
from .nonnegative import nonnegative
from .prior import FacePrior
from .vectors import DENSE_SIZE


class Estimator(Protocol):
    """What estimators are compared by; vectors as in `vectors`."""

    @property
    def support_s(self) -> float:
        """Seconds of frames behind the estimate, each counted by its weight."""

    def observe(self, vector: FloatArray, weight: float, seconds: float, head_turn: HeadTurn = FRONTAL) -> None:
        """One frame. weight: 0..1, how far it can be trusted. seconds: image time since the frame before."""

    def set(self, vector: FloatArray, seconds: float) -> None:
        """A neutral that is known takes the place of all that was learnt; it counts as `seconds` of frames."""

    def estimate(self) -> FloatArray:
        """The neutral now; only after a first frame or `set`."""

    def uncertainty(self) -> float:
        """Standard error in eye distances, root mean square over the dense points."""


MAX_CLUSTERS = 32
_FIRST_BINS_S = (0.0, 0.05, 0.1)  # so that a face has a neutral from its first frame
# Then frames of a bin become one before they are compared: of 1/40 of the time seen, within these bounds.
_SHORTEST_BIN_S, _LONGEST_BIN_S, _BIN_SHARE = 0.2, 0.5, 1 / 40
_LOOKS, _LOOK_S = 2, 0.4  # by so many looks, seen for so long, a neutral is judged
_GUESS_S = 0.3  # what a face to begin from counts for
_LEAST_S = 0.02  # what the first frame counts for
_INDEPENDENT_S = 0.5  # neighbouring frames share their noise for about this long
_SAME_CLUSTER = 5.0  # squared distance per coordinate below which a bin belongs to a cluster
_MOSTLY, _LEAST_REST_S = 0.4, 2.0  # share of the time, and time, that a look has been seen for to be taken for rest
_LEAST_LOOK_S = 0.2  # of a look that another one may be an expression of
# Squared size per coordinate of what rest may seem to show: less is nothing, and a smile from the first frame has more.
_SHOWS_LEAST, _SHOWS_MOST = 0.05, 4.0
_MISFIT = 0.17  # share of an expression that its shapes do not describe
_NOISE = 1.0  # squared size of an expression, per shape, that noise alone explains in one independent frame
_SLOPE = 60.0  # variance over people, per coordinate, of what the sine of a turn adds to a registered face
_FIT_S = 1.0  # the weight of a cluster, while its expression is fitted, stops growing here
_COST = 10.0  # of a full-strength expression in a cluster, in units of the noise
_ENOUGH_S = 10.0  # the weight of a cluster in the estimate stops growing here
_SIMILAR = 1.0  # squared distance per coordinate, beyond noise, at which a cluster's weight has fallen to 0.6
_EXPRESSED = 1.25  # squared size per coordinate of a cluster's expression at which its weight has fallen to 0.6
_ALL_FRAMES = 0.9  # independent frames that the estimate of all clusters counts for beside those that resemble it
_UNDERSTATED = 1.1  # over the model's own standard error; simulated people need 0.75, real ones differ more


class PriorEstimator:
    """Most probable neutral, given how faces differ and that expressions act one way.

    Every frame is neutral + expression shapes with weights >= 0 + noise. Neighbouring frames become one, in which the
    least expressive count most; these are kept as at most 32 clusters, each a mean of similar ones. The neutral n and
    the weights e of all clusters minimise

        1/2 n' S^-1 n + sum_m (w_m / 2 |c_m - n - E e_m|^2 + cost 1' e_m),   e_m >= 0,

    in the coordinates of the prior, where S is the spread of neutral faces over people. The cluster that was seen last
    is solved exactly together with n, the others as they are, until it is well known, and one other in turn. w_m
    saturates with the time of a cluster, so that an expression held for long counts little more than one shown for a
    moment, and falls with the expression in the cluster, whose shapes never fit quite. Because weights cannot be
    negative, a cluster with less expression pulls the neutral down at once, while one with more is explained away. What
    a turn of the head adds, in proportion to its sine, is separated from the neutral by regression (`pose_regression`).
    For the estimate, clusters count by their time, up to 10 s; what the coordinates do not hold is a mean over clusters
    with the same weights.

    Shapes never fit a person quite, and what they leave of an expression does not average out. So clusters that
    resemble the estimate and show no expression are neutral themselves: their mean takes its place, the more they are.
    Who never rests keeps the estimate of all clusters, until a look is held of which the estimate is an expression
    rather than the other way round (`contradiction`): then all is learnt anew from that look. A neutral that was set
    is never given up.

    Some expressions are the opposite of others, as raised brows are of lowered ones, so that the fit alone may take
    rest for an expression of a look that was shown for a second. A cluster that was seen for most of the time
    therefore shows none where it outlasts the looks that could be the neutral in its place (`outlasts`).
    """

    def __init__(self, prior: FacePrior | None = None, memory_s: float = 300.0) -> None:
        """memory_s: a cluster that is not seen again loses weight by this time constant, in seconds; may be changed.

        given_up: how often a neutral was, since the beginning.
        """
        self._prior = prior or FacePrior.load()
        self.memory_s = memory_s
        self.given_up = 0
        self._clear()

    def _clear(self) -> None:
        k, m = len(self._prior.spread), len(self._prior.expressions)
        self._centres = np.zeros((MAX_CLUSTERS, k), np.float32)
        self._expressed = np.zeros((MAX_CLUSTERS, k), np.float32)
        self._residuals = np.zeros((MAX_CLUSTERS, len(self._prior.mean)), np.float32)
        self._weights = np.zeros((MAX_CLUSTERS, m), np.float32)
        self._seconds = np.zeros(MAX_CLUSTERS)
        self._head_turns = np.zeros((MAX_CLUSTERS, 2), np.float32)
        self._inflation = np.ones(MAX_CLUSTERS)
        self._used = 0
        self._known = 0  # 1 when cluster 0 is a given neutral, which is neither fitted nor replaced, and does not fade
        self._revisited = 0
        self._total_s = 0.0
        self._bins = 0
        self._bin = Bin()
        self._held = HeldLook(self._prior)
        self._neutral: FloatArray | None = None
        self._coordinates = np.zeros(k, np.float32)
        self._uncertainty = math.nan

    @property
    def support_s(self) -> float:
        return self._total_s

    def observe(self, vector: FloatArray, weight: float, seconds: float, head_turn: HeadTurn = FRONTAL) -> None:
        if weight <= 0:
            return
        if self._bins < len(_FIRST_BINS_S):
            due = _FIRST_BINS_S[self._bins]
        else:
            due = min(max(_BIN_SHARE * self._total_s, _SHORTEST_BIN_S), _LONGEST_BIN_S)
        frames = self._bin
        frames.add(vector, weight, seconds, head_turn)
        if frames.seconds >= due:
            known = self._neutral
            mean, mean_turn = frames.mean() if known is None else frames.calm_mean(known, self._prior.expression_axes)
            self._add_bin(mean, mean_turn, max(frames.seconds, _LEAST_S))
            self._bin = Bin()
            self._bins += 1
        if self._held.observe(vector, weight, seconds) and self._neutral is not None and not self._known:
            held = self._held
            if held.calmer_than(self._neutral, self._looks(), self._total_s):
                self.begin_from(held.vector())
                self.given_up += 1

    def _looks(self) -> FloatArray:
        """Centres of the clusters that stand for the neutral: those nearest to it and those that were seen longest."""
        centres, seconds = self._centres[: self._used], self._seconds[: self._used]
        away = centres - self._coordinates
        nearest = np.argsort(np.einsum("ij,ij->i", away, away) + 1e6 * (seconds < _LOOK_S))[:_LOOKS]
        return centres[np.union1d(nearest, np.argsort(-seconds)[:_LOOKS])]

    def begin_from(self, vector: FloatArray) -> None:
        """Learns anew; a face that may be the neutral counts as a moment."""
        self._clear()
        self._add_bin(vector, np.zeros(2, np.float32), _GUESS_S)
        self._bins = len(_FIRST_BINS_S)

    def set(self, vector: FloatArray, seconds: float) -> None:
        self._clear()
        offset = vector - self._prior.mean
        self._centres[0] = offset @ self._prior.coordinates
        self._residuals[0] = offset - self._centres[0] @ self._prior.faces
        self._seconds[0] = self._total_s = seconds
        self._used = self._known = 1
        self._bins = len(_FIRST_BINS_S)
        self._solve()

    def estimate(self) -> FloatArray:
        if self._neutral is None:
            raise ValueError("no frame has been observed")
        return self._neutral

    def uncertainty(self) -> float:
        return self._uncertainty

    def _add_bin(self, vector: FloatArray, head_turn: FloatArray, seconds: float) -> None:
        """One bin: into the nearest cluster or a new one; then the estimate again."""
        prior = self._prior
        offset = vector - prior.mean
        centre = offset @ prior.coordinates
        residual = offset - centre @ prior.faces
        self._total_s += seconds
        self._seconds[self._known : self._used] *= math.exp(-seconds / self.memory_s)
        cluster = self._assign(centre, residual, head_turn, seconds)
        self._revisited = self._revisited + 1 if self._revisited + 1 < self._used else self._known
        if cluster != self._revisited and self._seconds[cluster] < _FIT_S:
            self._fit_expression(cluster)
        self._fit_expression(self._revisited)
        self._solve()

    def _assign(self, centre: FloatArray, residual: FloatArray, head_turn: FloatArray, seconds: float) -> int:
        """Puts a bin into the cluster that it resembles, or makes a new one; returns its index."""
        used, nearest = self._used, 0
        if used > self._known:
            apart = ((self._centres[self._known : used] - centre) ** 2).sum(1)
            nearest = int(apart.argmin()) + self._known
            if apart[nearest - self._known] < _SAME_CLUSTER * len(centre):
                self._seconds[nearest] += seconds
                share = np.float32(seconds / self._seconds[nearest])
                self._centres[nearest] += share * (centre - self._centres[nearest])
                self._residuals[nearest] += share * (residual - self._residuals[nearest])
                self._head_turns[nearest] += share * (head_turn - self._head_turns[nearest])
                return nearest
        if used < MAX_CLUSTERS:
            cluster = used
            self._used += 1
        else:
            cluster = self._merge_closest()
        self._centres[cluster], self._residuals[cluster], self._seconds[cluster] = centre, residual, seconds
        self._head_turns[cluster] = head_turn
        # First guess: the expression of the nearest cluster.
        self._weights[cluster], self._expressed[cluster] = self._weights[nearest], self._expressed[nearest]
        self._inflation[cluster] = self._inflation[nearest]
        return cluster

    def _merge_closest(self) -> int:
        """Merges the two clusters that differ least, for how well they are known; returns the place that is free then.

        Ward's criterion (1963); one that was not seen for long is not given up for it.
        """
        first = self._known
        centres = self._centres[first:]
        worth = self._frames(_FIT_S)[first:] + 0.2
        sizes = np.einsum("ij,ij->i", centres, centres)
        apart = sizes[:, None] + sizes - 2 * (centres @ centres.T)
        cost = apart * (worth[:, None] * worth / (worth[:, None] + worth))
        np.fill_diagonal(cost, np.inf)
        kept, free = (int(i) + first for i in np.unravel_index(int(cost.argmin()), cost.shape))
        self._seconds[kept] += self._seconds[free]
        share = np.float32(self._seconds[free] / max(self._seconds[kept], 1e-9))
        for values in (
            self._centres,
            self._residuals,
            self._head_turns,
            self._weights,
            self._expressed,
            self._inflation,
        ):
            values[kept] += share * (values[free] - values[kept])
        return free

    def _frames(self, most_s: float) -> NDArray[np.float64]:
        """Independent frames that each cluster counts as; its time up to `most_s`, all of it for a given neutral."""
        seconds = np.minimum(self._seconds[: self._used], most_s)
        seconds[: self._known] = self._seconds[: self._known]
        return seconds / _INDEPENDENT_S

    def _fit_expression(self, cluster: int) -> None:
        """The neutral and the expression of one cluster together, the expressions of the others as they are."""
        prior, used = self._prior, self._used
        frames = self._frames(_FIT_S)
        frames[self._known :] += 0.2
        worth = frames.astype(np.float32)
        own = worth[cluster]
        worth /= self._inflation[:used]
        worth[cluster] = 0
        worth = pose_regression(worth, self._head_turns[:used])
        pull = worth @ (self._centres[:used] - self._expressed[:used])
        shrink = prior.spread / (1 + worth.sum() * prior.spread)
        # Variance of this cluster, seen from the others: its own noise and what they leave open of the neutral.
        scaled = prior.expressions / (1 / own + shrink)
        goal = scaled @ (self._centres[cluster] - shrink * pull) - np.float32(_COST)
        weights = nonnegative(scaled @ prior.expressions.T, goal, self._weights[cluster] > 0)
        expressed = weights @ prior.expressions
        if self._outlasts_others(cluster, float(expressed @ expressed)):
            weights, expressed = np.zeros_like(weights), np.zeros_like(expressed)
        self._weights[cluster], self._expressed[cluster] = weights, expressed
        beyond_noise = float(expressed @ expressed) - _NOISE * len(weights) / float(own)
        self._inflation[cluster] = 1 + _MISFIT**2 * max(beyond_noise, 0.0)

    def _outlasts_others(self, cluster: int, shown: float) -> bool:
        """Whether a cluster is what was mostly seen, and rest rather than the two others that may be: the one that
        shows least, and the one nearest to the estimate. shown: squared size of what it seems to show.
        """
        seconds = self._seconds[: self._used]
        possible = seconds >= _LEAST_LOOK_S
        possible[cluster] = False
        if self._known or seconds[cluster] < max(_MOSTLY * seconds.sum(), _LEAST_REST_S) or not possible.any():
            return False
        if not _SHOWS_LEAST < shown / len(self._coordinates) < _SHOWS_MOST:
            return False
        others = np.flatnonzero(possible)
        of_others = self._expressed[others], self._centres[others] - self._coordinates
        rivals = {int(others[np.einsum("ij,ij->i", one, one).argmin()]) for one in of_others}
        return all(
            outlasts(self._centres[cluster], self._centres[rival], seconds[cluster], seconds[rival], self._prior)
            for rival in rivals
        )

    def _solve(self) -> None:
        prior, used = self._prior, self._used
        frames = self._frames(_ENOUGH_S)
        head_turns = self._head_turns[:used]
        weight = pose_regression(((frames + 0.2) / self._inflation[:used]).astype(np.float32), head_turns)
        total = float(weight.sum())
        shrink = prior.spread / (1 + total * prior.spread)
        centres, expressed = self._centres[:used], self._expressed[:used]
        of_all = shrink * (weight @ (centres - expressed))
        noise = 1 / np.maximum(frames, 0.2)
        expressiveness = np.einsum("ij,ij->i", expressed, expressed) / len(of_all)
        resting = frames * np.exp(-0.5 * (expressiveness / _EXPRESSED) ** 2)

        def resembling(coordinates: FloatArray) -> FloatArray:
            away = centres - coordinates
            apart = np.maximum(np.einsum("ij,ij->i", away, away) / len(of_all) - noise, 0)
            return (resting * np.exp(-0.5 / _SIMILAR * apart)).astype(np.float32)

        near = resembling(of_all)
        coordinates = (np.float32(_ALL_FRAMES) * of_all + near @ centres) / np.float32(_ALL_FRAMES + near.sum())
        near = pose_regression(resembling(coordinates), head_turns)
        near /= np.float32(_ALL_FRAMES + near.sum())
        kept = 1 - near.sum()
        coordinates = kept * of_all + near @ centres
        residual = (kept / np.float32(total + 1) * weight + near) @ self._residuals[:used]
        self._coordinates = coordinates
        self._neutral = prior.mean + coordinates @ prior.faces + residual
        variance = float(shrink @ prior.face_sizes) + prior.rest * DENSE_SIZE / (1 + total)
        understated = _UNDERSTATED * max(unlikeliness(coordinates, prior), 1.0)  # nobody rests like that
        self._uncertainty = understated * math.sqrt(variance / (DENSE_SIZE / 3))


def pose_regression(weights: FloatArray, head_turns: FloatArray) -> FloatArray:
    """Weights with which clusters are summed when what grows with the sines of the head turn is separated from what
    they share.

    Regression with an intercept, whose slopes have the variance `_SLOPE` in each coordinate. weights: (n,). head_turns:
    (n, 2). The sum of the result is the information on the intercept.
    """
    weighted = weights[:, None] * head_turns
    (a, b), (_, d) = (head_turns.T @ weighted).tolist()
    p, q = weighted.sum(0).tolist()
    a, d = a + 1 / _SLOPE, d + 1 / _SLOPE
    slope = np.array([d * p - b * q, a * q - b * p], np.float32) / np.float32(a * d - b * b)
    return weights - weighted @ slope
