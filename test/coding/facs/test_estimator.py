# SPDX-License-Identifier: Apache-2.0
"""The FACS estimator on faces whose action units are known."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from facial_coding_ros.coding.facs import FacsEstimator, FacsSettings
from facial_coding_ros.face_model.ict import IctFaces
from facial_coding_ros.models import model_path
from facial_coding_ros.types import (
    Face,
    HeadPose,
    Motion,
    Neutral,
    NeutralState,
    Region,
    Registered,
    Visibility,
)


@pytest.fixture(scope="module")
def estimator():
    return FacsEstimator.load()


@pytest.fixture(scope="module")
def people():
    return IctFaces.load()


def a_face(dense, yaw_deg=0.0, eye_distance_px=90.0, visibility=1.0):
    mesh = np.vstack([dense, np.zeros((10, 3), np.float32)]) * eye_distance_px + 300
    pose = HeadPose(yaw_deg, 0.0, 0.0, np.diag([1, -1, -1]).astype(np.float32))
    return Face("a", mesh.astype(np.float32), Region(0, 0, 1, 1), pose, Visibility(*[visibility] * 4))


def a_neutral(dense, state=NeutralState.READY, uncertainty=0.002):
    return Neutral(state, Registered(np.zeros((68, 2), np.float32), dense), uncertainty)


def coded(estimator, people, right, left=None, face=None, neutral=None):
    motion = Motion(np.zeros(136, np.float32), people.au_offsets(right, left))
    face, neutral = face or a_face(people.neutral), neutral or a_neutral(people.neutral)
    return estimator.estimate([motion], [face], [neutral])[0]


def test_a_smile_comes_first_and_on_its_side(estimator, people):
    both = coded(estimator, people, {12: 0.8})
    assert both.codes[int(np.argmax(both.intensity))] == 12
    assert both.presence[both.codes.index(12)] > 0.8
    right = coded(estimator, people, {12: 0.8}, {12: 0.0})
    at = right.codes.index(12)
    assert right.right[at] > 0.4 and right.left[at] < 0.2


def test_a_stronger_smile_is_never_weaker(estimator, people):
    found = [coded(estimator, people, {12: amount})[12] for amount in np.linspace(0, 1, 11)]
    assert (np.diff(found) > -0.02).all() and found[-1] > found[5] > found[0]


def test_a_larger_noise_scale_takes_small_intensities_away(estimator, people):
    frontal = coded(estimator, people, {12: 0.4})
    turned = coded(estimator, people, {12: 0.4}, face=a_face(people.neutral, yaw_deg=25.0))
    assert turned[12] < frontal[12] and (turned.intensity <= frontal.intensity + 1e-6).all()


def test_speech_lowers_the_confidence_of_mouth_units(estimator, people):
    still, speaking = coded(estimator, people, {}), coded(estimator, people, {27: 0.6})
    at = still.codes.index(18)
    assert speaking.confidence[at] < 0.8 * still.confidence[at]
    assert speaking.confidence[still.codes.index(12)] == pytest.approx(still.confidence[still.codes.index(12)])


def test_units_without_sides_have_none(estimator, people):
    jaw = coded(estimator, people, {27: 0.5})
    at = jaw.codes.index(26)
    assert jaw[26] > 0.5 and np.isnan(jaw.left[at]) and np.isnan(jaw.right[at])


def test_no_motion_no_action_units(estimator, people):
    assert coded(estimator, people, {}).intensity.max() < 0.1


@pytest.mark.parametrize(
    "worse",
    [
        {"yaw_deg": 40.0},
        {"eye_distance_px": 15.0},
        {"visibility": 0.4},
    ],
)
def test_confidence_falls_with_the_view(estimator, people, worse):
    good = coded(estimator, people, {12: 0.8})
    bad = coded(estimator, people, {12: 0.8}, face=a_face(people.neutral, **worse))
    assert bad.confidence[bad.codes.index(12)] < 0.6 * good.confidence[good.codes.index(12)]


def test_confidence_falls_with_the_neutral(estimator, people):
    good = coded(estimator, people, {12: 0.8})
    for neutral in (a_neutral(people.neutral, NeutralState.LEARNING), a_neutral(people.neutral, uncertainty=0.06)):
        assert coded(estimator, people, {12: 0.8}, neutral=neutral).confidence[8] < 0.7 * good.confidence[8]


def test_several_faces_are_each_as_alone(estimator, people):
    neutral, face = a_neutral(people.neutral), a_face(people.neutral)
    motions = [Motion(np.zeros(136, np.float32), people.au_offsets({code: 0.7})) for code in (1, 12, 17)]
    together = estimator.estimate(motions, [face] * 3, [neutral] * 3)
    for motion, result in zip(motions, together, strict=True):
        alone = estimator.estimate([motion], [face], [neutral])[0]
        np.testing.assert_allclose(result.intensity, alone.intensity, atol=1e-5)
    assert estimator.estimate([], [], []) == []


def test_unknown_is_said(estimator):
    unknown = estimator.unknown(2)
    assert len(unknown) == 2 and not unknown[0].confidence.any() and not unknown[0].intensity.any()


def test_a_foreign_file_is_refused(tmp_path):
    shipped = model_path("facs.onnx")
    card = yaml.safe_load(shipped.with_suffix(".yaml").read_text())
    copy = tmp_path / "facs.onnx"
    copy.write_bytes(shipped.read_bytes() + b"x")
    copy.with_suffix(".yaml").write_text(yaml.safe_dump(card))
    with pytest.raises(ValueError, match="sha256"):
        FacsEstimator.load(copy)
    copy.write_bytes(shipped.read_bytes())
    copy.with_suffix(".yaml").write_text(yaml.safe_dump(card | {"codes": [1, 2]}))
    with pytest.raises(ValueError, match=r"for the action units \[1, 2\]"):
        FacsEstimator.load(copy)
    copy.with_suffix(".yaml").unlink()
    with pytest.raises(FileNotFoundError, match=r"facs\.yaml"):
        FacsEstimator.load(copy)


def test_settings_name_what_is_wrong():
    with pytest.raises(ValueError, match="no_pose_deg is 10; allowed"):
        FacsSettings(no_pose_deg=10.0)
