# SPDX-License-Identifier: Apache-2.0
"""Drawing: what is drawn, where, and that the image given stays as it is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from facial_coding_ros.drawing import overlay
from facial_coding_ros.drawing.overlay import NEUTRAL_COLOURS, _overlap, _place, draw
from facial_coding_ros.types import (
    ActionUnits,
    Expression,
    Face,
    FaceCode,
    HeadPose,
    NeutralState,
    Region,
    Visibility,
)


def code(region: Region, state: NeutralState = NeutralState.READY) -> FaceCode:
    pose = HeadPose(0, 0, 0, np.eye(3, dtype=np.float32))
    face = Face("fa", np.zeros((478, 3), np.float32), region, pose, Visibility(1, 1, 1, 1))
    aus = ActionUnits((12, 99), *(np.array(v, np.float32) for v in ([0.8, 0.2], [1, 1], [0.8, 0.2], [0.8, 0.2])))
    return FaceCode(face, state, 0.01, aus, Expression(("happy",), np.ones(1, np.float32), 0, "happy", 1, 0.5, 0.2))


@pytest.mark.parametrize("size", [(720, 1280), (120, 160), (40, 30)])
def test_any_size_of_image(size: tuple[int, int]) -> None:
    image = np.full((*size, 3), 128, np.uint8)
    points = np.random.default_rng(0).uniform(0, size[::-1], (70, 2)).astype(np.float32)
    points[3] = np.nan
    drawn = draw(image, [(code(Region(0.4, 0.3, 0.6, 0.7)), points)])
    assert drawn.shape == image.shape and (image == 128).all()
    assert (drawn != image).any()


def test_box_shows_the_neutral_state() -> None:
    image = np.zeros((400, 600, 3), np.uint8)
    far = np.full((70, 2), -100, np.float32)
    for state in NeutralState:
        drawn = draw(image, [(code(Region(0.1, 0.2, 0.3, 0.7), state), far)])
        assert tuple(drawn[200, 60]) == NEUTRAL_COLOURS[state]


def test_panels_keep_off_faces_and_each_other() -> None:
    image = np.zeros((540, 960, 3), np.uint8)
    faces = [(160, 110, 330, 310), (610, 150, 830, 390)]
    taken = list(faces)
    for box in faces:
        place = _place(box, 175, 140, image, taken)
        assert sum(_overlap(place, other) for other in taken) == 0
        taken.append(place)


def test_the_strongest_units_are_shown_whatever_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    write = overlay.cv2.putText
    monkeypatch.setattr(overlay.cv2, "putText", lambda on, text, *how: written.append(text) or write(on, text, *how))
    codes = (1, 2, 4, 5, 6, 7, 12, 25)
    intensity = np.array([0.3, np.nan, 0.4, np.nan, 0.6, np.nan, 0.9, 0.5], np.float32)
    known = np.ones(len(codes), np.float32)
    aus = ActionUnits(codes, intensity, known, intensity, intensity)
    face = dataclasses.replace(code(Region(0.1, 0.2, 0.3, 0.6)), aus=aus)
    draw(np.zeros((480, 640, 3), np.uint8), [(face, np.full((70, 2), 100, np.float32))])
    assert [text.split()[0] for text in written if text.startswith("AU")] == ["AU12", "AU6", "AU25", "AU4", "AU1"]
