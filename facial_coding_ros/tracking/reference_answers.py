# SPDX-License-Identifier: Apache-2.0
"""What MediaPipe's own graph answers on x86-64 to two stored pictures, and whether other networks agree with it.

The answers are stored (models/reference_answers.npz) so that the comparison means the same on every machine: on ARM
processors MediaPipe's own detector is the one that is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..models import model_path
from ..npz import open_npz
from ..types import FloatArray, ImageArray
from ..yaml_files import read_yaml_file
from .interface import LandmarkSource
from .regions import Detection, Landmarks, Square

FILE = "reference_answers.npz"
BOX_SHARE, SCORE = 0.01, 0.02
"""Largest difference of a box's sides and centre, in widths of the face, and of its score."""
FACE_PX, MESH_PX, PRESENCE = 190.0, 0.3, 0.05
"""Largest mean distance of a face's points, on a face of FACE_PX, and difference of its presence."""


@dataclass(frozen=True)
class ReferenceAnswers:
    """pictures: RGB. views, squares: number of the picture and the square looked at. detections: of each view.
    landmarks: of each square. made_with: what gave the answers, in words.
    """

    pictures: tuple[ImageArray, ...]
    views: tuple[tuple[int, Square], ...]
    detections: tuple[tuple[Detection, ...], ...]
    squares: tuple[tuple[int, Square], ...]
    landmarks: tuple[Landmarks, ...]
    made_with: str

    @classmethod
    def load(cls) -> ReferenceAnswers:
        """Raises FileNotFoundError, or ValueError when the file is damaged."""
        path = model_path(FILE)
        card = read_yaml_file(path.with_suffix(".yaml"))
        with open_npz(path) as file:
            pictures: list[ImageArray] = []
            while (name := f"picture_{len(pictures)}") in file:
                pictures.append(np.ascontiguousarray(cv2.imdecode(file[name], cv2.IMREAD_COLOR)[:, :, ::-1]))
            views, faces, squares = file["views"], file["detections"], file["squares"]
            meshes, presences = file["meshes"], file["presences"]
        return cls(
            tuple(pictures),
            tuple((int(row[0]), Square(*row[1:].tolist())) for row in views),
            tuple(tuple(_detection(row[1:]) for row in faces[faces[:, 0] == view]) for view in range(len(views))),
            tuple((int(row[0]), Square(*row[1:].tolist())) for row in squares),
            tuple(Landmarks(mesh, float(one)) for mesh, one in zip(meshes, presences, strict=True)),
            str(card["made_with"]),
        )


@dataclass(frozen=True)
class AnswerAgreement:
    """Whether answers agree with the stored ones, and how far they are apart, in words."""

    good: bool
    text: str


def check_detector(networks: LandmarkSource, answers: ReferenceAnswers) -> AnswerAgreement:
    """The same faces in each view, at the same places, as surely."""
    apart = score = 0.0
    for (picture, view), expected in zip(answers.views, answers.detections, strict=True):
        found = networks.process(answers.pictures[picture], [], [view])[1]
        if len(found) != len(expected):
            return AnswerAgreement(False, f"the detector finds {len(found)} faces where there are {len(expected)}")
        for ours, theirs in zip(_by_place(found), _by_place(expected), strict=True):
            apart = max(apart, box_difference(ours, theirs))
            score = max(score, abs(ours.score - theirs.score))
    return AnswerAgreement(
        apart <= BOX_SHARE and score <= SCORE,
        f"boxes differ by {apart:.2%} of a face's width, scores by {score:.3f}; {BOX_SHARE:.0%} and {SCORE:g} allowed",
    )


def check_landmarks(networks: LandmarkSource, answers: ReferenceAnswers) -> AnswerAgreement:
    """The same points and presence in each square."""
    distance = presence = 0.0
    for (picture, square), expected in zip(answers.squares, answers.landmarks, strict=True):
        (found,) = networks.process(answers.pictures[picture], [square])[0]
        if found is None:
            return AnswerAgreement(False, "no landmarks on a face")
        distance = max(distance, mean_distance_px(found.mesh, expected.mesh))
        presence = max(presence, abs(found.presence - expected.presence))
    return AnswerAgreement(
        distance <= MESH_PX and presence <= PRESENCE,
        f"points differ by {distance:.2f} px in the mean of a face {FACE_PX:g} px wide, presence by {presence:.3f}; "
        f"{MESH_PX:g} and {PRESENCE:g} allowed",
    )


def box_difference(ours: Detection, theirs: Detection) -> float:
    """Largest difference of centre and size of two boxes, in widths of the second."""
    centre = abs(ours.centre - theirs.centre)
    return float(max(centre, abs(ours.width - theirs.width), abs(ours.height - theirs.height)) / theirs.width)


def mean_distance_px(mesh: FloatArray, reference: FloatArray) -> float:
    """Of the points in the image, in pixels of a face FACE_PX wide."""
    distances = np.linalg.norm(mesh[:, :2] - reference[:, :2], axis=1)
    return float(distances.mean() * FACE_PX / np.ptp(reference[:, 0]))


def _by_place(detections: list[Detection] | tuple[Detection, ...]) -> list[Detection]:
    return sorted(detections, key=lambda one: (one.centre.real, one.centre.imag))


def _detection(row: FloatArray) -> Detection:
    xmin, ymin, width, height, score = row[:5].tolist()
    return Detection(xmin, ymin, width, height, score, row[5:9].reshape(2, 2))
