# SPDX-License-Identifier: Apache-2.0
"""Upright crops of a face, as each network was trained on: a similarity from the 68 landmarks to a square image.

All three turn the face until the eye centres are level; they differ in what the square frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike

from ..types import FloatArray, ImageArray

RIGHT_EYE, LEFT_EYE = slice(36, 42), slice(42, 48)
NOSE_TIP = 30
MOUTH_CORNERS = (48, 54)
GREY = (128, 128, 128)
"""Fills what lies outside the image."""

JAA_ENLARGEMENT = 2.9
EAC_ENLARGEMENT = 1.1
ME_GRAPHAU_ENLARGEMENT = 1.18
ME_GRAPHAU_RISE = 0.06
"""The face's box lies that much of the side below the square's centre: the published crops keep the forehead."""


@dataclass(frozen=True)
class Alignment:
    """size: side of the aligned image, crop: side of the network's input, both in pixels. A test crop is the middle
    of the aligned image, a training crop any other part of it.
    """

    name: str
    size: int
    crop: int

    def matrix(self, landmarks: ArrayLike) -> FloatArray:
        """Affine map (2, 3), float64, from the image to the aligned image. landmarks: (68, 2), pixels.

        Raises ValueError when the eyes coincide or a landmark is not a number.
        """
        points = np.asarray(landmarks, np.float64)
        if points.shape != (68, 2) or not np.isfinite(points).all():
            raise ValueError(f"Landmarks of shape {points.shape}; 68 finite points (x, y) are expected.")
        right, left = points[RIGHT_EYE].mean(0), points[LEFT_EYE].mean(0)
        along = left - right
        length = float(np.hypot(*along))
        if length < 1e-6:
            raise ValueError("The eye centres coincide; no alignment.")
        cosine, sine = along / length
        level = np.array([[cosine, sine], [-sine, cosine]])
        turned = points @ level.T
        if self.name == "jaa_net":
            box = turned[[NOSE_TIP, *MOUTH_CORNERS]]
            box = np.vstack([box, level @ right, level @ left])
            enlargement, rise = JAA_ENLARGEMENT, 0.0
        elif self.name == "eac_net":
            box, enlargement, rise = turned, EAC_ENLARGEMENT, 0.0
        else:
            box, enlargement, rise = turned, ME_GRAPHAU_ENLARGEMENT, ME_GRAPHAU_RISE
        low, high = box.min(0), box.max(0)
        side = enlargement * float((high - low).max())
        corner = (low + high) / 2 - side / 2 - (0.0, rise * side)
        scale = (self.size - 1) / side
        return np.column_stack([scale * level, -scale * corner]).astype(np.float64)

    def align(self, image: ImageArray, landmarks: ArrayLike) -> tuple[ImageArray, FloatArray]:
        """The aligned image (size, size, 3) and the landmarks (68, 2) in its pixels."""
        matrix = self.matrix(landmarks)
        return self._warp(image, matrix, self.size), transform(matrix, landmarks)

    def test_crop(self, image: ImageArray, landmarks: ArrayLike) -> tuple[ImageArray, FloatArray]:
        """The network's input (crop, crop, 3) and the landmarks (68, 2) in its pixels, in one resampling."""
        matrix = self.matrix(landmarks)
        matrix[:, 2] -= (self.size - self.crop) // 2
        return self._warp(image, matrix, self.crop), transform(matrix, landmarks)

    @staticmethod
    def _warp(image: ImageArray, matrix: FloatArray, side: int) -> ImageArray:
        warped = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderValue=GREY)
        return np.asarray(warped, np.uint8)


ALIGNMENTS: Mapping[str, Alignment] = {
    "eac_net": Alignment("eac_net", 224, 224),
    "jaa_net": Alignment("jaa_net", 200, 176),
    "me_graphau": Alignment("me_graphau", 256, 224),
}


def transform(matrix: ArrayLike, points: ArrayLike) -> FloatArray:
    """Points (n, 2) under an affine map (2, 3), as float32."""
    matrix = np.asarray(matrix)
    return (np.asarray(points) @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
