# SPDX-License-Identifier: Apache-2.0
"""Trains what tells expressions from appearance, and joins it with latent and action units.

Reads labelled stills of real faces and portraits to animate through the landmark network, compares heads on people they
did not see, lets the pipeline watch scenes of the portraits and of rendered people, and leaves appearance.onnx,
appearance_geometry.onnx and expression_fusion.npz with their cards, and the
tables. Needs torch, scikit-learn and onnx (standalone/requirements-training.txt).
"""

from __future__ import annotations

import argparse
import hashlib
import io
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ..coding.expression.appearance import FEATURES, GEOMETRY_MODEL, MODEL, POINTS
from ..coding.expression.labels import EXPRESSION_LABELS
from ..coding.expression.witness_fusion import MODEL as FUSION
from ..coding.expression.witness_fusion import SHAPES, ExpressionFusion
from ..errors import UserError, make_folder
from ..inference.model_files import write_whole
from ..learning.expression.appearance_training import ALL, GEOMETRY, HEADS, AppearanceTraining
from ..learning.expression.expression_tables import (
    heads_table,
    known_table,
    portraits_table,
    scenes_table,
    strangers_table,
)
from ..learning.expression.face_features import FaceReader
from ..learning.expression.fusion_training import PRIOR, prior_weights
from ..learning.expression.head_export import write_head
from ..learning.expression.portrait_scenes import SceneFrame, actor_scene, portrait_scene
from ..learning.expression.rendered_actor import RenderedActor, geometry_of
from ..learning.expression.stills import counts, read_stills
from ..learning.expression.views import portrait_picture, portrait_views, still_views
from ..learning.expression.watched_scenes import watched_scenes
from ..npz import open_npz
from ..types import FloatArray

ALL_SCENES, RENDERED = 1000, 12
_LICENCE = "Apache-2.0, as this package; of the data: see `data`"
_NOT_FOR = "diagnosis, detection of lies or intentions, judging people; see docs/expression.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "stills", type=Path, help="folder of labelled stills: labels.csv, RAF-DB, AffectNet, or as FER's"
    )
    parser.add_argument("--portraits", type=Path, required=True, help="folder of NAME_neutral.jpg, NAME_smiling.jpg")
    parser.add_argument(
        "--scenes", type=int, default=ALL_SCENES, help="of so many portraits, evenly spread; default: of all"
    )
    parser.add_argument("--ict", type=Path, help="as for `synthesize`; with it rendered people are watched too")
    parser.add_argument("--rendered", type=int, default=RENDERED, help="so many; default %(default)s")
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
    parser.add_argument(
        "--fusion", type=Path, help="expression_fusion.npz that the tables are of, instead of one that is fitted"
    )
    parser.add_argument("--seed", type=int, default=0, help="default %(default)s")


def run(arguments: argparse.Namespace) -> int:
    for folder in (arguments.work, arguments.out, arguments.tables):
        make_folder(folder)
    given = None if arguments.fusion is None else _read_fusion(arguments.fusion)
    stills = read_stills(arguments.stills)
    _say(f"{len(stills)} stills: {counts(stills)}")
    reader = FaceReader()
    try:
        views = still_views(stills, reader, arguments.work, _say)
        portraits = portrait_views(arguments.portraits, reader, arguments.work, _say)
    finally:
        reader.close()
    scenes = watched_scenes(_scenes(arguments), arguments.work, _say)
    training = AppearanceTraining(views.beside(portraits), *scenes, arguments.seed)
    used, aside = training.fold >= 0, training.fold < 0
    if not aside.any() or not used.any():
        raise UserError(f"{arguments.stills} holds too few people to keep some aside")
    _say(f"{used.sum()} views of {len(set(training.views.person[used]))} people; {aside.sum()} views kept aside")
    names = (ALL, GEOMETRY) if arguments.only_shipped else tuple(HEADS)
    told = training.compare(names, _say, arguments.steps, arguments.folds)
    if not arguments.only_shipped:
        (arguments.tables / "heads.md").write_text(heads_table(training, told) + "\n", encoding="utf-8")
    best, apart = training.fit(ALL, arguments.steps, told[ALL])
    geometry, _ = training.fit(GEOMETRY, arguments.steps, told[GEOMETRY])
    fusion = given or training.fusion(apart, used & (training.fold < arguments.folds))
    text = [
        strangers_table(training, fusion, apart),
        known_table(training, fusion, apart),
        scenes_table(training, fusion, apart),
        portraits_table(training, fusion, apart),
    ]
    card = _card(arguments, training)
    check = _check(training)
    network = reader.landmark_network
    figures = training.strangers(fusion, apart.views, training.clean & aside)
    metrics = {"people kept aside, stills as they are": _rounded(vars(figures))}
    write_head(arguments.out / MODEL, best, {**card, "metrics": metrics}, network, check)
    write_head(arguments.out / GEOMETRY_MODEL, geometry, card, "", {POINTS: check[POINTS]})
    if given is None:
        _write_fusion(arguments.out / f"{FUSION}.npz", fusion, {**card, "metrics": metrics})
    (arguments.tables / "people_kept_aside.md").write_text("\n\n".join(text) + "\n", encoding="utf-8")
    _say(f"wrote models to {arguments.out} and tables to {arguments.tables}")
    return 0


def _scenes(arguments: argparse.Namespace) -> list[tuple[str, Callable[[], Iterable[SceneFrame]]]]:
    """Of portraits, then of rendered people; each person's the same for the same seed, however many there are."""
    scenes: list[tuple[str, Callable[[], Iterable[SceneFrame]]]] = []
    portraits = sorted(arguments.portraits.glob("*_neutral.jpg"))
    chosen = np.linspace(0, len(portraits) - 1, min(arguments.scenes, len(portraits))).round().astype(int)
    for number in chosen.tolist():
        path = portraits[number]
        rng = partial(np.random.default_rng, [7 + arguments.seed, number])
        scenes.append((path.name.removesuffix("_neutral.jpg"), partial(_portrait_scene, path, rng)))
    for number in range(arguments.rendered if arguments.ict else 0):
        rng = partial(np.random.default_rng, [arguments.seed, 8, number])
        scenes.append((f"rendered {number}", partial(_rendered_scene, arguments.ict, number, rng)))
    return scenes


def _portrait_scene(path: Path, rng: Callable[[], np.random.Generator]) -> Iterable[SceneFrame]:
    smiling = path.with_name(path.name.replace("_neutral", "_smiling"))
    return portrait_scene(portrait_picture(path), portrait_picture(smiling) if smiling.is_file() else None, rng())


def _rendered_scene(ict: Path, number: int, rng: Callable[[], np.random.Generator]) -> Iterable[SceneFrame]:
    return actor_scene(RenderedActor(geometry_of(ict), number), rng())


def _card(arguments: argparse.Namespace, training: AppearanceTraining) -> dict[str, Any]:
    used, made = training.fold >= 0, training.made
    return {
        "what": "expression of a face from one image, on features and points of the landmark network",
        "trained_on": (
            f"{int((training.clean & used).sum())} stills of {len(set(training.views.person[~made & used]))} "
            f"real people, as they are and disturbed, and {int((made & used).sum())} views of "
            f"{len(set(training.views.person[made & used]))} real portraits, most of them animated; people kept aside: "
            f"{len(set(training.views.person[~used]))}; the fusion also from {len(training.scenes)} frames of "
            f"{len(set(training.scene_person))} scenes of portraits and rendered people, a fifth of them kept aside"
        ),
        "data": arguments.data,
        "command": (
            f"facial_coding train expression STILLS --portraits PORTRAITS{' --ict ICT' if arguments.ict else ''} "
            f"--work WORK --steps {arguments.steps} --seed {arguments.seed}{_not_all(arguments)}"
        ),
        "licence": _LICENCE,
        "not_for": _NOT_FOR,
        "prior": {label: float(share) for label, share in zip(EXPRESSION_LABELS, PRIOR, strict=True)},
    }


def _not_all(arguments: argparse.Namespace) -> str:
    """The options of fewer scenes, where they are not the defaults."""
    fewer = f" --scenes {arguments.scenes}" if arguments.scenes < ALL_SCENES else ""
    return fewer + (f" --rendered {arguments.rendered}" if arguments.ict and arguments.rendered != RENDERED else "")


def _check(training: AppearanceTraining) -> dict[str, FloatArray]:
    """Inputs on which backends are compared: means of many people, nobody's own."""
    rng = np.random.default_rng(0)
    weight = prior_weights(training.views.label)
    rows = training.views.rows
    groups = [rng.choice(len(rows), 40, p=weight) for _ in range(8)]
    points = np.stack([rows.points[group].astype(np.float32).mean(0) for group in groups]).reshape(8, -1, 3)
    return {POINTS: points, FEATURES: np.stack([rows.features[group].astype(np.float32).mean(0) for group in groups])}


def _read_fusion(path: Path) -> ExpressionFusion:
    """Raises UserError when the file is none."""
    try:
        with open_npz(path) as file:
            return ExpressionFusion(**{name: file[name] for name in SHAPES})
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"--fusion {path} is no {FUSION}.npz: {error}") from None


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
