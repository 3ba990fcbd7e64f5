# SPDX-License-Identifier: Apache-2.0
"""The losses of the three networks, as published. A label is 1 (present), 0 (absent) or -1 (unknown: left out)."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor

from ...types import FloatArray

TINY = 1e-8
"""Keeps logarithms finite."""


def occurrence_rates(labels: ArrayLike) -> FloatArray:
    """Share of frames (N,) in which each action unit is present, among those where it is known. labels: (n, N).

    Raises ValueError when an action unit is never present, for it then has no weight.
    """
    table = np.asarray(labels)
    known = (table >= 0).sum(0)
    present = (table == 1).sum(0)
    if (present == 0).any():
        raise ValueError(f"Action units in columns {np.flatnonzero(present == 0).tolist()} are never present.")
    return (present / known).astype(np.float32)


def class_weights(rates: ArrayLike) -> FloatArray:
    """w_i = N r_i^-1 / sum_j r_j^-1, mean 1 (Shao et al. 2018, equation 1; Luo et al. 2022, equation 9)."""
    inverse = 1.0 / np.asarray(rates, np.float64)
    return (len(inverse) * inverse / inverse.sum()).astype(np.float32)


def _mean_of_known(values: Tensor, known: Tensor) -> Tensor:
    return (values * known).sum() / known.sum().clamp(min=1)


def eac_cross_entropy(probability: Tensor, labels: Tensor) -> Tensor:
    """-mean [l log((p + 0.05) / 1.05) + (1 - l) log((1.05 - p) / 1.05)], (B, N) each (Li et al. 2017, equation 2)."""
    known = (labels >= 0).to(probability.dtype)
    present = labels.clamp(min=0).to(probability.dtype)
    positive = torch.log((probability + 0.05) / 1.05)
    negative = torch.log((1.05 - probability) / 1.05)
    return -_mean_of_known(present * positive + (1 - present) * negative, known)


def weighted_asymmetric(probability: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """-mean w [y log p + (1 - y) p log(1 - p)] with p held fixed where it is a factor (Luo et al. 2022, equation 8).

    probability, labels: (B, N), weights: (N,). Easy absences, of small p, count little.
    """
    known = (labels >= 0).to(probability.dtype)
    present = labels.clamp(min=0).to(probability.dtype)
    positive = torch.log(probability.clamp(min=TINY))
    negative = probability.detach() * torch.log((1 - probability).clamp(min=TINY))
    return -_mean_of_known(weights * (present * positive + (1 - present) * negative), known)


def pair_classes(labels: Tensor) -> Tensor:
    """Class 2 y_j + y_k of each pair at row j N + k, pairs with itself too; -1 where one is unknown.

    labels: (B, N). Returns (B, N^2), int64.
    """
    labels = labels.long()
    first, second = labels[:, :, None], labels[:, None, :]
    classes = 2 * first + second
    return torch.where((first >= 0) & (second >= 0), classes, torch.full_like(classes, -1)).flatten(1)


def edge_cross_entropy(scores: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the pairs' scores (B, N^2, 4) (Luo et al. 2022, equation 10). labels: (B, N)."""
    classes = pair_classes(labels).flatten()
    total = F.cross_entropy(scores.flatten(0, 1), classes, ignore_index=-1, reduction="sum")
    return total / (classes >= 0).sum().clamp(min=1)


def weighted_nll(log_probability: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Mean over action units of w_i times the mean of -log p of the label (Shao et al. 2021, equation 6).

    log_probability: (B, 2, N), labels: (B, N), weights: (N,).
    """
    known = (labels >= 0).to(log_probability.dtype)
    chosen = log_probability.gather(1, labels.clamp(min=0).long()[:, None])[:, 0]
    per_au = -(chosen * known).sum(0) / known.sum(0).clamp(min=1)
    return (weights * per_au).mean()


def weighted_dice(log_probability: Tensor, labels: Tensor, weights: Tensor, smooth: float = 1.0) -> Tensor:
    """Mean over action units of w_i (1 - (2 sum l p + e) / (sum l^2 + sum p^2 + e)), sums over the batch, e = 1
    (Shao et al. 2021, equation 7). Shapes as in weighted_nll.
    """
    known = (labels >= 0).to(log_probability.dtype)
    present = labels.clamp(min=0).to(log_probability.dtype) * known
    probability = log_probability[:, 1].exp() * known
    overlap = 2 * (present * probability).sum(0) + smooth
    return (weights * (1 - overlap / ((present**2).sum(0) + (probability**2).sum(0) + smooth))).mean()


def ocular_distance(landmarks: Tensor) -> Tensor:
    """Distance (B,) between the eye centres of the inner 49 landmarks (B, 49, 2)."""
    return (landmarks[:, 19:25].mean(1) - landmarks[:, 25:31].mean(1)).norm(dim=-1)


def landmark_loss(predicted: Tensor, landmarks: Tensor) -> Tensor:
    """Mean over the batch of sum (yh - y)^2 / (2 d^2), d the distance between the eye centres (Shao et al. 2021,
    equation 5). Both (B, 49, 2).
    """
    squared = ((predicted - landmarks) ** 2).sum((1, 2))
    return (squared / (2 * ocular_distance(landmarks) ** 2)).mean()
