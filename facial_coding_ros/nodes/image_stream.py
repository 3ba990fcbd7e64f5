# SPDX-License-Identifier: Apache-2.0
"""Turns a camera's messages into frames, and watches whether they arrive."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from ..image.camera_info import CameraCalibration, calibration, is_rectified
from ..image.conversion import to_rgb
from ..image.decoding import ImageError
from ..image.pixel_range import PixelRange, light_problem
from ..image.rate import RateLimit
from ..image.settings import ImageSettings
from ..image.stamps import Odd, StampRule
from ..types import Frame
from .diagnostics import InputHealth
from .image_input import ImageInput
from .input_watch import DroppedImages, InputWatch, why_no_images
from .messages import stamp_ns_of
from .settings import RosSettings

_LIGHT_EVERY_NS = 500_000_000
"""Image time between looks at the light."""


@dataclasses.dataclass(frozen=True)
class WaitingImage:
    """A message that is to be worked on. arrival_s: when it came, by the steady clock."""

    message: Any
    arrival_s: float


class ImageStream:
    """What a camera sends, from now on. `offer` gets what is to be worked on, in order.

    `frame` is for the worker's thread, all else for the executor's.
    """

    def __init__(
        self, node: Node, ros: RosSettings, images: ImageSettings, offer: Callable[[tuple[WaitingImage, ...]], None]
    ) -> None:
        self._node, self._ros, self._images, self._offer = node, ros, images, offer
        self._watch = InputWatch(node.get_clock())
        self._stamps: StampRule[WaitingImage] = StampRule(images.late_s)
        self._dropped = DroppedImages(node)
        self._rate = RateLimit(images.max_rate_hz)
        self._pixel_range = PixelRange(images.mono16_range)
        self._camera: CameraCalibration | None = None
        self._said: set[str] = set()
        self._light, self._light_ns = "", 0
        self._frames = self._refused = 0
        self._last_warning_s = time.monotonic()
        self._input: ImageInput | None = ImageInput(node, ros, self._on_image, self._on_camera_info)
        self._losses = self._input.losses
        self.topic = self._input.topic

    def apply(self, ros: RosSettings, images: ImageSettings) -> None:
        """Settings that may change while running."""
        self._ros, self._images = ros, images
        self._stamps.late_s = images.late_s
        self._rate.max_rate_hz = images.max_rate_hz

    def frame(self, message: Any) -> Frame | None:
        """The message as a frame; None, said in the log and counted, when it cannot be read."""
        stamp_ns = stamp_ns_of(message.header)
        try:
            image = to_rgb(message, self._images.max_megapixels, self._pixel_range, stamp_ns)
        except ImageError as error:
            self._refused += 1
            self._watch.refused()
            self._node.get_logger().error(f"refused: {error}", throttle_duration_sec=1.0)
            return None
        self._watch.usable()
        if not self._light_ns or abs(stamp_ns - self._light_ns) >= _LIGHT_EVERY_NS:
            self._light, self._light_ns = light_problem(image), stamp_ns
        frame = Frame(image, stamp_ns, self._frames, message.header.frame_id)
        if self._camera is not None:
            height, width = image.shape[:2]
            camera = self._camera.of_image(width, height, is_rectified(self.topic))
            frame = dataclasses.replace(frame, camera=camera)
        self._frames += 1
        return frame

    def age_s(self) -> float:
        """Seconds since the last image that could be used, or since the activation when there was none."""
        return self._watch.age_s()

    def say_once(self, problem: str) -> None:
        """A warning about the camera, until the node is activated again."""
        if problem not in self._said:
            self._said.add(problem)
            self._node.get_logger().warning(problem)

    def warn_of_silence(self) -> None:
        """Says now and then what could be wrong while no image can be used; subscribes anew if that helps."""
        age_s, every_s = self.age_s(), self._ros.no_image_warning_s
        if self._input is None or age_s <= every_s or time.monotonic() - self._last_warning_s <= every_s:
            return
        self._last_warning_s = time.monotonic()
        if self._watch.rate_hz() > 0:
            reason = f"None of the images on {self.topic} can be used: see what was refused or dropped"
        else:
            reason = why_no_images(self._node, self.topic, self._input.kind, self._input.qos, self._losses.total)
            if anew := self._input.resubscribe():
                reason = f"{reason} {anew}"
        self._node.get_logger().warning(f"{reason} (for {age_s:.0f} s)")

    def improve(self) -> None:
        """Call once a second: takes images reliably or not, as it serves, and says so."""
        if self._input is not None and (changed := self._input.improve()):
            self._node.get_logger().warning(changed)

    def health(self) -> InputHealth:
        """For diagnostics, also after `destroy`."""
        return InputHealth(
            topic=self.topic,
            age_s=self._watch.age_s(),
            rate_hz=self._watch.rate_hz(),
            received=self._watch.arrivals,
            passed_over=self._watch.passed_over,
            lost=self._losses.total,
            losing=self._losses.words(time.monotonic()) if self._input is not None else "",
            refused=self._refused,
            dropped={odd.value: self._stamps.counts[odd] for odd in Odd},
            odd_stamps=self._dropped.summary(),
            light=self._light,
            pixel_range=self._pixel_range.words(),
        )

    def destroy(self) -> None:
        """Ends the subscriptions; nothing is offered any more."""
        if self._input is not None:
            self._input.destroy()
            self._input = None

    def _on_image(self, message: Any) -> None:
        """Judged by its stamp here, so that an old image never takes the place of a newer one that waits."""
        self._watch.arrived()
        waiting = WaitingImage(message, time.perf_counter())
        taken, dropped = self._stamps.offer(stamp_ns_of(message.header), waiting)
        for one in dropped:
            self._dropped.add(one, self.topic)
        if taken:
            self._watch.waiting()
        if wanted := tuple(one.item for one in taken if self._rate.takes(one.stamp_ns)):
            self._offer(wanted)
        elif taken:
            self._watch.pass_over()

    def _on_camera_info(self, message: CameraInfo) -> None:
        self._camera = calibration(message)
        if self._camera.problem:
            self.say_once(self._camera.problem)
