# SPDX-License-Identifier: Apache-2.0
"""Things painted before a face: masks, scarves, hands, cups, hair, sunglasses and others, and what looks like them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from ...types import FloatArray, ImageArray
from .covering_painters import COVERINGS, HARMLESS, OWN_COLOURS, FaceAxes

__all__ = ["COVERINGS", "HARMLESS", "REGION_POINTS", "Covered", "cover"]

REGION_POINTS: Mapping[str, tuple[int, ...]] = {
    "right brow": (70, 63, 105, 66, 107, 55, 65, 52, 53, 46),
    "left brow": (300, 293, 334, 296, 336, 285, 295, 282, 283, 276),
    "right eye": (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173),
    "left eye": (362, 382, 381, 380, 374, 373, 390, 249, 263, 466, 388, 387, 386, 385, 384, 398),
    "nose": (1, 2, 4, 5, 98, 327, 48, 278, 115, 344, 195),
    "right mouth": (61, 146, 91, 181, 84, 17, 185, 40, 39, 37, 0, 78, 88, 87, 14, 80, 82, 13),
    "left mouth": (291, 375, 321, 405, 314, 17, 409, 270, 269, 267, 0, 308, 318, 317, 14, 310, 312, 13),
    "right cheek": (50, 205, 117, 123, 187, 36),
    "left cheek": (280, 425, 346, 352, 411, 266),
}
"""Mesh points of each region; a region is hidden as far as they are. Right and left are the person's."""


@dataclass(frozen=True)
class Covered:
    """A face with something before it.

    hidden: share of each of REGION_POINTS that is hidden, 0..1.
    """

    image: ImageArray
    kind: str
    hidden: Mapping[str, float]


def cover(image: ImageArray, mesh: FloatArray, kind: str, rng: np.random.Generator) -> Covered:
    """Paints one of COVERINGS or HARMLESS before a face.

    image: (height, width, 3) uint8 RGB. mesh: (478, 3), of the face without it, in pixels. A grey picture stays grey.
    """
    face = FaceAxes(image, mesh)
    layers = {**COVERINGS, **HARMLESS}[kind](face, rng)
    painted = image.astype(np.float32)
    light = float(np.clip(face.mean_colour((50, 280, 205, 425, 151, 9)).mean() / 150, 0.3, 1.3))
    behind = np.zeros(face.shape, np.float32)
    grey = bool(np.abs(np.diff(image.astype(np.int16), axis=2)).max() < 12)
    for layer in layers:
        surface = layer.surface * (1 if kind in OWN_COLOURS else light)
        if grey:
            surface = surface.mean(2, keepdims=True)
        alpha = layer.alpha[..., None]
        if layer.hides and rng.random() < 0.5:  # a shadow beside it
            shift = (rng.normal(0, 0.03, 2) * face.unit).tolist()
            moved = cv2.warpAffine(layer.alpha, np.array([[1, 0, shift[0]], [0, 1, shift[1]]]), face.shape[::-1])
            dark = cv2.GaussianBlur(moved, (0, 0), max(0.05 * face.unit, 0.5))
            painted *= 1 - rng.uniform(0.2, 0.6) * dark[..., None]
        painted = np.asarray(painted * (1 - alpha) + surface * alpha, np.float32)
        if layer.hides:
            cover_alpha = layer.alpha if layer.cover is None else layer.cover
            behind = np.asarray(np.maximum(behind, cover_alpha), np.float32)
    return Covered(np.clip(painted, 0, 255).astype(np.uint8), kind, _hidden(face, behind))


def _hidden(face: FaceAxes, behind: FloatArray) -> dict[str, float]:
    height, width = face.shape
    shares = {}
    for name, points in REGION_POINTS.items():
        places = np.round(face.mesh[list(points)]).astype(int)
        inside = (places >= 0).all(1) & (places < (width, height)).all(1)
        x, y = np.clip(places, 0, (width - 1, height - 1)).T
        shares[name] = float((inside & (behind[y, x] > 0.5)).mean())
    return shares
