# SPDX-License-Identifier: Apache-2.0
"""What is seen through an open mouth: a dark cavity, the tongue and two rows of teeth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ...types import FloatArray

_PIXELS = 240
"""Pixels per eye distance of the drawings."""

# Widths and heights of one side's teeth from the middle outwards, as seen from the front, in eye distances (63 mm).
_UPPER_TEETH = ((0.128, 0.150), (0.098, 0.138), (0.090, 0.146), (0.066, 0.122), (0.050, 0.108), (0.036, 0.095))
_LOWER_TEETH = ((0.078, 0.125), (0.082, 0.125), (0.084, 0.130), (0.066, 0.115), (0.052, 0.105), (0.036, 0.095))
_ENAMEL = np.array([1.0, 0.86, 0.70], np.float32)
_GUM = np.array([0.56, 0.27, 0.25], np.float32)
_TONGUE = np.array([0.55, 0.25, 0.24], np.float32)
_CAVITY = np.array([0.17, 0.05, 0.045], np.float32)


@dataclass(frozen=True)
class Sprite:
    """A drawing: premultiplied RGBA (h, w, 4) float32; `anchor` is its pixel (x, y) that is put in place."""

    rgba: FloatArray
    anchor: tuple[float, float]
    pixels_per_unit: float

    def placed(self, size: tuple[int, int], linear: FloatArray, at: FloatArray) -> FloatArray:
        """Drawn into an empty picture: `linear` (2, 2) turns eye distances into pixels around `at` (2,)."""
        matrix = np.empty((2, 3))
        matrix[:, :2] = linear / self.pixels_per_unit
        matrix[:, 2] = at - matrix[:, :2] @ np.asarray(self.anchor)
        return np.asarray(cv2.warpAffine(self.rgba, matrix, size[::-1], flags=cv2.INTER_AREA), np.float32)


def teeth(upper: bool) -> Sprite:
    """A row of teeth with its gum; the anchor is the middle of the biting edge."""
    sizes = _UPPER_TEETH if upper else _LOWER_TEETH
    width, height = round(1.06 * _PIXELS), round(0.34 * _PIXELS)
    cover = np.zeros((height, width), np.float32)
    shade = np.zeros((height, width), np.float32)
    y, x = np.mgrid[:height, :width].astype(np.float32) / _PIXELS
    x -= width / 2 / _PIXELS
    y = 0.26 - y  # from the biting edge towards the gum
    for side in (-1, 1):
        inner = 0.0
        for tooth_width, tooth_height in sizes:
            across = (side * x - inner) / tooth_width - 0.5  # -0.5 .. 0.5
            along = y / tooth_height  # 0 at the biting edge, 1 at the gum
            # Rounded box, narrower at the gum.
            box = np.abs(across) ** 4 * 16 * (1 + 0.25 * np.clip(along, 0, 1)) + np.abs(2 * along - 1) ** 8
            inside = np.clip((1 - box) * 6, 0, 1)
            light = 1 - 0.9 * np.abs(across) ** 2.5
            shade = np.maximum(shade, inside * light)
            cover = np.maximum(cover, inside)
            inner += tooth_width
    # The arch turns away to the sides and into the dark.
    falloff = np.clip(1 - (np.abs(x) / 0.46) ** 2.2, 0.0, 1) * 0.92 + 0.08
    gum = np.clip((y - 0.085) * 30, 0, 1) * np.clip((0.47 - np.abs(x)) * 20, 0, 1)
    colour = _ENAMEL * (shade * falloff * np.clip(0.88 + 0.9 * y, 0, 1))[..., None]
    gum_colour = _GUM * (falloff * np.clip(1.1 - 2.2 * y, 0.2, 1))[..., None]
    alpha = np.maximum(cover, gum)
    rgb = colour + gum_colour * (gum * (1 - cover))[..., None]
    rgba = np.concatenate([rgb * np.where(cover > 0, cover, 1)[..., None], alpha[..., None]], axis=2)
    if not upper:
        rgba = rgba[::-1]
        rgba[..., :3] *= 0.8
    edge = 0.26 if upper else 0.34 - 0.26
    return Sprite(np.ascontiguousarray(cv2.GaussianBlur(rgba, (0, 0), 1.5)), (width / 2, edge * _PIXELS), _PIXELS)


def tongue() -> Sprite:
    """The tongue lying behind the lower teeth; the anchor is the middle of its tip's lower edge."""
    width, height = round(0.7 * _PIXELS), round(0.4 * _PIXELS)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = (x - width / 2) / (0.31 * _PIXELS), (y - height * 0.6) / (0.2 * _PIXELS)
    radius = np.sqrt(x**2 + y**2)
    alpha = np.clip((1 - radius) * 5, 0, 1)
    light = np.clip(1 - 0.5 * radius**2, 0, 1) * (0.75 - 0.15 * y) * (1 - 0.22 * np.exp(-((x / 0.09) ** 2)))
    rgba = np.concatenate([_TONGUE * (light * alpha)[..., None], alpha[..., None]], axis=2)
    return Sprite(cv2.GaussianBlur(rgba, (0, 0), 2), (width / 2, height * 0.85), _PIXELS)


def over(below: FloatArray, above: FloatArray) -> FloatArray:
    """Premultiplied RGBA (..., 4) over RGB (..., 3)."""
    return np.asarray(above[..., :3] + below * (1 - above[..., 3:]), np.float32)


class MouthInterior:
    """Draws the inside of a mouth.

    upper_edge, lower_edge: (2,) biting edges at rest in the portrait's eye distances. own_teeth: the upper teeth as the
    portrait shows them, in place of drawn ones. brightness: of the portrait's skin, 0..1.
    """

    def __init__(
        self, upper_edge: FloatArray, lower_edge: FloatArray, own_teeth: Sprite | None, brightness: float
    ) -> None:
        self._upper = own_teeth or teeth(upper=True)
        self._lower = teeth(upper=False)
        self._tongue = tongue()
        self._upper_edge, self._lower_edge = upper_edge, lower_edge
        self._light = 0.0 if own_teeth else min(brightness * 1.15, 1.0)
        self._brightness = brightness

    def draw(self, hole: np.ndarray, linear: FloatArray, origin: FloatArray, jaw_drop: FloatArray) -> FloatArray:
        """RGB (height, width, 3), 0..1, of a part of the picture.

        hole: (height, width) bool, where the mouth is open. linear (2, 2), origin (2,): eye distances of the skull to
        pixels. jaw_drop: (2,) the jaw's offset in eye distances.
        """
        size = hole.shape
        unit = float(np.sqrt(abs(np.linalg.det(linear))))
        result = np.broadcast_to(_CAVITY * self._brightness, (*size, 3)).astype(np.float32)

        def put(sprite: Sprite, at: FloatArray, light: float) -> None:
            nonlocal result
            drawn = sprite.placed((size[0], size[1]), linear, origin + linear @ at)
            drawn[..., :3] *= light
            result = over(result, drawn)

        put(self._tongue, self._lower_edge + jaw_drop * 0.9 + (0, 0.03), self._brightness * 0.8)
        put(self._lower, self._lower_edge + jaw_drop, self._brightness * 1.1)
        put(self._upper, self._upper_edge, self._light or 1.0)
        # The lips shade what lies behind them, the corners most.
        shadow = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), max(0.035 * unit, 0.5))
        return np.asarray(result * np.clip(0.45 + 1.1 * (shadow - 0.3), 0.3, 1)[..., None], np.float32)
