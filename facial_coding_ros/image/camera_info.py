# SPDX-License-Identifier: Apache-2.0
"""sensor_msgs/CameraInfo as the intrinsics of the image that it comes with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..types import CameraIntrinsics

FOCAL_PER_WIDTH = 0.1, 50.0
"""Focal lengths that lenses have, in widths of the image: 157 to 1 degrees of view. Drivers without a calibration send
matrices of zeros or ones."""
_SAME_SHAPE = 0.02


@dataclass(frozen=True)
class CameraCalibration:
    """A camera, in pixels of its full image of `width` x `height`.

    k, p: (fx, fy, cx, cy) of the image as it is and of the rectified one; None where not calibrated. x, y, part_width,
    part_height: the region of interest that is sent, in pixels of the full image; binning: of how many of these pixels
    one of the sent image is made, across and down. problem: why there are no intrinsics, empty when there are.
    """

    width: int
    height: int
    k: tuple[float, float, float, float] | None
    p: tuple[float, float, float, float] | None
    x: int
    y: int
    part_width: int
    part_height: int
    binning: tuple[int, int]
    problem: str = ""

    def of_image(self, width: int, height: int, rectified: bool = False) -> CameraIntrinsics | None:
        """Intrinsics of an image of this size; None where there are none, or its shape is another one.

        rectified: the image was undistorted, which P describes; K where P is not there.
        """
        lens = (self.p if rectified else None) or self.k
        if lens is None:
            return None
        fx, fy, cx, cy = lens
        x, y, across, down = self.x, self.y, self.part_width, self.part_height
        if (width, height) == (self.width, self.height):  # the whole image, whatever part is said to be sent
            x, y, across, down = 0, 0, width, height
        sx, sy = width / across, height / down
        # Binned or scaled, sx and sy say it; told binning says what shape to expect.
        if abs(sx * self.binning[0] / (sy * self.binning[1]) - 1) > _SAME_SHAPE:
            return None
        return CameraIntrinsics(width, height, fx * sx, fy * sy, (cx - x) * sx, (cy - y) * sy)


def calibration(info: Any) -> CameraCalibration:
    """Of a message of rclpy or of rosbags."""
    k, p = (getattr(info, name, None) for name in ("k", "p"))
    k, p = info.K if k is None else k, info.P if p is None else p
    width, height, roi = int(info.width), int(info.height), info.roi
    part = (roi.x_offset, roi.y_offset, roi.width, roi.height)
    inside = part[2] > 0 and part[3] > 0 and part[0] + part[2] <= width and part[1] + part[3] <= height
    x, y, across, down = map(int, part) if inside else (0, 0, width, height)
    binning = max(int(info.binning_x), 1), max(int(info.binning_y), 1)
    lenses = [(k[0], k[4], k[2], k[5]), (p[0], p[5], p[2], p[6])]
    usable = [tuple(map(float, lens)) if _is_lens(lens, width, height) else None for lens in lenses]
    problem = "" if usable[0] or usable[1] else _why_not(lenses[0], width, height)
    return CameraCalibration(width, height, usable[0], usable[1], x, y, across, down, binning, problem)  # type: ignore[arg-type]


def _is_lens(lens: Sequence[float], width: int, height: int) -> bool:
    if width <= 0 or height <= 0 or not all(map(math.isfinite, lens)):
        return False
    least, most = FOCAL_PER_WIDTH
    return all(least * max(width, height) <= focal <= most * max(width, height) for focal in lens[:2])


def _why_not(lens: Sequence[float], width: int, height: int) -> str:
    if width <= 0 or height <= 0:
        return f"camera_info is of an image of {width}x{height}: the camera is not calibrated, distances are unknown"
    return (
        f"camera_info has a focal length of {lens[0]:g} pixels for an image of {width}x{height}: the camera is not "
        "calibrated, distances are unknown"
    )


def is_rectified(topic: str) -> bool:
    """Whether an image topic has the name of a rectified image, as of image_proc: image_rect, image_rect_color."""
    words = topic.removesuffix("/compressed").rsplit("/", 1)[-1].split("_")
    return "rect" in words or "rectified" in words
