# SPDX-License-Identifier: Apache-2.0
"""Faces turned to the front, against where the points of a turned head must come to lie."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from facial_coding_ros.drawing.frontal import frontal_points, frontal_view
from facial_coding_ros.image.sources import open_source
from facial_coding_ros.tracking import TrackingSettings, make_tracker
from facial_coding_ros.types import Face, ImageArray

from ..conftest import CLIP


@pytest.fixture(scope="module")
def seen() -> tuple[ImageArray, Face]:
    tracker = make_tracker(TrackingSettings())
    try:
        for frame in open_source(CLIP).frames():
            if faces := tracker.track(frame):
                return frame.image, faces[0]
    finally:
        tracker.close()
    raise AssertionError("no face in the clip")


def turned(face: Face, degrees: float) -> Face:
    """The face with its head turned further about the vertical axis of the camera."""
    sin, cos = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    turn = np.array(((cos, 0, sin), (0, 1, 0), (-sin, 0, cos)))
    middle = face.mesh.mean(0)
    pose = dataclasses.replace(face.pose, rotation=(turn @ face.pose.rotation).astype(np.float32))
    return dataclasses.replace(face, mesh=((face.mesh - middle) @ turn.T + middle).astype(np.float32), pose=pose)


@pytest.mark.parametrize("degrees", [-35.0, 20.0])
def test_a_turned_head_has_the_frontal_view_of_the_same_head(seen: tuple[ImageArray, Face], degrees: float) -> None:
    _, face = seen
    np.testing.assert_allclose(frontal_points(turned(face, degrees), 128), frontal_points(face, 128), atol=0.05)


def test_the_eyes_are_level_and_each_on_its_side(seen: tuple[ImageArray, Face]) -> None:
    points = frontal_points(seen[1], 128)
    right, left = points[33], points[263]  # outer corners
    assert right[0] < left[0] and abs(right[1] - left[1]) < 5
    assert points[152, 1] > right[1], "the chin is below"
    assert points.min() >= 0 and points.max() <= 128


def test_the_picture_shows_what_lies_at_each_point(seen: tuple[ImageArray, Face]) -> None:
    image, face = seen
    # A picture whose colours say where they were taken from.
    height, width = image.shape[:2]
    across, down = np.meshgrid(np.arange(width) * 255 // width, np.arange(height) * 255 // height)
    told = np.stack([across, down, np.full_like(across, 200)], -1).astype(np.uint8)
    view = frontal_view(told, face, 128)
    for point in (1, 33, 263, 61, 291):  # tip of the nose, corners of eyes and mouth
        x, y = frontal_points(face, 128)[point].round().astype(int)
        expected = face.mesh[point, :2] * 255 / (width, height)
        np.testing.assert_allclose(view[y, x, :2], expected, atol=4)
    assert (view[0] == 0).all() and (view[:, 0] == 0).all(), "beside the face it is black"


def test_the_side_that_the_camera_did_not_see_stays_black(seen: tuple[ImageArray, Face]) -> None:
    image, face = seen
    bright = np.full_like(image, 200)
    shown = [(frontal_view(bright, turned(face, degrees), 128)[..., 0] > 0).mean() for degrees in (0.0, 60.0)]
    assert shown[1] < 0.9 * shown[0]


def test_a_mesh_without_an_area_is_black(seen: tuple[ImageArray, Face]) -> None:
    image, face = seen
    flat = dataclasses.replace(face, mesh=np.zeros_like(face.mesh))
    assert not frontal_view(image, flat, 64).any()
