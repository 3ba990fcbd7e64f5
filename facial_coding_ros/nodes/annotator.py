# SPDX-License-Identifier: Apache-2.0
"""The node `annotator`: face codes drawn onto the images they belong to, for RViz, rqt and Foxglove."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import cv2
from facial_coding_msgs.msg import FaceCodeArray
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from ..drawing.overlay import draw
from ..image.conversion import ImageError, fill_compressed, fill_image, to_rgb
from ..types import ImageArray
from .image_topics import image_topic
from .messages import face_code_of, landmarks_of, stamp_ns_of
from .process import parameter, run_node

_KEPT_IMAGES = 30  # a second of a usual camera; the codes of an older image will not come any more
BEST_EFFORT = QoSProfile(depth=5, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.BEST_EFFORT)


class Matcher:
    """Joins images and the face codes of the same stamp; calls `on_pair` with the image's number and both."""

    def __init__(
        self,
        node: Node,
        compressed: bool,
        codes_topic: str,
        on_pair: Callable[[int, Any, FaceCodeArray], None],
        images: QoSProfile = BEST_EFFORT,
    ) -> None:
        self._on_pair = on_pair
        self.images = 0
        self._images: OrderedDict[int, tuple[int, Any]] = OrderedDict()
        self._codes: OrderedDict[int, FaceCodeArray] = OrderedDict()
        reliable = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        kind = CompressedImage if compressed else Image
        node.create_subscription(kind, image_topic(node, compressed), self._on_image, images)
        node.create_subscription(FaceCodeArray, codes_topic, self._on_codes, reliable)

    def _on_image(self, message: Any) -> None:
        number, self.images = self.images, self.images + 1
        stamp_ns = stamp_ns_of(message.header)
        codes = self._codes.pop(stamp_ns, None)
        if codes is not None:
            self._on_pair(number, message, codes)
        else:
            _keep(self._images, stamp_ns, (number, message))

    def _on_codes(self, message: FaceCodeArray) -> None:
        stamp_ns = stamp_ns_of(message.header)
        image = self._images.pop(stamp_ns, None)
        if image is not None:
            self._on_pair(*image, message)
        else:
            _keep(self._codes, stamp_ns, message)


def _keep(waiting: OrderedDict[int, Any], stamp_ns: int, message: Any) -> None:
    waiting[stamp_ns] = message
    while len(waiting) > _KEPT_IMAGES:
        waiting.popitem(last=False)


def annotate(message: Any, codes: FaceCodeArray) -> ImageArray:
    """The message's image with its face codes drawn on it. Raises ImageError."""
    image = to_rgb(message)
    height, width = image.shape[:2]
    return draw(image, [(face_code_of(face), landmarks_of(face, height, width)) for face in codes.faces])


class Annotator(Node):
    """Publishes annotated (raw) and annotated/compressed, each only while somebody listens."""

    def __init__(self) -> None:
        super().__init__("annotator")
        compressed = bool(parameter(self, "compressed", False, "subscribe to image/compressed instead of image"))
        qos = QoSProfile(depth=2, reliability=ReliabilityPolicy.RELIABLE)
        self._raw = self.create_publisher(Image, "annotated", qos)
        self._compressed = self.create_publisher(CompressedImage, "annotated/compressed", qos)
        self._matcher = Matcher(self, compressed, "face_codes", self._publish)

    def _publish(self, _number: int, image: Any, codes: FaceCodeArray) -> None:
        raw, compressed = (p.get_subscription_count() > 0 for p in (self._raw, self._compressed))
        if not (raw or compressed):
            return
        try:
            drawn = annotate(image, codes)
        except (ImageError, ValueError, IndexError, cv2.error) as error:  # also codes that are not as ours
            self.get_logger().error(f"refused: {error}", throttle_duration_sec=1.0)
            return
        if raw:
            message = Image(header=image.header)
            fill_image(message, drawn)
            self._raw.publish(message)
        if compressed:
            packed = CompressedImage(header=image.header)
            fill_compressed(packed, drawn)
            self._compressed.publish(packed)


def main(arguments: Sequence[str] | None = None) -> int:
    return run_node(Annotator, arguments)


if __name__ == "__main__":
    sys.exit(main())
