# SPDX-License-Identifier: Apache-2.0
"""Whether the landmark network's features tell action units better than keypoint motion: on portraits, by person.

    standalone/env python -m facial_coding_ros.learning.studies.action_units_from_features WORK --out FOLDER

WORK: the folder of `facial_coding train expression`, which holds the portraits' features. Linear maps of features and
points, each minus those of the person's resting picture, are fitted on four fifths of the people, against
models/facs.onnx, which saw none of them; ICC(3,1) with the action units that the portraits were animated with.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from ...action_units import CODES
from ...coding.facs import FacsEstimator
from ...coding.facs.confidence import noise_scale
from ...command_line import run_command
from ...inference import InferenceSettings
from ...types import FloatArray
from ..expression.appearance_training import COUNTS
from ..expression.head_training import Directions, folds_of
from ..expression.views import RESTING, SMILING, ViewSet, read_portraits
from ..facs.scoring import icc31

FEWEST, FOLDS = 30, 5
INPUTS: dict[str, tuple[tuple[str, ...], float]] = {
    "points": (("points",), 300.0),
    "features": (("regions", "surface"), 3000.0),
    "features and points": (("regions", "surface", "points"), 3000.0),
}
"""Parts, and ridge's penalty."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("work", type=Path)
    parser.add_argument("--out", type=Path, required=True)


def run(arguments: argparse.Namespace) -> int:
    views = read_portraits(arguments.work)
    truth = views.sides.max(1)
    told = {"models/facs.onnx": _shipped(views), **{name: _fitted(views, truth, name) for name in INPUTS}}
    posed = views.kind != SMILING
    rows = ["| AU | views with it | " + " | ".join(told) + " |", "|---|---|" + "---|" * len(told)]
    for column, code in enumerate(CODES):
        shown = int((truth[posed, column] > 0.1).sum())
        if shown >= FEWEST:
            cells = []
            for answers in told.values():
                values = [
                    icc31(truth[inside, column], answers[inside, column])
                    for inside in (posed & (views.which == 0), posed & (views.which > 0))
                ]
                cells.append(" / ".join(f"{value:.2f}" for value in values))
            rows.append(f"| {code} | {shown} | " + " | ".join(cells) + " |")
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "action_units.md").write_text("\n".join(rows) + "\n", encoding="utf-8")
    print("\n".join(rows))
    return 0


def _resting(views: ViewSet, values: FloatArray) -> FloatArray:
    """(n, k): values minus the mean of those of the person's resting picture, all its views."""
    out = np.zeros_like(values)
    for name in np.unique(views.person):
        own = views.person == name
        out[own] = values[own] - values[own & (views.kind == RESTING)].mean(0)
    return out


def _shipped(views: ViewSet) -> FloatArray:
    estimator = FacsEstimator.load(inference=InferenceSettings(backend="onnxruntime"))
    points = _resting(views, views.rows.points.astype(np.float32)).reshape(len(views.rows), -1, 3)
    eye_px = views.rows.size_px / 3
    sides, _ = estimator.infer(points, noise_scale(np.full(len(points), 6.0), eye_px))
    return np.asarray(sides.max(1))


def _fitted(views: ViewSet, truth: FloatArray, name: str) -> FloatArray:
    parts, penalty = INPUTS[name]
    rows = views.rows
    directions = Directions.fit(rows.features, rows.points, {part: COUNTS[part] for part in parts})
    x = _resting(views, directions(rows.features, rows.points))
    fold: NDArray[np.int64] = folds_of(views.person.tolist(), FOLDS, 0.0)
    told = np.zeros_like(truth)
    known = views.kind != SMILING
    for number in range(FOLDS):
        aside = fold == number
        fitted = Ridge(alpha=penalty).fit(x[~aside & known], truth[~aside & known])
        told[aside] = np.clip(fitted.predict(x[aside]), 0, 1)
    return told


if __name__ == "__main__":
    sys.exit(run_command("action_units_from_features", __doc__ or "", add_arguments, run))
