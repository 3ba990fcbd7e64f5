# SPDX-License-Identifier: Apache-2.0
"""`facial_coding synthesize`: sets that can be made again, and what is in them."""

from __future__ import annotations

import argparse
import json

import numpy as np
import pytest

from facial_coding_ros.action_units import CODES
from facial_coding_ros.commands import synthesize
from facial_coding_ros.errors import UserError
from facial_coding_ros.face_model.ict import IctFaces
from facial_coding_ros.keypoints import Registration
from facial_coding_ros.learning.facs.motion_sets import load_motions
from facial_coding_ros.learning.synthesis.dataset import SetOptions, load_set, plan_person, set_options
from facial_coding_ros.learning.synthesis.expressions import (
    KINDS,
    Manner,
    offsets,
    sample_expression,
    with_lips,
)

from ...conftest import REPOSITORY

ICT = REPOSITORY.parent / "shared" / "data" / "ict_facekit"
needs_ict = pytest.mark.skipif(not ICT.is_dir(), reason=f"ICT-FaceKit's arrays are not at {ICT}")


def command(*words):
    parser = argparse.ArgumentParser()
    synthesize.add_arguments(parser)
    return synthesize.run(parser.parse_args([str(word) for word in words]))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    assert command(ICT, folder, "--people", 2, "--pictures", 11, "--seed", 5) == 0
    return folder


@needs_ict
def test_a_set_has_its_manifest_sheet_and_truth(made):
    manifest = json.loads((made / "manifest.json").read_text())
    assert manifest["complete"] and manifest["frames"] == 22 and manifest["tracked"] >= 21
    assert (made / "contact_sheet.png").stat().st_size > 10_000
    data = load_set(made)
    assert data["mesh"].shape == data["first_mesh"].shape == (22, 478, 3) and data["right"].shape == (22, len(CODES))
    resting = data["number"] < 7
    assert not data["right"][resting].any() and data["right"][~resting].any()
    turned = np.hypot(*data["pose_deg"][data["number"] == 6, :2].T)
    assert ((turned > 14) & (turned < 31)).all()


@needs_ict
def test_an_unfinished_set_is_continued_and_another_refused(made):
    before = (made / "chunk_0000.npz").stat().st_mtime_ns
    assert command(ICT, made, "--people", 2, "--pictures", 11, "--seed", 5) == 0
    assert (made / "chunk_0000.npz").stat().st_mtime_ns == before
    with pytest.raises(UserError, match="other options"):
        command(ICT, made, "--people", 2, "--pictures", 11, "--seed", 6)


@needs_ict
def test_motions_are_those_that_were_planned(made):
    motions = load_motions([made], Registration())
    assert np.isfinite(motions.motion).all() and motions.resting.sum() == 24 and motions.turned.sum() == 4
    faces, plan = IctFaces.load(), plan_person(set_options(made), 0)
    axes = np.array([1, -1, -1], np.float32)  # expressions are drawn with y up and z near
    shapes = {name: faces.shape(name) * axes for name in faces.expression_names}
    ideal = np.stack([offsets(one.sample, plan.manner, shapes) for one in plan.pictures]) * axes
    moved = motions.take((motions.person == 0) & (motions.number > 6))
    cosines = [
        float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))
        for a, b in zip(moved.motion, ideal[moved.number], strict=True)
        if np.linalg.norm(b) > 0.7
    ]
    assert not cosines or max(cosines) > 0.4


def test_a_cut_chunk_is_named(tmp_path):
    path = tmp_path / "chunk_0000.npz"
    np.savez(path, tracked=np.ones(4, bool))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"chunk_0000\.npz cannot be read .* remove it"):
        load_set(tmp_path)


def test_people_come_out_the_same_by_number():
    options = SetOptions(people=3, pictures=11, seed=9)
    first, again, other = plan_person(options, 1), plan_person(options, 1), plan_person(options, 2)
    np.testing.assert_array_equal(first.identity, again.identity)
    np.testing.assert_array_equal(first.pictures[5].sample.right, again.pictures[5].sample.right)
    assert not np.array_equal(first.identity, other.identity)
    assert first.pictures[9].group == first.pictures[7].group and first.pictures[9].sample is first.pictures[7].sample


@pytest.mark.parametrize("kind", KINDS)
def test_expressions_keep_within_facs(kind):
    rng, at = np.random.default_rng(0), {code: k for k, code in enumerate(CODES)}
    Manner.sample(rng)
    for _ in range(40):
        sample = sample_expression(rng, kind)
        right, left = with_lips(sample, 0.6)
        for side in (right, left):
            assert side.min() >= 0 and side.max() <= 1
            assert not (side[at[45]] > 0.2 and side[at[5]] > 0)
            assert side[at[25]] == pytest.approx(0.5)
        assert sample.right[at[17]] == sample.left[at[17]]
        if kind == "neutral":
            assert max(sample.right.max(), sample.left.max()) <= 1 and sample.right[at[12]] == 0
        if kind == "smile":
            assert max(right[at[12]], left[at[12]]) > 0.1


def test_too_few_people_are_refused(tmp_path):
    with pytest.raises(UserError, match="11 pictures"):
        command(tmp_path, tmp_path / "out", "--pictures", 3)
    with pytest.raises(UserError, match="no checkout"):
        command(tmp_path, tmp_path / "out")
