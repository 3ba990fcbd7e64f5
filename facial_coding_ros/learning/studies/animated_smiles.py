# SPDX-License-Identifier: Apache-2.0
"""Whether animated smiles are those of people: the tracker's points of a real smile and of the best animated one.

    python -m facial_coding_ros.learning.studies.animated_smiles PORTRAITS [--pictures FOLDER]

PORTRAITS holds NAME_neutral.jpg and NAME_smiling.jpg of the same people. The resting picture is animated with the
action units whose tracked motion comes nearest to that of the smiling one, and both motions are compared by region, and
the intensities that the estimator tells of both. --pictures writes real smile and animated one of each person side by
side.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.optimize import nnls

from ...action_units import CODES
from ...coding.facs import FacsEstimator
from ...coding.facs.outputs import stronger_side
from ...command_line import run_command
from ...errors import UserError
from ...face_model.ict import AU_SHAPES, IctFaces
from ...keypoints import Registration
from ...types import SURFACE_POINTS, FloatArray, ImageArray
from ..facs.motion_sets import registered
from ..facs.scoring import correlation
from ..synthesis import topology
from ..synthesis.portrait import AnimatedPortrait, Turn
from ..synthesis.portrait_set import EYE_DISTANCE_PX
from ..synthesis.tracked_picture import PictureTracker

ROUNDS = 4
"""How often the units are corrected by what the tracker makes of them."""
_STEP = 0.7
_TOLD = 0.02
_FITTED = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 20, 22, 24, 27, 28, 45)
REGIONS = {
    "brows": (70, 63, 105, 66, 107, 300, 293, 334, 296, 336),
    "upper lids": (*topology.RIGHT_UPPER_LID[1:-1], *topology.LEFT_UPPER_LID[1:-1]),
    "lower lids": (*topology.RIGHT_LOWER_LID[1:-1], *topology.LEFT_LOWER_LID[1:-1]),
    "cheeks": (50, 101, 205, 36, 117, 118, 119, 280, 330, 425, 266, 346, 347, 348),
    "nose": (1, 2, 98, 327, 129, 358, 48, 278, 64, 294),
    "lip corners": (61, 78, 185, 146, 291, 308, 409, 375),
    "upper lip": (*topology.UPPER_LIP[2:-2], *topology.OUTER_UPPER_LIP[2:-2]),
    "lower lip": (*topology.LOWER_LIP[2:-2], *topology.OUTER_LOWER_LIP[2:-2]),
    "chin and jaw": (152, 148, 377, 175, 199, 200, 176, 400, 149, 378),
}


@dataclass(frozen=True)
class Smile:
    """real, animated: motions (468, 3) as tracked, in eye distances. pictures: of both."""

    name: str
    real: FloatArray
    animated: FloatArray
    pictures: tuple[ImageArray, ImageArray]


class Follower:
    """Registered points (468, 3) of the face in a picture. Raises ValueError when there is none."""

    def __init__(self) -> None:
        self._tracker, self._registration = PictureTracker(), Registration()

    def __call__(self, image: ImageArray) -> FloatArray:
        found = self._tracker(image)
        if found is None:
            raise ValueError("no face found")
        return registered(self._registration, found.followed[None])[0]

    def close(self) -> None:
        self._tracker.close()


def smiles(folder: Path) -> Iterator[Smile]:
    """Of each person with both pictures in which a face is found."""
    faces, follow = IctFaces.load(), Follower()
    basis = np.stack([
        faces.offsets(dict.fromkeys(AU_SHAPES[code][side], 1.0))
        for code in _FITTED
        for side in ((0,) if AU_SHAPES[code][0] == AU_SHAPES[code][1] else (0, 1))
    ])  # fmt: skip
    for path in sorted(folder.glob("*_neutral.jpg")):
        other = path.with_name(path.name.replace("_neutral", "_smiling"))
        if not other.is_file():
            continue
        resting, smiling = (np.ascontiguousarray(cv2.imread(str(one))[..., ::-1]) for one in (path, other))
        shrink = min(EYE_DISTANCE_PX / AnimatedPortrait(resting, faces=faces).eye_distance_px, 1.0)
        resting, smiling = (_reduced(image, shrink) for image in (resting, smiling))
        try:
            real = follow(smiling) - follow(resting)
            animated, picture = _nearest(AnimatedPortrait(resting, faces=faces), basis, real, follow)
        except ValueError:
            continue
        yield Smile(path.name.removesuffix("_neutral.jpg"), real, animated, (smiling, picture))
    follow.close()


def _reduced(image: ImageArray, shrink: float) -> ImageArray:
    return np.asarray(cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA), np.uint8)


def _nearest(
    portrait: AnimatedPortrait, basis: FloatArray, real: FloatArray, follow: Follower
) -> tuple[FloatArray, ImageArray]:
    """Tracked motion (468, 3) and picture of the animation whose tracked motion is nearest to `real` (468, 3).

    basis: (k, 468, 3), what each unit at full strength does; their amounts are fitted to the real motion, then
    corrected by what the tracker leaves of them.
    """
    still = portrait.surface(np.zeros_like(basis[0]))
    parting = portrait.surface(np.zeros_like(basis[0]), parted=1.0) - still
    shapes = np.concatenate([basis, parting[None]]).reshape(len(basis) + 1, -1).T
    at_rest = follow(portrait.show(still, Turn()).image)
    wanted, tried = real.copy(), []
    for _ in range(ROUNDS):
        amounts = nnls(shapes, wanted.reshape(-1))[0]
        offsets = np.tensordot(amounts[:-1], basis, 1).astype(np.float32)
        picture = portrait.show(portrait.surface(offsets, parted=float(amounts[-1])), Turn()).image
        motion = follow(picture) - at_rest
        tried.append((motion, picture))
        wanted += _STEP * (real - motion)
    return min(tried, key=lambda one: float(np.square(one[0] - real).sum()))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("portraits", type=Path, help="folder with NAME_neutral.jpg and NAME_smiling.jpg")
    parser.add_argument("--pictures", type=Path, help="writes NAME.png there: the real smile beside the animated one")


def run(arguments: argparse.Namespace) -> int:
    found = []
    for smile in smiles(arguments.portraits):
        found.append(smile)
        if arguments.pictures:
            arguments.pictures.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(arguments.pictures / f"{smile.name}.png"), np.hstack(smile.pictures)[..., ::-1])
    if not found:
        raise UserError(f"{arguments.portraits} holds no person with NAME_neutral.jpg and NAME_smiling.jpg")
    real, animated = np.stack([one.real for one in found]), np.stack([one.animated for one in found])
    print(f"{len(found)} people\n| Region | real motion | animated: share | correlation |\n|---|---|---|---|")
    for name, points in {**REGIONS, "whole face": tuple(range(SURFACE_POINTS))}.items():
        a, b = real[:, list(points)].reshape(-1), animated[:, list(points)].reshape(-1)
        print(f"| {name} | {1000 * np.sqrt(np.mean(a**2)):.0f} | {a @ b / (a @ a):.2f} | {correlation(a, b):.2f} |")
    estimator, scale = FacsEstimator.load(), np.ones(len(found), np.float32)
    told = [stronger_side(estimator.infer(motion, scale)[0]) for motion in (real, animated)]
    print("| Unit | told of real smiles, mean | of animated ones |\n|---|---|---|")
    for number, code in enumerate(CODES):
        means = [float(one[:, number].mean()) for one in told]
        if max(means) >= _TOLD:
            print(f"| AU{code} | {means[0]:.2f} | {means[1]:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(run_command("animated_smiles", __doc__ or "", add_arguments, run))
