# SPDX-License-Identifier: Apache-2.0
"""How well estimated action units agree with coded ones: per unit, with intervals by person."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...types import FloatArray

PRESENT_FROM = 0.2
"""Intensity from which a unit counts as there: A."""


def icc31(truth: FloatArray, estimate: FloatArray) -> float:
    """ICC(3,1), two-way mixed, consistency, single measures (Shrout and Fleiss 1979); NaN for a constant truth."""
    if len(truth) < 2 or np.ptp(truth) == 0:
        return float("nan")
    ratings = np.stack([truth, estimate], 1).astype(np.float64)
    mean, rows, columns = ratings.mean(), ratings.mean(1), ratings.mean(0)
    between = 2 * ((rows - mean) ** 2).sum() / (len(ratings) - 1)
    error = ((ratings - rows[:, None] - columns[None] + mean) ** 2).sum() / (len(ratings) - 1)
    return float((between - error) / (between + error))


def icc_of_units(truth: FloatArray, estimate: FloatArray) -> FloatArray:
    """ICC(3,1) of each column of (n, units)."""
    return np.array([icc31(*pair) for pair in zip(truth.T, estimate.T, strict=True)])


def correlation(truth: FloatArray, estimate: FloatArray) -> float:
    """Pearson's r; NaN for a constant."""
    if len(truth) < 2 or np.ptp(truth) == 0 or np.ptp(estimate) == 0:
        return float("nan")
    return float(np.corrcoef(truth, estimate)[0, 1])


def f1(present: NDArray[np.bool_], called: NDArray[np.bool_]) -> float:
    """F1 of calls; NaN when nothing is present."""
    hits = float((present & called).sum())
    return 2 * hits / float(present.sum() + called.sum()) if present.any() else float("nan")


def auc(present: NDArray[np.bool_], score: FloatArray) -> float:
    """Area under the ROC curve: how often a present one scores above an absent one, ties half; NaN for one class."""
    positive, negative = int(present.sum()), int((~present).sum())
    if not positive or not negative:
        return float("nan")
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    return float((ranks[present].sum() - positive * (positive + 1) / 2) / (positive * negative))


@dataclass(frozen=True)
class Agreement:
    """Of one action unit, or the means over units. frames: with the unit present. Each figure with a 95 % interval."""

    frames: int
    icc: tuple[float, float, float]
    r: tuple[float, float, float]
    f1: tuple[float, float, float]
    auc: tuple[float, float, float]


def agreement(
    truth: FloatArray, estimate: FloatArray, people: NDArray[np.int64], draws: int = 200, seed: int = 0
) -> tuple[list[Agreement], Agreement]:
    """Of each unit, and their mean. truth, estimate: (n, units) 0..1; people: (n,), who is drawn for the intervals.

    F1 compares intensities from A on (PRESENT_FROM) on both sides.
    """
    measures: list[Callable[[FloatArray, FloatArray], float]] = [
        icc31,
        correlation,
        lambda t, e: f1(t >= PRESENT_FROM, e >= PRESENT_FROM),
        lambda t, e: auc(t >= PRESENT_FROM, e),
    ]
    units = truth.shape[1]

    def figures(rows: NDArray[np.int64]) -> FloatArray:
        return np.array([[m(truth[rows, k], estimate[rows, k]) for m in measures] for k in range(units)])

    rng = np.random.default_rng(seed)
    rows_of = [np.flatnonzero(people == person) for person in np.unique(people)]
    whole = figures(np.arange(len(truth)))
    drawn = np.stack([
        figures(np.concatenate([rows_of[i] for i in rng.integers(0, len(rows_of), len(rows_of))])) for _ in range(draws)
    ])  # fmt: skip

    def with_interval(value: float, values: FloatArray) -> tuple[float, float, float]:
        known = values[np.isfinite(values)]
        low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (np.nan, np.nan)
        return float(value), float(low), float(high)

    each = [
        Agreement(
            int((truth[:, k] >= PRESENT_FROM).sum()),
            *(with_interval(whole[k, m], drawn[:, k, m]) for m in range(4)),
        )
        for k in range(units)
    ]
    mean = Agreement(
        int((truth >= PRESENT_FROM).any(1).sum()),
        *(with_interval(np.nanmean(whole[:, m]), np.nanmean(drawn[:, :, m], 1)) for m in range(4)),
    )
    return each, mean


def share(
    flags: NDArray[np.bool_], people: NDArray[np.int64], draws: int = 500, seed: int = 0
) -> tuple[float, float, float]:
    """Share of rows that are flagged, with a 95 % interval by person."""
    rng = np.random.default_rng(seed)
    hits = np.array([[flags[people == person].sum(), (people == person).sum()] for person in np.unique(people)])
    if not len(hits):
        return float("nan"), float("nan"), float("nan")
    drawn = hits[rng.integers(0, len(hits), (draws, len(hits)))].sum(1)
    low, high = np.percentile(drawn[:, 0] / drawn[:, 1], [2.5, 97.5])
    return float(flags.mean()), float(low), float(high)


def confusion(
    truth: FloatArray, estimate: FloatArray, together: Mapping[int, Sequence[int]], strong: float = 0.4
) -> FloatArray:
    """(units, units): mean estimate of column j where unit i leads: at least `strong`, 0.2 above any other; else NaN.

    together: columns that share a cause with a column (jaw and lips, both eye closures) and need not be led.
    """
    units = truth.shape[1]
    out = np.full((units, units), np.nan, np.float32)
    for i in range(units):
        others = np.delete(truth, [i, *together.get(i, ())], 1)
        rows = (truth[:, i] >= strong) & (others.max(1, initial=0) <= truth[:, i] - 0.2)
        if rows.any():
            out[i] = estimate[rows].mean(0)
    return out


def calibration(probability: FloatArray, happened: NDArray[np.bool_], bins: int = 10) -> FloatArray:
    """(bins, 3): mean probability, observed share and number of cases in equal steps of the probability."""
    at = np.clip((probability * bins).astype(int), 0, bins - 1)
    rows = []
    for number in range(bins):
        chosen = at == number
        rows.append(
            [probability[chosen].mean(), happened[chosen].mean(), chosen.sum()] if chosen.any() else [np.nan, np.nan, 0]
        )
    return np.array(rows, np.float64)
