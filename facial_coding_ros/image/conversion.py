# SPDX-License-Identifier: Apache-2.0
"""Image messages to RGB arrays and back, for messages of rclpy and of rosbags alike."""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from ..types import ImageArray
from .decoding import DEFAULT_MEGAPIXELS, ImageError, check_size, decoded
from .pixel_range import PixelRange, as_values


@dataclass(frozen=True)
class _Encoding:
    """How the pixels of an encoding lie in memory, and OpenCV's code that makes them RGB; None where they are.

    planar: a plane of luminance, and below it one of both colours with half the rows.
    """

    code: int | None
    channels: int = 1
    deep: bool = False
    planar: bool = False

    @property
    def bytes_per_pixel(self) -> int:
        return self.channels * (2 if self.deep else 1)


_BAYER = {
    "rggb": cv2.COLOR_BAYER_BG2RGB,
    "bggr": cv2.COLOR_BAYER_RG2RGB,
    "gbrg": cv2.COLOR_BAYER_GR2RGB,
    "grbg": cv2.COLOR_BAYER_GB2RGB,
}
# sensor_msgs/image_encodings.hpp. Generic types hold what OpenCV would: grey or BGR.
ENCODINGS = {
    "mono8": _Encoding(cv2.COLOR_GRAY2RGB),
    "8UC1": _Encoding(cv2.COLOR_GRAY2RGB),
    "mono16": _Encoding(cv2.COLOR_GRAY2RGB, deep=True),
    "16UC1": _Encoding(cv2.COLOR_GRAY2RGB, deep=True),
    "rgb8": _Encoding(None, 3),
    "bgr8": _Encoding(cv2.COLOR_BGR2RGB, 3),
    "8UC3": _Encoding(cv2.COLOR_BGR2RGB, 3),
    "rgba8": _Encoding(cv2.COLOR_RGBA2RGB, 4),
    "bgra8": _Encoding(cv2.COLOR_BGRA2RGB, 4),
    "8UC4": _Encoding(cv2.COLOR_BGRA2RGB, 4),
    "rgb16": _Encoding(None, 3, deep=True),
    "bgr16": _Encoding(cv2.COLOR_BGR2RGB, 3, deep=True),
    "rgba16": _Encoding(cv2.COLOR_RGBA2RGB, 4, deep=True),
    "bgra16": _Encoding(cv2.COLOR_BGRA2RGB, 4, deep=True),
    "yuv422": _Encoding(cv2.COLOR_YUV2RGB_UYVY, 2),
    "uyvy": _Encoding(cv2.COLOR_YUV2RGB_UYVY, 2),
    "yuv422_yuy2": _Encoding(cv2.COLOR_YUV2RGB_YUYV, 2),
    "yuyv": _Encoding(cv2.COLOR_YUV2RGB_YUYV, 2),
    "nv12": _Encoding(cv2.COLOR_YUV2RGB_NV12, planar=True),
    "nv21": _Encoding(cv2.COLOR_YUV2RGB_NV21, planar=True),
}
ENCODINGS |= {f"bayer_{order}8": _Encoding(code) for order, code in _BAYER.items()}
ENCODINGS |= {f"bayer_{order}16": _Encoding(code, deep=True) for order, code in _BAYER.items()}
_HALF_COLOURS = ("yuv422", "uyvy", "yuv422_yuy2", "yuyv", "nv12", "nv21")
_LONGEST_QUOTE = 60
"""Letters of a text of somebody else's that are repeated to the user."""


def to_rgb(
    message: Any,
    max_megapixels: float = DEFAULT_MEGAPIXELS,
    pixel_range: PixelRange | None = None,
    stamp_ns: int = 0,
) -> ImageArray:
    """RGB array (height, width, 3) uint8 of a sensor_msgs Image or CompressedImage.

    pixel_range: black and white of 16-bit images, for all images of a stream; without it each is measured alone.
    stamp_ns: the image's own time.

    Raises ImageError when size, step, encoding and data do not fit together, or there are too many pixels.
    """
    if hasattr(message, "format"):
        return _decompress(message, max_megapixels, pixel_range, stamp_ns)
    check_size(message.width, message.height, max_megapixels)
    return _convert(message, pixel_range or PixelRange(), stamp_ns)


def quoted(text: str) -> str:
    """A text that came with an image, quoted, and cut where it is long."""
    return repr(text) if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]!r}... ({len(text)} letters)"


def _decompress(message: Any, max_megapixels: float, pixel_range: PixelRange | None, stamp_ns: int) -> ImageArray:
    # Image transports of depth images prepend a header; only plain JPEG and PNG are faces.
    if "compressedDepth" in message.format:
        raise ImageError(f"compressed image of format {quoted(message.format)}; jpeg or png is expected")
    try:
        return decoded(
            memoryview(message.data), max_megapixels=max_megapixels, pixel_range=pixel_range, stamp_ns=stamp_ns
        )
    except ImageError as error:
        raise ImageError(f"compressed image ({quoted(message.format)}): {error}") from None


def _convert(message: Any, pixel_range: PixelRange, stamp_ns: int) -> ImageArray:
    height, width, step, name = message.height, message.width, message.step, message.encoding
    encoding = ENCODINGS.get(name)
    if encoding is None:
        raise ImageError(f"image encoding {quoted(name)}; known: {', '.join(ENCODINGS)}")
    row = width * encoding.bytes_per_pixel
    step = step or row  # some drivers leave it out
    if step < row:
        raise ImageError(f"image step {step}; at least {row} is expected for {width} pixels of {name}")
    if name in _HALF_COLOURS and width % 2:
        raise ImageError(f"image width {width}; an even one is expected for {name}")
    data = np.frombuffer(message.data, np.uint8)
    # Drivers differ in whether the rows of the colours are counted in the height.
    if encoding.planar and data.size == step * height * 3 // 2:
        height = height * 3 // 2
    if encoding.planar and (height % 3 or data.size != step * height):
        raise ImageError(f"image data of {data.size} bytes; step {step} x height x 1.5 is expected for {name}")
    if data.size != step * height:
        raise ImageError(f"image data of {data.size} bytes; step {step} x height {height} is {step * height}")
    pixels = data.reshape(height, step)[:, :row]
    if encoding.deep:
        values, colour = as_values(pixels, bool(message.is_bigendian)), encoding.code != cv2.COLOR_GRAY2RGB
        pixels = pixel_range.to_bytes(values, stamp_ns, colour)
    if encoding.channels > 1:
        pixels = pixels.reshape(height, width, encoding.channels)
    if encoding.code is None:
        return pixels
    try:
        return cv2.cvtColor(np.ascontiguousarray(pixels), encoding.code)  # type: ignore[return-value]
    except cv2.error as error:
        raise ImageError(f"image of {width}x{height}, {name}: {error.err}") from None


def fill_image(message: Any, image: ImageArray) -> None:
    """Fills a sensor_msgs/Image with an RGB image. Giving rclpy the array itself would cost 40 to 120 ms."""
    message.height, message.width = image.shape[:2]
    message.step = image.shape[1] * 3
    message.encoding = "rgb8"
    message.is_bigendian = 0
    data = array("B")
    data.frombytes(np.ascontiguousarray(image).data)
    message.data = data


def fill_compressed(message: Any, image: ImageArray, quality: int = 90) -> None:
    """Fills a sensor_msgs/CompressedImage with an RGB image as JPEG."""
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    message.format = "rgb8; jpeg compressed bgr8"
    data = array("B")
    data.frombytes(encoded.data)
    message.data = data


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sorts file names as people do: 2 before 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
