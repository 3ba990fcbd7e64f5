# SPDX-License-Identifier: Apache-2.0
"""Two runs over the same labels: what changed, and whether that is more than the choice of people explains."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..yaml_files import YamlFileError, read_yaml_file
from .evaluate import MEANS, lower_is_better, parts_of
from .results import Result
from .statistics import DRAWS, Statistic, draws_of, interval, mean_value

SURE = 0.05
"""Share of false alarms among the changes called more than chance."""
_RULES = {"min", "max", "max_loss", "only_sure"}


class ComparisonError(ValueError):
    """Runs that cannot be compared, or thresholds that cannot be read."""


@dataclass(frozen=True)
class Change:
    """first, second: the figure in each run. difference: second - first, with its 95 % interval. p: of a difference
    this large by chance, two-sided; NaN where nothing could be drawn. sure: more than chance, all changes considered.
    """

    name: str
    first: float
    second: float
    low: float
    high: float
    p: float
    sure: bool

    @property
    def difference(self) -> float:
        return self.second - self.first

    @property
    def loss(self) -> float:
        """How much worse the second run is; negative when it is better."""
        return self.difference if lower_is_better(self.name) else -self.difference

    @property
    def verdict(self) -> str:
        if not self.sure:
            return "no more than chance" if self.difference else "same"
        return "worse" if self.loss > 0 else "better"


def compare(first: Result, second: Result, draws: int = DRAWS, seed: int = 0) -> list[Change]:
    """Changes of every figure that both have: the same people are drawn for both runs (paired bootstrap), and the
    share of false alarms is held over all figures (Benjamini and Hochberg 1995).

    Raises ComparisonError when the runs share no person or figure, or were judged by other options or labels.
    """
    _alike(first, second)
    common = [unit for unit in first.units if unit in second.units]
    if first.unit != second.unit or not common:
        raise ComparisonError(
            f"the runs share nothing to compare: {len(first.units)} {first.unit or 'units'} and {len(second.units)} "
            f"{second.unit or 'units'}, {len(common)} in both; evaluate both with the same labels"
        )
    sides = [_of(result, common) for result in (first, second)]
    weights = draws_of(len(common), draws, seed)
    once, without_one = np.ones((1, len(common))), 1 - np.eye(len(common))
    changes = []
    for name, (a, b) in _pairs(*sides).items():
        value_a, value_b = (float(mean_value(parts, once)[0]) for parts in (a, b))
        if math.isnan(value_a) or math.isnan(value_b):
            continue
        low = high = p = math.nan
        if len(common) > 1:
            drawn = mean_value(b, weights) - mean_value(a, weights)
            low, high = interval(drawn)
            left = mean_value(b, without_one) - mean_value(a, without_one)
            p = max(_p(drawn), _least_p(left, value_b - value_a)) if not math.isnan(low) else math.nan
        changes.append(Change(name, value_a, value_b, low, high, p, False))
    if not changes:
        raise ComparisonError("the runs have no figure in common")
    return [Change(**{**vars(c), "sure": bool(s)}) for c, s in zip(changes, _sure([c.p for c in changes]), strict=True)]


def _alike(first: Result, second: Result) -> None:
    """Figures are of the runs only when both were judged alike. Raises ComparisonError."""
    a, b = first.options, second.options
    for name, one, other in (
        ("--tolerance", a.tolerance_s, b.tolerance_s),
        ("--present-from", a.present_from, b.present_from),
        ("--threshold", a.said_from, b.said_from),
    ):
        if one != other:
            raise ComparisonError(
                f"the runs were evaluated with different options: {name} is {one:g} and {other:g}; run "
                "`facial_coding evaluate` on both with the same"
            )
    if first.labels != second.labels:
        raise ComparisonError(
            "the runs were evaluated with different labels; run `facial_coding evaluate` on both with the same"
        )


def _of(result: Result, units: Sequence[str]) -> dict[str, Statistic]:
    index = [result.units.index(unit) for unit in units]
    return {name: statistic.of(index) for name, statistic in result.figures.items()}


def _pairs(
    first: Mapping[str, Statistic], second: Mapping[str, Statistic]
) -> dict[str, tuple[list[Statistic], list[Statistic]]]:
    """What each figure is the mean of; action units that only one run has are left out of the means."""
    shared = [name for name in first if name in second]
    a, b = ({name: side[name] for name in shared} for side in (first, second))
    means = {f"au/mean/{name}": (parts_of(a, name), parts_of(b, name)) for name in MEANS if parts_of(a, name)}
    return means | {name: ([a[name]], [b[name]]) for name in shared}


def _p(drawn: NDArray[np.float64]) -> float:
    known = drawn[np.isfinite(drawn)]
    tail = min((known <= 0).sum(), (known >= 0).sum())
    return float(min(2 * (tail + 1) / (len(known) + 1), 1.0))


def _least_p(without_one: NDArray[np.float64], difference: float) -> float:
    """The least that a sign test of as many people could give as the difference depends on: two who both got better
    are no proof, however often they are drawn. without_one: the difference without each of them."""
    return float(min(2.0 ** (1 - int((without_one != difference).sum())), 1.0))


def _sure(p: Sequence[float]) -> NDArray[np.bool_]:
    """Which of these p values are significant at a false discovery rate of SURE; NaN never is."""
    values = np.array(p, np.float64)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known])]
    passed = values[order] <= SURE * np.arange(1, len(order) + 1) / max(len(order), 1)
    out = np.zeros(len(values), bool)
    if passed.any():
        out[order[: np.flatnonzero(passed)[-1] + 1]] = True
    return out


def read_thresholds(path: Path) -> dict[str, dict[str, Any]]:
    """Pattern of figures' names -> rules. Raises ComparisonError naming what is wrong, OSError.

    min, max: of the second run. max_loss: how much worse than the first run it may be. only_sure: a loss counts only
    when it is more than chance.
    """
    try:
        content = read_yaml_file(path)
    except YamlFileError as error:
        raise ComparisonError(str(error)) from None
    if not isinstance(content, dict) or not content:
        raise ComparisonError(f"{path}: lines such as 'au/mean/f1: {{min: 0.4, max_loss: 0.02}}' are expected")
    for pattern, rules in content.items():
        if not isinstance(rules, dict) or not rules or set(rules) - _RULES:
            raise ComparisonError(f"{path}, {pattern}: {rules!r}; {', '.join(sorted(_RULES))} are known")
        for rule, value in rules.items():
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not (isinstance(value, bool) if rule == "only_sure" else number):
                raise ComparisonError(f"{path}, {pattern}, {rule}: {value!r} is not what it takes")
    return content


def broken(
    thresholds: Mapping[str, Mapping[str, Any]], changes: Sequence[Change], first: Result, second: Result
) -> list[str]:
    """What breaks the thresholds, in words; also a pattern that fits no figure, for then nothing was checked."""
    facts = [
        Change(name, float(first.facts[name]), float(second.facts[name]), math.nan, math.nan, math.nan, False)
        for name in second.facts
        if name in first.facts
    ]
    said = []
    for pattern, rules in thresholds.items():
        fitting = [change for change in (*changes, *facts) if fnmatch.fnmatchcase(change.name, pattern)]
        if not fitting:
            said.append(f"{pattern}: no figure of this name in both runs")
        for change in fitting:
            said += _broken(change, rules)
    return said


def _broken(change: Change, rules: Mapping[str, Any]) -> list[str]:
    said = []
    if change.second < rules.get("min", -math.inf):
        said.append(f"{change.name} is {change.second:.3f}, at least {rules['min']} is asked for")
    if change.second > rules.get("max", math.inf):
        said.append(f"{change.name} is {change.second:.3f}, at most {rules['max']} is asked for")
    if "max_loss" in rules and change.loss > rules["max_loss"] and (change.sure or not rules.get("only_sure")):
        went = f"{change.name} went from {change.first:.3f} to {change.second:.3f}"
        said.append(f"{went}, a loss of {change.loss:.3f}; {rules['max_loss']} is allowed")
    return said
