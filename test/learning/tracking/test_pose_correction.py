# SPDX-License-Identifier: Apache-2.0
"""The pose correction is found again in faces of which it is known; each kind of people counts alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facial_coding_ros.errors import UserError
from facial_coding_ros.face_model.ict import IctFaces, turned
from facial_coding_ros.keypoints import MESH
from facial_coding_ros.keypoints.registration import PoseCorrection, Registration
from facial_coding_ros.learning.synthesis.dataset import is_of_portraits
from facial_coding_ros.learning.tracking.pose_correction import TurnedFaces, fit_pose_correction, of_set

FLIP, MIRROR = np.array([-1, 1, 1], np.float32), np.array([-1, 1, 1, -1, 1], np.float32)


def symmetric_correction(rng: np.random.Generator) -> np.ndarray:
    """(5, 1404): of the mirror image it is the mirror image."""
    one = rng.normal(0, 0.1, (5, 468, 3)).astype(np.float32)
    other = one[:, np.array(MESH.mirror)] * FLIP * MIRROR[:, None, None]
    return ((one + other) / 2).reshape(5, -1)


def turned_faces(correction: np.ndarray, count: int, rng: np.random.Generator, noise: float = 0.0) -> TurnedFaces:
    turn = rng.uniform(-0.4, 0.4, (count, 5)).astype(np.float32)
    change = (turn @ correction).reshape(count, 468, 3) + noise * rng.normal(size=(count, 468, 3))
    return TurnedFaces(turn, change.astype(np.float32), np.arange(count))


def test_a_known_correction_is_found_and_explains_what_it_does() -> None:
    rng = np.random.default_rng(0)
    known = symmetric_correction(rng)
    found = fit_pose_correction([[turned_faces(known, 60, rng)]])
    np.testing.assert_allclose(found, known, atol=0.002)
    others = turned_faces(known, 40, rng)
    assert others.explained(found) > 0.999 and others.explained(np.zeros_like(found)) == 0
    assert np.median(others.left(found)) < 0.02 * np.median(others.left(np.zeros_like(found)))


def test_each_kind_of_people_counts_alike_however_many_they_are() -> None:
    rng = np.random.default_rng(1)
    one, other = symmetric_correction(rng), symmetric_correction(rng)
    many, few = turned_faces(one, 400, rng), turned_faces(other, 40, rng)
    between = fit_pose_correction([[many], [few]])
    shares = ((between - other) * (one - other)).sum() / ((one - other) ** 2).sum()
    assert shares == pytest.approx(0.5, abs=0.08)
    pooled = fit_pose_correction([[many, few]])
    assert ((pooled - other) * (one - other)).sum() / ((one - other) ** 2).sum() > 0.8


def test_of_a_set_the_turned_picture_is_held_against_those_at_rest(tmp_path: Path) -> None:
    faces, rows = IctFaces.load(), {}
    for person, neutral in enumerate(faces.people(12, np.random.default_rng(2))):
        yaw, pitch = (18.0, -12.0) if person % 2 else (-25.0, 8.0)
        for number in range(8):
            points = neutral if number < 6 else turned(neutral, yaw, pitch, 0.0)
            # What a tracker might add to a turned face: it makes it deeper.
            depth = np.array([1, 1, 1.1 if number == 6 else 1.0], np.float32)
            mesh = np.vstack([points * depth, np.zeros((10, 3))]).astype(np.float32) * 90 + 300
            row = {"mesh": mesh, "person": person, "number": number, "tracked": person > 0 or number > 0}
            for key, value in row.items():
                rows.setdefault(key, []).append(value)
    arrays = {key: np.stack(values) for key, values in rows.items()}
    np.savez(tmp_path / "chunk_0000.npz", **arrays)
    seen = of_set(tmp_path)
    assert len(seen.turn) == 12 and sorted(seen.person) == list(range(12))
    assert (np.sign(seen.turn[1::2, 0]) == -np.sign(seen.turn[::2, 0])).all()
    found = fit_pose_correction([[seen]])
    assert seen.explained(found) > 0.8
    # A registration with it leaves less of the turn than one without.
    left = []
    for correction in (PoseCorrection(np.zeros((5, 1404), np.float32)), PoseCorrection(found)):
        dense = np.stack([face.dense for face in Registration(correction=correction).register(arrays["mesh"])])
        dense = dense.reshape(12, 8, 468, 3)
        left.append(np.abs(dense[:, 6] - dense[:, 1]).mean())
    assert left[1] < 0.6 * left[0]


def test_what_is_no_set_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="facial_coding synthesize"):
        is_of_portraits(tmp_path)
