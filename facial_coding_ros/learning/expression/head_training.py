# SPDX-License-Identifier: Apache-2.0
"""Fits heads on features and points: principal directions, balanced classes and people, people kept aside."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...coding.expression.labels import EXPRESSION_LABELS
from ...options import Settings, option
from ...types import FloatArray
from .head_export import LinearHead

if TYPE_CHECKING:
    import torch

LABELS = len(EXPRESSION_LABELS)
REGIONS = 6144
"""How many of the features are of the regions; those of the surface follow."""
PARTS = ("regions", "surface", "points")
_SCALE = 3.0


@dataclass(frozen=True)
class HeadTrainingSettings(Settings):
    """How a head is fitted."""

    hidden: int = option(0, "units of a hidden layer beside the linear answer; 0: none", low=0)
    dropout: float = option(0.5, "share of the directions left out in each step", low=0.0, high=0.95)
    weight_decay: float = option(0.05, "of AdamW", low=0.0)
    learning_rate: float = option(2e-3, "highest, of one cycle", low=0.0)
    steps: int = option(900, "steps of 512 views", low=1)
    smoothing: float = option(0.1, "share of each label that goes to all labels", low=0.0, high=0.9)
    seed: int = option(0, "of the weights and the batches", low=0)


@dataclass(frozen=True)
class TrainingRows:
    """Views with what they show. made: of animated portraits, whose labels are certain and whose looks are not real.

    x: (n, k) directions. label, person, fold: (n,); fold -1 is kept aside. views: (n,), how many views of the same
    picture there are.
    """

    x: FloatArray
    label: NDArray[np.int64]
    person: NDArray[np.int64]
    fold: NDArray[np.int64]
    views: NDArray[np.int64]
    made: NDArray[np.bool_]

    def where(self, kept: NDArray[np.bool_]) -> TrainingRows:
        """Some of them."""
        return TrainingRows(*(getattr(self, name)[kept] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Directions:
    """Principal directions of each part of features and points, on one scale.

    weight: part -> (d, k); bias: part -> (k,).
    """

    weight: Mapping[str, FloatArray]
    bias: Mapping[str, FloatArray]

    @classmethod
    def fit(cls, features: ArrayLike, points: ArrayLike, counts: Mapping[str, int], seed: int = 0) -> Directions:
        """Of features (n, d) and points (n, 1404). counts: directions of each part; parts left out have none."""
        from sklearn.utils.extmath import randomized_svd

        weight, bias = {}, {}
        for name, x in _parts(features, points).items():
            if name in counts:
                values = np.asarray(x, np.float32)
                mean, spread = values.mean(0), values.std(0) + (1e-4 if name == "points" else 1e-3)
                _, sizes, axes = randomized_svd((values - mean) / spread, counts[name], n_iter=2, random_state=seed)
                scale = _SCALE * np.sqrt(len(values)) / sizes[0]
                weight[name] = (axes.T / spread[:, None] * scale).astype(np.float32)
                bias[name] = -(mean @ weight[name])
        return cls(weight, bias)

    def __call__(self, features: ArrayLike, points: ArrayLike, chunk: int = 2048) -> FloatArray:
        """(n, k)."""
        parts = _parts(features, points)
        count = len(parts["points"])
        rows = []
        for start in range(0, count, chunk):
            of = slice(start, start + chunk)
            rows.append(
                np.concatenate(
                    [np.asarray(parts[n][of], np.float32) @ w + self.bias[n] for n, w in self.weight.items()], 1
                )
            )
        return np.concatenate(rows)

    def folded(self, weight: FloatArray, bias: FloatArray) -> LinearHead:
        """The head of directions with weight (k, 8) and bias (8,) as one on features and points."""
        maps: dict[str, FloatArray] = {}
        shift, first = bias.astype(np.float64), 0
        for name, directions in self.weight.items():
            own = weight[first : first + directions.shape[1]]
            first += directions.shape[1]
            maps[name] = directions @ own
            shift = shift + self.bias[name] @ own
        on_features = [maps[name] for name in PARTS[:2] if name in maps]
        features = np.concatenate(on_features) if on_features else np.zeros((0, LABELS), np.float32)
        return LinearHead(features.astype(np.float32), maps["points"].astype(np.float32), shift.astype(np.float32))


def _parts(features: ArrayLike, points: ArrayLike) -> dict[str, NDArray[Any]]:
    own = np.asarray(features)
    return {"regions": own[:, :REGIONS], "surface": own[:, REGIONS:], "points": np.asarray(points)}


MASS = np.array([1, 1, 1, 1, 1, 0.6, 0.4, 0.3])
"""What each label counts for in stills and portraits together, as far as both have it."""
STILL_SHARE = np.array([1, 1, 1, 1, 1, 0.3, 1, 1])
"""Disgust in the stills is nearly one person in colour, so most of it is to come from portraits."""
MADE_SHARE = np.array([0.6, 0.3, 0.35, 0.35, 0.35, 1, 1, 1])


def weights_of(rows: TrainingRows) -> NDArray[np.float64]:
    """(n,): labels balanced; a person with many views counts as the root of their number."""
    weight = 1.0 / rows.views
    for made, share in ((False, STILL_SHARE), (True, MADE_SHARE)):
        for label in range(LABELS):
            inside = (rows.label == label) & (rows.made == made)
            if inside.any():
                _, place = np.unique(rows.person[inside], return_inverse=True)
                weight[inside] *= np.bincount(place, weight[inside])[place] ** -0.5
                weight[inside] *= MASS[label] * share[label] / weight[inside].sum()
    return weight / weight.sum()


class FittedHead:
    """A fitted head on directions. linear: weight (k, 8) and bias (8,), where there is no hidden layer."""

    def __init__(self, module: torch.nn.Module) -> None:
        self._module = module

    @property
    def linear(self) -> tuple[FloatArray, FloatArray]:
        straight: Any = self._module.straight
        return straight.weight.detach().numpy().T.copy(), straight.bias.detach().numpy().copy()

    def log_probability(self, x: FloatArray) -> FloatArray:
        """(n, 8) of directions (n, k)."""
        import torch

        with torch.no_grad():
            return np.asarray(torch.log_softmax(self._module(torch.from_numpy(np.ascontiguousarray(x))), 1).numpy())


def fit_head(rows: TrainingRows, settings: HeadTrainingSettings | None = None) -> FittedHead:
    """Of all rows, with `weights_of` them. Needs torch."""
    import torch

    settings = settings or HeadTrainingSettings()
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    module = _module(rows.x.shape[1], settings)
    batches = rng.choice(len(rows.x), (settings.steps, 512), p=weights_of(rows))
    optimiser = torch.optim.AdamW(module.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, total_steps=settings.steps)
    for batch in batches:
        answer = module(torch.from_numpy(rows.x[batch]))
        label = torch.from_numpy(rows.label[batch])
        loss = torch.nn.functional.cross_entropy(answer, label, label_smoothing=settings.smoothing)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rate.step()
    return FittedHead(module.eval())


def _module(size: int, settings: HeadTrainingSettings) -> torch.nn.Module:
    import torch

    class Module(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.drop = torch.nn.Dropout(settings.dropout)
            self.straight = torch.nn.Linear(size, LABELS)
            torch.nn.init.zeros_(self.straight.weight)
            self.bent = None
            if settings.hidden:
                self.bent = torch.nn.Sequential(
                    torch.nn.Linear(size, settings.hidden),
                    torch.nn.GELU(),
                    torch.nn.Dropout(0.3),
                    torch.nn.Linear(settings.hidden, LABELS),
                )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.drop(x)
            answer = self.straight(x)
            return answer if self.bent is None else answer + self.bent(x)

    return Module()


def out_of_fold(
    rows: TrainingRows, settings: HeadTrainingSettings | None = None, folds: Sequence[int] | None = None
) -> tuple[FloatArray, dict[int, FittedHead]]:
    """Log-probabilities (n, 8) of each row by a head that saw nobody of its fold, and those heads by fold.

    NaN where that was not asked for. Rows kept aside (fold -1) are told by nobody.
    """
    answers, heads = np.full((len(rows.x), LABELS), np.nan, np.float32), {}
    for fold in sorted(set(rows.fold[rows.fold >= 0].tolist())) if folds is None else folds:
        own = rows.fold == fold
        head = fit_head(rows.where((rows.fold >= 0) & ~own), settings)
        answers[own] = head.log_probability(rows.x[own])
        heads[fold] = head
    return answers, heads


def folds_of(persons: Sequence[str], folds: int, kept_aside: float, seed: int = 0) -> NDArray[np.int64]:
    """(n,) fold of each row by its person's name alone; a share of the people is kept aside, as fold -1."""
    of_person = {}
    for name in set(persons):
        number = zlib.crc32(f"{seed} {name}".encode())
        aside = number % 1000 < round(1000 * kept_aside)
        of_person[name] = -1 if aside else number // 1000 % folds
    return np.array([of_person[name] for name in persons], np.int64)
