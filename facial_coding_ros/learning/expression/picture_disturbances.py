# SPDX-License-Identifier: Apache-2.0
"""What a robot's camera does to a picture of a face: grey, small, blurred, dark, noisy, compressed, partly hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from ...options import Settings, option
from ...types import FloatArray, ImageArray

FRAME_SHARE, FRAME_PX = 1.35, 260
"""Side of what is disturbed around a region of interest, over the region's, and at most in pixels."""
_BORDERS = (cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT_101, cv2.BORDER_CONSTANT)


@dataclass(frozen=True)
class PictureDisturbanceSettings(Settings):
    """How often each disturbance happens; several come together."""

    grey: float = option(0.5, "share of pictures turned grey", low=0.0, high=1.0)
    tint: float = option(0.3, "share of pictures whose colours are shifted, grey ones to a tint too", low=0.0, high=1.0)
    small: float = option(0.4, "share of pictures reduced to a face 24 to 90 pixels wide", low=0.0, high=1.0)
    blur: float = option(0.3, "share of pictures blurred, half of them along a line", low=0.0, high=1.0)
    light: float = option(0.5, "share of pictures with other brightness, contrast and gamma", low=0.0, high=1.0)
    noise: float = option(0.3, "share of pictures with the noise of a sensor", low=0.0, high=1.0)
    jpeg: float = option(0.4, "share of pictures compressed at quality 20 to 80", low=0.0, high=1.0)
    hidden: float = option(
        0.12, "share of pictures with a part of the face behind a plain or patterned patch", low=0.0, high=1.0
    )
    turned: float = option(0.3, "share of pictures seen aslant", low=0.0, high=1.0)
    shift: float = option(0.04, "deviation of the region of interest's place, in its sides", low=0.0, high=0.5)
    scale: float = option(0.07, "deviation of the logarithm of its side", low=0.0, high=1.0)
    angle_deg: float = option(4.0, "deviation of its angle, degrees", low=0.0, high=90.0)


class PictureDisturbances:
    """Disturbs pictures at random, the same way for the same seed."""

    def __init__(self, settings: PictureDisturbanceSettings | None = None, seed: int = 0) -> None:
        self.settings = settings or PictureDisturbanceSettings()
        self._rng = np.random.default_rng(seed)

    def __call__(self, image: ImageArray, square: FloatArray, mirror: bool = False) -> tuple[ImageArray, FloatArray]:
        """A disturbed picture and the region of interest in it.

        image: (height, width, 3) uint8 RGB. square: (4,), x and y of the centre, side, angle in radians of the
        undisturbed region of the face (about 1.5 times as wide as the face). mirror: left and right changed.
        Returns a picture of another size and its square.
        """
        rng, s = self._rng, self.settings
        image, square = framed(image, square, int(rng.choice(_BORDERS)), int(rng.integers(0, 256)))
        if mirror:
            image, square = mirrored(image, square)
        if rng.random() < s.turned:
            image, square = self._turned(image, square)
        if rng.random() < s.hidden:
            image = self._hidden(image, square)
        if rng.random() < s.grey:
            image = grey(image)
        if rng.random() < s.tint:
            gains = np.exp(rng.normal(0, 0.15, 3))
            image = _clipped(image * gains)
        if rng.random() < s.light:
            image = self._light(image)
        if rng.random() < s.small:
            image, square = smaller(image, square, float(np.exp(rng.uniform(np.log(24), np.log(90)))))
        if rng.random() < s.blur:
            image = self._blurred(image, float(square[2]))
        if rng.random() < s.noise:
            image = _clipped(image + rng.normal(0, rng.uniform(2, 14), image.shape))
        if rng.random() < s.jpeg:
            image = compressed(image, int(rng.integers(20, 81)))
        return image, self._jittered(square)

    def _jittered(self, square: FloatArray) -> FloatArray:
        rng, s = self._rng, self.settings
        x, y, side, angle = (float(value) for value in square)
        dx, dy = rng.normal(0, s.shift, 2) * side
        side *= float(np.exp(rng.normal(0.0, s.scale)))
        return np.array((x + dx, y + dy, side, angle + np.radians(rng.normal(0, s.angle_deg))), np.float32)

    def _turned(self, image: ImageArray, square: FloatArray) -> tuple[ImageArray, FloatArray]:
        """Foreshortened along one axis, nearer on one side."""
        rng = self._rng
        height, width = image.shape[:2]
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        moved = corners + rng.normal(0, 0.05, corners.shape).astype(np.float32) * (width, height)
        matrix = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
        turned = cv2.warpPerspective(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
        x, y, side, angle = (float(value) for value in square)
        ends = np.array([[[x, y]], [[x + side * np.cos(angle), y + side * np.sin(angle)]]], np.float32)
        (centre,), (along,) = cv2.perspectiveTransform(ends, matrix)
        step = along - centre
        values = (*centre, side, np.arctan2(step[1], step[0]))
        return _picture(turned), np.array(values, np.float32)

    def _hidden(self, image: ImageArray, square: FloatArray) -> ImageArray:
        """A patch over the mouth, one side, or anywhere."""
        rng = self._rng
        x, y, side, _ = (float(value) for value in square)
        face = side / 1.5
        kind = rng.random()
        if kind < 0.5:  # a mask, a hand or a cup before mouth and chin
            cx, cy, w, h = x, y + 0.3 * face, rng.uniform(0.5, 0.9) * face, rng.uniform(0.4, 0.6) * face
        elif kind < 0.75:
            cx, cy = x + rng.choice((-1, 1)) * 0.3 * face, y
            w, h = rng.uniform(0.25, 0.5) * face, rng.uniform(0.5, 1.0) * face
        else:
            cx, cy = x + rng.uniform(-0.4, 0.4) * face, y + rng.uniform(-0.4, 0.4) * face
            w, h = rng.uniform(0.2, 0.5, 2) * face
        colour = rng.integers(20, 236, 3) if rng.random() < 0.6 else _colour(image, int(x), int(y))
        patch = np.zeros(image.shape[:2], np.uint8)
        axes, at = (int(w / 2) + 1, int(h / 2) + 1), (int(cx), int(cy))
        if rng.random() < 0.5:
            cv2.ellipse(patch, at, axes, float(rng.uniform(-20, 20)), 0, 360, (255,), -1)
        else:
            cv2.rectangle(patch, (at[0] - axes[0], at[1] - axes[1]), (at[0] + axes[0], at[1] + axes[1]), 255, -1)
        texture = colour + rng.normal(0, rng.uniform(1, 10), image.shape)
        share = cv2.GaussianBlur(patch, (0, 0), max(0.008 * face, 0.5)).astype(np.float32)[..., None] / 255
        return _clipped(image * (1 - share) + texture * share)

    def _light(self, image: ImageArray) -> ImageArray:
        """Gamma, contrast, brightness; sometimes light from one side."""
        rng = self._rng
        values = (image.astype(np.float32) / 255) ** np.float32(np.exp(rng.normal(0, 0.35)))
        values = (values - 0.5) * np.float32(np.exp(rng.normal(0, 0.25))) + 0.5
        values *= np.float32(np.exp(min(rng.normal(-0.15, 0.4), 0.3)))
        if rng.random() < 0.3:
            angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.6)
            height, width = image.shape[:2]
            across, down = (
                np.linspace(-1, 1, width)[None] * np.cos(angle),
                np.linspace(-1, 1, height)[:, None] * np.sin(angle),
            )
            values *= (1 + depth * np.clip(across + down, -1, 1))[..., None].astype(np.float32)
        return _clipped(values * 255)

    def _blurred(self, image: ImageArray, side: float) -> ImageArray:
        rng = self._rng
        if rng.random() < 0.5:
            return _picture(cv2.GaussianBlur(image, (0, 0), max(rng.uniform(0.004, 0.02) * side, 0.3)))
        length = max(int(rng.uniform(0.01, 0.06) * side), 2)
        angle = rng.uniform(0, np.pi)
        kernel = np.zeros((2 * length + 1, 2 * length + 1), np.float32)
        step = np.array((np.cos(angle), np.sin(angle))) * length / 2
        first, last = (np.round(length + sign * step).astype(int).tolist() for sign in (-1, 1))
        cv2.line(kernel, first, last, (1.0,))
        return _picture(cv2.filter2D(image, -1, kernel / kernel.sum()))


def framed(
    image: ImageArray, square: FloatArray, border: int = cv2.BORDER_REPLICATE, value: int = 0
) -> tuple[ImageArray, FloatArray]:
    """The surroundings of a square, upright and no larger than FRAME_PX, and the square in them.

    border: OpenCV's kind of what lies outside of the picture; value: grey of a plain one.
    """
    x, y, side, angle = (float(number) for number in square)
    scale = min(1.0, FRAME_PX / (FRAME_SHARE * side))
    size = max(round(FRAME_SHARE * side * scale), 8)
    matrix = np.array(((1 / scale, 0, x - size / 2 / scale), (0, 1 / scale, y - size / 2 / scale)))
    flags = (cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
    out = cv2.warpAffine(image, matrix, (size, size), flags=flags, borderMode=border, borderValue=(value,) * 3)
    return _picture(out), np.array((size / 2, size / 2, side * scale, angle), np.float32)


def mirrored(image: ImageArray, square: FloatArray) -> tuple[ImageArray, FloatArray]:
    """Left and right changed."""
    x, y, side, angle = (float(value) for value in square)
    return np.ascontiguousarray(image[:, ::-1]), np.array((image.shape[1] - x, y, side, -angle), np.float32)


def grey(image: ImageArray) -> ImageArray:
    """Without colour, still three channels."""
    return _picture(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))


def smaller(image: ImageArray, square: FloatArray, face_px: float) -> tuple[ImageArray, FloatArray]:
    """Reduced so that the face is that wide; larger ones stay as they are."""
    share = face_px * 1.5 / float(square[2])
    if share >= 1:
        return image, square
    width, height = (max(round(n * share), 2) for n in image.shape[1::-1])
    reduced = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return _picture(reduced), (np.asarray(square) * (share, share, share, 1)).astype(np.float32)


def compressed(image: ImageArray, quality: int) -> ImageArray:
    """Through JPEG."""
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def dimmed(image: ImageArray, share: float) -> ImageArray:
    """With this share of the light."""
    return _clipped(image * share)


def mouth_covered(image: ImageArray, square: FloatArray) -> ImageArray:
    """A plain light blue patch before mouth and chin, as a surgical mask is."""
    x, y, side, _ = (float(value) for value in square)
    face = side / 1.5
    out = image.copy()
    at, axes = (int(x), int(y + 0.3 * face)), (int(0.36 * face), int(0.26 * face))
    cv2.ellipse(out, at, axes, 0, 0, 360, (170, 200, 215), -1)
    return out


def _colour(image: ImageArray, x: int, y: int) -> FloatArray:
    height, width = image.shape[:2]
    return np.asarray(image[min(max(y, 0), height - 1), min(max(x, 0), width - 1)], np.float32)


def _picture(values: Any) -> ImageArray:
    return np.asarray(values, np.uint8)


def _clipped(values: FloatArray) -> ImageArray:
    return np.clip(values, 0, 255).astype(np.uint8)
