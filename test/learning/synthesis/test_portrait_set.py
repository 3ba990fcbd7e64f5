# SPDX-License-Identifier: Apache-2.0
"""`facial_coding synthesize --portraits`: sets of animated photographs, with the truth they were warped to."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from facial_coding_ros.action_units import CODES
from facial_coding_ros.commands import synthesize
from facial_coding_ros.errors import UserError
from facial_coding_ros.keypoints import Registration
from facial_coding_ros.learning.facs.motion_sets import load_motions
from facial_coding_ros.learning.synthesis.dataset import load_set


def command(*words: object) -> int:
    parser = argparse.ArgumentParser()
    synthesize.add_arguments(parser)
    return synthesize.run(parser.parse_args([str(word) for word in words]))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of portraits and the set made of it."""
    portraits, folder = tmp_path_factory.mktemp("portraits"), tmp_path_factory.mktemp("set")
    photograph = skimage.data.astronaut()[5:305, 90:357, ::-1]
    cv2.imwrite(str(portraits / "a_neutral.png"), photograph)
    cv2.imwrite(str(portraits / "a_smiling.png"), photograph)
    cv2.imwrite(str(portraits / "b_neutral.png"), np.full((120, 100, 3), 128, np.uint8))
    arguments = (folder, "--portraits", portraits, "--match", "*_neutral.png", "--pictures", 16, "--seed", 4)
    assert command(*arguments) == 0
    return portraits, folder


def test_a_set_of_portraits_has_the_form_of_a_rendered_one(made: tuple[Path, Path]) -> None:
    data = load_set(made[1])
    assert data["mesh"].shape == data["first_mesh"].shape == (16, 478, 3) and data["right"].shape == (16, len(CODES))
    assert data["tracked"].sum() >= 15
    resting = data["number"] < 7
    assert not data["right"][resting].any() and data["right"][~resting].any()
    assert (made[1] / "contact_sheet.png").stat().st_size > 10_000


def test_a_portrait_without_a_face_is_named_and_left_out(made: tuple[Path, Path]) -> None:
    manifest = json.loads((made[1] / "manifest.json").read_text())
    assert manifest["complete"] and manifest["refused"] == ["b_neutral.png"]
    assert manifest["portraits"] == ["a_neutral.png", "b_neutral.png"]


def test_the_tracker_follows_what_was_drawn(made: tuple[Path, Path]) -> None:
    """AU25 is what is between the lips: a face whose lips are apart in truth has them apart in the tracked mesh."""
    motions = load_motions([made[1]], Registration())
    followed = motions.take(~motions.just_found & ~motions.resting)
    parted = followed.motion[:, 14, 1] - followed.motion[:, 13, 1]
    truth = followed.sides[:, 0, CODES.index(25)]
    assert truth.max() > 0.2
    assert np.corrcoef(truth, parted)[0, 1] > 0.9


def test_what_cannot_be_animated_is_refused(made: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no"):
        command(tmp_path / "out", "--portraits", tmp_path)
    with pytest.raises(UserError, match="either ICT-FaceKit"):
        command(tmp_path / "out")
    with pytest.raises(UserError, match="other options"):
        command(made[1], "--portraits", made[0], "--match", "*_neutral.png", "--pictures", 16, "--seed", 5)
