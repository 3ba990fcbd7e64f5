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
    KNOWN_PRIOR,
    KNOWN_PULL,
    STRANGER_PULL,
    fit_affine,
    fit_doubt,
    fit_known,
    known_start,
    prior_weights,
    stranger_start,
)
from .head_export import LinearHead
from .head_training import Directions, FittedHead, HeadTrainingSettings, TrainingRows, fit_head, folds_of, out_of_fold
from .neutral_pairs import KnownNeutrals, joined, known_neutrals, witnesses
from .views import ViewSet
from .watched_scenes import WatchedFrames, told_frames

FOLDS, KEPT_ASIDE = 5, 0.2
COUNTS = {"regions": 400, "surface": 256, "points": 128}
"""Directions of each part."""
LEAST = 0.65
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
_SCENES_KNOWN = 0.35
"""What scenes count for beside stills in what is told of known neutrals."""
_EARLY, _EARLY_NS = 4.0, 1_000_000_000
"""What a frame of a scene's first second counts for: of it there is little, and it makes the first impression."""


@dataclass(frozen=True)
class ToldApart:
    """views: (n, 8), log-probabilities by heads that did not see the person. heads: those heads, by fold."""

    views: FloatArray
    heads: dict[int, FittedHead]


@dataclass(frozen=True)
class AppearanceTraining:
    """Views of stills and portraits, people in folds, a fifth of them kept aside (fold -1).

    scenes: of portraits and rendered people, and who is in each frame (n,).
    """

    views: ViewSet
    scenes: WatchedFrames
    scene_person: NDArray[np.str_]
    seed: int = 0

    @cached_property
    def fold(self) -> NDArray[np.int64]:
        """(n,)."""
        return folds_of(self.views.person.tolist(), FOLDS, KEPT_ASIDE, self.seed)

    @cached_property
    def scene_fold(self) -> NDArray[np.int64]:
        """(n,), of the frames of scenes."""
        return folds_of(self.scene_person.tolist(), FOLDS, KEPT_ASIDE, self.seed)

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
    ) -> dict[str, ToldApart]:
        """What some of HEADS tell of people they did not see."""
        told = {}
        for name in names:
            told[name] = ToldApart(*out_of_fold(self.rows(name), self.settings(name, steps), range(folds)))
            say(f"{name}: {folds} folds told")
        return told

    def fit(self, name: str, steps: int, apart: ToldApart) -> tuple[LinearHead, ToldApart]:
        """The head for use, fitted on all people not kept aside, and who those are told by that did not see them."""
        rows = self.rows(name)
        fitted = fit_head(rows.where(self.fold >= 0), self.settings(name, steps))
        parts, _ = HEADS[name]
        own = Directions(
            {part: self.directions.weight[part] for part in self.directions.weight if part in parts},
            {part: self.directions.bias[part] for part in self.directions.weight if part in parts},
        )
        aside = np.isnan(apart.views) & (self.fold < 0)[:, None]
        views = np.where(aside, fitted.log_probability(rows.x), apart.views)
        return own.folded(*fitted.linear), ToldApart(views, {**apart.heads, -1: fitted})

    def told_of_scenes(self, told: ToldApart) -> Witnesses:
        """Of all frames of scenes, by the heads that did not see their people. For heads on all directions."""
        x = self.directions(self.scenes.features, self.scenes.points)
        answers = np.zeros((len(self.scenes), 8), np.float32)
        for fold, head in told.heads.items():
            own = self.scene_fold == fold
            answers[own] = head.log_probability(x[own])
        return self.scenes.witnesses(answers)

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
        stranger = self._stranger(appearance, people, None)
        resting = appearance[self.clean & people & (label == 0)].mean(0)
        nothing = np.zeros((25, 8), np.float32), np.zeros(8, np.float32)
        trust = np.array([0.7, 0.03], np.float32)
        still = people & ~self.made
        weight = np.zeros(len(label))
        for rows in (self.clean & still, ~self.clean & still):
            weight[rows] = 0.5 * prior_weights(label[rows])
        hidden = hidden_and_small(self.visible, self.views.rows.size_px.tolist())
        logits = appearance @ stranger[0] + stranger[1]
        doubt = fit_doubt(logits[still], label[still], weight[still], hidden[still])
        return ExpressionFusion(*stranger, *nothing, resting, doubt, trust)

    def _stranger(
        self, appearance: FloatArray, people: NDArray[np.bool_], temperature: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """Weight and bias for strangers, of log-probabilities (n, 8); temperature: (n,) of each view."""
        label = self.views.label
        weight = np.zeros(len(label))
        for rows, share in ((self.clean, _CLEAN), (~self.clean & ~self.made, _DISTURBED), (self.made, _MADE)):
            inside = rows & people
            weight[inside] = share * prior_weights(label[inside])
        used = weight > 0
        softer = None if temperature is None else temperature[used]
        return fit_affine(appearance[used], label[used], weight[used], stranger_start(), STRANGER_PULL, softer)

    def fusion(self, told: ToldApart, people: NDArray[np.bool_]) -> ExpressionFusion:
        """As `fusion_of_appearance`, with the branch for people whose neutral is known: of stills and of scenes."""
        fusion = self.fusion_of_appearance(told.views, people)
        stills, places = self.evidence(told.views, people & self.clean)
        scenes = self.told_of_scenes(told)
        folds = set(self.fold[people].tolist())
        shown = told_frames(self.scenes) & np.isin(self.scene_fold, list(folds))
        label = np.concatenate([self.views.label[places], self.scenes.label])
        weight = np.zeros(len(label))
        weight[: len(places)] = prior_weights(self.views.label[places], KNOWN_PRIOR)
        early = np.where(self.scenes.stamp_ns[shown] < _EARLY_NS, _EARLY, 1.0)
        own = early * prior_weights(self.scenes.label[shown], KNOWN_PRIOR)
        weight[len(places) :][shown] = _SCENES_KNOWN * own / own.sum()
        start = known_start(fusion.stranger_weight)
        fusion = fit_known(fusion, joined(stills, scenes), label, weight, start, KNOWN_PULL)
        # Covered faces are of scenes, small and disturbed ones of stills: whichever asks for more doubt has it.
        hidden = hidden_and_small(scenes.visible, scenes.size_px)[shown]
        logits = fusion.logits(scenes)[shown]
        doubt = fit_doubt(logits, self.scenes.label[shown], weight[len(places) :][shown], hidden)
        fusion = replace(fusion, doubt=np.maximum(fusion.doubt, doubt))
        temperature = fusion.temperature(self.visible, self.views.rows.size_px.tolist())
        stranger = self._stranger(log_softmax(np.nan_to_num(told.views)), people, temperature)
        fusion = replace(fusion, stranger_weight=stranger[0], stranger_bias=stranger[1])
        return fit_known(fusion, joined(stills, scenes), label, weight, start, KNOWN_PULL)

    def strangers(self, fusion: ExpressionFusion, told: FloatArray, rows: NDArray[np.bool_]) -> ExpressionFigures:
        """Figures of some views, each told from appearance alone."""
        visible = [self.visible[i] for i in np.flatnonzero(rows)]
        probability = fusion.stranger(log_softmax(told[rows]), visible, self.views.rows.size_px[rows].tolist())
        return figures_of(probability, self.views.label[rows], LEAST)

    def evidence(self, told: FloatArray, rows: NDArray[np.bool_]) -> tuple[Witnesses, NDArray[np.int64]]:
        """Witnesses of the views among `rows` whose person's neutral is known, and the views' places."""
        some = self.known.within(rows)
        return witnesses(self.views, some, log_softmax(told)), some.row
