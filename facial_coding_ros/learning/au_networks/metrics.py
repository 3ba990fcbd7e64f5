# SPDX-License-Identifier: Apache-2.0
"""How well action units are detected: F1 and accuracy, with intervals over people; landmarks' error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...types import FloatArray

THRESHOLD = 0.5
FAILURE = 0.1
"""Landmark error, in distances between the eye centres, above which an alignment has failed."""


@dataclass(frozen=True)
class AuScore:
    """f1, accuracy: (N,) of each action unit; nan where it was never coded. low and high: ends of the 95 % interval of
    each, (N,), and of the mean over action units, from drawing the people anew.
    """

    aus: tuple[int, ...]
    f1: FloatArray
    accuracy: FloatArray
    f1_low: FloatArray
    f1_high: FloatArray
    mean_f1: float
    mean_f1_low: float
    mean_f1_high: float
    mean_accuracy: float
    frames: int
    people: int


def counts(probability: ArrayLike, labels: ArrayLike) -> NDArray[np.int64]:
    """True positives, false positives, false negatives, true negatives (4, N). Both arguments (n, N); labels of -1 do
    not count.
    """
    said = np.asarray(probability) >= THRESHOLD
    labels = np.asarray(labels)
    present, absent = labels == 1, labels == 0
    cells = (said & present, said & absent, ~said & present, ~said & absent)
    return np.stack([cell.sum(0) for cell in cells]).astype(np.int64)


def f1_of(cells: NDArray[np.int64]) -> FloatArray:
    """F1 (..., N) of counts (..., 4, N): 2 TP / (2 TP + FP + FN), 0 where nothing was there and nothing was said."""
    hit, false, missed = (cells[..., i, :].astype(np.float64) for i in range(3))
    total = 2 * hit + false + missed
    return (2 * hit / np.maximum(total, 1)).astype(np.float32)


def accuracy_of(cells: NDArray[np.int64]) -> FloatArray:
    """Share of right answers (..., N); nan where nothing was coded."""
    total = cells.sum(-2)
    right = cells[..., 0, :] + cells[..., 3, :]
    return np.where(total > 0, right / np.maximum(total, 1), np.nan).astype(np.float32)


def score(
    probability: ArrayLike, labels: ArrayLike, people: ArrayLike, aus: tuple[int, ...], draws: int = 2000, seed: int = 0
) -> AuScore:
    """probability, labels: (n, N); people: (n,) whose frame it is. Frames of one person stay together in each draw,
    for they resemble one another.

    Raises ValueError when shapes differ or nothing was coded.
    """
    probability, labels, people = np.asarray(probability), np.asarray(labels), np.asarray(people)
    if probability.shape != labels.shape or labels.shape != (len(people), len(aus)):
        raise ValueError(
            f"Shapes differ: {probability.shape}, {labels.shape}, {people.shape}, {len(aus)} action units."
        )
    coded = (labels >= 0).any(0)
    if not coded.any():
        raise ValueError("No frame is coded.")
    names = np.unique(people)
    per_person = np.stack([counts(probability[people == name], labels[people == name]) for name in names])
    total = per_person.sum(0)
    f1 = np.where(coded, f1_of(total), np.nan)
    accuracy = accuracy_of(total)
    rng = np.random.default_rng(seed)
    chosen = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    drawn = np.where(coded, f1_of(np.tensordot(chosen, per_person, axes=1)), np.nan)
    low, high = np.nanpercentile(drawn[:, coded], [2.5, 97.5], axis=0)
    ends = np.full((2, len(aus)), np.nan, np.float32)
    ends[:, coded] = low, high
    mean_low, mean_high = np.percentile(drawn[:, coded].mean(1), [2.5, 97.5])
    return AuScore(
        tuple(aus), f1.astype(np.float32), accuracy, ends[0], ends[1],
        float(f1[coded].mean()), float(mean_low), float(mean_high), float(accuracy[coded].mean()),
        len(labels), len(names),
    )  # fmt: skip


def landmark_errors(predicted: ArrayLike, landmarks: ArrayLike) -> FloatArray:
    """Mean distance (n,) of the inner 49 landmarks over the distance between the eye centres. Both (n, 49, 2)."""
    predicted, landmarks = np.asarray(predicted, np.float64), np.asarray(landmarks, np.float64)
    right, left = landmarks[:, 19:25].mean(1), landmarks[:, 25:31].mean(1)
    ocular = np.linalg.norm(left - right, axis=-1)
    return (np.linalg.norm(predicted - landmarks, axis=-1).mean(1) / ocular).astype(np.float32)
