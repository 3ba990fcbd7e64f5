# SPDX-License-Identifier: Apache-2.0
"""Fits models/visibility: which parts of a face are hidden, from the landmark network's features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...tracking.visibility import NOT_VISIBLE_BELOW
from ...tracking.visibility_head import VisibilityHead
from ...types import FloatArray
from ..expression.head_training import folds_of
from .covered_views import OPEN, REGIONS, CoveredViews

if TYPE_CHECKING:
    import torch

KEPT_ASIDE, FOLDS = 0.2, 6
"""Share of the people that judges, by a hash of their names; one of FOLDS parts of the others sets the scales."""
HARD, HARD_WEIGHT = ("glasses", "beard", "shadow"), 3.0
"""Kinds that are taken for coverings most easily, and how much more they count."""
HIDDEN_UNITS, EPOCHS, BATCH, RATE, DECAY = 16, 12, 256, 1e-3, 0.1
CHOSEN = 2688
"""Features that are kept, a quarter: those with the largest weights where all are given."""
LIMIT = 6.0
"""Features are cut at so many standard deviations."""
ALL_HIDDEN, ALL_SEEN = 0.8, 0.1
"""Shares of a region's points that are hidden from which, and up to which, it counts as hidden and as seen."""
FALSE_CLAIMS = 0.02
"""Share of the seen regions, each side by itself, that may be called hidden."""
SURELY_SEEN = 0.95
"""Share of them whose visibility is to be 0.9 or more."""


@dataclass(frozen=True)
class RegionScore:
    """How well hidden regions are told. noticed: share of the hidden ones; false_claims: share of the seen ones."""

    hidden: int
    noticed: float
    seen: int
    false_claims: float


def aside(views: CoveredViews) -> NDArray[np.bool_]:
    """(n,), whether a view is of one of the people kept aside."""
    return folds_of(views.person.tolist(), FOLDS, KEPT_ASIDE) < 0


def fit_visibility(views: CoveredViews, seed: int = 0) -> VisibilityHead:
    """Of all people but those kept aside; scaled on some of them so that FALSE_CLAIMS of what is seen lies below
    NOT_VISIBLE_BELOW. Needs torch."""
    fold = folds_of(views.person.tolist(), FOLDS, KEPT_ASIDE)
    rows = np.flatnonzero(fold > 0)
    mean, spread = _statistics(views.rows.features, rows)
    places = np.arange(len(mean))
    full = _fitted(views, rows, places, mean, spread, seed)
    weighty = np.linalg.norm(full.weight * spread[:, None] * np.linalg.norm(full.outer_weight, axis=1), axis=1)
    chosen = np.sort(np.argsort(-weighty)[:CHOSEN])
    return _scaled(_fitted(views, rows, chosen, mean, spread, seed), views.where(fold == 0))


def _fitted(
    views: CoveredViews,
    rows: NDArray[np.intp],
    chosen: NDArray[np.intp],
    mean: FloatArray,
    spread: FloatArray,
    seed: int,
) -> VisibilityHead:
    """Logits of hidden, from the chosen features."""
    import torch

    weight = np.where(np.isin(views.kind, HARD), HARD_WEIGHT, 1.0).astype(np.float32)[:, None]
    features = views.rows.features[:, chosen]
    mean, spread = mean[chosen], spread[chosen]
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    inner = torch.nn.Linear(len(chosen), HIDDEN_UNITS)
    outer = torch.nn.Linear(HIDDEN_UNITS, len(REGIONS))
    net = torch.nn.Sequential(torch.nn.Dropout(0.3), inner, torch.nn.ReLU(), torch.nn.Dropout(0.2), outer)
    steps = len(rows) // BATCH
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=EPOCHS * steps)
    for _ in range(EPOCHS):
        order = rng.permutation(rows)
        for step in range(steps):
            batch = order[step * BATCH : (step + 1) * BATCH]
            given = np.clip((features[batch].astype(np.float32) - mean) / spread, -LIMIT, LIMIT)
            answer = net(torch.from_numpy(given))
            truth = torch.from_numpy(views.hidden[batch])
            counts = torch.from_numpy(weight[batch])
            loss = torch.nn.functional.binary_cross_entropy_with_logits(answer, truth, counts)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            rate.step()
    # Written without the cut, which ordinary features never reach.
    first = _array(inner.weight).T / spread[:, None]
    return VisibilityHead(
        chosen, first, _array(inner.bias) - mean @ first, _array(outer.weight).T, _array(outer.bias), ""
    )


def _array(parameter: torch.Tensor) -> FloatArray:
    return np.asarray(parameter.detach().numpy(), np.float32)


def _statistics(features: NDArray[Any], rows: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    total, squares = np.zeros(features.shape[1]), np.zeros(features.shape[1])
    for part in np.array_split(rows, max(len(rows) // 2000, 1)):
        values = features[part].astype(np.float64)
        total += values.sum(0)
        squares += (values**2).sum(0)
    mean = total / len(rows)
    deviation = np.sqrt(np.maximum(squares / len(rows) - mean**2, 0))
    return mean.astype(np.float32), (deviation + 1e-2).astype(np.float32)


def _scaled(head: VisibilityHead, views: CoveredViews) -> VisibilityHead:
    """Logits of hidden become logits of visible, NOT_VISIBLE_BELOW where FALSE_CLAIMS begin."""
    hidden = head.logits(views.rows.features)
    scale, shift = np.zeros(len(REGIONS)), np.zeros(len(REGIONS))
    for k in range(len(REGIONS)):
        seen = hidden[views.hidden[:, k] <= ALL_SEEN, k]
        usual, limit = np.quantile(seen, (SURELY_SEEN, 1 - FALSE_CLAIMS))
        low, high = _logit(NOT_VISIBLE_BELOW), _logit(0.9)
        scale[k] = (high - low) / max(limit - usual, 0.3)
        shift[k] = low + scale[k] * limit
    return VisibilityHead(
        head.chosen,
        head.weight,
        head.bias,
        np.asarray(-head.outer_weight * scale, np.float32),
        np.asarray(shift - head.outer_bias * scale, np.float32),
        "",
    )


def _logit(share: float) -> float:
    return float(np.log(share / (1 - share)))


def scores(visible: FloatArray, views: CoveredViews) -> Mapping[str, RegionScore]:
    """Of visible (n, regions), 0..1, for each region."""
    table = {}
    for k, name in enumerate(REGIONS):
        hidden, seen = views.hidden[:, k] >= ALL_HIDDEN, views.hidden[:, k] <= ALL_SEEN
        claimed = visible[:, k] < NOT_VISIBLE_BELOW
        table[name] = RegionScore(int(hidden.sum()), _mean(claimed[hidden]), int(seen.sum()), _mean(claimed[seen]))
    return table


def pairs(shares: FloatArray) -> FloatArray:
    """(n, 3): brows, eyes and mouth, each the mean of its two sides, of (n, regions)."""
    return np.stack(
        [shares[:, [REGIONS.index(f"{side} {part}") for side in ("right", "left")]].mean(1) for part in PARTS], 1
    )


PARTS = ("brow", "eye", "mouth")


def part_scores(visible: FloatArray, views: CoveredViews) -> Mapping[str, RegionScore]:
    """Of visible (n, 3) brows, eyes and lower face, as the tracker tells them."""
    hidden_share = pairs(views.hidden)
    table = {}
    for k, name in enumerate(("brows", "eyes", "lower face")):
        hidden, seen = hidden_share[:, k] >= ALL_HIDDEN, hidden_share[:, k] <= ALL_SEEN
        claimed = visible[:, k] < NOT_VISIBLE_BELOW
        table[name] = RegionScore(int(hidden.sum()), _mean(claimed[hidden]), int(seen.sum()), _mean(claimed[seen]))
    return table


def open_faces(views: CoveredViews) -> NDArray[np.bool_]:
    """(n,), with nothing before them."""
    return views.kind == OPEN


def _mean(values: NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else float("nan")
