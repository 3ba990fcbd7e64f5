# SPDX-License-Identifier: Apache-2.0
"""Trains some units of a FACS estimator further on sets of portraits, held near what they say of rendered people.

Sets are made by `facial_coding synthesize`; at least one of rendered people and one of portraits are needed, none of
them with people that the result is judged on. Leaves the model with its card. Needs torch, scipy and onnx
(standalone/requirements-training.txt).
"""

from __future__ import annotations

import argparse
import hashlib
import shlex
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import yaml

from ..errors import UserError
from ..keypoints import Registration
from ..learning.facs.disturbances import neutral_errors
from ..learning.facs.motion_sets import MotionSet, load_motions, registered
from ..learning.facs.network import from_onnx, to_onnx
from ..learning.facs.refinement import RefinementOptions, refine
from ..learning.facs.response import IdealMotions, LinearTrackerResponse
from ..learning.facs.study import as_card, figures
from ..learning.motions.portrait_pairs import read_portrait_pairs
from ..learning.synthesis.dataset import how_made, is_of_portraits
from ..models import model_path

_NAMES = ("steps", "keep", "share", "seed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sets", type=Path, nargs="+", help="folders of rendered sets and of sets of portraits")
    parser.add_argument(
        "--smiles", type=Path, required=True, metavar="FOLDER", help="NAME_neutral.jpg and NAME_smiling.jpg"
    )
    parser.add_argument("--model", type=Path, help="what is trained further; default: the shipped one")
    parser.add_argument("--judge", type=Path, nargs="+", default=[], metavar="SET", help="sets for the card's metrics")
    parser.add_argument("--credit", default="", help="of the portraits, for the card's licence")
    parser.add_argument("--out", type=Path, default=Path("facs_own/facs.onnx"), help="default %(default)s")
    parser.add_argument(
        "--simulated", type=int, default=8000, help="motions simulated as for train facs; default %(default)s"
    )
    for field in fields(RefinementOptions):
        if field.name in _NAMES:
            kind = int if isinstance(field.default, int) else float
            parser.add_argument(f"--{field.name}", type=kind, default=field.default, help="default %(default)s")


def run(arguments: argparse.Namespace) -> int:
    of_portraits = {folder: is_of_portraits(folder) for folder in arguments.sets}
    renders, portraits = ([f for f, real in of_portraits.items() if real is kind] for kind in (False, True))
    if not renders or not portraits:
        raise UserError("at least one set of rendered people and one of portraits are needed")
    path = arguments.model or model_path("facs.onnx")
    first = from_onnx(path.read_bytes())
    registration = Registration()
    rendered, real = (load_motions(folders, registration, arguments.seed) for folders in (renders, portraits))
    pairs = read_portrait_pairs(arguments.smiles)
    smiles = registered(registration, pairs.smiling) - registered(registration, pairs.resting)
    rng = np.random.default_rng(arguments.seed)
    ideal, _ = IdealMotions().draw(arguments.simulated, rng)
    simulated = LinearTrackerResponse.fit(rendered, renders).seen(ideal, rng)
    options = replace(RefinementOptions(), **{name: getattr(arguments, name) for name in _NAMES})
    network = refine(
        first,
        rendered,
        real,
        smiles,
        simulated,
        neutral_errors(2000, rng),
        options,
        lambda line: print(line, flush=True),
    )
    graph = to_onnx(network)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_bytes(graph)
    card = yaml.safe_load(path.with_suffix(".yaml").read_text())
    people = [len(np.unique(part.person)) for part in (rendered, real)]
    card["trained_on"] = (
        f"{card['trained_on'].removesuffix('; no picture of anybody')}; then "
        f"{', '.join(f'AU{code}' for code in options.units)} on {people[1]} animated portraits of real people, "
        f"{len(pairs.names)} real smiles and {people[0]} more rendered people; threshold, scale, presence and "
        "reliability are those of before"
    )
    if arguments.credit:
        card["licence"] += f"; {arguments.credit}"
    card["metrics"] = {
        folder.name: as_card(figures(network.sides, _followed(load_motions([folder], registration))))
        for folder in arguments.judge
    }
    card["command_further"] = _command(arguments, options)
    card["data_further"] = [how_made(folder) for folder in arguments.sets]
    card["sha256"] = hashlib.sha256(graph).hexdigest()
    arguments.out.with_suffix(".yaml").write_text(yaml.safe_dump(card, sort_keys=False, width=110, allow_unicode=True))
    print(f"{arguments.out}: {len(graph) // 1024} KiB")
    return 0


def _followed(data: MotionSet) -> MotionSet:
    return data.take(~data.just_found)


def _command(arguments: argparse.Namespace, options: RefinementOptions) -> str:
    words = [folder.name for folder in arguments.sets] + ["--smiles", arguments.smiles.name]
    words += ["--simulated", str(arguments.simulated)]
    for name in _NAMES:
        words += [f"--{name}", str(getattr(options, name))]
    return "facial_coding refine facs " + shlex.join(words)
