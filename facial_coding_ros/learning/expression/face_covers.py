# SPDX-License-Identifier: Apache-2.0
"""A mask or a hand painted over a face whose mesh is known."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ...types import FloatArray, ImageArray

_JAW = (323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136, 172, 58, 132, 93)
_NOSE = (118, 197, 347)
_CHEEKS = (50, 280, 101, 330)
_PLACES = (13, 13, 152, 61, 291, 50, 280)
"""Where a hand is held: mouth twice as often as chin, corners of the mouth and cheeks."""
_EYES = (33, 263)


def mask_over(image: ImageArray, mesh: FloatArray, colour: tuple[int, int, int]) -> ImageArray:
    """A mask from the nose to below the chin. mesh: (478, 3), pixels; colour: RGB."""
    outline = mesh[[*_JAW, *_NOSE], :2].copy()
    jaw = outline[: len(_JAW)]
    jaw += 0.04 * (jaw - mesh[1, :2])
    area = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(area, [np.round(outline).astype(np.int32)], (255,))
    folds = np.sin(np.arange(image.shape[0]) / max(0.06 * _eye_distance(mesh), 1.0)) * 6
    return _painted(image, area, np.array(colour, np.float32) + folds[:, None, None].astype(np.float32))


def hand_over(image: ImageArray, mesh: FloatArray, rng: np.random.Generator) -> ImageArray:
    """A palm with fingers, of the face's own colour, over a place of the lower face; the same for the same rng."""
    unit = _eye_distance(mesh)
    x, y = mesh[rng.choice(_PLACES), :2] + rng.normal(0, 0.1, 2) * unit
    angle, flip = rng.uniform(-60, 60), rng.choice((-1, 1))
    area = np.zeros(image.shape[:2], np.uint8)
    along = np.radians(angle - 90)
    direction = np.array([np.cos(along), np.sin(along)]) * (flip, 1)
    across = np.array([-direction[1], direction[0]])
    palm = np.array([x, y]) - 0.5 * unit * direction
    cv2.ellipse(area, _pixel(palm), (int(0.55 * unit), int(0.6 * unit)), float(angle * flip), 0, 360, (255,), -1)
    for finger in range(4):
        begin = palm + (finger - 1.5) * 0.27 * unit * across
        end = begin + rng.uniform(0.9, 1.3) * unit * direction
        cv2.line(area, _pixel(begin), _pixel(end), (255,), max(int(0.24 * unit), 2))
    cv2.line(area, _pixel(palm), _pixel(palm - 2.5 * unit * direction), (255,), max(int(0.7 * unit), 2))
    spots = mesh[list(_CHEEKS), :2].round().astype(int)
    height, width = image.shape[:2]
    colours = [image[np.clip(v, 0, height - 1), np.clip(u, 0, width - 1)] for u, v in spots]
    return _painted(image, area, np.median(np.array(colours, np.float32), 0) * rng.uniform(0.8, 1.1))


def _eye_distance(mesh: FloatArray) -> float:
    return float(np.linalg.norm(mesh[_EYES[0], :2] - mesh[_EYES[1], :2])) / 1.4


def _pixel(at: NDArray[np.float64]) -> tuple[int, int]:
    return int(at[0]), int(at[1])


def _painted(image: ImageArray, area: NDArray[np.uint8], colour: FloatArray) -> ImageArray:
    share = cv2.GaussianBlur(area, (0, 0), 1.0).astype(np.float32)[..., None] / 255
    shade = cv2.GaussianBlur(area, (0, 0), 12.0).astype(np.float32)[..., None] / 255
    return np.clip(image * (1 - share) + colour * (0.7 + 0.3 * shade) * share, 0, 255).astype(np.uint8)
