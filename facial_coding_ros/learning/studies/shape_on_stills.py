# SPDX-License-Identifier: Apache-2.0
"""Whether the shape of a face tells real people apart, and what that means where people come and go.

    standalone/env python -m facial_coding_ros.learning.studies.shape_on_stills STILLS --work WORK [--rendered FOLDER]

STILLS has several pictures of many people, of different days and cameras. What was learnt from them, and beside
rendered people, is judged on people kept aside.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...command_line import run_command
from ...face_model.ict import IctFaces
from ...npz import open_npz
from ...tracking.pose import PoseEstimator
from ...tracking.settings import TrackingSettings
from ...tracking.shape import ShapeReader
from ...tracking.tracks import ANOTHER, REACH, REACH_PER_S, SURE_PRESENCE, WIDEST_VIEW_DEG
from ...types import SURFACE_POINTS, FloatArray
from ..expression.face_features import FaceReader
from ..expression.stills import read_stills
from ..tracking.shape_learning import ShapeViews, distances, fit_shape
from .shape import FOLDS, OTHERS, views_of

OF_A_PERSON = 10
RENDERED_FROM = 1_000_000
"""Numbers of rendered people, beside those of the stills."""
IMAGE_FACES = 7.0
"""Width of the image in face widths: 640 px, a face of 90."""


@dataclass(frozen=True)
class ShapeScore:
    """own_beyond: share of views beyond the limit from the mean of the same person's others; strangers_within: share of
    strangers' views within it; at_tenth: the latter with a limit that a tenth of the own views exceed."""

    own_beyond: float
    strangers_within: float
    at_tenth: float

    @classmethod
    def of(cls, own: FloatArray, foreign: FloatArray) -> ShapeScore:
        values = (own > ANOTHER).mean(), (foreign <= ANOTHER).mean(), (foreign <= np.quantile(own, 0.9)).mean()
        return cls(*(round(float(value), 3) for value in values))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stills", type=Path, help="labels.csv with a column person, beside pictures or a zip file")
    parser.add_argument("--work", type=Path, required=True, help="folder for the meshes")
    parser.add_argument("--rendered", type=Path, help="folder that `facial_coding synthesize` made")


def run(arguments: argparse.Namespace) -> int:
    arguments.work.mkdir(parents=True, exist_ok=True)
    real = real_views(arguments.stills, arguments.work / "shapes.npz")
    reader = ShapeReader(PoseEstimator(IctFaces.load()))
    shown: dict[str, object] = {"pictures": len(real.person), "people": len(np.unique(real.person))}
    shipped = ShapeScore.of(*distances(reader.of_frontal(real.points), real, OTHERS))
    shown["shipped, on real people"] = vars(shipped)
    shown["learnt from real people, on others"] = vars(learnt(real, real, None))
    if arguments.rendered:
        made = views_of(arguments.rendered)
        made = ShapeViews(made.points, made.angles_deg, made.person + RENDERED_FROM)
        shown["shipped, on rendered people"] = vars(
            ShapeScore.of(*distances(reader.of_frontal(made.points), made, OTHERS))
        )
        shown["learnt from both, on other real people"] = vars(learnt(real, real, made))
        shown["learnt from both, on other rendered people"] = vars(learnt(made, real, made))
    for share in (0.24, shipped.strangers_within):
        shown[f"wrong merges a minute, five people a minute, strangers within {share:g}"] = wrong_merges(5.0, share)
    print(json.dumps(shown, indent=1))
    return 0


def real_views(stills: Path, cache: Path) -> ShapeViews:
    """Of the people with several pictures. Raises OSError."""
    if not cache.is_file():
        meshes, people, presences = [], [], []
        found = read_stills(stills)
        pictures = Counter(still.person for still in found)
        taken: Counter[str] = Counter()
        with closing(FaceReader()) as reader:
            for still in found:
                taken[still.person] += 1
                if pictures[still.person] < 2 or taken[still.person] > OF_A_PERSON:
                    continue
                image = still.image()
                square = reader.find(image)
                if square is not None:
                    mesh, score = reader.mesh_and_presence(image, square)
                    meshes.append(mesh)
                    people.append(still.person)
                    presences.append(score)
        np.savez(cache, mesh=np.array(meshes), who=np.array(people), pres=np.array(presences))
    with open_npz(cache) as file:
        meshes_read, who, presence = file["mesh"], file["who"], file["pres"]
    pose = PoseEstimator(IctFaces.load())
    seen = [pose.frontal(mesh[:SURFACE_POINTS]) for mesh in meshes_read]
    angles_deg = np.array([(yaw, pitch) for _, yaw, pitch in seen], np.float32)
    points = np.array([frontal for frontal, _, _ in seen], np.float32).reshape(len(seen), -1)
    person = np.unique(who, return_inverse=True)[1].astype(np.int64)
    kept: NDArray[np.bool_] = (presence >= SURE_PRESENCE) & (np.abs(angles_deg) < WIDEST_VIEW_DEG).all(1)
    kept &= np.bincount(person[kept], minlength=person.max() + 1)[person] >= 2
    return ShapeViews(points[kept], angles_deg[kept], person[kept])


def learnt(judged: ShapeViews, real: ShapeViews, made: ShapeViews | None) -> ShapeScore:
    """Each quarter of the judged people, by what was learnt from all others."""
    parts = []
    people = np.unique(judged.person)
    for fold in range(FOLDS):
        tested = people[fold::FOLDS]
        sets = [views.of(np.setdiff1d(np.unique(views.person), tested)) for views in (real, made) if views is not None]
        training = ShapeViews(
            np.concatenate([one.points for one in sets]),
            np.concatenate([one.angles_deg for one in sets]),
            np.concatenate([one.person for one in sets]),
        )
        mean, directions = fit_shape(training)
        testing = judged.of(tested)
        parts.append(distances((testing.points - mean) @ directions, testing, OTHERS))
    return ShapeScore.of(np.concatenate([own for own, _ in parts]), np.concatenate([foreign for _, foreign in parts]))


def wrong_merges(people_a_minute: float, strangers_within: float, minutes: int = 20_000, seed: int = 0) -> float:
    """Expected number a minute of people who get the id of somebody who has just left.

    People come at random times and places along the image's width and stay 12 s in the mean. Somebody new is compared
    with those who were lost within `tracking.max_lost_s`, as near as they can have gone in that time.
    """
    rng = np.random.default_rng(seed)
    count = int(people_a_minute * minutes)
    come = np.sort(rng.uniform(0, 60 * minutes, count))
    leave = come + rng.exponential(12.0, count)
    came_at, left_at = rng.uniform(0, IMAGE_FACES, (2, count))
    order = np.argsort(leave)
    gone = leave[order]
    longest_s, merged = TrackingSettings().max_lost_s, 0
    for time_s, place in zip(come, came_at, strict=True):
        first = np.searchsorted(gone, time_s - longest_s)
        last = np.searchsorted(gone, time_s)
        for other in order[first:last]:
            unseen_s = time_s - leave[other]
            near = abs(place - left_at[other]) <= REACH + REACH_PER_S * unseen_s
            merged += bool(near and rng.random() < strangers_within)
    return round(merged / minutes, 3)


if __name__ == "__main__":
    sys.exit(run_command("shape_on_stills", __doc__ or "", add_arguments, run))
