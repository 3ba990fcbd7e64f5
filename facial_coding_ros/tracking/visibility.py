"""How far the landmarks of a face can be trusted."""

from __future__ import annotations

import numpy as np

from ..types import HeadPose, ImageArray, Visibility
from .regions import Landmarks, mesh_size

BROWS = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
EYES = (33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380)
LOWER_FACE = (61, 39, 0, 269, 291, 405, 17, 181, 172, 136, 150, 176, 152, 400, 379, 365, 397)


def visibility(image: ImageArray, found: Landmarks, pose: HeadPose) -> Visibility:
    """Visibility of one face; `image` is (height, width, 3) RGB."""
    height, width = image.shape[:2]
    mesh = found.mesh
    size = np.clip((mesh_size(mesh) - 16) / 32, 0, 1)
    turn = np.clip((75 - abs(pose.yaw_deg)) / 35, 0, 1) * np.clip((65 - abs(pose.pitch_deg)) / 35, 0, 1)
    common = float(found.presence * size * turn)

    def share(points: tuple[int, ...]) -> float:
        x, y = mesh[list(points), 0], mesh[list(points), 1]
        return float(((x >= 0) & (x < width) & (y >= 0) & (y < height)).mean())

    brows, eyes, lower = (common * share(points) for points in (BROWS, EYES, LOWER_FACE))
    return Visibility((brows + eyes + lower) / 3, brows, eyes, lower)
