# SPDX-License-Identifier: Apache-2.0
"""Stored answers: what agrees with them, and what does not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from facial_coding_ros.tracking.reference_answers import ReferenceAnswers, check_detector, check_landmarks
from facial_coding_ros.tracking.regions import Detection, Landmarks, Square
from facial_coding_ros.types import ImageArray


@pytest.fixture(scope="module")
def answers() -> ReferenceAnswers:
    return ReferenceAnswers.load()


class Stored:
    """Gives the stored answers back, changed as asked for."""

    detects_always, turned_views, shape_spread, backend = False, False, 1.0, "stored"

    def __init__(self, answers: ReferenceAnswers, shift_px: float = 0, less: float = 0, blind: bool = False) -> None:
        self._answers, self._shift, self._less, self._blind = answers, shift_px, less, blind

    def process(
        self, image: ImageArray, squares: Sequence[Square], views: Sequence[Square] = ()
    ) -> tuple[list[Landmarks | None], list[Detection]]:
        at = next(i for i, picture in enumerate(self._answers.pictures) if picture is image)
        meshes = dict(zip(self._answers.squares, self._answers.landmarks, strict=True))
        boxes = dict(zip(self._answers.views, self._answers.detections, strict=True))
        landmarks = [meshes[at, square] for square in squares]
        moved = [Landmarks(one.mesh + np.float32(self._shift), one.presence - self._less) for one in landmarks]
        faces = [
            replace(face, xmin=face.xmin + self._shift, score=face.score - self._less)
            for view in views
            for face in boxes[at, view]
        ]
        return [*moved], [] if self._blind else faces

    def close(self) -> None: ...


def test_what_is_stored(answers: ReferenceAnswers) -> None:
    assert len(answers.pictures) == 2 and all(picture.shape == (360, 640, 3) for picture in answers.pictures)
    assert [len(faces) for faces in answers.detections] == [2, 1, 1, 2, 1, 1]
    assert len(answers.landmarks) == 4 and all(one.presence > 0.9 for one in answers.landmarks)
    assert "x86_64" in answers.made_with


def test_the_same_answers_are_good(answers: ReferenceAnswers) -> None:
    assert check_detector(Stored(answers), answers).good and check_landmarks(Stored(answers), answers).good


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"blind": True}, "the detector finds 0 faces where there are 2"),
        ({"shift_px": 3.0}, r"boxes differ by \d\.\d\d%"),
        ({"less": 0.05}, "scores by 0.050"),
    ],
)
def test_a_detector_that_sees_otherwise_is_told(answers: ReferenceAnswers, changed: dict, text: str) -> None:
    agreement = check_detector(Stored(answers, **changed), answers)
    assert not agreement.good
    assert re.search(text, agreement.text), agreement.text


@pytest.mark.parametrize("changed", [{"shift_px": 1.0}, {"less": 0.1}])
def test_landmarks_that_are_elsewhere_are_told(answers: ReferenceAnswers, changed: dict) -> None:
    agreement = check_landmarks(Stored(answers, **changed), answers)
    assert not agreement.good and "allowed" in agreement.text
