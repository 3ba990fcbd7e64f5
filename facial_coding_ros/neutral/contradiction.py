# SPDX-License-Identifier: Apache-2.0
"""Tests whether a neutral was learnt from an expression by mistake, against a look that the face holds now.

A look is the geometry of a face that is held for some time: the resting face, or an expression. A neutral that was
learnt while somebody cried makes their resting face appear as the opposite of crying. Most expressions have no
opposite: a neutral is wrong when it explains a held look badly, while that look, taken as the neutral, explains what
the neutral was learnt from.

Raised and lowered brows are opposites. Where neither of two looks explains the other well, the one that was seen for
longer is taken as the resting face.
"""

from __future__ import annotations

import math

import numpy as np

from ..types import FloatArray
from .nonnegative import nonnegative
from .prior import FacePrior

_GROUP_S = 0.25  # frames of this time become one, so that noise does not look like motion
_CALM_S, _AGAIN_S = 1.25, 1.0  # how long a look is held before it is compared with the neutral, and until the next time
_LEAST_WEIGHT = 0.1  # of a frame: a head that is turned away holds no look
_STILL = 6.0  # squared distance per coordinate of a group from the look that is held; of noise alone it is 1 or less
_APART = 4.0  # squared distance per coordinate from the neutral below which there is nothing to decide
_FEW_BEYOND = 1.8
"""Squared distance from the mean face, per coordinate, of 91 real resting faces at most; laughing ones have 3 to 8."""
_CALMER = 0.8  # share of the unlikeliness of the looks the neutral was learnt from that the held one may have
# Log likelihood ratio from which a neutral is given up: after some seconds, and what a minute of its look adds.
_GIVEN_UP, _OF_LONG, _LONG_S = 60.0, 60.0, 60.0
_FRAMES = 2.0  # independent frames that either look counts as, however long it was held
_COST = 10.0  # of a full-strength expression, as in the estimator
_MISFIT = 0.17  # share of an expression that its shapes do not describe, as in the estimator
# Log likelihood ratio that a longer time outweighs, for each e-fold of it; a second is added to either time, of which
# more than ten count no more, and a shorter look counts double: a raise of the brows is repeated, too.
_OF_TIME, _TIME_COUNTS_S, _SHORTER_COUNTS = 150.0, 10.0, 2.0
_NO_EXPRESSION = 60.0  # cost of a look that is hardly an expression: three of four smiles of real people have less
_HARDLY_CALMER = 1.3  # how much more unlike resting faces than the shorter look the longer one may be


class HeldLook:
    """The look that a face holds just now, as a mean of frames that differ by noise only."""

    def __init__(self, prior: FacePrior) -> None:
        self._prior = prior
        self._held: list[FloatArray] = []  # means of groups of frames
        self._coordinates: FloatArray | None = None
        self._due_s = _CALM_S
        self._sum: FloatArray | None = None
        self._frames, self._group_s = 0, 0.0

    def observe(self, vector: FloatArray, weight: float, seconds: float) -> bool:
        """One frame, as the estimator gets it; whether a look has been held for so long that it is to be judged."""
        if weight < _LEAST_WEIGHT:
            return False
        self._sum = vector.copy() if self._sum is None else self._sum + vector
        self._frames += 1
        self._group_s += seconds
        if self._group_s < _GROUP_S:
            return False
        group = self._sum / np.float32(self._frames)
        self._sum, self._frames, self._group_s = None, 0, 0.0
        coordinates = (group - self._prior.mean) @ self._prior.coordinates
        if self._coordinates is not None and _apart(coordinates, self._coordinates) < _STILL:
            self._held.append(group)
            self._coordinates = self._coordinates + (coordinates - self._coordinates) / np.float32(len(self._held))
        else:
            self._held, self._coordinates, self._due_s = [group], coordinates, _CALM_S
        if len(self._held) * _GROUP_S < self._due_s:
            return False
        self._due_s += _AGAIN_S
        del self._held[:-8]
        return True

    def calmer_than(self, neutral: FloatArray, looks: FloatArray, neutral_s: float) -> bool:
        """Whether this look explains what was seen better than the neutral does.

        neutral: (1540,). looks: (m, k) coordinates of what the neutral was mostly learnt from. neutral_s: seconds of
        frames behind it, in favour of it.
        """
        of_neutral = (neutral - self._prior.mean) @ self._prior.coordinates
        held = self._coordinates
        if held is None or _apart(held, of_neutral) < _APART:
            return False
        learnt_from = [unlikeliness(look, self._prior) for look in looks if _apart(look, held) > _APART]
        if unlikeliness(held, self._prior) > min([1.0, *(_CALMER * one for one in learnt_from)]):
            return False
        needed = _GIVEN_UP + _OF_LONG * min(neutral_s / _LONG_S, 1.0)
        as_it_is = improbability(of_neutral, np.vstack([held, looks]), self._prior)
        return as_it_is - improbability(held, looks, self._prior) > needed

    def vector(self) -> FloatArray:
        """The look (1540,); only after `observe` said True."""
        return np.mean(self._held, 0, dtype=np.float32)


def outlasts(longer: FloatArray, shorter: FloatArray, longer_s: float, shorter_s: float, prior: FacePrior) -> bool:
    """Whether a look (k,) is rest, and not an expression of another one that was seen for less time.

    It is not where it looks like an expression of the shorter one, or less like the rest of people; else time decides,
    against the likelihoods of either being the neutral.
    """
    limit = _HARDLY_CALMER * min(unlikeliness(shorter, prior), 1.0)
    if unlikeliness(longer, prior) > limit:
        return False
    as_expression = improbability(shorter, longer[None], prior)
    if as_expression - 0.5 * float(shorter @ (shorter / prior.spread)) < _NO_EXPRESSION:
        return False
    seconds = min(longer_s, _TIME_COUNTS_S), _SHORTER_COUNTS * min(shorter_s, _TIME_COUNTS_S)
    of_time = _OF_TIME * math.log((1 + seconds[0]) / (1 + seconds[1]))
    return improbability(longer, shorter[None], prior) - as_expression < of_time


def unlikeliness(neutral: FloatArray, prior: FacePrior) -> float:
    """Squared distance of a face (k,) from the mean face, over that beyond which few resting faces lie."""
    return float(neutral @ (neutral / prior.spread)) / (_FEW_BEYOND * len(neutral))


def _apart(a: FloatArray, b: FloatArray) -> float:
    away = a - b
    return float(away @ away) / len(away)


def improbability(neutral: FloatArray, looks: FloatArray, prior: FacePrior) -> float:
    """Negative log likelihood, up to a constant, of a neutral (k,) whose expressions are the looks (m, k).

    The neutral is as improbable as it is far from the mean face. A look costs what it needs of the non-negative
    expression shapes (`_COST`), and what these leave of it, which counts less in a strong expression (`_MISFIT`).
    """
    shapes = prior.expressions
    gram = shapes @ shapes.T
    ridge = np.float32(1e-3) * np.eye(len(shapes), dtype=np.float32)
    total = 0.5 * float(neutral @ (neutral / prior.spread))
    for look in looks:
        away, frames = look - neutral, _FRAMES
        along = shapes @ away
        weights = np.zeros(len(shapes), np.float32)
        for _ in range(2):
            weights = nonnegative(np.float32(frames) * gram + ridge, np.float32(frames) * along - _COST, weights > 0)
            explained = weights @ shapes
            beyond_noise = float(explained @ explained) - len(weights) / _FRAMES
            frames = _FRAMES / (1 + _MISFIT**2 * max(beyond_noise, 0.0))
        left = away - explained
        total += 0.5 * frames * float(left @ left) + _COST * float(weights.sum())
    return total
