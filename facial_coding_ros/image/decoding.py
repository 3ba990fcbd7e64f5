# SPDX-License-Identifier: Apache-2.0
"""JPEG, PNG and the other kinds of pictures to RGB arrays. Which kind it is and how large is read from the first bytes,
before anything is decoded."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ..types import ImageArray
from .pixel_range import PixelRange
from .settings import ImageSettings

SENT = ("JPEG", "PNG")
"""Kinds that compressed image messages have."""
KEPT = (*SENT, "BMP", "TIFF", "WEBP")
"""Kinds that folders of images may hold."""
DEFAULT_MEGAPIXELS = ImageSettings().max_megapixels
# What Pillow lets through for bytes that are not what their kind says.
_BROKEN = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, EOFError, struct.error)


_ORIENTATION = 0x0112
"""EXIF's tag for how the camera was held."""


class ImageError(ValueError):
    """An image that cannot be used; the text says what was found and what was expected."""


def check_size(width: int, height: int, max_megapixels: float) -> None:
    """Raises ImageError for an image without pixels, or with more than the parameter image.max_megapixels."""
    if width <= 0 or height <= 0:
        raise ImageError(f"image of {width}x{height}; 1 pixel a side is expected at least")
    if width * height > max_megapixels * 1e6:
        raise ImageError(
            f"image of {width}x{height}, {width * height / 1e6:.1f} megapixels; {max_megapixels:g} are allowed "
            "(parameter image.max_megapixels)"
        )


def decoded(
    data: bytes | memoryview,
    kinds: tuple[str, ...] = SENT,
    max_megapixels: float = DEFAULT_MEGAPIXELS,
    pixel_range: PixelRange | None = None,
    stamp_ns: int = 0,
) -> ImageArray:
    """RGB array (height, width, 3) uint8, upright as its EXIF says.

    pixel_range: black and white of 16-bit pictures, for all pictures of a stream; without it each is measured alone.
    stamp_ns: the picture's time.

    By Pillow, not by OpenCV: some of OpenCV's decoders can be crashed by what is in a file, it hands out half of a JPEG
    that was cut, and its libraries write a line to stderr for each damaged image. Raises ImageError for other kinds,
    damage and too many pixels.
    """
    names = " or ".join([", ".join(kinds[:-1]), kinds[-1]])
    try:
        picture = Image.open(BytesIO(data), formats=kinds)
        kind, (width, height) = picture.format, picture.size
    except Image.DecompressionBombError as error:
        raise ImageError(f"{error} (parameter image.max_megapixels)") from None
    except _BROKEN:
        raise ImageError(f"{len(data)} bytes that are no readable {names}") from None
    check_size(width, height, max_megapixels)
    try:
        return _pixels(picture, pixel_range or PixelRange(), stamp_ns)
    except (*_BROKEN, MemoryError):
        raise ImageError(f"{kind} of {width}x{height} in {len(data)} bytes is damaged or cut short") from None


def read_picture(path: Path) -> ImageArray | None:
    """A picture of a data set; None where there is none, or none that can be read."""
    try:
        return decoded(path.read_bytes(), KEPT)
    except (OSError, ImageError):
        return None


def _pixels(picture: Image.Image, pixel_range: PixelRange, stamp_ns: int) -> ImageArray:
    if picture.mode.startswith("I"):  # 16 bits a pixel
        deep = np.clip(np.asarray(picture), 0, 65535).astype(np.uint16)
        grey = pixel_range.to_bytes(deep, stamp_ns)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if picture.getexif().get(_ORIENTATION, 1) != 1:
        picture = ImageOps.exif_transpose(picture)
    return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))
