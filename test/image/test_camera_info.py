# SPDX-License-Identifier: Apache-2.0
"""camera_info: which camera the sent image is of."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from facial_coding_ros.face_model.ict import IctFaces
from facial_coding_ros.image.camera_info import calibration, is_rectified
from facial_coding_ros.tracking.pose import FARTHEST_M, PoseEstimator
from facial_coding_ros.types import CameraIntrinsics


def info(**changes: object) -> SimpleNamespace:
    region = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0, do_rectify=False)
    fields = {
        "width": 640, "height": 480, "binning_x": 0, "binning_y": 0, "roi": region,
        "k": [500.0, 0, 320, 0, 510, 240, 0, 0, 1], "p": [450.0, 0, 310, 0, 0, 455, 235, 0, 0, 0, 1, 0],
    }  # fmt: skip
    return SimpleNamespace(**(fields | changes))


def roi(x: int, y: int, width: int, height: int) -> SimpleNamespace:
    return SimpleNamespace(x_offset=x, y_offset=y, width=width, height=height, do_rectify=False)


@pytest.mark.parametrize(
    ("changes", "size", "expected"),
    [
        ({}, (640, 480), (500, 510, 320, 240)),
        ({}, (320, 240), (250, 255, 160, 120)),
        ({"roi": roi(160, 120, 320, 240)}, (320, 240), (500, 510, 160, 120)),
        ({"roi": roi(160, 120, 320, 240)}, (640, 480), (500, 510, 320, 240)),
        ({"binning_x": 2, "binning_y": 2}, (320, 240), (250, 255, 160, 120)),
        ({"binning_x": 2, "binning_y": 1}, (320, 480), (250, 510, 160, 240)),
        ({"roi": roi(160, 120, 320, 240), "binning_x": 2, "binning_y": 2}, (160, 120), (250, 255, 80, 60)),
    ],
)
def test_part_and_binning(changes: dict[str, object], size: tuple[int, int], expected: tuple[float, ...]) -> None:
    assert calibration(info(**changes)).of_image(*size) == CameraIntrinsics(*size, *map(float, expected))


def test_another_shape_is_another_image() -> None:
    assert calibration(info()).of_image(640, 360) is None
    assert calibration(info(roi=roi(0, 0, 320, 120))).of_image(320, 240) is None


def test_rectified_images_have_p() -> None:
    camera = calibration(info())
    assert camera.of_image(640, 480, rectified=True) == CameraIntrinsics(640, 480, 450.0, 455.0, 310.0, 235.0)
    assert calibration(info(p=[0.0] * 12)).of_image(640, 480, rectified=True).fx == 500  # type: ignore[union-attr]
    names = ["/cam/image_rect", "/cam/image_rect_color", "/cam/image_rect/compressed", "/cam/image_raw", "/rect/image"]
    assert [is_rectified(name) for name in names] == [True, True, True, False, False]


@pytest.mark.parametrize("k", [[1.0] * 9, [0.0] * 9, [1.0, 0, 0, 0, 1, 0, 0, 0, 1], [float("nan")] * 9, [-500.0] * 9])
def test_what_is_no_calibration(k: list[float]) -> None:
    camera = calibration(info(k=k, p=[0.0] * 12))
    assert camera.of_image(640, 480) is None and "not calibrated, distances are unknown" in camera.problem


def test_no_head_can_be_there() -> None:
    """Intrinsics of another camera: the pose stays, its distance is unknown."""
    estimator = PoseEstimator(IctFaces.load())
    mesh = np.zeros((478, 3), np.float32)
    mesh[:468] = 2.0 * estimator.model + (320, 240, 0)
    columns = mesh.T[None].astype(np.float32)
    usual, far = (
        estimator.poses(columns, CameraIntrinsics(640, 480, focal, focal, 320, 240))[0] for focal in (600.0, 30000.0)
    )
    assert usual.position_m is not None and 10 < np.linalg.norm(usual.position_m) < FARTHEST_M
    assert far.position_m is None
    assert abs(far.yaw_deg - usual.yaw_deg) < 1
