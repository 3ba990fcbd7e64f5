# SPDX-License-Identifier: Apache-2.0
"""The mean face of the neutral's prior from real people, and what it does at first sight.

    python -m facial_coding_ros.learning.studies.neutral_mean PORTRAITS STILLS [--model models/neutral_prior.npz]

PORTRAITS holds NAME_neutral.jpg, and NAME_smiling.jpg of some. STILLS is a set of labelled stills
(docs/evaluation.md), of which one neutral picture of each person is taken that is near to frontal and not small. Both
count equally. Judged on people whose pictures did not make the mean. models/neutral_prior.npz is one of rendered people
then (studies.neutral writes it): stills that are far from its mean are left out.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import yaml

from ...action_units import CODES
from ...coding.expression.labels import EXPRESSION_LABELS
from ...coding.facs import FacsEstimator
from ...command_line import run_command
from ...keypoints.registration import Rotation
from ...models import model_path
from ...neutral.prior import FacePrior
from ...neutral.vectors import DENSE_SIZE
from ...types import FloatArray, ImageArray
from ..expression.stills import read_stills
from ..neutral.simulated_people import vectors
from ..synthesis.tracked_picture import PictureTracker
from .never_rested import watched

_TURN_DEG, _EYE_DISTANCE_PX, _BORDER = 10.0, 40.0, 0.3
_FURTHEST = 3.0  # squared distance per coordinate of a still from the rendered mean: beyond, it is no neutral
_PARTS = 5
_AT_12 = CODES.index(12)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("portraits", type=Path, help="folder with NAME_neutral.jpg and NAME_smiling.jpg")
    parser.add_argument("stills", type=Path, help="folder of labelled stills")
    parser.add_argument("--count", type=int, default=350, help="neutral stills; default %(default)s")
    parser.add_argument("--model", type=Path, help="writes the prior with the new mean there, and its card")


def run(arguments: argparse.Namespace) -> int:
    rendered, tracker = FacePrior.load(), PictureTracker()
    neutral = _portraits(tracker, arguments.portraits, "neutral")
    smiling = _portraits(tracker, arguments.portraits, "smiling")
    stills = vectors(np.array(list(_stills(tracker, arguments.stills, "neutral", arguments.count))))
    happy = vectors(np.array(list(_stills(tracker, arguments.stills, "happy", 150))))
    tracker.close()
    stills = stills[distances(stills, rendered) < _FURTHEST]
    faces = np.stack(list(neutral.values()))

    def of_people(names: list[str], some: FloatArray) -> FacePrior:
        mean = (np.mean([neutral[name] for name in names], 0) + some.mean(0)) / 2
        return replace(rendered, mean=mean.astype(np.float32))

    print("| mean of | distance | smile seen | first | other at rest | happy seen | first | other in neutral stills |")
    print("|---|---|---|---|---|---|---|---|")
    names, half = sorted(neutral), len(stills) // 2
    for title, chosen in (
        ("as it ships", lambda kept: rendered),
        ("real people", lambda kept: of_people(kept, stills[:half])),
    ):
        apart, at_rest, at_smile = [], [], []
        for part in range(_PARTS):
            prior = chosen([name for number, name in enumerate(names) if number % _PARTS != part])
            for name in names[part::_PARTS]:
                apart.append(distances(neutral[name][None], prior)[0])
                at_rest.append(first_sight(neutral[name], prior))
                if name in smiling:
                    at_smile.append(first_sight(smiling[name], prior))
        prior = chosen(names)
        print(
            f"| {title} | {np.median(apart):.2f} | {_seen(at_smile)} | {_others(at_rest)} | "
            f"{_seen([first_sight(face, prior) for face in happy])} | "
            f"{_others([first_sight(face, prior) for face in stills[half:]])} |"
        )
    if arguments.model:
        _write(arguments.model, of_people(names, stills), len(faces), len(stills))
    return 0


def distances(faces: FloatArray, prior: FacePrior) -> FloatArray:
    """Squared distances (n,) of faces (n, 1540) from the prior's mean, per coordinate: 1 where the prior is right."""
    coordinates = (faces - prior.mean) @ prior.coordinates
    return np.asarray((coordinates**2 / prior.spread).mean(1))


def first_sight(face: FloatArray, prior: FacePrior) -> FloatArray:
    """Action units (24,) of a face (1540,) that has been in sight for a second."""
    neutral = watched([(face, 1.0)], np.random.default_rng(0), prior).estimate()
    motion = (face - neutral)[:DENSE_SIZE].reshape(1, -1, 3)
    return FacsEstimator.load().infer(motion, np.ones(1, np.float32))[0][0].max(0)


def _seen(units: list[FloatArray]) -> str:
    found = np.stack(units)
    return f"{100 * (found[:, _AT_12] >= 0.3).mean():.0f} % | {100 * (found.argmax(1) == _AT_12).mean():.0f} %"


def _others(units: list[FloatArray]) -> str:
    return f"{100 * (np.stack(units) > 0.3).any(1).mean():.0f} %"


def _portraits(tracker: PictureTracker, folder: Path, look: str) -> dict[str, FloatArray]:
    found = {}
    for path in sorted(folder.glob(f"*_{look}.jpg")):
        seen = tracker(np.ascontiguousarray(cv2.imread(str(path))[..., ::-1]))
        if seen is not None:
            found[path.name.removesuffix(f"_{look}.jpg")] = vectors(seen.followed[None])[0]
    return found


def _stills(tracker: PictureTracker, folder: Path, expression: str, count: int) -> Iterator[FloatArray]:
    """Meshes of one picture of each of so many people."""
    label = EXPRESSION_LABELS.index(expression)
    stills = [still for still in read_stills(folder) if still.label == label]
    people: set[str] = set()
    for number in np.random.default_rng(0).permutation(len(stills)):
        still = stills[number]
        if still.person in people:
            continue
        people.add(still.person)
        mesh = _upright(tracker, still.image())
        if mesh is not None:
            yield mesh
            count -= 1
        if not count:
            return


def _upright(tracker: PictureTracker, image: ImageArray) -> FloatArray | None:
    border = round(_BORDER * max(image.shape))
    framed = cv2.copyMakeBorder(image, border, border, border, border, cv2.BORDER_REPLICATE)
    seen = tracker(np.asarray(framed, np.uint8))
    if seen is None:
        return None
    eyes = seen.followed[[33, 133, 362, 263]].reshape(2, 2, 3).mean(1)
    towards = Rotation().matrices(seen.followed[None, :468].transpose(0, 2, 1))[0, 2, 2]
    turned = np.degrees(np.arccos(np.clip(towards, -1, 1))) > _TURN_DEG
    return None if turned or np.linalg.norm(eyes[0] - eyes[1]) < _EYE_DISTANCE_PX else seen.followed


def _write(path: Path, prior: FacePrior, portraits: int, stills: int) -> None:
    """The prior's arrays with the new mean, and the card of the shipped one with what changed."""
    with np.load(model_path("neutral_prior.npz")) as arrays:
        np.savez_compressed(path, **{**arrays, "mean": prior.mean})
    card = yaml.safe_load(model_path("neutral_prior.npz").with_suffix(".yaml").read_text())
    card["mean_of"] = (
        f"{portraits} portraits of the Face Research Lab London Set and Young Adult White Faces (DeBruine and Jones "
        f"2017, CC BY 4.0) and {stills} neutral stills of muxspace/facial_expressions (Apache-2.0), which count equally"
    )
    card["mean_made_by"] = "python -m facial_coding_ros.learning.studies.neutral_mean PORTRAITS STILLS --model F"
    card["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".yaml").write_text(yaml.safe_dump(card, sort_keys=False, width=110))


if __name__ == "__main__":
    sys.exit(run_command("neutral_mean", __doc__ or "", add_arguments, run))
