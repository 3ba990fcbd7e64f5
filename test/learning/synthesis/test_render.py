# SPDX-License-Identifier: Apache-2.0
"""Rendered heads: read from ICT-FaceKit, drawn without a graphics card, seen by the tracker."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from facial_coding_ros.learning.synthesis.render import render, turned_head
from facial_coding_ros.learning.synthesis.render_head import (
    LANDMARKS,
    HeadError,
    HeadModel,
    _read_quads,
    _read_vertices,
    boundary_loops,
)
from facial_coding_ros.learning.synthesis.render_look import STYLES, PersonLook, PictureLook
from facial_coding_ros.learning.synthesis.render_person import Geometry, RenderedPerson
from facial_coding_ros.learning.synthesis.tracked_picture import PictureTracker

from ...conftest import REPOSITORY

ICT = REPOSITORY.parent / "shared" / "data" / "ict_facekit"
needs_ict = pytest.mark.skipif(not ICT.is_dir(), reason=f"ICT-FaceKit's arrays are not at {ICT}")


@pytest.fixture(scope="module")
def geometry():
    return Geometry(HeadModel.load(ICT))


@pytest.fixture(scope="module")
def person(geometry):
    rng = np.random.default_rng(3)
    look = replace(PersonLook.sample(rng, "studio"), skin=np.array([0.8, 0.6, 0.5]), glasses=0.0)
    return RenderedPerson(geometry, np.zeros(100, np.float32), look)


def picture(**settings):
    look = PictureLook.sample(np.random.default_rng(4), "studio")
    frontal = {"yaw_deg": 0.0, "pitch_deg": 0.0, "roll_deg": 0.0, "eye_distance_px": 70.0}
    return replace(look, **(frontal | settings))


def test_wavefront_files_are_read(tmp_path):
    path = tmp_path / "mesh.obj"
    path.write_text("# x\nv 1 2 3\nv 4 5 6.5\nvt 0 0\nf 1/1 2/1 2/1 1/1\nf 1/1 2/1 2/1\n")
    assert _read_vertices(path).tolist() == [[1, 2, 3], [4, 5, 6.5]]
    assert _read_quads(path).tolist() == [[0, 1, 1, 0]]
    path.write_text("v 1 2 three\n")
    with pytest.raises(HeadError, match=r"mesh.obj cannot be read"):
        _read_vertices(path)


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(HeadError, match="no checkout of ICT-FaceKit"):
        HeadModel.load(tmp_path)


def test_boundary_of_a_sheet_with_a_hole():
    corners = np.arange(16).reshape(4, 4)
    squares = [(i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1)]
    triangles = [
        t
        for i, j in squares
        for a, b, c, d in [(corners[i, j], corners[i, j + 1], corners[i + 1, j + 1], corners[i + 1, j])]
        for t in ((a, b, c), (a, c, d))
    ]
    loops = boundary_loops(np.array(triangles))
    assert sorted(len(loop) for loop in loops) == [4, 12]


def test_head_turns_have_the_signs_of_head_pose():
    nose = np.array([[0, 0, 12.0]], np.float32)
    assert turned_head(nose, picture(yaw_deg=20.0))[0, 0] > 2  # to the person's left: +x
    assert turned_head(nose, picture(pitch_deg=20.0))[0, 1] > 2  # up
    assert turned_head(np.array([[0, 12.0, 0]], np.float32), picture(roll_deg=20.0))[0, 0] > 2


@needs_ict
def test_the_same_numbers_give_the_same_picture(person):
    first, second = (render(person, person.neutral, picture()) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.uint8 and first.shape[2] == 3 and first.std() > 20


@needs_ict
@pytest.mark.parametrize("style", STYLES)
def test_every_style_shows_a_face_that_the_tracker_follows(geometry, style):
    import mediapipe as mp

    rng = np.random.default_rng(11)
    someone = RenderedPerson(geometry, rng.standard_normal(100).astype(np.float32), PersonLook.sample(rng, style))
    look = replace(PictureLook.sample(rng, style), yaw_deg=15.0, pitch_deg=0.0)
    with mp.solutions.face_mesh.FaceMesh(static_image_mode=True, min_detection_confidence=0.3) as tracker:
        image = render(someone, someone.neutral, look)
        faces = tracker.process(image).multi_face_landmarks
    assert faces
    points = np.array([(p.x, p.y) for p in faces[0].landmark]) * [image.shape[1], image.shape[0]]
    assert np.linalg.norm(points[263] - points[33]) > 0.9 * look.eye_distance_px
    middle = (points[263] + points[33]) / 2
    assert points[1][0] > middle[0]  # the nose points to the person's left


@needs_ict
def test_lids_are_drawn_where_they_close(geometry):
    for loop, marks in ((geometry.right_lids, (36, 37, 38, 40, 41)), (geometry.left_lids, (43, 44, 45, 46, 47))):
        assert {LANDMARKS[mark] for mark in marks} <= set(loop.tolist())


@needs_ict
def test_the_tracker_sees_a_blink_and_raised_brows(geometry):
    """Both were hardly seen while the lids' edges stood open in closed eyes and the brows lay on the forehead."""
    shapes = geometry.head.expression
    closed = shapes["eyeBlink_R"] + shapes["eyeBlink_L"]
    raised = shapes["browInnerUp_R"] + shapes["browInnerUp_L"] + shapes["browOuterUp_R"] + shapes["browOuterUp_L"]
    tracker, opening, height = PictureTracker(), [], []
    for number in range(3):
        rng = np.random.default_rng(number)
        someone = RenderedPerson(geometry, np.zeros(100, np.float32), PersonLook.sample(rng, "studio"))
        for offsets in (0, closed, raised):
            mesh = tracker(render(someone, someone.neutral + offsets, picture())).followed[:, :2]
            eyes = np.linalg.norm(mesh[263] - mesh[33])
            opening.append((mesh[[145, 374], 1] - mesh[[159, 386], 1]).mean() / eyes)
            height.append((mesh[[33, 263], 1] - mesh[[105, 334], 1]).mean() / eyes)
    tracker.close()
    opening, height = np.reshape(opening, (3, 3)), np.reshape(height, (3, 3))
    assert (opening[:, 1] < 0.6 * opening[:, 0]).all()
    assert (height[:, 2] > 1.15 * height[:, 0]).all()


@needs_ict
def test_the_tracker_sees_a_smile(person, geometry):
    import mediapipe as mp

    shapes = geometry.head.expression
    smile = 0.9 * (shapes["mouthSmile_L"] + shapes["mouthSmile_R"])
    width = []
    with mp.solutions.face_mesh.FaceMesh(static_image_mode=True) as tracker:
        for vertices in (person.neutral, person.neutral + smile):
            face = tracker.process(render(person, vertices, picture())).multi_face_landmarks[0].landmark
            width.append((face[291].x - face[61].x) / (face[263].x - face[33].x))
    assert width[1] > 1.1 * width[0]
