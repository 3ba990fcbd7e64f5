# SPDX-License-Identifier: Apache-2.0
"""The subscriptions to a camera: images and calibration, made anew where that helps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSCompatibility, QoSProfile, ReliabilityPolicy, qos_check_compatible
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from .image_losses import ImageLosses
from .image_topics import image_topic
from .latched import SubscriptionEventCallbacks
from .lost_ports import lost_ports
from .messages import stamp_ns_of
from .process import StartError
from .settings import RosSettings

FEWEST_INFOS = 3
"""Messages of camera_info in a few seconds that show a camera alive."""


class ImageInput:
    """Hands on images and camera_info. Used by the executor's thread only, which waits for the subscriptions.

    With `image_reliability` auto images are taken best effort, which hears every publisher, until too many are lost and
    every publisher is reliable.
    """

    def __init__(
        self,
        node: Node,
        settings: RosSettings,
        on_image: Callable[[Any], None],
        on_camera_info: Callable[[CameraInfo], None],
    ) -> None:
        self._node, self._settings = node, settings
        self._on_image, self._on_camera_info = on_image, on_camera_info
        compressed = settings.image_transport == "compressed"
        self._type = CompressedImage if compressed else Image
        self.kind = "sensor_msgs/msg/CompressedImage" if compressed else "sensor_msgs/msg/Image"
        self.losses = ImageLosses()
        self._image: Subscription[Any] | None = None
        self._infos: Subscription[Any] | None = None
        self._subscribe_images(settings.image_reliability == "reliable", image_topic(node, compressed))
        # Reliable and best-effort publishers alike are heard by a best-effort subscription.
        info_qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._infos = node.create_subscription(CameraInfo, "camera_info", self._take_info, info_qos)

    def _subscribe_images(self, reliable: bool, topic: str) -> None:
        if self._image is not None:
            self._node.destroy_subscription(self._image)
        self._name = topic
        self._reliable = reliable
        reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        self.qos = QoSProfile(depth=1, history=HistoryPolicy.KEEP_LAST, reliability=reliability)
        events = SubscriptionEventCallbacks(message_lost=self._on_lost)
        self._image = self._node.create_subscription(self._type, topic, self._take, self.qos, event_callbacks=events)
        self.topic = self._image.topic_name
        self.losses.forget()

    def _take(self, message: Any) -> None:
        self.losses.arrived(time.monotonic(), stamp_ns_of(message.header))
        self._on_image(message)

    def _take_info(self, message: CameraInfo) -> None:
        self.losses.info_arrived(time.monotonic())
        self._on_camera_info(message)

    def _on_lost(self, event: Any) -> None:
        self.losses.lost(time.monotonic(), event.total_count_change)

    def improve(self) -> str:
        """Call once a second: takes images reliably or not, as it serves; what was done, in words."""
        if self._settings.image_reliability != "auto":
            return ""
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        all_reliable = all(one.qos_profile.reliability == ReliabilityPolicy.RELIABLE for one in publishers)
        if self._reliable and publishers and not all_reliable:
            self._subscribe_images(False, self._name)
            return f"images on {self.topic} are taken best effort again: not every publisher is reliable"
        if not self._reliable and publishers and all_reliable and (words := self.losses.words(time.monotonic())):
            self._subscribe_images(True, self._name)
            return f"images on {self.topic} are taken reliably from now on (image_reliability auto): {words}"
        return ""

    def resubscribe(self) -> str:
        """Call when images are missing: where the camera lives, images are subscribed to anew; what was done.

        Raises StartError when there is a camera and nothing that is sent can reach this process any more.
        """
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        fitting = any(
            one.topic_type == self.kind and qos_check_compatible(one.qos_profile, self.qos)[0] != QoSCompatibility.ERROR
            for one in publishers
        )
        if fitting and (lost := lost_ports()):
            raise StartError(
                f"no image on {self.topic} can arrive: this process's shared memory ({', '.join(lost)}) was taken for "
                "that of a killed one and replaced, as Fast DDS does on a busy machine. Start it again; with sockets "
                "that hold whole images (sudo sysctl -w net.core.rmem_max=4194304) no shared memory is used"
            )
        if not fitting or self.losses.infos_s(time.monotonic()) < FEWEST_INFOS:
            return ""
        self._subscribe_images(self._reliable, self._name)
        return (
            "camera_info arrives, images do not: subscribed to them anew. If that does not help, restart the camera; "
            "what nodes that were killed left in shared memory is removed by `fastdds shm clean`"
        )

    def destroy(self) -> None:
        for subscription in (self._image, self._infos):
            if subscription is not None:
                self._node.destroy_subscription(subscription)
        self._image = self._infos = None
