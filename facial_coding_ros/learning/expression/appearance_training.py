# SPDX-License-Identifier: Apache-2.0
"""From views to the shipped files: heads compared and fitted, their answers calibrated, witnesses joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...coding.expression.witness_fusion import ExpressionFusion, Witnesses, hidden_and_small, log_softmax
from ...types import FloatArray, Visibility
from .expression_scores import ExpressionFigures, figures_of
from .fusion_training import (
    KNOWN_PULL,
    STRANGER_PULL,
    fit_affine,
    fit_doubt,
    known_start,
    prior_weights,
    stranger_start,
)
from .head_export import LinearHead
from .head_training import Directions, HeadTrainingSettings, TrainingRows, fit_head, folds_of, out_of_fold
from .neutral_pairs import KnownNeutrals, known_neutrals, witnesses
from .views import ViewSet

FOLDS, KEPT_ASIDE = 5, 0.2
COUNTS = {"regions": 400, "surface": 256, "points": 128}
"""Directions of each part."""
LEAST = 0.55
"""ExpressionSettings.fused_unsure_below, with which tables are made."""
HEADS: dict[str, tuple[tuple[str, ...], dict[str, float]]] = {
    "points alone, linear": (("points",), {"dropout": 0.1}),
    "regions, linear": (("regions",), {}),
    "regions and points, linear": (("regions", "points"), {}),
    "all features, linear": (("regions", "surface"), {}),
    "all features and points, linear": (("regions", "surface", "points"), {}),
    "all features and points, 64 hidden": (("regions", "surface", "points"), {"hidden": 64}),
}
"""Those compared: parts, and what differs from the usual settings."""
ALL, GEOMETRY = "all features and points, linear", "points alone, linear"
_CLEAN, _DISTURBED, _MADE = 1.0, 0.15, 0.25
"""What undisturbed stills, disturbed ones and portraits count for in the calibration of strangers."""
_MADE_KNOWN = 0.35


@dataclass(frozen=True)
class AppearanceTraining:
    """Views of stills and portraits, people in folds, a fifth of them kept aside (fold -1)."""

    views: ViewSet
    seed: int = 0

    @cached_property
    def fold(self) -> NDArray[np.int64]:
        """(n,)."""
        return folds_of(self.views.person.tolist(), FOLDS, KEPT_ASIDE, self.seed)

    @cached_property
    def made(self) -> NDArray[np.bool_]:
        return np.asarray(self.views.kind >= 0)

    @cached_property
    def clean(self) -> NDArray[np.bool_]:
        """Stills as they are."""
        return np.asarray(~self.made & (self.views.which == 0))

    @cached_property
    def directions(self) -> Directions:
        """Of undisturbed stills of people who are not kept aside."""
        kept = self.clean & (self.fold >= 0)
        return Directions.fit(self.views.rows.features[kept], self.views.rows.points[kept], COUNTS)

    @cached_property
    def _all_rows(self) -> TrainingRows:
        _, picture = np.unique(self.views.picture, return_inverse=True)
        _, person = np.unique(self.views.person, return_inverse=True)
        x = self.directions(self.views.rows.features, self.views.rows.points)
        return TrainingRows(x, self.views.label, person, self.fold, np.bincount(picture)[picture], self.made)

    def rows(self, name: str) -> TrainingRows:
        """For one of HEADS."""
        parts, _ = HEADS[name]
        first, columns = 0, []
        for part, weight in self.directions.weight.items():
            if part in parts:
                columns += list(range(first, first + weight.shape[1]))
            first += weight.shape[1]
        return replace(self._all_rows, x=np.ascontiguousarray(self._all_rows.x[:, columns]))

    def settings(self, name: str, steps: int) -> HeadTrainingSettings:
        return HeadTrainingSettings(steps=steps, seed=self.seed, **HEADS[name][1])  # type: ignore[arg-type]

    def compare(
        self, names: Sequence[str], say: Callable[[str], None], steps: int, folds: int = FOLDS
    ) -> dict[str, FloatArray]:
        """Log-probabilities (n, 8) of some of HEADS for people they did not see; NaN in folds that are left out."""
        told = {}
        for name in names:
            told[name] = out_of_fold(self.rows(name), self.settings(name, steps), range(folds))
            say(f"{name}: {folds} folds told")
        return told

    def fit(self, name: str, steps: int) -> tuple[LinearHead, FloatArray]:
        """The head for use, fitted on all people not kept aside, and its log-probabilities of all views."""
        rows = self.rows(name)
        fitted = fit_head(rows.where(self.fold >= 0), self.settings(name, steps))
        parts, _ = HEADS[name]
        own = Directions(
            {part: self.directions.weight[part] for part in self.directions.weight if part in parts},
            {part: self.directions.bias[part] for part in self.directions.weight if part in parts},
        )
        return own.folded(*fitted.linear), fitted.log_probability(rows.x)

    @cached_property
    def known(self) -> KnownNeutrals:
        return known_neutrals(self.views, self.seed)

    @cached_property
    def visible(self) -> list[Visibility]:
        return [Visibility(float(v.mean()), *map(float, v)) for v in self.views.rows.visible]

    def fusion_of_appearance(self, told: FloatArray, people: NDArray[np.bool_]) -> ExpressionFusion:
        """For strangers only, fitted on the answers (n, 8) of heads to people they did not see.

        people: (n,), which views are used. The known branch is nothing yet.
        """
        label, appearance = self.views.label, log_softmax(np.nan_to_num(told))
        weight = np.zeros(len(label))
        for rows, share in ((self.clean, _CLEAN), (~self.clean & ~self.made, _DISTURBED), (self.made, _MADE)):
            inside = rows & people
            weight[inside] = share * prior_weights(label[inside])
        used = weight > 0
        stranger = fit_affine(appearance[used], label[used], weight[used], stranger_start(), STRANGER_PULL)
        resting = appearance[self.clean & people & (label == 0)].mean(0)
        nothing = np.zeros((25, 8), np.float32), np.zeros(8, np.float32)
        still = people & ~self.made
        weight = np.zeros(len(label))
        for rows in (self.clean & still, ~self.clean & still):
            weight[rows] = 0.5 * prior_weights(label[rows])
        hidden = hidden_and_small(self.visible, self.views.rows.size_px.tolist())
        logits = appearance @ stranger[0] + stranger[1]
        doubt = fit_doubt(logits[still], label[still], weight[still], hidden[still])
        return ExpressionFusion(*stranger, *nothing, resting, doubt)

    def fusion(self, told: FloatArray, people: NDArray[np.bool_]) -> ExpressionFusion:
        """As `fusion_of_appearance`, with the branch for people whose neutral is known."""
        fusion = self.fusion_of_appearance(told, people)
        evidence = witnesses(self.views, self.known, log_softmax(np.nan_to_num(told)))
        inside, made = people[self.known.row], self.made[self.known.row]
        label = self.views.label[self.known.row]
        weight = np.zeros(len(label))
        for rows, share in ((inside & ~made, 1.0), (inside & made, _MADE_KNOWN)):
            weight[rows] = share * prior_weights(label[rows])
        used = weight > 0
        start = known_start(fusion.stranger_weight)
        inputs = fusion.known_inputs(evidence)[used]
        known = fit_affine(inputs, label[used], weight[used], start, KNOWN_PULL)
        return replace(fusion, known_weight=known[0], known_bias=known[1])

    def strangers(self, fusion: ExpressionFusion, told: FloatArray, rows: NDArray[np.bool_]) -> ExpressionFigures:
        """Figures of some views, each told from appearance alone."""
        visible = [self.visible[i] for i in np.flatnonzero(rows)]
        probability = fusion.stranger(log_softmax(told[rows]), visible, self.views.rows.size_px[rows].tolist())
        return figures_of(probability, self.views.label[rows], LEAST)

    def evidence(self, told: FloatArray, rows: NDArray[np.bool_]) -> tuple[Witnesses, NDArray[np.int64]]:
        """Witnesses of the views among `rows` whose person's neutral is known, and the views' places."""
        inside = rows[self.known.row]
        some = KnownNeutrals(
            self.known.row[inside],
            self.known.neutral[inside],
            tuple(one for one, kept in zip(self.known.resting, inside, strict=True) if kept),
        )
        return witnesses(self.views, some, log_softmax(told)), some.row
