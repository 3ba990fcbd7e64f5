# SPDX-License-Identifier: Apache-2.0
"""Trains what tells expressions from appearance, and joins it with latent and action units.

Reads labelled stills of real faces and portraits to animate through the landmark network, compares heads on people they
did not see, and leaves appearance.onnx, appearance_geometry.onnx and expression_fusion.npz with their cards, and the
tables. Needs torch, scikit-learn and onnx (standalone/requirements-training.txt).
"""

from __future__ import annotations

import argparse
import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ..coding.expression.appearance import FEATURES, GEOMETRY_MODEL, MODEL, POINTS
from ..coding.expression.labels import EXPRESSION_LABELS
from ..coding.expression.witness_fusion import MODEL as FUSION
from ..coding.expression.witness_fusion import ExpressionFusion
from ..errors import UserError, make_folder
from ..inference.model_files import write_whole
from ..learning.expression.appearance_training import ALL, GEOMETRY, HEADS, LEAST, AppearanceTraining
from ..learning.expression.expression_scores import HEAD, figures_of
from ..learning.expression.face_features import FaceReader
from ..learning.expression.fusion_training import PRIOR, prior_weights
from ..learning.expression.head_export import write_head
from ..learning.expression.stills import counts, read_stills
from ..learning.expression.views import POSING, RESTING, SMILING, TALKING, portrait_views, still_views
from ..types import FloatArray

_LICENCE = "Apache-2.0, as this package; of the data: see `data`"
_NOT_FOR = "diagnosis, detection of lies or intentions, judging people; see docs/expression.md"
_KINDS = {RESTING: "resting, real", SMILING: "smiling, real", POSING: "posing, animated", TALKING: "talking, animated"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "stills", type=Path, help="folder of labelled stills: labels.csv, RAF-DB, AffectNet, or as FER's"
    )
    parser.add_argument("--portraits", type=Path, required=True, help="folder of NAME_neutral.jpg, NAME_smiling.jpg")
    parser.add_argument("--data", action="append", default=[], help="a line about source and licence for the cards")
    parser.add_argument("--work", type=Path, required=True, help="folder for what is read off the pictures, kept there")
    parser.add_argument(
        "--out", type=Path, default=Path("expression_own"), help="folder of the models; default %(default)s"
    )
    parser.add_argument(
        "--tables", type=Path, default=Path("expression_own"), help="folder of the tables; default %(default)s"
    )
    parser.add_argument("--steps", type=int, default=900, help="of each fit; default %(default)s")
    parser.add_argument("--folds", type=int, default=5, help="of five, that heads are compared in; default %(default)s")
    parser.add_argument("--only-shipped", action="store_true", help="without the comparison of heads")
    parser.add_argument("--seed", type=int, default=0, help="default %(default)s")


def run(arguments: argparse.Namespace) -> int:
    for folder in (arguments.work, arguments.out, arguments.tables):
        make_folder(folder)
    stills = read_stills(arguments.stills)
    _say(f"{len(stills)} stills: {counts(stills)}")
    reader = FaceReader()
    try:
        views = still_views(stills, reader, arguments.work, _say)
        portraits = portrait_views(arguments.portraits, reader, arguments.work, _say)
    finally:
        reader.close()
    training = AppearanceTraining(views.beside(portraits), arguments.seed)
    used, aside = training.fold >= 0, training.fold < 0
    if not aside.any() or not used.any():
        raise UserError(f"{arguments.stills} holds too few people to keep some aside")
    _say(f"{used.sum()} views of {len(set(training.views.person[used]))} people; {aside.sum()} views kept aside")
    names = (ALL, GEOMETRY) if arguments.only_shipped else tuple(HEADS)
    told = training.compare(names, _say, arguments.steps, arguments.folds)
    if not arguments.only_shipped:
        (arguments.tables / "heads.md").write_text(_heads_table(training, told) + "\n", encoding="utf-8")
    best, geometry = (_of_all(training, told[name], name, arguments.steps) for name in (ALL, GEOMETRY))
    fusion = training.fusion(best[1], used & (training.fold < arguments.folds))
    text = [
        _strangers(training, fusion, best[1]),
        _known(training, fusion, best[1]),
        _portraits(training, fusion, best[1]),
    ]
    card = _card(arguments, training)
    check = _check(training)
    network = reader.landmark_network
    figures = training.strangers(fusion, best[1], training.clean & aside)
    metrics = {"people kept aside, stills as they are": _rounded(vars(figures))}
    write_head(arguments.out / MODEL, best[0], {**card, "metrics": metrics}, network, check)
    write_head(arguments.out / GEOMETRY_MODEL, geometry[0], card, "", {POINTS: check[POINTS]})
    _write_fusion(arguments.out / f"{FUSION}.npz", fusion, {**card, "metrics": metrics})
    (arguments.tables / "people_kept_aside.md").write_text("\n\n".join(text) + "\n", encoding="utf-8")
    _say(f"wrote {arguments.out / MODEL}, {GEOMETRY_MODEL}, {FUSION}.npz and tables to {arguments.tables}")
    return 0


def _of_all(training: AppearanceTraining, told: FloatArray, name: str, steps: int) -> tuple[Any, FloatArray]:
    """The head for use, and log-probabilities of all views: of people it was fitted on those that others told."""
    head, own = training.fit(name, steps)
    return head, np.where(np.isnan(told) & (training.fold < 0)[:, None], own, told)


def _heads_table(training: AppearanceTraining, told: dict[str, FloatArray]) -> str:
    rows = [
        "## Heads, on people they did not see",
        "",
        f"| head, calibrated alike | {HEAD}",
    ]
    for name in HEADS:
        kept = ~np.isnan(told[name][:, 0])
        fusion = training.fusion_of_appearance(told[name], kept & (training.fold >= 0))
        for what, inside in (("as they are", training.clean), ("disturbed", ~training.clean & ~training.made)):
            figures = training.strangers(fusion, told[name], inside & kept & (training.fold >= 0))
            rows.append(f"| {name}, {what} | {figures.row()}")
    return "\n".join(rows)


def _strangers(training: AppearanceTraining, fusion: ExpressionFusion, told: FloatArray) -> str:
    rows = ["## Strangers, people kept aside", "", f"| stills | {HEAD}"]
    aside = training.fold < 0
    for what, inside in (("as they are", training.clean), ("disturbed", ~training.clean & ~training.made)):
        rows.append(f"| {what} | {training.strangers(fusion, told, inside & aside).row()}")
    return "\n".join(rows)


def _known(training: AppearanceTraining, fusion: ExpressionFusion, told: FloatArray) -> str:
    """Stills of people kept aside whose neutral is known from other pictures: as strangers, and with it."""
    rows = ["## Neutral known from other pictures, people kept aside", ""]
    rows.append(f"| told from | {HEAD}")
    evidence, places = training.evidence(told, (training.fold < 0) & training.clean)
    label = training.views.label[places]
    shares = {
        "appearance": fusion.stranger(evidence.appearance, evidence.visible, evidence.size_px),
        "latent": evidence.latent,
        "action units": evidence.aus[:, :8],
        "fused": fusion.probability(evidence),
    }
    for name, probability in shares.items():
        rows.append(f"| {name} | {figures_of(probability, label, LEAST).row()}")
    return "\n".join(rows)


def _portraits(training: AppearanceTraining, fusion: ExpressionFusion, told: FloatArray) -> str:
    rows = [
        "## Portraits of people kept aside",
        "",
        "| shown | views | told from | likeliest is right | given and wrong |",
    ]
    rows.append("|---|---|---|---|---|")
    evidence, places = training.evidence(told, (training.fold < 0) & training.made)
    label, kind = training.views.label[places], training.views.kind[places]
    stranger = fusion.stranger(evidence.appearance, evidence.visible, evidence.size_px)
    for number, name in _KINDS.items():
        inside = kind == number
        for source, probability in (("appearance", stranger), ("fused", fusion.probability(evidence))):
            own = probability[inside]
            right = own.argmax(1) == label[inside]
            wrong = (own.max(1) >= LEAST) & ~right
            rows.append(f"| {name} | {inside.sum()} | {source} | {right.mean():.2f} | {wrong.mean():.2f} |")
    return "\n".join(rows)


def _card(arguments: argparse.Namespace, training: AppearanceTraining) -> dict[str, Any]:
    used, made = training.fold >= 0, training.made
    return {
        "what": "expression of a face from one image, on features and points of the landmark network",
        "trained_on": (
            f"{int((training.clean & used).sum())} stills of {len(set(training.views.person[~made & used]))} "
            f"real people, as they are and disturbed, and {int((made & used).sum())} views of "
            f"{len(set(training.views.person[made & used]))} real portraits, most of them animated; people kept aside: "
            f"{len(set(training.views.person[~used]))}"
        ),
        "data": arguments.data,
        "command": (
            f"facial_coding train expression STILLS --portraits PORTRAITS --work WORK --steps {arguments.steps} "
            f"--seed {arguments.seed}"
        ),
        "licence": _LICENCE,
        "not_for": _NOT_FOR,
        "prior": {label: float(share) for label, share in zip(EXPRESSION_LABELS, PRIOR, strict=True)},
    }


def _check(training: AppearanceTraining) -> dict[str, FloatArray]:
    """Inputs on which backends are compared: means of many people, nobody's own."""
    rng = np.random.default_rng(0)
    weight = prior_weights(training.views.label)
    rows = training.views.rows
    groups = [rng.choice(len(rows), 40, p=weight) for _ in range(8)]
    points = np.stack([rows.points[group].astype(np.float32).mean(0) for group in groups]).reshape(8, -1, 3)
    return {POINTS: points, FEATURES: np.stack([rows.features[group].astype(np.float32).mean(0) for group in groups])}


def _write_fusion(path: Path, fusion: ExpressionFusion, card: dict[str, Any]) -> None:
    content = io.BytesIO()
    np.savez(content, **{name: np.asarray(value, np.float32) for name, value in vars(fusion).items()})
    write_whole(path, content.getvalue())
    about = {
        "name": FUSION,
        "kind": "fusion of expression witnesses",
        **card,
        "what": "one expression of appearance, perceptual latent and action units: coding/expression/witness_fusion.py",
        "sha256": hashlib.sha256(content.getvalue()).hexdigest(),
    }
    write_whole(path.with_suffix(".yaml"), yaml.safe_dump(about, sort_keys=False, width=118).encode())


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: np.round(value.astype(float), 3).tolist() if isinstance(value, np.ndarray) else round(value, 3)
        for name, value in values.items()
    }


def _say(line: str) -> None:
    print(line, flush=True)
