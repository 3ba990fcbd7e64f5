# SPDX-License-Identifier: Apache-2.0
"""Images of cameras that are mounted turned, turned back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..types import CameraIntrinsics, Frame


def turned_back(frame: Frame, image_rotation: int) -> Frame:
    """The frame as an upright camera would have taken it.

    Parameters
    ----------
    frame : Frame
        An image, maybe with the calibration that belongs to it.
    image_rotation : int
        By how many degrees, clockwise, heads are turned in it: 0, 90, 180 or 270.

    Returns
    -------
    Frame
        Turned counter-clockwise by as much, the calibration with it.

    Raises
    ------
    ValueError
        When image_rotation is none of these.
    """
    if image_rotation not in (0, 90, 180, 270):
        raise ValueError(f"image_rotation is {image_rotation}; allowed: 0, 90, 180, 270")
    camera = frame.camera
    for _ in range(image_rotation // 90):
        if camera is not None:
            camera = CameraIntrinsics(
                camera.height, camera.width, camera.fy, camera.fx, camera.cy, camera.width - 1 - camera.cx
            )
    image = np.ascontiguousarray(np.rot90(frame.image, image_rotation // 90))
    return replace(frame, image=image, camera=camera) if image_rotation else frame
