# SPDX-License-Identifier: Apache-2.0
"""FACS on two animated photographs, whose action units are known: a check that is no render.

    standalone/env python -m facial_coding_ros.learning.studies.facs_on_portraits [models/facs.onnx ...]

The public-domain portraits in scikit-image and matplotlib are animated as for the demo clip, seen through MediaPipe,
and measured against their own resting pictures.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from ...action_units import CODES
from ...coding.facs import FacsEstimator
from ...coding.facs.confidence import noise_scale
from ...coding.facs.outputs import stronger_side
from ...keypoints import Registration
from ...keypoints.registration import Rotation
from ...models import model_path
from ..facs.scoring import icc31
from ..facs.study import SMILE_COMPANIONS
from ..synthesis.portrait import Turn
from ..synthesis.tracked_picture import PictureTracker
from .demo_clip import portraits

Units = dict[int, float]
AT = {code: k for k, code in enumerate(CODES)}
TURN_DEG = 18.0
SINGLE = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 20, 22, 24, 25, 26, 27, 28, 45)
MIXED: tuple[tuple[str, Units], ...] = (
    ("disgust", {9: 0.7, 10: 0.4, 4: 0.6}),
    ("disgust", {9: 0.5, 4: 0.5, 17: 0.4}),
    ("disgust", {10: 0.8, 4: 0.5}),
    ("fear", {1: 0.7, 2: 0.7, 4: 0.4, 5: 0.6, 20: 0.5, 25: 0.4}),
    ("surprise", {1: 0.8, 2: 0.8, 5: 0.5, 26: 0.7}),
    ("anger", {4: 0.8, 7: 0.5, 24: 0.5}),
    ("sadness", {1: 0.6, 4: 0.4, 15: 0.6, 17: 0.5}),
)


def shown() -> Iterator[tuple[str, Units, Units]]:
    """Name, action units of the right side and of the left side of each picture of a person."""
    for _ in range(4):
        yield "resting", {}, {}
    for code in SINGLE:
        for amount in (0.4, 0.8):
            yield "single", {code: amount}, {code: amount}
    for code in (2, 4, 9, 10, 12, 14, 15, 20):
        yield f"right only {code}", {code: 0.7}, {}
    for v in (0.3, 0.5, 0.7, 0.9):
        for units in ({12: v, 6: 0.8 * v}, {12: v, 6: 0.8 * v, 25: 0.8 * v}, {12: v, 25: 0.6 * v, 26: 0.3 * v}):
            yield "smile", units, units
    for name, units in MIXED:
        yield name, units, units
    for _ in range(8):
        yield "turned", {}, {}


def pictures() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Meshes (n, 478, 3), truth (n, 2, units), person (n,) and name (n,) of what the tracker found."""
    tracker, rng = PictureTracker(), np.random.default_rng(0)
    meshes, truth, person, names = [], [], [], []
    for number, portrait in enumerate(portraits()):
        turns = 0
        for name, right, left in shown():
            yaw, pitch, roll = rng.normal(0, [4, 3, 2]).tolist()
            turn = Turn(yaw, pitch, roll, scale=float(np.exp(rng.normal(0, 0.03))))
            if name == "turned":
                angle = 2 * np.pi * turns / 8
                turn, turns = Turn(TURN_DEG * np.cos(angle), TURN_DEG * np.sin(angle), 0), turns + 1
            image = portrait.frame(right, left, turn).image
            jpeg = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
            seen = tracker(np.ascontiguousarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR)[..., ::-1]))
            if seen is None:
                continue
            sides = np.zeros((2, len(CODES)), np.float32)
            for side, units in enumerate((right, left)):
                for code, amount in units.items():
                    sides[side, AT[code]] = amount
                sides[side, AT[43]] = sides[side, AT[45]]
            meshes.append(seen.followed)
            truth.append(sides)
            person.append(number)
            names.append(name)
    tracker.close()
    return np.stack(meshes), np.stack(truth), np.array(person), np.array(names)


def main(models: list[Path]) -> None:
    mesh, truth, person, names = pictures()
    dense = np.stack([face.dense for face in Registration().register(mesh)])
    for number in np.unique(person):
        of = person == number
        dense[of] -= dense[of & (names == "resting")].mean(0)
    # The turn against the line of sight, from the rotation to the front.
    towards = Rotation().matrices(mesh[:, :468].transpose(0, 2, 1))[:, 2, 2]
    turn_deg = np.degrees(np.arccos(np.clip(towards, -1, 1)))
    eyes = mesh[:, [362, 263, 33, 133]].reshape(-1, 2, 2, 3).mean(2)
    distance_px = np.linalg.norm(eyes[:, 0] - eyes[:, 1], axis=1)
    for path in models:
        sides, _ = FacsEstimator.load(path).infer(dense, noise_scale(turn_deg, distance_px))
        report(path, sides, truth, names)


def report(path: Path, sides: np.ndarray, truth: np.ndarray, names: np.ndarray) -> None:
    estimated, true = stronger_side(sides), stronger_side(truth)
    moving = names != "turned"
    there = [k for k in range(len(CODES)) if true[:, k].max() > 0]
    icc = {CODES[k]: icc31(true[moving, k], estimated[moving, k]) for k in there}
    others = [k for k, code in enumerate(CODES) if code not in SMILE_COMPANIONS]
    smiles, resting, turned = names == "smile", names == "resting", names == "turned"
    rank = (estimated[smiles] > estimated[smiles][:, [AT[12]]]).sum(1)
    disgust = estimated[names == "disgust"]
    one_sided = sides[names == "right only 12"][:, :, AT[12]].mean(0)
    print(f"{path}: {len(names)} pictures")
    print(f"  mean ICC of {len(icc)} units {np.mean(list(icc.values())):.2f}, AU12 {icc[12]:.2f}")
    first, second = 100 * (rank == 0).mean(), 100 * (rank <= 1).mean()
    print(f"  {smiles.sum()} smiles: AU12 first {first:.0f} %, among two {second:.0f} %")
    print(f"  smiles with another unit above 0.3: {100 * (estimated[smiles][:, others] > 0.3).any(1).mean():.0f} %")
    print(f"  resting with a unit above 0.3: {100 * (estimated[resting] > 0.3).any(1).mean():.0f} %")
    print(
        f"  turned {TURN_DEG:g} degrees with a unit above 0.25: {100 * (estimated[turned] > 0.25).any(1).mean():.0f} %"
    )
    print(f"  disgust: AU9 {disgust[:, AT[9]].mean():.2f}, AU10 {disgust[:, AT[10]].mean():.2f}, "
          f"AU4 {disgust[:, AT[4]].mean():.2f}")  # fmt: skip
    print(f"  AU12 of 0.7 on the right only: right {one_sided[0]:.2f}, left {one_sided[1]:.2f}")
    print("  " + " ".join(f"AU{code} {value:.2f}" for code, value in icc.items()))


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or [model_path("facs.onnx")])
