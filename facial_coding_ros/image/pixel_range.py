# SPDX-License-Identifier: Apache-2.0
"""Images of 16 bits a value to 8 bits: which values are black and white, steady over a stream of images."""

from __future__ import annotations

import math
import re
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..types import ImageArray

AUTO = "auto"
_PERCENT = (0.5, 25, 75, 99.5)
"""Percentiles of an image: its picture lies between the outer ones."""
_MARGIN = 0.05
"""Of the range, on both sides."""
_LEAST_SPAN = 24
"""Values. A range that is narrower is a covered lens or an empty wall and says nothing about the camera."""
_MEMORY_S = 5.0
"""Time constant of the range, in image time."""
_TOO_WIDE = 0.3
"""A picture that spans less of the range than that, or a quarter of which lies outside, sets it anew at once: the light
was switched, the exposure changed."""
_LONGEST_GAP_S = 5.0
_SAMPLES = 10_000
_WHITES = (255, 1023, 4095, 16383, 65535)
"""Of 8, 10, 12, 14 and 16 bits."""


def read_range(text: str) -> tuple[int, int] | None:
    """Black and white of `image.mono16_range`; None for "auto". Raises ValueError."""
    if text == AUTO:
        return None
    match = re.fullmatch(r"\s*(\d+)\s*[:, ]\s*(\d+)\s*", text)
    low, high = (int(part) for part in match.groups()) if match else (0, 0)
    if not 0 <= low < high <= 65535:
        raise ValueError(
            f"mono16_range is {text[:40]!r}; auto, or the values of black and white within 0 to 65535 are expected, "
            "such as 0:1023"
        )
    return low, high


class PixelRange:
    """Black and white of 16-bit images, for one stream of them.

    Automatic for grey images: robust percentiles, which follow the stream slowly so that brightness does not flicker
    with what is in sight, and are taken anew when the light changes at once. For colour, whose balance would suffer:
    0 and the largest value of as many bits as were ever seen used.

    setting: `image.mono16_range`; raises ValueError.
    """

    def __init__(self, setting: str = AUTO) -> None:
        self._fixed = read_range(setting)
        self._grey: tuple[float, float] | None = None
        self._stamp_ns = 0
        self._white = 0
        self.measured: tuple[int, int] | None = None
        """The values between which 99 % of the latest 16-bit image lie; None before the first."""

    def to_bytes(self, values: NDArray[np.uint16], stamp_ns: int = 0, colour: bool = False) -> ImageArray:
        """Of the same shape: (height, width) or (height, width, channels). colour: also for Bayer patterns."""
        low, high = self._range(values, stamp_ns, colour)
        inside = np.clip(values, math.floor(low), math.ceil(high)) - np.uint16(math.floor(low))
        span = max(math.ceil(high) - math.floor(low), 1)
        # OpenCV takes it as rows of one channel, whatever the shape.
        flat = cv2.convertScaleAbs(inside.reshape(inside.shape[0], -1), alpha=255 / span)
        return flat.reshape(values.shape)  # type: ignore[return-value]

    def words(self) -> str:
        """What was measured and what is shown, for diagnostics; empty before the first 16-bit image."""
        if self.measured is None:
            return ""
        low, high = self._shown()
        return f"{self.measured[0]} to {self.measured[1]}, {low:.0f} shown as black and {high:.0f} as white"

    def _shown(self) -> tuple[float, float]:
        return self._fixed or self._grey or (0.0, float(self._white or _WHITES[-1]))

    def _range(self, values: NDArray[np.uint16], stamp_ns: int, colour: bool) -> tuple[float, float]:
        step = max(int(math.sqrt(values.shape[0] * values.shape[1] / _SAMPLES)), 1)
        step += colour and step % 2 == 0  # an even one would meet one colour of a Bayer pattern
        low, lower, upper, high = np.percentile(values[::step, ::step], _PERCENT).tolist()
        self.measured = round(low), round(high)
        if self._fixed is None and colour:
            needed = next(white for white in _WHITES if high <= white)
            self._white = max(self._white, needed)
        elif self._fixed is None and high - low >= _LEAST_SPAN:
            self._follow(low, high, (lower, upper), stamp_ns)
        return self._shown()

    def _follow(self, low: float, high: float, quartiles: tuple[float, float], stamp_ns: int) -> None:
        margin = _MARGIN * (high - low)
        low, high = max(low - margin, 0.0), min(high + margin, 65535.0)
        elapsed_s, self._stamp_ns = (stamp_ns - self._stamp_ns) / 1e9, stamp_ns
        if self._grey is None or not 0 <= elapsed_s <= _LONGEST_GAP_S:
            self._grey = low, high
            return
        black, white = self._grey
        outside = quartiles[0] < black or quartiles[1] > white
        if outside or high - low < _TOO_WIDE * (white - black):
            self._grey = low, high
            return
        share = 1 - math.exp(-elapsed_s / _MEMORY_S)
        self._grey = black + share * (low - black), white + share * (high - white)


_DARK, _BRIGHT, _FLAT = 40, 215, 24
"""Of 255: a picture whose bright parts are darker, whose dark parts are brighter, whose parts differ by less."""


def light_problem(image: ImageArray) -> str:
    """What is wrong with the light of an RGB image, with the measured range; empty when nothing is.

    Faces in such a picture are found seldom or with poor landmarks.
    """
    step = max(int(math.sqrt(image.shape[0] * image.shape[1] / _SAMPLES)), 1)
    low, high = (round(float(one)) for one in np.percentile(image[::step, ::step, 1], (1, 99)))
    kind = ""
    if high < _DARK:
        kind = "nearly black"
    elif low > _BRIGHT:
        kind = "nearly white"
    elif high - low < _FLAT:
        kind = "nearly of one brightness"
    return f"the picture is {kind}: 98 % of it lies between {low} and {high} of 255" if kind else ""


def as_values(pixels: NDArray[Any], big_endian: bool) -> NDArray[np.uint16]:
    """Rows of bytes (height, 2 n) as values (height, n)."""
    return np.ascontiguousarray(pixels).view(">u2" if big_endian else "<u2").astype(np.uint16, copy=False)
