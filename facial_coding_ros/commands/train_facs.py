# SPDX-License-Identifier: Apache-2.0
"""Trains the FACS estimator on rendered sets and sets of portraits, and compares it with simpler ones.

Sets are made by `facial_coding synthesize`. People are split 80 / 8 / 12 % into training, calibration and test. Leaves
the model with its card and the table of all estimators on the test people. Needs torch, scipy and onnx
(standalone/requirements-training.txt).
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from ..action_units import CODES
from ..errors import UserError
from ..keypoints import Registration
from ..learning.facs.disturbances import Disturbances, neutral_errors
from ..learning.facs.linear import Predictor, ideal_shapes, part_ridge, ridge, sparse_code
from ..learning.facs.motion_sets import MotionSet, load_motions
from ..learning.facs.network import FacsNetwork, to_onnx
from ..learning.facs.output_calibration import calibrate
from ..learning.facs.response import IdealMotions, LinearTrackerResponse
from ..learning.facs.study import TABLE_HEAD, FacsSplit, Figures, as_card, figures, reliability
from ..learning.facs.training import NetworkOptions, train
from ..learning.synthesis.dataset import how_made
from ..types import FloatArray

_LICENCE = (
    "Apache-2.0, as this package; made from ICT-FaceKit's shapes (MIT, (c) 2020 USC Institute for Creative "
    "Technologies) seen through MediaPipe (Apache-2.0)"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sets", type=Path, nargs="+", help="folders of sets")
    parser.add_argument("--out", type=Path, default=Path("facs_own/facs.onnx"), help="default %(default)s")
    parser.add_argument("--table", type=Path, help="the comparison; default: estimators.md beside the model")
    parser.add_argument("--steps", type=int, default=NetworkOptions.steps, help="default %(default)s")
    parser.add_argument(
        "--simulated", type=int, default=60000, help="motions simulated beside the tracked ones; default %(default)s"
    )
    parser.add_argument("--seed", type=int, default=0, help="default %(default)s")
    parser.add_argument("--only-network", action="store_true", help="without the other estimators and styles left out")


def run(arguments: argparse.Namespace) -> int:
    training, calibration, test = _people(arguments)
    options = NetworkOptions(steps=arguments.steps, seed=arguments.seed)
    response = LinearTrackerResponse.fit(training, arguments.sets)
    rng = np.random.default_rng(arguments.seed)
    ideal, sides = IdealMotions().draw(arguments.simulated, rng)
    simulated = response.seen(ideal, rng), sides
    disturbances = Disturbances(response.residual, response.missed(ideal[:20000]), neutral_errors(4000, rng))
    study = Study(training, calibration, test, simulated, disturbances, options)
    network = study.network()
    compared = {"network": figures(network.sides, study.test)}
    print(TABLE_HEAD)
    print(compared["network"].row("network"), flush=True)
    write_model(arguments, network, study, compared["network"], response.explained)
    if not arguments.only_network:
        for name, predict in study.others().items():
            compared[name] = figures(predict, study.test)
            print(compared[name].row(name), flush=True)
        write_table(
            arguments.table or arguments.out.with_name("estimators.md"),
            arguments,
            study,
            compared,
            study.styles_left_out(),
        )
    return 0


def _people(arguments: argparse.Namespace) -> tuple[MotionSet, MotionSet, MotionSet]:
    """To train on, to calibrate on and to test on; the last two as followed faces."""
    try:
        data = load_motions(arguments.sets, Registration(), arguments.seed)
    except (FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from error
    split = FacsSplit.of(data, arguments.seed)
    if len(np.unique(data.person[split.test])) < 2:
        raise UserError(f"{len(np.unique(data.person))} people are too few to train, calibrate and test on; make more.")
    followed = ~data.just_found
    return data.take(split.train), data.take(split.calibrate & followed), data.take(split.test & followed)


class Study:
    """Training, calibration and test people, and what can be made from them."""

    def __init__(
        self,
        training: MotionSet,
        calibration: MotionSet,
        test: MotionSet,
        simulated: tuple[FloatArray, FloatArray],
        disturbances: Disturbances,
        options: NetworkOptions,
    ) -> None:
        """simulated: see training.train. disturbances: noise without resting people's, which is the training's."""
        self.training, self.calibration, self.test, self.options = training, calibration, test, options
        self.simulated, self.disturbances = simulated, disturbances

    def network(self) -> FacsNetwork:
        quiet = self.training.motion[self.training.resting | self.training.turned]
        disturbances = replace(self.disturbances, noise=np.concatenate([quiet, self.disturbances.noise]))
        network = train(self.training, disturbances, self.options, self.simulated, lambda line: print(line, flush=True))
        calibrate(network, self.calibration)
        return network

    def others(self) -> dict[str, Predictor]:
        """Made from followed faces alone, as they are compared: half the memory."""
        followed = self.training.take(~self.training.just_found)
        quiet, both = followed.motion[followed.resting | followed.turned], followed.with_mirror_images()
        return {
            "non-negative least squares, ideal shapes": ideal_shapes(),
            "sparse code, learned bases": sparse_code(both, quiet),
            "ridge, weak": ridge(both, 1e-4),
            "ridge, strong": ridge(both, 1e-2),
            "ridge by part, noise penalty": part_ridge(both, 1e-4, quiet, 2.0),
        }

    def styles_left_out(self) -> dict[str, Figures]:
        """Network trained without one style of rendering, on the test people of that style.

        The tracker's response, and what is simulated with it, still knows all styles.
        """
        from ..learning.synthesis.render_look import STYLES

        found = {}
        for number, style in enumerate(STYLES):
            test = self.test.take(self.test.style == number)
            if not len(test.motion):
                continue
            without = Study(
                self.training.take(self.training.style != number),
                self.calibration.take(self.calibration.style != number),
                test,
                self.simulated,
                self.disturbances,
                replace(self.options, steps=self.options.steps // 6),
            )
            found[style] = figures(without.network().sides, test)
        return found


def _command(arguments: argparse.Namespace) -> str:
    sets = " ".join(folder.name for folder in arguments.sets)
    options = f"--steps {arguments.steps} --simulated {arguments.simulated} --seed {arguments.seed}"
    return f"facial_coding train facs {sets} {options}"


def _real(folders: list[Path]) -> str:
    """Whether real people are among those it was made of."""
    portraits = sum(len(json.loads((folder / "manifest.json").read_text()).get("portraits", ())) for folder in folders)
    return f"{portraits} of all these people are photographs, animated" if portraits else "no picture of anybody"


def write_model(
    arguments: argparse.Namespace, network: FacsNetwork, study: Study, found: Figures, explained: float
) -> None:
    """The graph and its card."""
    graph = to_onnx(network)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_bytes(graph)
    trusted = reliability(network.sides, study.calibration)
    people = [len(np.unique(part.person)) for part in (study.training, study.calibration, study.test)]
    card = {
        "name": arguments.out.stem,
        "what": "FACS action units from keypoint motion: a small perceptron on whitened directions of motion",
        "trained_on": f"{people[0]} rendered people of ICT-FaceKit ({len(study.training.motion) // 2} pictures) seen "
        f"through MediaPipe's face mesh as the node runs it, and {arguments.simulated} motions simulated through the "
        f"linear response learnt from them (explains {100 * explained:.0f} % of tracked motion); calibrated on "
        f"{people[1]} others; {_real(arguments.sets)}",
        "command": _command(arguments),
        "data": [how_made(folder) for folder in arguments.sets],
        "not_for": "diagnosis, detection of lies or intentions, judging people; see docs/facs.md",
        "licence": _LICENCE,
        "inputs": {
            "motion": "(faces, 468, 3) float32: types.Motion.dense, in eye distances",
            "noise_scale": "(faces, 1) float32: from 1, see coding/facs/confidence.noise_scale",
        },
        "outputs": {
            "sides": "(faces, 2, units) 0..1: intensity, the person's right side first; 0.2 to 1.0 for A to E",
            "presence": "(faces, units) 0..1: probability of A or more",
        },
        "tolerance": 0.005,
        "tolerance_why": "half precision moves answers by some thousandths; a level of intensity is 0.2 wide",
        "codes": list(CODES),
        "reliability": [round(float(value), 3) for value in trusted],
        "metrics": {f"{people[2]} test people": as_card(found)},
        "sha256": hashlib.sha256(graph).hexdigest(),
    }
    arguments.out.with_suffix(".yaml").write_text(yaml.safe_dump(card, sort_keys=False, width=110, allow_unicode=True))
    print(f"{arguments.out}: {len(graph) // 1024} KiB")


def write_table(
    path: Path, arguments: argparse.Namespace, study: Study, compared: dict[str, Figures], left_out: dict[str, Figures]
) -> None:
    """The comparison as a page."""
    test = study.test
    lines = [
        "# Estimators compared",
        "",
        f"Command: `{_command(arguments)}`, 2-core x86-64.",
        "",
        f"{len(np.unique(test.person))} rendered test people ({len(test.motion)} pictures of faces that were "
        "followed for a while), not used for training or calibration. The first line is what ships.",
        "",
        TABLE_HEAD,
        *(found.row(name) for name, found in compared.items()),
        "",
        "ICC(3,1) by action unit:",
        "",
        "| estimator | " + " | ".join(f"AU{code}" for code in CODES) + " |",
        "|---|" + "---|" * len(CODES),
        *(
            f"| {name} | " + " | ".join(f"{value:.2f}" for value in found.icc) + " |"
            for name, found in compared.items()
        ),
        "",
        "Network trained without one style of rendering, with a sixth of the steps, on the test people of that style "
        "(motions simulated through the tracker's response still know it):",
        "",
        TABLE_HEAD,
        *(found.row(f"without {style}") for style, found in left_out.items()),
        "",
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines))
