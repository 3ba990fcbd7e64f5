# SPDX-License-Identifier: Apache-2.0
"""Schemes, their maps, and registration against hand-made transforms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation as ScipyRotation

from facial_coding_ros.face_model.ict import IctFaces, turned
from facial_coding_ros.keypoints import (
    BP4D83,
    BU3DFE83,
    DISFA66,
    INNER49,
    IRISES,
    MESH,
    PUPILS,
    SCHEMES,
    SPARSE,
    Registration,
    RegistrationSettings,
    conversion,
    motion,
)
from facial_coding_ros.keypoints.registration import AFFINE_TARGETS, Rotation, at_eyes

from ..conftest import REPOSITORY

SHARED = REPOSITORY.parent / "shared"


@pytest.fixture(scope="module")
def faces() -> IctFaces:
    return IctFaces.load()


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_parts_hold_every_point_once_and_mirrors_come_in_pairs(scheme):
    assert sorted(i for part in scheme.parts.values() for i in part) == list(range(scheme.count))
    assert [scheme.mirror[scheme.mirror[i]] for i in range(scheme.count)] == list(range(scheme.count))
    np.testing.assert_allclose(scheme.mesh_weights.sum(1), 1, atol=1e-6)


def test_counts():
    assert {s.name: s.count for s in SCHEMES.values()} == {
        "mesh468": 468, "68": 68, "disfa66": 66, "bp4d49": 49, "bu3dfe83": 83, "bp4d83": 83,
    }  # fmt: skip
    assert sum(map(len, IRISES.values())) == 10


def test_mesh_mirror_is_that_of_the_canonical_mesh():
    path = SHARED / "data/mediapipe/canonical_face_model.obj"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    mesh = np.array([line.split()[1:4] for line in path.read_text().splitlines() if line.startswith("v ")], float)
    np.testing.assert_allclose(MESH.mirrored(mesh), mesh, atol=1e-6)
    for scheme in SCHEMES.values():
        points = scheme.from_mesh(mesh)
        np.testing.assert_allclose(scheme.mirrored(points), points, atol=1e-6)


def test_68_points_lie_where_multi_pie_has_them():
    path = SHARED / "data/ict_facekit/ict_landmarks.npz"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    truth = np.load(path)["neutral"]
    ours = SPARSE.from_mesh(np.load(path.with_name("ict_mediapipe468.npz"))["neutral"])
    apart = np.linalg.norm((ours - truth)[:, :2], axis=1) / 6.2  # about an eye distance in cm
    assert apart[17:].max() < 0.01
    assert apart[:17].max() < 0.2


def test_sides_are_the_persons_own(faces):
    points = SPARSE.from_mesh(faces.neutral)
    for name, part in SPARSE.parts.items():
        if name.startswith("right"):
            assert (points[list(part), 0] < 0).all()
        if name.startswith("left"):
            assert (points[list(part), 0] > 0).all()


def test_pupils_of_a_real_face_lie_in_its_eyes():
    mp = pytest.importorskip("mediapipe")
    data = pytest.importorskip("skimage.data")
    image = data.astronaut()
    with mp.solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True) as mesher:
        found = mesher.process(image).multi_face_landmarks[0].landmark
    mesh = np.array([[p.x * 512, p.y * 512, p.z * 512] for p in found], np.float32)
    right, left = mesh[PUPILS[0]], mesh[PUPILS[1]]
    assert mesh[33, 0] < right[0] < mesh[133, 0] < mesh[362, 0] < left[0] < mesh[263, 0]


def test_schemes_share_what_they_say_they_share():
    keep66 = [i for i in range(68) if i not in (60, 64)]
    np.testing.assert_array_equal(conversion("68", "disfa66").weights, np.eye(68)[keep66])
    np.testing.assert_array_equal(conversion("68", "bp4d49").weights, np.eye(68)[keep66[17:]])
    swap = conversion("bu3dfe83", "bp4d83")
    assert not swap.error.any()
    np.testing.assert_array_equal(swap.weights @ BU3DFE83.mesh_weights, BP4D83.mesh_weights)
    assert DISFA66.count - 17 == INNER49.count


def test_a_missing_point_is_found_in_any_pose(faces):
    fill = conversion("disfa66", "68")
    face = turned(faces.people(1, np.random.default_rng(3))[0], 30, 10, 5) * 90 + 200
    full = SPARSE.from_mesh(face)
    rebuilt = fill.weights @ DISFA66.from_mesh(face)
    apart = np.linalg.norm(rebuilt - full, axis=1) / 90
    assert apart[[60, 64]].max() < 0.04
    assert np.delete(apart, [60, 64]).max() < 1e-4


def test_rotation_agrees_with_scipy(faces):
    stable = list(Rotation()._stable)
    mesh = faces.people(1, np.random.default_rng(0))
    away = turned(mesh[0], 25, -12, 8)[None]
    columns = at_eyes(away.transpose(0, 2, 1))
    ours = Rotation().matrices(columns)[0]
    target = faces.neutral[stable] - faces.neutral[stable].mean(0)
    source = columns[0].T[stable]
    theirs, _ = ScipyRotation.align_vectors(target, source - source.mean(0))
    np.testing.assert_allclose(ours.T, theirs.as_matrix(), atol=1e-5)


def test_a_rigid_turn_moves_nothing_but_a_smile_does(faces):
    person = faces.people(1, np.random.default_rng(1))[0]
    smiling = person + faces.au_offsets({12: 1.0, 6: 0.6})
    registration = Registration(RegistrationSettings(pose_correction=False))
    pixels = [person, turned(person, 35, 15, -20) * 1.7 + 40, smiling]
    frontal, away, smile = registration.register(np.stack([p * 80 + 300 for p in pixels]))
    assert np.abs(motion(away, frontal).dense).max() < 1e-4
    assert np.abs(motion(away, frontal).kpm).max() < 0.1
    assert np.abs(motion(smile, frontal).kpm).max() > 40


def test_registered_frame(faces):
    people = faces.people(4, np.random.default_rng(2)) * 60 + 250
    for registered in Registration().register(people):
        for point, place in {36: (400, 1000), 39: (600, 1000), 42: (800, 1000), 45: (1000, 1000)}.items():
            np.testing.assert_allclose(registered.sparse[point], place, atol=0.05)
        np.testing.assert_allclose(registered.sparse[[0, 16, 27]], [(300, 1000), (1100, 1000), (700, 1000)], atol=0.05)
        eyes = registered.dense[[33, 133]].mean(0), registered.dense[[362, 263]].mean(0)
        np.testing.assert_allclose((eyes[0] + eyes[1]) / 2, 0, atol=1e-5)
        assert np.linalg.norm(eyes[1] - eyes[0]) == pytest.approx(1, abs=1e-5)


def test_affine_is_the_least_squares_one(faces):
    settings = RegistrationSettings(frontalisation="none", part_similarity=False)
    points = SPARSE.from_mesh(faces.neutral)[:, :2] * 70 + 100
    ours = Registration(settings).register_sparse(points[None])[0]
    six, places = list(AFFINE_TARGETS), np.array(list(AFFINE_TARGETS.values()), float)
    design = np.c_[points[six], np.ones(6)]
    solution = np.linalg.lstsq(design, places, rcond=None)[0]
    np.testing.assert_allclose(ours, np.c_[points, np.ones(68)] @ solution, atol=0.05)


def test_linear_frontalisation_brings_turned_points_near_frontal_ones(faces):
    person = faces.people(1, np.random.default_rng(5))[0]
    both = np.stack([SPARSE.from_mesh(p)[:, :2] for p in (person, turned(person, 30, 10, 10))])
    near = Registration(RegistrationSettings(frontalisation="linear")).register_sparse(both)
    far = Registration(RegistrationSettings(frontalisation="none")).register_sparse(both)
    assert np.abs(near[1] - near[0]).mean() < 0.3 * np.abs(far[1] - far[0]).mean()


def test_kpm_order(faces):
    a, b = Registration().register(np.stack([faces.neutral, faces.neutral + faces.au_offsets({27: 0.5})]) * 50)
    kpm = motion(b, a).kpm
    assert kpm.shape == (136,)
    np.testing.assert_allclose(kpm[68 + 8], b.sparse[8, 1] - a.sparse[8, 1])
    np.testing.assert_allclose(kpm[48], b.sparse[48, 0] - a.sparse[48, 0])


def test_faces_do_not_depend_on_their_batch(faces):
    people = faces.people(5, np.random.default_rng(4)) * 90 + 10
    together = Registration().register(people)
    for one, many in zip(people, together, strict=True):
        np.testing.assert_allclose(Registration().register(one[None])[0].sparse, many.sparse, atol=0.02)


@pytest.mark.parametrize(
    "meshes", [np.zeros((468, 3)), np.zeros((1, 400, 3)), np.full((1, 468, 3), np.nan)], ids=["2-D", "few", "nan"]
)
def test_wrong_meshes_are_refused(meshes):
    with pytest.raises(ValueError, match=r"expected|finite"):
        Registration().register(meshes)


def test_no_faces():
    assert Registration().register(np.zeros((0, 478, 3))) == []
