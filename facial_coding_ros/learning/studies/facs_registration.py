# SPDX-License-Identifier: Apache-2.0
"""A FACS model for another registration than it was learnt with.

    python -m facial_coding_ros.learning.studies.facs_registration SET ... --before registration.npz [--judge SET ...]
        [--out facs.onnx]

SETs are of rendered people and of portraits (`facial_coding synthesize`). The model is trained further until it says of
them, as they are registered now, what it said of them with the pose correction of the file. Tells what the exchange of
the correction alone does to people that are judged, and what is left after training. Needs torch and onnx.
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
from ...keypoints.registration import PoseCorrection
from ...models import model_path
from ...npz import open_npz
from ..facs.adaptation import AdaptationOptions, adapt
from ..facs.disturbances import neutral_errors
from ..facs.motion_sets import load_motions
from ..facs.network import FacsNetwork, from_onnx, to_onnx
from ..facs.study import as_card, figures
from ..synthesis.dataset import how_made, is_of_portraits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sets", type=Path, nargs="+", help="to train on")
    parser.add_argument("--before", type=Path, required=True, help="registration.npz that the model was learnt with")
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
        before = Registration(correction=PoseCorrection(np.asarray(file["pose"], np.float32)))
    now = Registration()
    path = arguments.model or model_path("facs.onnx")
    first = from_onnx(path.read_bytes())
    people = [(load_motions(folders, before), load_motions(folders, now)) for folders in kinds]
    errors = neutral_errors(2000, np.random.default_rng(0))
    network = adapt(
        first, people, errors, AdaptationOptions(steps=arguments.steps), lambda line: print(line, flush=True)
    )
    metrics = {}
    for folder in arguments.judge:
        for what, one, registration in (
            ("before", first, before),
            ("exchanged", first, now),
            ("trained further", network, now),
        ):
            metrics[folder.name, what] = _judged(one, folder, registration)
            print(f"{folder.name}, {what}: {metrics[folder.name, what]}")
    if arguments.out:
        _write(arguments, path, network, {name: told for (name, what), told in metrics.items() if what[0] == "t"})
    return 0


def _judged(network: FacsNetwork, folder: Path, registration: Registration) -> dict[str, float]:
    data = load_motions([folder], registration)
    return as_card(figures(network.sides, data.take(~data.just_found)))


def _write(
    arguments: argparse.Namespace, path: Path, network: FacsNetwork, metrics: dict[str, dict[str, float]]
) -> None:
    graph = to_onnx(network)
    arguments.out.write_bytes(graph)
    card = yaml.safe_load(path.with_suffix(".yaml").read_text())
    card["trained_on"] += "; then on what it said of rendered people and portraits before the present pose correction"
    card["metrics"] = metrics
    names = " ".join(folder.name for folder in arguments.sets)
    card["command_adapted"] = (
        f"python -m facial_coding_ros.learning.studies.facs_registration {names} --before {arguments.before.name} "
        f"--steps {arguments.steps}"
    )
    card["data_adapted"] = [how_made(folder) for folder in arguments.sets]
    card["sha256"] = hashlib.sha256(graph).hexdigest()
    arguments.out.with_suffix(".yaml").write_text(yaml.safe_dump(card, sort_keys=False, width=110, allow_unicode=True))


if __name__ == "__main__":
    sys.exit(run_command("facs_registration", __doc__ or "", add_arguments, run))
