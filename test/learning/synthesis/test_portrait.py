# SPDX-License-Identifier: Apache-2.0
"""Portraits with known action units: geometry against references, pictures seen by the tracker, the bundled clip."""

from __future__ import annotations

import csv
from collections import Counter

import cv2
import mediapipe as mp
import numpy as np
import pytest
import skimage.data

from facial_coding_ros.learning.synthesis import topology
from facial_coding_ros.learning.synthesis.portrait import AnimatedPortrait, Turn, measured_mesh, similarity
from facial_coding_ros.learning.synthesis.warp import backward_map

from ...conftest import REPOSITORY

DEMO = REPOSITORY / "demo"
SIZE = (432, 384)


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    return cv2.resize(skimage.data.astronaut()[5:305, 90:357], SIZE[::-1], interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope="module")
def portrait(photograph: np.ndarray) -> AnimatedPortrait:
    return AnimatedPortrait(photograph, shown={6: 0.4, 12: 0.7})


def eye_distance(mesh: np.ndarray) -> float:
    return float(np.linalg.norm(mesh[[33, 133]].mean(axis=0) - mesh[[263, 362]].mean(axis=0)))


def opening(mesh: np.ndarray, upper: int, lower: int) -> float:
    """Gap between two points, in eye distances."""
    return float(mesh[lower, 1] - mesh[upper, 1]) / eye_distance(mesh)


def test_surface_has_four_openings() -> None:
    triangles = topology.mesh_triangles()
    edges = Counter(tuple(sorted((t[i], t[j]))) for t in triangles.tolist() for i, j in ((0, 1), (1, 2), (0, 2)))
    assert max(edges.values()) == 2
    rim = {point for edge, count in edges.items() if count == 1 for point in edge}
    lips, oval = {*topology.UPPER_LIP, *topology.LOWER_LIP}, set(topology.OVAL)
    right = {*topology.RIGHT_UPPER_LID, *topology.RIGHT_LOWER_LID}
    left = {*topology.LEFT_UPPER_LID, *topology.LEFT_LOWER_LID}
    assert rim == lips | oval | right | left
    # Euler: points - edges + triangles of a sphere with four openings.
    assert 468 - len(edges) + len(triangles) == 2 - 4


def test_backward_map_inverts_an_affine_map() -> None:
    rng = np.random.default_rng(0)
    source = np.array([[0, 0], [60, 0], [60, 50], [0, 50], [30, 25]], np.float32)
    triangles = np.array([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]], np.int32)
    linear = np.eye(2) + rng.normal(0, 0.15, (2, 2))
    target = (source @ linear.T + (9, 12)).astype(np.float32)
    where, covered = backward_map(source, target, np.zeros(5, np.float32), triangles, (90, 100))
    y, x = np.nonzero(covered)
    expected = (np.stack([x, y], axis=1) - (9, 12)) @ np.linalg.inv(linear).T
    inside = ((expected > 1) & (expected < (59, 49))).all(axis=1)
    assert inside.sum() > 2000
    np.testing.assert_allclose(where[covered][inside], expected[inside], atol=1e-3)


def test_backward_map_shows_the_nearer_triangle() -> None:
    source = np.array([[0, 0], [40, 0], [0, 40], [100, 100], [140, 100], [100, 140]], np.float32)
    target = np.concatenate([source[:3], source[:3]])
    triangles = np.array([[3, 4, 5], [0, 1, 2]], np.int32)
    for depths, near in (((5, 1), 100), ((1, 5), 0)):
        depth = np.repeat(np.array(depths, np.float32), 3)
        where, _ = backward_map(source, target, depth, triangles, (30, 30))
        assert where[5, 5, 0] == pytest.approx(near + 5, abs=1e-3)


def test_similarity_finds_rotation_and_scale() -> None:
    rng = np.random.default_rng(1)
    points = rng.normal(size=(50, 3))
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    rotation *= np.linalg.det(rotation)
    found, scale = similarity(points, 1.7 * points @ rotation.T + (3, 1, 2))
    np.testing.assert_allclose(found, rotation, atol=1e-5)
    assert scale == pytest.approx(1.7, abs=1e-5)


def test_resting_face_does_not_smile(photograph: np.ndarray, portrait: AnimatedPortrait) -> None:
    shown, resting = measured_mesh(photograph), measured_mesh(portrait.frame({}).image)
    assert opening(shown, 13, 14) > 0.12
    assert opening(resting, 13, 14) < 0.05
    width = {name: np.linalg.norm(m[61] - m[291]) / eye_distance(m) for name, m in (("s", shown), ("r", resting))}
    assert width["r"] < 0.9 * width["s"]


@pytest.mark.parametrize(
    ("intensities", "turn"),
    [
        ({6: 0.6, 12: 0.9, 25: 0.8}, Turn()),
        ({1: 0.9, 2: 0.9, 5: 0.7, 26: 0.8}, Turn(yaw_deg=8)),
        ({4: 0.8, 7: 0.5}, Turn(pitch_deg=-6)),
        ({27: 0.7}, Turn(roll_deg=6, scale=1.05)),
    ],
)
def test_tracker_sees_what_is_shown(portrait: AnimatedPortrait, intensities: dict[int, float], turn: Turn) -> None:
    frame = portrait.frame(intensities, turn=turn)
    np.testing.assert_array_equal(frame.mesh, portrait.mesh(intensities, turn=turn))
    rest = portrait.frame({})
    measured, before = measured_mesh(frame.image), measured_mesh(rest.image)
    moved = (measured - before)[:468, :2]
    true = (frame.mesh - rest.mesh)[:468, :2]
    assert np.linalg.norm(true, axis=1).max() > 3
    assert np.corrcoef(moved.ravel(), true.ravel())[0, 1] > 0.85
    error = np.linalg.norm(measured[:468, :2] - frame.mesh[:468, :2], axis=1)
    assert error.mean() < 0.06 * eye_distance(rest.mesh)


def test_pixels_move_where_the_truth_says(photograph: np.ndarray) -> None:
    """Optical flow, which knows no mesh, finds the skin where the points are of the mesh that it was warped by.

    It smooths over its window, so that it reports a little less than there is of motions of small regions (AU6).
    """
    large = AnimatedPortrait(
        cv2.resize(photograph, None, fx=1.4, fy=1.4, interpolation=cv2.INTER_CUBIC), {6: 0.4, 12: 0.7}
    )
    rest = large.frame({})
    at = rest.mesh[:468, :2].astype(np.float32)[:, None]
    before = cv2.cvtColor(rest.image, cv2.COLOR_RGB2GRAY)
    for code in (1, 4, 6, 9, 12, 15, 17, 20, 26):
        shown = large.frame({code: 0.6})
        after = cv2.cvtColor(shown.image, cv2.COLOR_RGB2GRAY)
        found, seen, _ = cv2.calcOpticalFlowPyrLK(before, after, at, None, winSize=(13, 13), maxLevel=2)
        back, also_seen, _ = cv2.calcOpticalFlowPyrLK(after, before, found, None, winSize=(13, 13), maxLevel=2)
        true = (shown.mesh - rest.mesh)[:468, :2]
        sure = (seen & also_seen).ravel().astype(bool) & (np.linalg.norm(back - at, axis=2).ravel() < 0.3)
        sure &= np.linalg.norm(true, axis=1) > 0.008 * large.eye_distance_px
        assert sure.sum() >= 30
        moved, drawn = (found - at)[sure, 0].ravel(), true[sure].ravel()
        assert np.corrcoef(moved, drawn)[0, 1] > 0.9, f"AU{code}"
        assert 0.85 < moved @ drawn / (drawn @ drawn) < 1.1, f"AU{code}"


def test_lids_close_and_stay_closed_under_squint(portrait: AnimatedPortrait) -> None:
    open_eye = opening(measured_mesh(portrait.frame({}).image), 159, 145)
    shut = measured_mesh(portrait.frame({45: 1.0}).image)
    assert opening(shut, 159, 145) < 0.5 * open_eye
    assert opening(shut, 386, 374) < 0.5 * open_eye
    for intensities in ({45: 1.0}, {45: 1.0, 6: 1.0, 7: 1.0}, {45: 1.0, 5: 1.0}):
        truth = portrait.mesh(intensities)
        assert abs(opening(truth, 159, 145)) < 0.01  # neither open nor crossed


def test_lips_never_cross(portrait: AnimatedPortrait) -> None:
    for code in (15, 17, 18, 24, 28):
        truth = portrait.mesh({code: 1.0})
        for upper, lower in zip(topology.UPPER_LIP[2:-2], topology.LOWER_LIP[2:-2], strict=True):
            assert opening(truth, upper, lower) > -0.01, f"AU{code} at {upper}, {lower}"


def test_one_sided_smile_moves_one_corner(portrait: AnimatedPortrait) -> None:
    moved = np.linalg.norm(portrait.mesh({}, {12: 1.0}) - portrait.mesh({}), axis=1)
    assert moved[291] > 8 * moved[61]  # 291: the person's left corner


def test_head_turns_with_the_signs_of_head_pose(portrait: AnimatedPortrait) -> None:
    rest = portrait.mesh({})
    nose, forehead = 1, 10
    assert portrait.mesh({}, turn=Turn(yaw_deg=10))[nose, 0] > rest[nose, 0] + 2  # to the person's left: image right
    assert portrait.mesh({}, turn=Turn(pitch_deg=8))[nose, 1] < rest[nose, 1] - 2
    assert portrait.mesh({}, turn=Turn(roll_deg=8))[forehead, 0] > rest[forehead, 0] + 2


def test_background_and_border_stay(portrait: AnimatedPortrait) -> None:
    rest = portrait.frame({}).image.astype(int)
    turned = portrait.frame({27: 0.8}, turn=Turn(12, 6, 6)).image.astype(int)
    assert np.abs(turned - rest).max() > 60
    for border in (np.s_[:, :12], np.s_[:, -12:], np.s_[-40:, :], np.s_[:8, :]):
        assert np.abs(turned[border] - rest[border]).max() <= 1


def test_same_call_same_picture(photograph: np.ndarray, portrait: AnimatedPortrait) -> None:
    again = AnimatedPortrait(photograph, shown={6: 0.4, 12: 0.7})
    asked = ({12: 0.5, 25: 0.5}, {12: 0.2}, Turn(4, 2, 1))
    np.testing.assert_array_equal(again.frame(*asked).image, portrait.frame(*asked).image)


def test_what_cannot_be_shown_is_refused(portrait: AnimatedPortrait) -> None:
    with pytest.raises(KeyError):
        portrait.frame({99: 1.0})
    with pytest.raises(ValueError, match="no face found in the portrait of 200 x 100 pixels"):
        AnimatedPortrait(np.full((100, 200, 3), 128, np.uint8))


def test_clip_reads_back_and_both_faces_are_seen() -> None:
    path = DEMO / "two_people.mp4"
    assert path.stat().st_size < 1.5e6
    video = cv2.VideoCapture(str(path))
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(25)
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 450
    frames = 0
    with mp.solutions.face_mesh.FaceMesh(static_image_mode=True, max_num_faces=2) as tracker:
        while True:
            read, image = video.read()
            if not read:
                break
            if frames % 30 == 0:
                faces = tracker.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).multi_face_landmarks or []
                assert sorted(face.landmark[1].x > 0.5 for face in faces) == [False, True], f"frame {frames}"
            frames += 1
    assert frames == 450


def test_truth_belongs_to_the_clip() -> None:
    with (DEMO / "two_people.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["frame"]), row["person"]) for row in rows] == [(n, p) for n in range(450) for p in "ab"]
    units = [name for name in rows[0] if name.startswith("au")]
    values = np.array([[float(row[name]) for name in units] for row in rows])
    assert values.min() == 0 and values.max() <= 1
    assert not values[: 2 * 31].any()  # neutral until the first blink
    for code in (1, 2, 4, 5, 6, 7, 9, 10, 12, 15, 17, 18, 25, 26, 27, 45):
        assert values[:, units.index(f"au{code:02d}_left")].max() >= 0.4, f"AU{code} is not in the clip"
