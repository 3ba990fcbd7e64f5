# SPDX-License-Identifier: Apache-2.0
"""How well expressions are told: by label, by person, when unsure, and whether probabilities mean what they say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...coding.expression.labels import EXPRESSION_LABELS
from ...coding.expression.witness_fusion import LABEL_LESS
from ...types import FloatArray
from .fusion_training import PRIOR, prior_weights

FIVE, SEVEN = 5, 7
"""The first labels, up to surprised and up to scared: neutral, happy, sad, angry, surprised (disgusted, scared)."""


@dataclass(frozen=True)
class ExpressionFigures:
    """Of n pictures. Recalls are of the likeliest of the labels counted; NaN where a label has no pictures.

    five, seven: mean recall over the first labels. recall: (8,), of the likeliest of all. neutral_wrong: share of
    neutral pictures given another label. right, right_balanced: share of given labels that are right, among the first
    five, as they come and with all five alike; given, given_balanced: share of pictures given one. calibration_error,
    calibration_error_prior: expected calibration error of the likeliest label, as pictures come and, of the first five,
    with labels as common as the prior says.
    """

    pictures: int
    five: float
    seven: float
    recall: FloatArray
    neutral_wrong: float
    right: float
    right_balanced: float
    given: float
    given_balanced: float
    calibration_error: float
    calibration_error_prior: float

    def row(self) -> str:
        """A line of a table in Markdown; see HEAD."""
        return (
            f"{self.pictures} | {self.five:.3f} | {self.seven:.3f} | {100 * self.neutral_wrong:.1f} % | "
            f"{100 * self.right:.0f} / {100 * self.right_balanced:.0f} % | "
            f"{100 * self.given:.0f} / {100 * self.given_balanced:.0f} % | "
            f"{self.calibration_error:.3f} / {self.calibration_error_prior:.3f} |"
        )


HEAD = (
    "pictures | five | seven | neutral told otherwise | labels right | pictures given a label | calibration error |\n"
    "|---|---|---|---|---|---|---|---|"
)


def figures_of(probability: FloatArray, label: NDArray[np.int64], least: float) -> ExpressionFigures:
    """probability: (n, 8). label: (n,). least: as ExpressionSettings.fused_unsure_below."""
    most, told = probability.max(1), probability.argmax(1)
    sure = most >= least - LABEL_LESS[told]
    five = label < FIVE
    balanced = 1 / np.maximum(np.bincount(label, minlength=8), 1)[label]
    neutral = label == 0
    right = told == label
    given = five & sure
    return ExpressionFigures(
        len(label),
        mean_recall(probability, label, FIVE),
        mean_recall(probability, label, SEVEN),
        np.array([right[label == k].mean() if (label == k).any() else np.nan for k in range(len(PRIOR))], np.float32),
        float((sure & ~right)[neutral].mean()) if neutral.any() else np.nan,
        float(right[given].mean()) if given.any() else np.nan,
        float(np.average(right[given], weights=balanced[given])) if given.any() else np.nan,
        float(sure[five].mean()),
        float(np.average(sure[five], weights=balanced[five])),
        calibration(probability, label)[1],
        calibration(probability[five], label[five], prior_weights(label[five]))[1],
    )


def mean_recall(probability: FloatArray, label: NDArray[np.int64], count: int) -> float:
    """Mean over the first `count` labels of how often the likeliest of them is right; of those that have pictures."""
    inside = label < count
    told, true = probability[inside][:, :count].argmax(1), label[inside]
    return float(np.mean([(told[true == k] == k).mean() for k in range(count) if (true == k).any()]))


def calibration(
    probability: FloatArray, label: NDArray[np.int64], weight: NDArray[np.float64] | None = None, bins: int = 10
) -> tuple[FloatArray, float]:
    """Rows (confidence, accuracy, share of the pictures) of the bins, and the expected calibration error.

    Of the likeliest label. weight: (n,) of each picture.
    """
    own = np.full(len(label), 1 / len(label)) if weight is None else weight / weight.sum()
    most, right = probability.max(1), probability.argmax(1) == label
    place = np.minimum((most * bins).astype(int), bins - 1)
    rows = []
    for b in np.unique(place):
        inside = place == b
        share = own[inside].sum()
        rows.append((own[inside] @ most[inside] / share, own[inside] @ right[inside] / share, share))
    table = np.array(rows, np.float32)
    return table, float((np.abs(table[:, 0] - table[:, 1]) * table[:, 2]).sum())


def confusion(probability: FloatArray, label: NDArray[np.int64]) -> FloatArray:
    """(8, 8): of pictures of a label (row) the share told as each label (column); rows of NaN have no pictures."""
    count = len(EXPRESSION_LABELS)
    table = np.zeros((count, count))
    np.add.at(table, (label, probability.argmax(1)), 1)
    with np.errstate(invalid="ignore"):
        return np.asarray(table / table.sum(1, keepdims=True), np.float32)
