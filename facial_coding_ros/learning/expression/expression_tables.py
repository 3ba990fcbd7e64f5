# SPDX-License-Identifier: Apache-2.0
"""Tables of a training: heads compared, strangers, known neutrals, scenes; in Markdown."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...coding.expression.witness_fusion import NEUTRAL_LESS, ExpressionFusion, Witnesses
from ...types import FloatArray
from .appearance_training import HEADS, LEAST, AppearanceTraining, ToldApart
from .expression_scores import HEAD, figures_of
from .portrait_scenes import POSING, RESTING, SMILING, TALKING
from .watched_scenes import told_frames

_FIRST_NS = 1_000_000_000


def heads_table(training: AppearanceTraining, told: Mapping[str, ToldApart]) -> str:
    """Each head calibrated alike, on people that it did not see."""
    rows = ["## Heads, on people they did not see", "", f"| head, calibrated alike | {HEAD}"]
    for name in HEADS:
        views = told[name].views
        kept = ~np.isnan(views[:, 0])
        fusion = training.fusion_of_appearance(views, kept & (training.fold >= 0))
        for what, inside in (("as they are", training.clean), ("disturbed", ~training.clean & ~training.made)):
            figures = training.strangers(fusion, views, inside & kept & (training.fold >= 0))
            rows.append(f"| {name}, {what} | {figures.row()}")
    return "\n".join(rows)


def strangers_table(training: AppearanceTraining, fusion: ExpressionFusion, told: ToldApart) -> str:
    """Stills of people kept aside, by appearance alone."""
    rows = ["## Strangers, people kept aside", "", f"| stills | {HEAD}"]
    aside = training.fold < 0
    for what, inside in (("as they are", training.clean), ("disturbed", ~training.clean & ~training.made)):
        rows.append(f"| {what} | {training.strangers(fusion, told.views, inside & aside).row()}")
    return "\n".join(rows)


def known_table(training: AppearanceTraining, fusion: ExpressionFusion, told: ToldApart) -> str:
    """Stills of people kept aside whose neutral is known from other pictures: as strangers, and with it."""
    rows = ["## Neutral known from other pictures, people kept aside", "", f"| told from | {HEAD}"]
    evidence, places = training.evidence(told.views, (training.fold < 0) & training.clean)
    label = training.views.label[places]
    for name, probability in _by_source(fusion, evidence).items():
        rows.append(f"| {name} | {figures_of(probability, label, LEAST).row()}")
    return "\n".join(rows)


def scenes_table(training: AppearanceTraining, fusion: ExpressionFusion, told: ToldApart) -> str:
    """Frames of scenes of people kept aside, by what is shown and by what it is told from."""
    rows = [
        "## Scenes of people kept aside, as the pipeline sees them",
        "",
        "Frames told rightly by the likeliest label / given another label than they show.",
        "",
    ]
    scenes, evidence = training.scenes, training.told_of_scenes(told)
    shares = _by_source(fusion, evidence)
    rows.append("| shown | frames | " + " | ".join(shares) + " |")
    rows.append("|---|---|" + "---|" * len(shares))
    aside = told_frames(scenes) & (training.scene_fold < 0)
    rendered = np.char.startswith(training.scene_person, "rendered")
    bare, kind = aside & ~scenes.covered & ~rendered, scenes.kind
    first = scenes.stamp_ns < _FIRST_NS
    for name, inside in (
        ("resting", bare & (kind == RESTING)),
        ("talking", bare & (kind == TALKING)),
        ("smiling, photographed", bare & (kind == SMILING)),
        ("happy, animated", bare & (kind == POSING) & (scenes.label == 1)),
        ("other expressions, animated", bare & (kind == POSING) & (scenes.label > 1)),
        ("first second: neutral", bare & first & (scenes.label == 0)),
        ("first second: happy", bare & first & (scenes.label == 1)),
        ("first second: other", bare & first & (scenes.label > 1)),
        ("mask or hand: neutral", aside & scenes.covered & (scenes.label == 0)),
        ("mask or hand: expressions", aside & scenes.covered & (scenes.label > 0)),
        ("rendered: neutral", aside & rendered & (scenes.label == 0)),
        ("rendered: expressions", aside & rendered & (scenes.label > 0)),
    ):
        if inside.any():
            cells = [_right_and_wrong(probability[inside], scenes.label[inside]) for probability in shares.values()]
            rows.append(f"| {name} | {inside.sum()} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _by_source(fusion: ExpressionFusion, evidence: Witnesses) -> dict[str, FloatArray]:
    return {
        "appearance": fusion.stranger(evidence.appearance, evidence.visible, evidence.size_px),
        "latent": evidence.latent,
        "action units": evidence.aus[:, :8],
        "fused": fusion.probability(evidence),
    }


def _right_and_wrong(probability: FloatArray, label: np.ndarray) -> str:
    likeliest = probability.argmax(1)
    given = probability.max(1) >= np.where(likeliest == 0, LEAST - NEUTRAL_LESS, LEAST)
    wrong = given & (likeliest != label)
    return f"{(likeliest == label).mean():.2f} / {wrong.mean():.2f}"
