# SPDX-License-Identifier: Apache-2.0
"""A FACS model for another registration than it was learnt with.

    python -m facial_coding_ros.learning.studies.facs_registration SET ... --before registration.npz
        --heads registration_learn.npz [--judge SET ...] [--out facs.onnx]

SETs are of rendered people and of portraits (`facial_coding synthesize`); the heads are those that
`studies.registration` has drawn in its cache, whose turns are added to other pictures. The model is trained further
until it says of all, as they are registered now, what it said with the pose correction of the file. Tells what the
exchange of the correction alone does to people that are judged, and what is left after training. Needs torch and onnx.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

import numpy as np
import yaml

from ...command_line import run_command
from ...errors import UserError
from ...keypoints import Registration
from ...keypoints.learnt import load_arrays
from ...keypoints.registration import PoseCorrection
from ...models import model_path
from ...npz import open_npz
from ...types import SURFACE_POINTS
from ..facs.adaptation import AdaptationOptions, adapt
from ..facs.disturbances import neutral_errors
from ..facs.motion_sets import MotionSet, load_motions
from ..facs.network import FacsNetwork, from_onnx, to_onnx
from ..facs.study import as_card, figures
from ..neutral.seen_faces import SeenFaces
from ..synthesis.dataset import how_made, is_of_portraits
from ..tracking.pose_correction import of_plain_heads, of_set


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sets", type=Path, nargs="+", help="to train on")
    parser.add_argument("--before", type=Path, required=True, help="registration.npz that the model was learnt with")
    parser.add_argument("--heads", type=Path, required=True, help="turned heads that studies.registration has drawn")
    parser.add_argument("--judge", type=Path, nargs="+", default=[], metavar="SET", help="people not trained on")
    parser.add_argument("--model", type=Path, help="what is trained further; default: the shipped one")
    parser.add_argument("--steps", type=int, default=AdaptationOptions.steps, help="default %(default)s")
    parser.add_argument("--out", type=Path, metavar="FILE.onnx", help="writes the model there, with its card")


def run(arguments: argparse.Namespace) -> int:
    of_portraits = {folder: is_of_portraits(folder) for folder in arguments.sets}
    kinds = [[folder for folder, real in of_portraits.items() if real is kind] for kind in (False, True)]
    if not all(kinds):
        raise UserError("at least one set of rendered people and one of portraits are needed")
    with open_npz(arguments.before) as file:
        pose_before = np.asarray(file["pose"], np.float32)
    pose_now = load_arrays("registration", {"pose": (5, SURFACE_POINTS * 3)})["pose"]
    before, now = (Registration(correction=PoseCorrection(pose)) for pose in (pose_before, pose_now))
    turned = [of_plain_heads(SeenFaces.load(arguments.heads)), *map(of_set, arguments.sets)]
    turns_before, turns_now = (
        np.concatenate([faces.rest(pose) for faces in turned]) for pose in (pose_before, pose_now)
    )
    path = arguments.model or model_path("facs.onnx")
    first = from_onnx(path.read_bytes())
    people = [(load_motions(folders, before), load_motions(folders, now)) for folders in kinds]
    errors = neutral_errors(2000, np.random.default_rng(0))
    turns, options = (turns_before, turns_now), AdaptationOptions(steps=arguments.steps)
    network = adapt(first, people, turns, errors, options, lambda line: print(line, flush=True))
    metrics: dict[str, dict[str, float]] = {}
    for folder in arguments.judge:
        data_before, data_now = (_followed(folder, registration) for registration in (before, now))
        print(f"{folder.name}, before: {_judged(first, data_before)}")
        print(f"{folder.name}, correction exchanged: {_judged(first, data_now)}")
        metrics[folder.name] = _judged(network, data_now)
        print(f"{folder.name}, trained further: {metrics[folder.name]}")
    if arguments.out:
        _write(arguments, path, network, metrics)
    return 0


def _followed(folder: Path, registration: Registration) -> MotionSet:
    """Pictures of a set as of faces that were followed for a while."""
    data = load_motions([folder], registration)
    return data.take(~data.just_found)


def _judged(network: FacsNetwork, data: MotionSet) -> dict[str, float]:
    return as_card(figures(network.sides, data))


def _write(
    arguments: argparse.Namespace, path: Path, network: FacsNetwork, metrics: dict[str, dict[str, float]]
) -> None:
    graph = to_onnx(network)
    arguments.out.write_bytes(graph)
    card = yaml.safe_load(path.with_suffix(".yaml").read_text())
    card["trained_on"] += (
        "; then all units, with the present pose correction, on what it said with the one before of rendered people, "
        "portraits and turned heads"
    )
    card["metrics"] = metrics
    names = " ".join(folder.name for folder in arguments.sets)
    card["command_adapted"] = (
        f"python -m facial_coding_ros.learning.studies.facs_registration {names} --before {arguments.before.name} "
        f"--heads {arguments.heads.name} --steps {arguments.steps}"
    )
    card["data_adapted"] = [how_made(folder) for folder in arguments.sets]
    card["sha256"] = hashlib.sha256(graph).hexdigest()
    arguments.out.with_suffix(".yaml").write_text(yaml.safe_dump(card, sort_keys=False, width=110, allow_unicode=True))


if __name__ == "__main__":
    sys.exit(run_command("facs_registration", __doc__ or "", add_arguments, run))
