# SPDX-License-Identifier: Apache-2.0
"""When a neutral is given up: portraits of people who rest and smile, and looks of animated portraits.

    python -m facial_coding_ros.learning.studies.never_rested PORTRAITS [SET ...]

PORTRAITS holds NAME_neutral.jpg and NAME_smiling.jpg; SET is of `facial_coding synthesize --portraits`. Each picture is
held as a look, with the tracker's noise.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from ...neutral.estimator import PriorEstimator
from ...neutral.prior import FacePrior
from ...types import FloatArray
from ..neutral.simulated_people import vectors
from ..synthesis.dataset import NEUTRALS, load_set
from ..synthesis.tracked_picture import PictureTracker

FPS, NOISE = 15, 0.004  # eye distances
Look = tuple[FloatArray, float]
"""A registered face (1540,) and for how many seconds it is held."""


def pairs(folder: Path) -> list[tuple[FloatArray, FloatArray]]:
    """Neutral and smiling face of each person, as the tracker sees them."""
    tracker, meshes = PictureTracker(), []
    for smiling in sorted(folder.glob("*_smiling.jpg")):
        seen = [
            tracker(np.ascontiguousarray(cv2.imread(str(path))[..., ::-1]))
            for path in (smiling.with_name(smiling.name.replace("smiling", "neutral")), smiling)
        ]
        if all(seen):
            meshes.append([one.followed for one in seen if one is not None])
    tracker.close()
    faces = vectors(np.array(meshes).reshape(-1, 478, 3))
    return list(zip(faces[::2], faces[1::2], strict=True))


def watched(looks: Iterable[Look], rng: np.random.Generator, prior: FacePrior | None = None) -> PriorEstimator:
    """The estimator after it saw them. prior: None for the shipped one."""
    estimator = PriorEstimator(prior or FacePrior.load())
    for face, seconds in looks:
        for _ in range(round(seconds * FPS)):
            seen = face + NOISE * rng.normal(size=face.shape)
            estimator.observe(seen.astype(np.float32), 1.0, 1 / FPS)
    return estimator


def main(folder: Path, sets: list[Path]) -> None:
    rng, people = np.random.default_rng(0), pairs(folder)
    given_up = kept = 0
    for rest, smile in people:
        given_up += watched([(rest, 8), (smile, 4), (rest, 3), (smile, 20), (rest, 3)], rng).given_up > 0
        moved, neutral = smile - rest, watched([(smile, 10), (rest, 3)], rng).estimate()
        kept += float((neutral - rest) @ moved / (moved @ moved)) > 0.3
    print(f"{len(people)} people; rested, then smiled: neutral given up in {given_up}")
    print(f"smiled for 10 s, then rested for 3 s: more than 0.3 of the smile left in {kept}")
    looks = wrong = persons = 0
    for path in sets:
        data = load_set(path)
        for person in np.unique(data["person"]):
            rows = data["tracked"] & (data["person"] == person)
            faces, resting = vectors(data["mesh"][rows]), data["number"][rows] < NEUTRALS
            if resting.sum() < 2 or resting.all():
                continue
            rests = faces[resting]
            shown: list[Look] = [(rests.mean(0), 8)]
            for number, face in enumerate(faces[~resting][1:]):
                shown += [(face, 3), (rests[number % len(rests)], 1.5)]
            wrong += watched(shown, rng).given_up
            looks, persons = looks + len(shown) // 2, persons + 1
    if sets:
        print(f"{looks} looks of {persons} animated portraits, held for 3 s after 8 s of rest: given up {wrong} times")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
