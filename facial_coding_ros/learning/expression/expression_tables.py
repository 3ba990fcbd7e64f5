# SPDX-License-Identifier: Apache-2.0
"""Tables of a training: heads compared, strangers, known neutrals, scenes; in Markdown."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...coding.expression.witness_fusion import LABEL_LESS, ExpressionFusion, Witnesses, log_softmax, told_shares
from ...types import FloatArray
from .appearance_training import HEADS, LEAST, AppearanceTraining, ToldApart
from .expression_scores import HEAD, figures_of
from .neutral_pairs import PICTURE_ERROR, smile_strengths, witnesses
from .portrait_scenes import POSING, RESTING, SMILING, TALKING
from .watched_scenes import told_frames

_FIRST_NS = 1_000_000_000
WATCHED_ERROR = 0.012
"""Standard error of a neutral that has been watched for some seconds, eye distances."""


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
        "Frames told rightly by the likeliest label / given another label; where a part is hidden less is given.",
        "",
    ]
    scenes, evidence = training.scenes, training.told_of_scenes(told)
    told_of_source = {
        name: told_shares(probability, evidence.visible) if name in ("appearance", "fused") else probability
        for name, probability in _by_source(fusion, evidence).items()
    }
    rows.append("| shown | frames | " + " | ".join(told_of_source) + " |")
    rows.append("|---|---|" + "---|" * len(told_of_source))
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
            cells = [_right_and_wrong(shares[inside], scenes.label[inside]) for shares in told_of_source.values()]
            rows.append(f"| {name} | {inside.sum()} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def portraits_table(training: AppearanceTraining, fusion: ExpressionFusion, told: ToldApart) -> str:
    """Photographs of people at rest and smiling, by heads that did not see them; neutral: their other photograph."""
    rows = [
        "## Portraits, neutral known from the photograph at rest, and strangers",
        "",
        "By heads that did not see the person; the fusion has seen scenes of four in five. Given the label that is",
        "shown / another.",
        "",
        "| photographs | number | neutral of other pictures | neutral of a camera that watches | strangers |",
        "|---|---|---|---|---|",
    ]
    views = training.views
    for name, kind, label in (("smiling", SMILING, 1), ("resting", RESTING, 0)):
        known = training.known.within((views.kind == kind) & (views.which == 0))
        for what, least in ((name, 0.0), *([("visibly smiling, AU12 from 0.2 on", 0.2)] if label else [])):
            own = known.within_rows(smile_strengths(views, known) >= least) if least else known
            cells = []
            for error in (PICTURE_ERROR, WATCHED_ERROR):
                evidence = witnesses(views, own, log_softmax(told.views), error)
                cells.append(_given(fusion.probability(evidence), label))
            stranger = fusion.stranger(evidence.appearance, evidence.visible, evidence.size_px)
            rows.append(f"| {what} | {len(own.row)} | {' | '.join([*cells, _given(stranger, label)])} |")
    return "\n".join(rows)


def _given(probability: FloatArray, label: int) -> str:
    likeliest = probability.argmax(1)
    given = probability.max(1) >= LEAST - LABEL_LESS[likeliest]
    return f"{(given & (likeliest == label)).mean():.2f} / {(given & (likeliest != label)).mean():.2f}"


def _by_source(fusion: ExpressionFusion, evidence: Witnesses) -> dict[str, FloatArray]:
    return {
        "appearance": fusion.stranger(evidence.appearance, evidence.visible, evidence.size_px),
        "latent": evidence.latent,
        "action units": evidence.aus[:, :8],
        "fused": fusion.probability(evidence),
    }


def _right_and_wrong(probability: FloatArray, label: np.ndarray) -> str:
    likeliest = probability.argmax(1)
    given = probability.max(1) >= LEAST - LABEL_LESS[likeliest]
    wrong = given & (likeliest != label)
    return f"{(likeliest == label).mean():.2f} / {wrong.mean():.2f}"
