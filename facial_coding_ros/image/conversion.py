"""Image messages to RGB arrays and back, for messages of rclpy and of rosbags alike."""

from __future__ import annotations

import re
from array import array
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from ..types import ImageArray

try:
    from cv_bridge import CvBridge
except ImportError:  # no ROS distribution
    CvBridge = None

# Bytes per pixel of the encodings that both cv_bridge and rosbags-image turn into RGB.
BYTES_PER_PIXEL = {
    "mono8": 1,
    "8UC1": 1,
    "bayer_rggb8": 1,
    "bayer_bggr8": 1,
    "bayer_gbrg8": 1,
    "bayer_grbg8": 1,
    "mono16": 2,
    "16UC1": 2,
    "yuv422": 2,
    "uyvy": 2,
    "yuv422_yuy2": 2,
    "yuyv": 2,
    "rgb8": 3,
    "bgr8": 3,
    "8UC3": 3,
    "rgba8": 4,
    "bgra8": 4,
    "rgb16": 6,
    "bgr16": 6,
}
# Generic types hold what OpenCV would: grey or BGR. rosbags-image and older cv_bridges know each other's YUV names not.
_SAME_AS = {"8UC1": "mono8", "16UC1": "mono16", "8UC3": "bgr8", "uyvy": "yuv422", "yuyv": "yuv422_yuy2"}
MAX_SIDE_PX = 16384


class ImageError(ValueError):
    """An image that cannot be used; the text says what was found and what was expected."""


def to_rgb(message: Any) -> ImageArray:
    """RGB array (height, width, 3) uint8 of a sensor_msgs Image or CompressedImage.

    Raises ImageError when size, step, encoding and data do not fit together.
    """
    return _decompress(message) if hasattr(message, "format") else _convert(message)


def _decompress(message: Any) -> ImageArray:
    data = np.frombuffer(message.data, np.uint8)
    if not data.size:
        raise ImageError(f"compressed image ({message.format!r}) without data")
    # Image transports of depth images prepend a header; only plain JPEG and PNG are faces.
    if "compressedDepth" in message.format:
        raise ImageError(f"compressed image of format {message.format!r}; jpeg or png is expected")
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise ImageError(f"compressed image ({message.format!r}, {data.size} bytes): {error.err}") from None
    if image is None:
        raise ImageError(f"compressed image ({message.format!r}, {data.size} bytes) is not a readable JPEG or PNG")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]


def _convert(message: Any) -> ImageArray:
    height, width, step, encoding = message.height, message.width, message.step, message.encoding
    if not 0 < height <= MAX_SIDE_PX or not 0 < width <= MAX_SIDE_PX:
        raise ImageError(f"image of {width}x{height}; 1 to {MAX_SIDE_PX} pixels a side are expected")
    if encoding not in BYTES_PER_PIXEL:
        raise ImageError(f"image encoding {encoding!r}; known: {', '.join(BYTES_PER_PIXEL)}")
    row = width * BYTES_PER_PIXEL[encoding]
    if step < row:
        raise ImageError(f"image step {step}; at least {row} is expected for {width} pixels of {encoding}")
    data = np.frombuffer(message.data, np.uint8)
    if data.size != step * height:
        raise ImageError(f"image data of {data.size} bytes; step {step} x height {height} is {step * height}")
    if encoding in ("yuv422", "uyvy", "yuv422_yuy2", "yuyv") and width % 2:
        raise ImageError(f"image width {width}; an even one is expected for {encoding}")
    rows = data.reshape(height, step)[:, :row]
    if encoding == "rgb8":
        return rows.reshape(height, width, 3)
    plain = SimpleNamespace(
        height=height,
        width=width,
        step=row,
        encoding=_SAME_AS.get(encoding, encoding),
        is_bigendian=message.is_bigendian,
        data=np.ascontiguousarray(rows).reshape(-1),
    )
    if plain.encoding == "mono16":  # both libraries clip or refuse differently; the high byte is the picture
        grey = plain.data.view(">u2" if plain.is_bigendian else "<u2").reshape(height, width)
        return np.repeat((grey >> 8).astype(np.uint8)[:, :, None], 3, axis=2)
    return _convert_color(plain)


def _convert_color(plain: SimpleNamespace) -> ImageArray:
    if CvBridge is not None:
        return np.asarray(CvBridge().imgmsg_to_cv2(plain, "rgb8"))
    from rosbags.image import image_to_cvimage

    return np.asarray(image_to_cvimage(plain, "rgb8"))  # type: ignore[arg-type]


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
