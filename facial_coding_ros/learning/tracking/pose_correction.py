# SPDX-License-Identifier: Apache-2.0
"""What tracker and perspective add to a turned face, learnt from people who are seen ahead and turned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...coding.expression.labels import EXPRESSION_LABELS
from ...keypoints import MESH
from ...keypoints.registration import PoseCorrection, Rotation, at_eyes, eye_centres
from ...npz import open_npz
from ...types import SURFACE_POINTS, FloatArray
from ..expression.appearance_training import FOLDS, KEPT_ASIDE
from ..expression.face_features import FaceReader
from ..expression.head_training import folds_of
from ..expression.stills import read_stills
from ..neutral.seen_faces import SeenFaces
from ..synthesis.dataset import NEUTRALS, TURNS, load_set

_RIDGE = 1e-3
_EYE_DISTANCE_PX = 40.0
_MIRRORED = np.array([-1, 1, 1, -1, 1], np.float32)
"""What becomes of PoseCorrection.features in the mirror image."""


@dataclass(frozen=True)
class TurnedFaces:
    """n faces, each against the same person's others or those seen ahead, expression alike.

    turn: (n, 5) differences of PoseCorrection.features. change: (n, 468, 3) of the rotated mesh, in eye distances.
    person: (n,), numbers.
    """

    turn: FloatArray
    change: FloatArray
    person: NDArray[np.int64]

    def left(self, coefficients: FloatArray) -> FloatArray:
        """(n,): root mean square over the points of what this correction (5, 1404) leaves, in eye distances."""
        return np.asarray(np.sqrt((self.rest(coefficients) ** 2).sum(2).mean(1)))

    def explained(self, coefficients: FloatArray) -> float:
        """Share of the sum of squares of the changes that this correction (5, 1404) takes out."""
        return float(1 - (self.rest(coefficients) ** 2).sum() / (self.change**2).sum())

    def rest(self, coefficients: FloatArray) -> FloatArray:
        """(n, 468, 3): what this correction (5, 1404) leaves of the changes."""
        return np.asarray(self.change - (self.turn @ coefficients).reshape(self.change.shape))


class _Rotated:
    """Rotated meshes and their turns, of meshes (n, 478, 3)."""

    def __init__(self, meshes: FloatArray) -> None:
        surface = at_eyes(np.ascontiguousarray(meshes[:, :SURFACE_POINTS].transpose(0, 2, 1), np.float32))
        rotations = Rotation().matrices(surface)
        self.points = at_eyes(rotations.transpose(0, 2, 1) @ surface).transpose(0, 2, 1)
        self.turn = PoseCorrection.features(rotations)

    def against(self, groups: Sequence[tuple[NDArray[np.intp], NDArray[np.intp], int]]) -> TurnedFaces:
        """groups: of each person and expression the faces, what they are held against, and the person."""
        return TurnedFaces(
            np.concatenate([self.turn[own] - self.turn[others].mean(0) for own, others, _ in groups]),
            np.concatenate([self.points[own] - self.points[others].mean(0) for own, others, _ in groups]),
            np.concatenate([np.full(len(own), person) for own, _, person in groups]),
        )


def of_plain_heads(seen: SeenFaces) -> TurnedFaces:
    """Turned neutral and smiling pictures of `studies.plain_heads` against frontal ones."""
    neutral = (seen.shapes == 0).all(1)
    smile = seen.shapes[:, seen.shape_names.index("mouthSmile_L")] > 0
    ahead = (np.abs(seen.pose) < 5).all(1)
    groups = [
        (np.flatnonzero(own & ~ahead), np.flatnonzero(own & ahead), int(person))
        for person in np.unique(seen.person)
        for own in ((seen.person == person) & neutral, (seen.person == person) & smile)
    ]
    return _Rotated(seen.mesh).against([group for group in groups if len(group[0]) and len(group[1])])


def of_set(folder: Path) -> TurnedFaces:
    """Of people of a set of `facial_coding synthesize`: the resting picture with the head turned against the others.

    Raises FileNotFoundError or ValueError as `load_set`.
    """
    data = load_set(folder)
    data = {name: values[data["tracked"]] for name, values in data.items()}
    number, groups = data["number"], []
    for person in np.unique(data["person"]):
        own = data["person"] == person
        turned = np.flatnonzero(own & (number >= NEUTRALS) & (number < NEUTRALS + TURNS))
        resting = np.flatnonzero(own & (number < NEUTRALS))
        if len(turned) and len(resting):
            groups.append((turned, resting, int(person)))
    return _Rotated(data["mesh"]).against(groups)


def of_stills(folder: Path, cache: Path) -> tuple[TurnedFaces, TurnedFaces]:
    """Neutral pictures against the mean of the same person's, of labelled stills with several pictures of a person.

    Such pictures differ in day, camera and look too, so that most of a change is no turn. The second part is of people
    who are kept aside (as by `facial_coding train expression`). cache: file for the meshes.
    Raises UserError or OSError.
    """
    if not cache.is_file():
        _read_neutral(folder, cache)
    with open_npz(cache) as file:
        meshes, who = file["mesh"], file["who"]
    right, left = eye_centres(meshes.transpose(0, 2, 1))
    large = np.linalg.norm((left - right)[:, :2], axis=1) >= _EYE_DISTANCE_PX
    rotated = _Rotated(meshes)
    names, person = np.unique(who, return_inverse=True)
    aside = folds_of(names.tolist(), FOLDS, KEPT_ASIDE) < 0
    learning: list[tuple[NDArray[np.intp], NDArray[np.intp], int]] = []
    kept: list[tuple[NDArray[np.intp], NDArray[np.intp], int]] = []
    for i in range(len(names)):
        own = np.flatnonzero((person == i) & large)
        if len(own) > 1:
            (kept if aside[i] else learning).append((own, own, i))
    return rotated.against(learning), rotated.against(kept)


def _read_neutral(folder: Path, cache: Path) -> None:
    stills = [still for still in read_stills(folder) if EXPRESSION_LABELS[still.label] == "neutral"]
    pictures = Counter(still.person for still in stills)
    meshes, who = [], []
    with closing(FaceReader()) as reader:
        for still in stills:
            if pictures[still.person] > 1:
                image = still.image()
                square = reader.find(image)
                if square is not None:
                    meshes.append(reader.mesh(image, square))
                    who.append(still.person)
    np.savez(cache, mesh=np.array(meshes), who=np.array(who))


def fit_pose_correction(sources: Sequence[Sequence[TurnedFaces]]) -> FloatArray:
    """Coefficients (5, 1404) of PoseCorrection. Each source counts alike, each face and its mirror image."""
    mirror, flip = np.array(MESH.mirror), np.array([-1, 1, 1], np.float32)
    size = len(mirror) * 3
    gram, moment = np.zeros((5, 5)), np.zeros((5, size))
    for source in sources:
        count = sum(len(faces.turn) for faces in source)
        for faces in source:
            for turn, change in (
                (faces.turn, faces.change),
                (faces.turn * _MIRRORED, faces.change[:, mirror] * flip),
            ):
                rows = turn.astype(np.float64)
                gram += rows.T @ rows / count
                moment += rows.T @ change.reshape(-1, size) / count
    return np.linalg.solve(gram + _RIDGE * np.diag(np.diag(gram)), moment).astype(np.float32)
