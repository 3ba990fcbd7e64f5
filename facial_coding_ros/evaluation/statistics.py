# SPDX-License-Identifier: Apache-2.0
"""Figures from sufficient statistics: what each person contributes is summed up once, after which drawing the people
anew ten thousand times costs next to nothing.

A Statistic holds, for each of U units (people, mostly), the sums a figure is made of. `value(weights)` gives the figure
when each unit counts `weights` times; weights (draws, U) give (draws,) figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

DRAWS = 4000
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Statistic:
    """kind: key of KINDS. sums: name -> (U, ...) of each unit; for `auc`, `wins` is (U, U)."""

    kind: str
    sums: Mapping[str, Array]

    def value(self, weights: ArrayLike) -> Array:
        """(draws,) of weights (draws, U); NaN where the figure is not defined."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return KINDS[self.kind](np.atleast_2d(np.asarray(weights, np.float64)), self.sums)

    def total(self) -> float:
        """With every unit counted once."""
        return float(self.value(np.ones(self.units))[0])

    @property
    def units(self) -> int:
        return len(next(iter(self.sums.values())))

    def of(self, units: Sequence[int]) -> Statistic:
        """Of these units only."""
        index = np.asarray(units, int)
        sums = {name: array[index] for name, array in self.sums.items()}
        if self.kind == "auc":
            sums["wins"] = sums["wins"][:, index]
        return Statistic(self.kind, sums)

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "sums": {name: array.tolist() for name, array in self.sums.items()}}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Statistic:
        return cls(content["kind"], {name: np.asarray(array, np.float64) for name, array in content["sums"].items()})


def _ratio(w: Array, s: Mapping[str, Array]) -> Array:
    return (w @ s["part"]) / (w @ s["whole"])


def _f1(w: Array, s: Mapping[str, Array]) -> Array:
    hits = 2 * (w @ s["tp"])
    return hits / (hits + w @ s["fp"] + w @ s["fn"])


def _balanced_accuracy(w: Array, s: Mapping[str, Array]) -> Array:
    tp, fp, fn, tn = (w @ s[name] for name in ("tp", "fp", "fn", "tn"))
    return (tp / (tp + fn) + tn / (tn + fp)) / 2


def _auc(w: Array, s: Mapping[str, Array]) -> Array:
    pairs = (w @ s["positive"]) * (w @ s["negative"])
    return np.einsum("du,uv,dv->d", w, s["wins"], w, optimize=True) / pairs


def _moments(w: Array, s: Mapping[str, Array]) -> tuple[Array, Array, Array, Array]:
    """n, and the sums of squares about the mean of x and y, and of their product."""
    n, x, y = (w @ s[name] for name in ("n", "x", "y"))
    return n, w @ s["xx"] - x * x / n, w @ s["yy"] - y * y / n, w @ s["xy"] - x * y / n


def _pearson(w: Array, s: Mapping[str, Array]) -> Array:
    _, xx, yy, xy = _moments(w, s)
    flat = (xx <= 1e-12) | (yy <= 1e-12)
    return np.where(flat, np.nan, xy / np.sqrt(np.maximum(xx * yy, 1e-300)))


def _icc31(w: Array, s: Mapping[str, Array]) -> Array:
    # Shrout and Fleiss (1979), ICC(3,1) of two raters: (MSR - MSE) / (MSR + MSE); both over n - 1, which cancels.
    _, xx, yy, xy = _moments(w, s)
    between, error = (xx + yy + 2 * xy) / 2, (xx + yy - 2 * xy) / 2
    return np.where(between + error <= 1e-12, np.nan, (between - error) / (between + error))


def _macro_f1(w: Array, s: Mapping[str, Array]) -> Array:
    """confusion (U, K, K + 1): truth by answer, the last answer `unsure`. Over the classes that occur."""
    cells = np.einsum("du,ukj->dkj", w, s["confusion"])
    k = cells.shape[1]
    hits = np.diagonal(cells[:, :, :k], axis1=1, axis2=2)
    truth, said = cells.sum(2), cells[:, :, :k].sum(1)
    f1 = 2 * hits / np.where(truth + said > 0, truth + said, 1)
    there = truth > 0
    return (f1 * there).sum(1) / there.sum(1)


def _calibration_error(w: Array, s: Mapping[str, Array]) -> Array:
    """Expected calibration error (Guo et al. 2017): stated against true share of right answers, over bins (U, B)."""
    count, stated, right = (w @ s[name] for name in ("count", "stated", "right"))
    return np.abs(stated - right).sum(1) / count.sum(1)


KINDS: dict[str, Callable[[Array, Mapping[str, Array]], Array]] = {
    "ratio": _ratio,
    "f1": _f1,
    "balanced_accuracy": _balanced_accuracy,
    "auc": _auc,
    "pearson": _pearson,
    "icc31": _icc31,
    "macro_f1": _macro_f1,
    "calibration_error": _calibration_error,
}


def summed(values: ArrayLike, unit: NDArray[np.intp], units: int) -> Array:
    """Sums (units,) of values (n,) by unit (n,)."""
    return np.bincount(unit, np.asarray(values, np.float64), units).astype(np.float64)


def ratio(part: ArrayLike, whole: ArrayLike, unit: NDArray[np.intp], units: int) -> Statistic:
    return Statistic("ratio", {"part": summed(part, unit, units), "whole": summed(whole, unit, units)})


def detection(
    said: ArrayLike, truth: ArrayLike, score: ArrayLike, unit: NDArray[np.intp], units: int
) -> dict[str, Statistic]:
    """f1, accuracy, balanced_accuracy and auc of answers and truth, (n,) bool, and scores (n,)."""
    said, truth = np.asarray(said, bool), np.asarray(truth, bool)
    cells = {
        name: summed(chosen, unit, units)
        for name, chosen in (("tp", said & truth), ("fp", said & ~truth), ("fn", ~said & truth), ("tn", ~said & ~truth))
    }
    return {
        "f1": Statistic("f1", cells),
        "accuracy": ratio(said == truth, np.ones(len(said)), unit, units),
        "balanced_accuracy": Statistic("balanced_accuracy", cells),
        "auc": _ranking(np.asarray(score, np.float64), truth, unit, units),
    }


def _ranking(score: Array, truth: NDArray[np.bool_], unit: NDArray[np.intp], units: int) -> Statistic:
    """wins (u, v): pairs of a positive of u and a negative of v in the right order; ties count half."""
    wins = np.zeros((units, units))
    positive, whose = score[truth], unit[truth]
    for v in range(units):
        negative = np.sort(score[~truth & (unit == v)])
        if len(negative) and len(positive):
            below = np.searchsorted(negative, positive, "left") + np.searchsorted(negative, positive, "right")
            wins[:, v] = summed(below / 2, whose, units)
    counts = {"positive": summed(truth, unit, units), "negative": summed(~truth, unit, units)}
    return Statistic("auc", {"wins": wins, **counts})


def agreement(x: ArrayLike, y: ArrayLike, unit: NDArray[np.intp], units: int) -> dict[str, Statistic]:
    """icc31, pearson and mae of two ratings (n,)."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    products = (("n", np.ones(len(x))), ("x", x), ("y", y), ("xx", x * x), ("yy", y * y), ("xy", x * y))
    moments = {name: summed(values, unit, units) for name, values in products}
    return {
        "icc31": Statistic("icc31", moments),
        "pearson": Statistic("pearson", moments),
        "mae": ratio(np.abs(x - y), np.ones(len(x)), unit, units),
    }


def draws_of(units: int, draws: int = DRAWS, seed: int = 0) -> Array:
    """Weights (draws, units) of units drawn with replacement."""
    return np.random.default_rng(seed).multinomial(units, np.full(units, 1 / units), size=draws).astype(np.float64)


def mean_value(parts: Sequence[Statistic], weights: ArrayLike) -> Array:
    """(draws,) mean of several figures; those that are not defined are left out."""
    values = np.stack([part.value(weights) for part in parts])
    known = np.isfinite(values)
    return np.where(known.any(0), np.where(known, values, 0).sum(0) / np.maximum(known.sum(0), 1), np.nan)


def interval(values: Array) -> tuple[float, float]:
    """Ends of the 95 % interval; NaN when fewer than half of the draws are defined."""
    known = values[np.isfinite(values)]
    if len(known) < len(values) / 2:
        return np.nan, np.nan
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)
