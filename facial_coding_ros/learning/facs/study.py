# SPDX-License-Identifier: Apache-2.0
"""The figures by which estimators are compared, on people they were not made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...action_units import CODES
from ...coding.facs.outputs import stronger_side
from ...types import FloatArray
from .linear import Predictor
from .motion_sets import MotionSet
from .scoring import icc_of_units

SMILE_COMPANIONS = (6, 7, 10, 12, 25, 26)
"""Units that may come with a smile; any other is a false one there."""
_AT_12 = CODES.index(12)


@dataclass(frozen=True)
class Figures:
    """Shares 0..1. neutral_false: resting faces with any unit above 0.3. turn_false: turned heads with any above 0.25.
    smile_first, smile_second: AU12 the strongest, among the two strongest, of smiles. smile_false: of the unit most
    often above 0.3 on smiles without being there, and its code. repeated: mean difference between two pictures of the
    same expression."""

    icc: FloatArray
    neutral_false: float
    turn_false: float
    smile_first: float
    smile_second: float
    smile_false: float
    smile_false_code: int
    repeated: float

    @property
    def mean_icc(self) -> float:
        return float(np.nanmean(self.icc))

    def row(self, name: str) -> str:
        """A line of the comparison's table."""
        return (
            f"| {name} | {self.mean_icc:.2f} | {self.icc[_AT_12]:.2f} | {100 * self.neutral_false:.0f} | "
            f"{100 * self.turn_false:.0f} | {100 * self.smile_first:.0f} / {100 * self.smile_second:.0f} | "
            f"{100 * self.smile_false:.0f} (AU{self.smile_false_code}) | {self.repeated:.3f} |"
        )


TABLE_HEAD = (
    "| estimator | ICC, mean | ICC, AU12 | neutral > 0.3, % | turned > 0.25, % | smile: AU12 first / in two, % | "
    "most frequent false unit in smiles, % | difference of repeats |\n|---|---|---|---|---|---|---|---|"
)


def figures(predict: Predictor, data: MotionSet) -> Figures:
    """Of one estimator on a set of people."""
    from ..synthesis.expressions import KINDS

    estimate = stronger_side(np.clip(predict(data), 0, 1))
    truth = stronger_side(data.sides)
    smiles = (data.kind == KINDS.index("smile")) & (data.sides[:, :, _AT_12].min(1) > 0.3)
    first, second, share, code = smile_figures(estimate[smiles], truth[smiles])
    return Figures(
        icc=icc_of_units(truth, estimate),
        neutral_false=float(invented(estimate, truth, 0.3)[data.resting].mean()),
        turn_false=float(invented(estimate, truth, 0.25)[data.turned].mean()),
        smile_first=first,
        smile_second=second,
        smile_false=share,
        smile_false_code=code,
        repeated=_repeats(estimate, data),
    )


def invented(estimate: FloatArray, truth: FloatArray, limit: float) -> NDArray[np.bool_]:
    """Rows (n,) in which some unit is above `limit` that is not there; resting people blink now and then."""
    return np.asarray(((estimate > limit) & (truth < 0.15)).any(1))


def smile_figures(estimate: FloatArray, truth: FloatArray) -> tuple[float, float, float, int]:
    """Of smiles (n, units): AU12 first, among two, share and code of the most frequent false unit."""
    rank = (estimate > estimate[:, [_AT_12]]).sum(1)
    others = [k for k in range(len(CODES)) if CODES[k] not in SMILE_COMPANIONS]
    false = ((estimate[:, others] > 0.3) & (truth[:, others] < 0.15)).mean(0)
    worst = int(false.argmax())
    return float((rank == 0).mean()), float((rank <= 1).mean()), float(false[worst]), CODES[others[worst]]


def _repeats(estimate: FloatArray, data: MotionSet) -> float:
    seen: dict[tuple[int, int], FloatArray] = {}
    apart = []
    for row in np.flatnonzero(~data.resting & ~data.turned):
        key = int(data.person[row]), int(data.group[row])
        if key in seen:
            apart.append(np.abs(seen[key] - estimate[row]).mean())
        seen[key] = estimate[row]
    return float(np.mean(apart)) if apart else float("nan")


@dataclass(frozen=True)
class FacsSplit:
    """Rows of people to train on, to calibrate on and to test on; no person in two of them."""

    train: NDArray[np.bool_]
    calibrate: NDArray[np.bool_]
    test: NDArray[np.bool_]

    @classmethod
    def of(cls, data: MotionSet, seed: int) -> FacsSplit:
        """80, 8 and 12 % of the people."""
        people = np.random.default_rng(seed).permutation(np.unique(data.person))
        first, second = int(0.80 * len(people)), int(0.88 * len(people))
        parts = [np.isin(data.person, part) for part in (people[:first], people[first:second], people[second:])]
        return cls(*parts)


def reliability(predict: Predictor, data: MotionSet) -> FloatArray:
    """ICC (units,) on well seen faces, at least 0: how far the geometry can tell each unit at all."""
    seen = data.take((data.turn_deg < 15) & (data.eye_distance_px > 30))
    return np.nan_to_num(np.clip(figures(predict, seen).icc, 0, 1)).astype(np.float32)


def as_card(found: Figures) -> dict[str, float]:
    """Figures as they stand in a model card."""
    return {
        "mean_icc": round(found.mean_icc, 3),
        "au12_icc": round(float(found.icc[_AT_12]), 3),
        "neutral_above_0.3": round(found.neutral_false, 3),
        "turned_above_0.25": round(found.turn_false, 3),
        "smile_au12_first": round(found.smile_first, 3),
        "smile_au12_in_two": round(found.smile_second, 3),
    }
