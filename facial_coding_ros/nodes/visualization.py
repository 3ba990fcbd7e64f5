# SPDX-License-Identifier: Apache-2.0
"""What viewers draw: ~/markers in the robot's 3-D view, ~/annotations over the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from ..coding.output_settings import NOTHING, OUTPUTS, Outputs
from ..types import FaceCode, Frame
from . import image_annotations
from .humans import RELIABLE
from .markers import markers
from .messages import header_of


class Visualization:
    """Publishes the faces of a frame for viewers; costs nothing while none looks. Not thread-safe, as Humans."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._markers = node.create_publisher(MarkerArray, "~/markers", RELIABLE)
        self._annotations: Publisher[Any] | None = None
        if image_annotations.AVAILABLE:
            kind = image_annotations.foxglove.ImageAnnotations
            self._annotations = node.create_publisher(kind, "~/annotations", RELIABLE)
        self._last = Header()

    def wanted(self) -> Outputs:
        """All while somebody looks."""
        publishers = (self._markers, self._annotations)
        return OUTPUTS if any(p is not None and p.get_subscription_count() for p in publishers) else NOTHING

    def publish(self, frame: Frame, codes: Sequence[FaceCode]) -> None:
        """Every frame, also without a face."""
        self._last = header = header_of(frame.stamp_ns, frame.frame_id)
        if self._markers.get_subscription_count():
            self._markers.publish(markers(header, codes))
        if self._annotations is not None and self._annotations.get_subscription_count():
            self._annotations.publish(image_annotations.image_annotations(header, frame, codes))

    def nobody(self) -> None:
        """Takes away what is drawn: the camera has stopped."""
        self._markers.publish(markers(self._last, ()))
        if self._annotations is not None:
            self._annotations.publish(image_annotations.foxglove.ImageAnnotations())

    def destroy(self) -> None:
        """Nothing of ours stays in the views."""
        self.nobody()
        for publisher in (self._markers, self._annotations):
            if publisher is not None:
                self._node.destroy_publisher(publisher)
