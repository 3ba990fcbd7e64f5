"""Estimate of one face's neutral from its stream of frames."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray
from .bins import AHEAD, Aside, Bin
from .prior import FacePrior
from .vectors import DENSE_SIZE


class Estimator(Protocol):
    """What the keeper asks of an estimator; vectors as in `vectors`."""

    @property
    def support_s(self) -> float:
        """Seconds of frames behind the estimate, each counted by its weight."""

    def observe(self, vector: FloatArray, weight: float, seconds: float, aside: Aside = AHEAD) -> None:
        """One frame. weight: 0..1, how far it can be trusted. seconds: image time since the frame before."""

    def set(self, vector: FloatArray, seconds: float) -> None:
        """A neutral that is known takes the place of all that was learnt; it counts as `seconds` of frames."""

    def estimate(self) -> FloatArray:
        """The neutral now; only after a first frame or `set`."""

    def uncertainty(self) -> float:
        """Standard error in eye distances, root mean square over the dense points."""


LOOKS = 32
_FIRST_BINS_S = (0.0, 0.05, 0.1)  # so that a face has a neutral from its first frame
# Then frames of a bin become one before they are compared: of 1/40 of the time seen, within these bounds.
_SHORTEST_BIN_S, _LONGEST_BIN_S, _BIN_SHARE = 0.2, 0.5, 1 / 40
_LEAST_S = 0.02  # what the first frame counts for
_INDEPENDENT_S = 0.5  # neighbouring frames share their noise for about this long
_SAME_LOOK = 5.0  # squared distance per coordinate below which two looks are one
_MISFIT = 0.17  # share of an expression that its shapes do not describe
_NOISE = 1.0  # squared size of an expression, per shape, that noise alone explains in one independent frame
_SLOPE = 60.0  # variance over people, per coordinate, of what the sine of a turn adds to a registered face
_LOOK_S = 1.0  # the weight of a look, while expressions are being told from the neutral, stops growing here
_COST = 10.0  # of a full-strength expression in a look, in units of the noise
_ENOUGH_S = 10.0  # the weight of a look in the answer stops growing here
_ALIKE = 1.0  # squared distance per coordinate, beyond noise, at which a look's weight has fallen to 0.6
_EXPRESSED = 1.25  # squared size per coordinate of a look's expression at which its weight has fallen to 0.6
_BELIEF = 0.9  # independent frames that the answer of all looks counts beside those that resemble it
_UNDERSTATED = 1.1  # over the model's own standard error; simulated people need 0.75, real ones differ more


class PriorEstimator:
    """Most probable neutral, given how faces differ and that expressions act one way.

    Every frame is neutral + expression shapes with weights >= 0 + noise. Neighbouring frames become one, in which the
    calmest count most; these are kept as at most 32 looks, each a mean of similar ones. The neutral n and the weights e
    of all looks minimise

        1/2 n' S^-1 n + sum_m (w_m / 2 |c_m - n - E e_m|^2 + cost 1' e_m),   e_m >= 0,

    in the coordinates of the prior, where S is the spread of neutral faces over people. A look that is seen is solved
    exactly together with n while the others rest, until it is well known, and one look in turn. w_m saturates with the
    time of a look, so that an expression held for long counts little more than one shown for a moment, and falls with
    the expression in the look, whose shapes never fit quite. Because weights cannot be negative, a look with less
    expression pulls the neutral down at once, while one with more is explained away. What a turn of the head adds, in
    proportion to its sine, is told from the neutral (`ahead`). For the answer, looks count by their time, up to 10 s;
    what the coordinates do not hold is a mean over looks with the same weights.

    Shapes never fit a person quite, and what they leave of an expression does not average out. So looks that resemble
    the answer and show no expression are neutral themselves: their mean takes its place, the more they are. Who never
    rests keeps the answer of all looks.
    """

    def __init__(self, prior: FacePrior | None = None, memory_s: float = 300.0) -> None:
        """memory_s: a look that is not seen again loses weight by this time constant."""
        self._prior = prior or FacePrior.load()
        self._memory_s = memory_s
        self._begin()

    def _begin(self) -> None:
        k, m = len(self._prior.spread), len(self._prior.expressions)
        self._centres = np.zeros((LOOKS, k), np.float32)
        self._expressed = np.zeros((LOOKS, k), np.float32)
        self._left_out = np.zeros((LOOKS, len(self._prior.mean)), np.float32)
        self._weights = np.zeros((LOOKS, m), np.float32)
        self._seconds = np.zeros(LOOKS)
        self._asides = np.zeros((LOOKS, 2), np.float32)
        self._spoilt = np.ones(LOOKS)
        self._used = 0
        self._known = 0  # 1 when look 0 is a given neutral, which is neither explained nor replaced, and does not fade
        self._turn = 0
        self._total_s = 0.0
        self._bins = 0
        self._bin = Bin()
        self._neutral: FloatArray | None = None
        self._uncertainty = math.nan

    @property
    def support_s(self) -> float:
        return self._total_s

    def observe(self, vector: FloatArray, weight: float, seconds: float, aside: Aside = AHEAD) -> None:
        if weight <= 0:
            return
        if self._bins < len(_FIRST_BINS_S):
            due = _FIRST_BINS_S[self._bins]
        else:
            due = min(max(_BIN_SHARE * self._total_s, _SHORTEST_BIN_S), _LONGEST_BIN_S)
        frames = self._bin
        frames.add(vector, weight, seconds, aside)
        if frames.seconds >= due:
            known = self._neutral
            mean, mean_aside = frames.mean() if known is None else frames.calmest(known, self._prior.telling)
            self._take(mean, mean_aside, max(frames.seconds, _LEAST_S))
            self._bin = Bin()
            self._bins += 1

    def set(self, vector: FloatArray, seconds: float) -> None:
        self._begin()
        offset = vector - self._prior.mean
        self._centres[0] = offset @ self._prior.coordinates
        self._left_out[0] = offset - self._centres[0] @ self._prior.faces
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

    def _take(self, vector: FloatArray, aside: FloatArray, seconds: float) -> None:
        """One bin: into the nearest look or a new one; then the estimate again."""
        prior = self._prior
        offset = vector - prior.mean
        centre = offset @ prior.coordinates
        left_out = offset - centre @ prior.faces
        self._total_s += seconds
        self._seconds[self._known : self._used] *= math.exp(-seconds / self._memory_s)
        look = self._place(centre, left_out, aside, seconds)
        self._turn = self._turn + 1 if self._turn + 1 < self._used else self._known
        if look != self._turn and self._seconds[look] < _LOOK_S:
            self._explain(look)
        self._explain(self._turn)
        self._solve()

    def _place(self, centre: FloatArray, left_out: FloatArray, aside: FloatArray, seconds: float) -> int:
        """Puts a bin into the look that it resembles, or makes a new look; returns its index."""
        used, nearest = self._used, 0
        if used > self._known:
            apart = ((self._centres[self._known : used] - centre) ** 2).sum(1)
            nearest = int(apart.argmin()) + self._known
            if apart[nearest - self._known] < _SAME_LOOK * len(centre):
                self._seconds[nearest] += seconds
                share = np.float32(seconds / self._seconds[nearest])
                self._centres[nearest] += share * (centre - self._centres[nearest])
                self._left_out[nearest] += share * (left_out - self._left_out[nearest])
                self._asides[nearest] += share * (aside - self._asides[nearest])
                return nearest
        if used < LOOKS:
            look = used
            self._used += 1
        else:
            look = self._make_room()
        self._centres[look], self._left_out[look], self._seconds[look] = centre, left_out, seconds
        self._asides[look] = aside
        # First guess: the expression of the nearest look.
        self._weights[look], self._expressed[look] = self._weights[nearest], self._expressed[nearest]
        self._spoilt[look] = self._spoilt[nearest]
        return look

    def _make_room(self) -> int:
        """Joins the two looks that differ least, for how well they are known; returns the place that is free then.

        Ward's criterion (1963); one that was not seen for long is not given up for it.
        """
        first = self._known
        centres = self._centres[first:]
        worth = self._frames(_LOOK_S)[first:] + 0.2
        sizes = np.einsum("ij,ij->i", centres, centres)
        apart = sizes[:, None] + sizes - 2 * (centres @ centres.T)
        cost = apart * (worth[:, None] * worth / (worth[:, None] + worth))
        np.fill_diagonal(cost, np.inf)
        kept, free = (int(i) + first for i in np.unravel_index(int(cost.argmin()), cost.shape))
        self._seconds[kept] += self._seconds[free]
        share = np.float32(self._seconds[free] / max(self._seconds[kept], 1e-9))
        for values in (self._centres, self._left_out, self._asides, self._weights, self._expressed, self._spoilt):
            values[kept] += share * (values[free] - values[kept])
        return free

    def _frames(self, most_s: float) -> NDArray[np.float64]:
        """Independent frames that each look counts as; its time up to `most_s`, all of it for a given neutral."""
        seconds = np.minimum(self._seconds[: self._used], most_s)
        seconds[: self._known] = self._seconds[: self._known]
        return seconds / _INDEPENDENT_S

    def _explain(self, look: int) -> None:
        """The neutral and the expression of one look together, the expressions of the others as they are."""
        prior, used = self._prior, self._used
        frames = self._frames(_LOOK_S)
        frames[self._known :] += 0.2
        worth = frames.astype(np.float32)
        own = worth[look]
        worth /= self._spoilt[:used]
        worth[look] = 0
        worth = ahead(worth, self._asides[:used])
        pull = worth @ (self._centres[:used] - self._expressed[:used])
        shrink = prior.spread / (1 + worth.sum() * prior.spread)
        # Variance of this look, seen from the others: its own noise and what they leave open of the neutral.
        scaled = prior.expressions / (1 / own + shrink)
        goal = scaled @ (self._centres[look] - shrink * pull) - np.float32(_COST)
        weights = nonnegative(scaled @ prior.expressions.T, goal, self._weights[look] > 0)
        expressed = weights @ prior.expressions
        self._weights[look], self._expressed[look] = weights, expressed
        beyond_noise = float(expressed @ expressed) - _NOISE * len(weights) / float(own)
        self._spoilt[look] = 1 + _MISFIT**2 * max(beyond_noise, 0.0)

    def _solve(self) -> None:
        prior, used = self._prior, self._used
        frames = self._frames(_ENOUGH_S)
        asides = self._asides[:used]
        weight = ahead(((frames + 0.2) / self._spoilt[:used]).astype(np.float32), asides)
        total = float(weight.sum())
        shrink = prior.spread / (1 + total * prior.spread)
        centres, expressed = self._centres[:used], self._expressed[:used]
        of_all = shrink * (weight @ (centres - expressed))
        noise = 1 / np.maximum(frames, 0.2)
        told = np.einsum("ij,ij->i", expressed, expressed) / len(of_all)
        resting = frames * np.exp(-0.5 * (told / _EXPRESSED) ** 2)

        def resembling(coordinates: FloatArray) -> FloatArray:
            away = centres - coordinates
            apart = np.maximum(np.einsum("ij,ij->i", away, away) / len(of_all) - noise, 0)
            return (resting * np.exp(-0.5 / _ALIKE * apart)).astype(np.float32)

        near = resembling(of_all)
        coordinates = (np.float32(_BELIEF) * of_all + near @ centres) / np.float32(_BELIEF + near.sum())
        near = ahead(resembling(coordinates), asides)
        near /= np.float32(_BELIEF + near.sum())
        kept = 1 - near.sum()
        coordinates = kept * of_all + near @ centres
        left_out = (kept / np.float32(total + 1) * weight + near) @ self._left_out[:used]
        self._neutral = prior.mean + coordinates @ prior.faces + left_out
        variance = float(shrink @ prior.face_sizes) + prior.rest * DENSE_SIZE / (1 + total)
        self._uncertainty = _UNDERSTATED * math.sqrt(variance / (DENSE_SIZE / 3))


def ahead(weights: FloatArray, asides: FloatArray) -> FloatArray:
    """Weights with which looks are summed when what grows with the sines of the turn is told from what they share.

    Regression with an intercept, whose slopes have the variance `_SLOPE` in each coordinate. weights: (n,). asides:
    (n, 2). The sum of the result is the information on the intercept.
    """
    weighted = weights[:, None] * asides
    (a, b), (_, d) = (asides.T @ weighted).tolist()
    p, q = weighted.sum(0).tolist()
    a, d = a + 1 / _SLOPE, d + 1 / _SLOPE
    slope = np.array([d * p - b * q, a * q - b * p], np.float32) / np.float32(a * d - b * b)
    return weights - weighted @ slope


def nonnegative(gram: FloatArray, goal: FloatArray, support: NDArray[np.bool_], rounds: int = 12) -> FloatArray:
    """x >= 0 that minimises x'Gx / 2 - g'x, by block principal pivoting (Kim and Park 2011) from a support.

    gram: (m, m) positive definite. goal: (m,). The answer after `rounds` is feasible, if not always the best.
    """
    chosen = support
    fewest, spare = len(goal) + 1, 3
    x = np.zeros_like(goal)
    for _ in range(rounds):
        x = np.zeros_like(goal)
        index = chosen.nonzero()[0]
        if len(index):
            x[index] = np.linalg.solve(gram[index[:, None], index], goal[index])
        wrong = np.where(chosen, x < 0, gram @ x - goal < -1e-4)
        count = int(np.count_nonzero(wrong))
        if not count:
            return x
        if count < fewest:
            fewest, spare = count, 3
        elif spare:
            spare -= 1
        else:  # one at a time, which cannot cycle
            last = int(wrong.nonzero()[0][-1])
            wrong = np.zeros_like(wrong)
            wrong[last] = True
        chosen = chosen ^ wrong
    return np.maximum(x, 0)
