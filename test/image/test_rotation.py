# SPDX-License-Identifier: Apache-2.0
"""Images of cameras that are mounted turned."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facial_coding_ros.image.rotation import turned_back
from facial_coding_ros.types import CameraIntrinsics, Frame

CAMERA = CameraIntrinsics(60, 40, 55.0, 50.0, 31.0, 17.0)
TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


@pytest.mark.parametrize("turn", TURNS)
def test_image_and_calibration_are_turned_together(turn: int) -> None:
    """Against OpenCV's rotation of the image, and a point seen by both cameras."""
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    back = turned_back(Frame(image, 5, camera=CAMERA), turn)
    np.testing.assert_array_equal(back.image, cv2.rotate(image, TURNS[turn]))
    camera = back.camera
    assert camera is not None and (camera.height, camera.width) == back.image.shape[:2]
    # Heads that lie turned clockwise stand upright when the camera's axes turn clockwise with them.
    angle = np.radians(turn)
    point = np.array((0.1, -0.2, 1.0))
    x, y = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) @ point[:2]
    before = np.array((CAMERA.fx * point[0] + CAMERA.cx, CAMERA.fy * point[1] + CAMERA.cy))
    after = np.array((camera.fx * x + camera.cx, camera.fy * y + camera.cy))
    marked = np.zeros((40, 60), np.uint8)
    marked[round(before[1]), round(before[0])] = 255
    moved = np.argwhere(cv2.rotate(marked, TURNS[turn]))[0][::-1]
    assert np.abs(moved - after).max() <= 0.5 + 1e-6


def test_an_upright_camera_changes_nothing_and_other_angles_are_refused() -> None:
    frame = Frame(np.zeros((4, 6, 3), np.uint8), 0, camera=CAMERA)
    assert turned_back(frame, 0) is frame
    with pytest.raises(ValueError, match="image_rotation is 45; allowed: 0, 90, 180, 270"):
        turned_back(frame, 45)
