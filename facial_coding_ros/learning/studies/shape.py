# SPDX-License-Identifier: Apache-2.0
"""How well the shape of a face tells people apart, on people that were not learnt from; can learn models/shape."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import yaml

from ...command_line import run_command
from ...errors import UserError
from ...face_model.ict import IctFaces
from ...tracking.pose import PoseEstimator
from ...tracking.tracks import ANOTHER, WIDEST_VIEW_DEG
from ...types import SURFACE_POINTS, FloatArray
from ..synthesis.dataset import load_set
from ..tracking.shape_learning import ShapeViews, distances, fit_shape

FOLDS, OTHERS = 4, 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rendered", type=Path, help="folder that `facial_coding synthesize` made")
    parser.add_argument("--out", type=Path, default=Path("shape_study.json"), help="JSON file")
    parser.add_argument("--model", type=Path, metavar="FILE.npz", help="also learn from all people and write it there")


def run(arguments: argparse.Namespace) -> int:
    try:
        views = views_of(arguments.rendered)
    except (FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from None
    people = np.unique(views.person)
    if len(people) < 2 * FOLDS:
        raise UserError(f"{arguments.rendered} holds {len(people)} people; at least {2 * FOLDS} are needed")
    own, foreign = held_out(views)
    result = {
        "command": "python -m facial_coding_ros.learning.studies.shape RENDERED",
        "people": len(people),
        "views": len(own),
        "own_median": round(float(np.median(own)), 3),
        "own_p95": round(float(np.quantile(own, 0.95)), 3),
        "others_p05": round(float(np.quantile(foreign, 0.05)), 3),
        "others_median": round(float(np.median(foreign)), 3),
        "limit": ANOTHER,
        "own_beyond_limit": round(float((own > ANOTHER).mean()), 4),
        "others_within_limit": round(float((foreign <= ANOTHER).mean()), 4),
    }
    print(json.dumps(result, indent=1))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    if arguments.model:
        write_model(arguments.model, *fit_shape(views), len(people), result)
    return 0


def views_of(folder: Path) -> ShapeViews:
    """The tracked pictures of a rendered set. Raises FileNotFoundError when there are none."""
    raw = load_set(folder)
    pose = PoseEstimator(IctFaces.load())
    seen = [pose.frontal(mesh[:SURFACE_POINTS]) for mesh in raw["mesh"][raw["tracked"]]]
    angles_deg = np.array([(yaw, pitch) for _, yaw, pitch in seen], np.float32)
    near = (np.abs(angles_deg) < WIDEST_VIEW_DEG).all(1)
    points = np.array([frontal for frontal, _, _ in seen], np.float32).reshape(len(seen), -1)
    return ShapeViews(points[near], angles_deg[near], raw["person"][raw["tracked"]][near].astype(np.int64))


def held_out(views: ShapeViews) -> tuple[FloatArray, FloatArray]:
    """`distances` of each quarter of the people, with what was learnt from the others."""
    people = np.unique(views.person)
    parts = []
    for fold in range(FOLDS):
        tested = people[fold::FOLDS]
        mean, directions = fit_shape(views.of(np.setdiff1d(people, tested)))
        testing = views.of(tested)
        parts.append(distances((testing.points - mean) @ directions, testing, OTHERS))
    return np.concatenate([own for own, _ in parts]), np.concatenate([foreign for _, foreign in parts])


def write_model(path: Path, mean: FloatArray, directions: FloatArray, people: int, result: dict[str, object]) -> None:
    np.savez_compressed(path, mean=mean, directions=directions)
    card = {
        "name": "shape",
        "what": "Proportions of a face's mesh that say who it is, to keep ids apart while people are in view.",
        "made_by": "python -m facial_coding_ros.learning.studies.shape RENDERED --model models/shape.npz",
        "trained_on": f"{people} people of the ICT model, 16 pictures each, made by facial_coding synthesize "
        "--people 1000 --seed 13 and seen through MediaPipe Face Mesh 0.10.21.",
        "licence": "MIT, as ICT-FaceKit (USC Institute for Creative Technologies), see ict_mesh.yaml",
        "arrays": {
            "mean": "(1404,), mean frontal mesh, eye distances",
            "directions": "(1404, 20), from the difference to it; a distance of 1 holds 97 of 100 views of one person",
        },
        "not_for": "recognising who somebody is: people are told apart within one visit, not found again among many.",
        "metrics": {name: value for name, value in result.items() if name != "command"},
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    path.with_suffix(".yaml").write_text(yaml.safe_dump(card, sort_keys=False, width=110))


if __name__ == "__main__":
    sys.exit(run_command("shape", __doc__ or "", add_arguments, run))
