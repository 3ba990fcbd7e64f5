# SPDX-License-Identifier: Apache-2.0
"""Expressions told of labelled stills, of strangers: tables by condition, confusion, reliability, the surest errors.

The stills: labels.csv beside pictures or a zip file, RAF-DB, AffectNet, or a folder for each expression as FER's.
People that the shipped head was trained on are left out with --kept-aside.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..coding.expression.appearance import GEOMETRY_MODEL, MODEL, AppearanceHead
from ..coding.expression.labels import EXPRESSION_LABELS, ExpressionSettings
from ..coding.expression.witness_fusion import ExpressionFusion, log_softmax
from ..errors import UserError, make_folder
from ..inference import ModelError
from ..learning.expression.appearance_training import FOLDS, KEPT_ASIDE
from ..learning.expression.expression_page import ToldStills, example, surest_errors, write_page
from ..learning.expression.expression_scores import HEAD, ExpressionFigures, figures_of
from ..learning.expression.face_features import FaceReader, FeatureRows
from ..learning.expression.head_training import folds_of
from ..learning.expression.picture_disturbances import compressed, dimmed, framed, grey, mouth_covered, smaller
from ..learning.expression.stills import Still, read_stills
from ..types import FloatArray, ImageArray, Visibility

Condition = Callable[[ImageArray, FloatArray], tuple[ImageArray, FloatArray]]

CONDITIONS: dict[str, Condition] = {
    "as they are": lambda image, square: (image, square),
    "grey": lambda image, square: (grey(image), square),
    "face 32 px wide": lambda image, square: smaller(image, square, 32.0),
    "dark": lambda image, square: (dimmed(image, 0.15), square),
    "JPEG quality 20": lambda image, square: (compressed(image, 20), square),
    "mouth covered": lambda image, square: (mouth_covered(image, square), square),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stills", type=Path, help="folder of labelled stills")
    parser.add_argument(
        "--portraits", type=Path, help="with --kept-aside: the portraits that the head was trained with"
    )
    parser.add_argument("--head", choices=("features", "points"), default="features", help="default %(default)s")
    parser.add_argument("--kept-aside", action="store_true", help="only people that `train expression` keeps aside")
    parser.add_argument("--seed", type=int, default=0, help="of the training, for --kept-aside; default %(default)s")
    parser.add_argument("--most", type=int, help="pictures of each label at most, drawn at random")
    parser.add_argument("--page", type=Path, help="folder for a page with plots and examples of errors")
    parser.add_argument("--table", type=Path, help="Markdown file for the table")


def run(arguments: argparse.Namespace) -> int:
    stills = read_stills(arguments.stills)
    if arguments.kept_aside:
        stills = _kept_aside(stills, arguments.seed)
    if arguments.most:
        stills = _thinned(stills, arguments.most)
    if arguments.page:
        make_folder(arguments.page)
    try:
        head = AppearanceHead.load(MODEL if arguments.head == "features" else GEOMETRY_MODEL)
        fusion = ExpressionFusion.load()
    except (ModelError, FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from None
    reader = FaceReader()
    if head.landmark_network and head.landmark_network != reader.landmark_network:
        raise UserError(f"{head.model.path} was made for another landmark network than the installed MediaPipe has")
    try:
        squares = {i: square for i, still in enumerate(stills) if (square := reader.find(still.image())) is not None}
        print(f"{len(stills)} stills, faces found in {len(squares)}", flush=True)
        label = np.array([stills[i].label for i in squares])
        tables: dict[str, ExpressionFigures] = {}
        told: dict[str, FloatArray] = {}
        for name, condition in CONDITIONS.items():
            views = ((i, *condition(*framed(stills[i].image(), square))) for i, square in squares.items())
            told[name] = _tell(head, fusion, reader.read(views))
            tables[name] = figures_of(told[name], label, ExpressionSettings().fused_unsure_below)
            print(f"| {name} | {tables[name].row()}", flush=True)
    finally:
        reader.close()
    lines = [f"| stills | {HEAD}"]
    lines += [f"| {name} | {figures.row()}" for name, figures in tables.items()]
    if arguments.table:
        arguments.table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if arguments.page:
        _page(arguments, stills, list(squares), ToldStills(told["as they are"], label), tables)
    return 0


def _kept_aside(stills: list[Still], seed: int) -> list[Still]:
    fold = folds_of([still.person for still in stills], FOLDS, KEPT_ASIDE, seed)
    return [still for still, own in zip(stills, fold, strict=True) if own < 0]


def _thinned(stills: list[Still], most: int) -> list[Still]:
    rng = np.random.default_rng(0)
    label = np.array([still.label for still in stills])
    kept = [rng.permutation(np.flatnonzero(label == number))[:most] for number in range(len(EXPRESSION_LABELS))]
    return [stills[i] for i in np.sort(np.concatenate(kept))]


def _tell(head: AppearanceHead, fusion: ExpressionFusion, rows: FeatureRows) -> FloatArray:
    logits = head.logits(rows.features.astype(np.float32), rows.points.astype(np.float32).reshape(len(rows), -1, 3))
    visible = [Visibility(float(v.mean()), *map(float, v)) for v in rows.visible]
    return fusion.stranger(log_softmax(logits), visible, rows.size_px.tolist())


def _page(
    arguments: argparse.Namespace,
    stills: list[Still],
    places: list[int],
    told: ToldStills,
    tables: dict[str, ExpressionFigures],
) -> None:
    examples = []
    for place in surest_errors(told):
        still, own = stills[places[place]], told.probability[place]
        words = EXPRESSION_LABELS[still.label], f"{EXPRESSION_LABELS[int(own.argmax())]} {own.max():.2f}"
        examples.append(example(still.image(), *words))
    write_page(arguments.page, f"Expressions of {len(places)} stills", tables, told, examples)
    print(f"wrote {arguments.page / 'index.html'}")
