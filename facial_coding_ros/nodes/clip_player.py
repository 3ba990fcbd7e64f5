# SPDX-License-Identifier: Apache-2.0
"""A recording as a camera: sensor_msgs/Image or CompressedImage at the recording's rate, and CameraInfo."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from ..image.conversion import fill_compressed, fill_image
from ..image.rotation import turned_back
from ..image.sources import Source, SourceError, camera_source, open_source
from ..types import Frame
from .image_topics import image_topic
from .messages import header_of
from .process import Finished, StartError, parameter, run_node

# Field of view of the made-up camera of a recording without calibration, as a usual webcam's.
ASSUMED_FIELD_OF_VIEW_DEG = 60.0

_LONGEST_TICK_S = 0.1


class ClipPlayer(Node):
    """Plays when somebody listens; ends with exit code 0 after the last frame, unless it loops."""

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__("clip_player", **node_arguments)
        clip = str(parameter(self, "clip", "", "video file, folder of images, or bag"))
        camera = int(parameter(self, "camera", -1, "number of a camera of this machine to play instead; -1: none"))
        topic = parameter(self, "topic", "", "topic of the images in a bag that has several")
        self._rate = float(parameter(self, "rate", 1.0, "speed; 1 is the recording's own"))
        self._loop = bool(parameter(self, "loop", False, "start again after the last frame"))
        self._frame_id = str(parameter(self, "frame_id", "camera_optical_frame", "frame of the images"))
        self._compressed = bool(parameter(self, "compressed", False, "publish image/compressed (JPEG), not image"))
        turned = "degrees by which heads are turned in it, clockwise: 0, 90, 180 or 270; images are turned back"
        self._rotation = int(parameter(self, "image_rotation", 0, turned))
        self._start_stamp_ns = int(parameter(self, "start_stamp_ns", -1, "stamp of the first image; -1: now"))
        self._listeners = int(parameter(self, "wait_for", 1, "subscribers of the images to wait for before playing"))
        self._patience_s = float(parameter(self, "wait_s", 30.0, "seconds to wait for them at most"))
        if not (math.isfinite(self._rate) and self._rate > 0):
            raise StartError(f"parameter rate is {self._rate}; above 0 is allowed")
        if self._rotation not in (0, 90, 180, 270):
            raise StartError(f"parameter image_rotation is {self._rotation}; allowed: 0, 90, 180, 270")
        if (camera >= 0) == bool(clip):
            raise StartError(
                f"parameter clip is {clip!r} and camera is {camera}; one is expected: a video, a folder of images or "
                "a bag, or the number of a camera"
            )
        try:
            self._source: Source = camera_source(camera) if camera >= 0 else open_source(Path(clip), str(topic))
            self._frames = self._source.frames(self._on_damage)
            self._next: Frame | None = next(self._frames, None)
        except SourceError as error:
            raise StartError(str(error)) from None
        if self._next is None:
            raise StartError(f"{self._source.name} has no frame that can be used")
        qos = QoSProfile(depth=2, reliability=ReliabilityPolicy.RELIABLE)
        name, kind = image_topic(self, self._compressed), CompressedImage if self._compressed else Image
        self._images = self.create_publisher(kind, name, qos)
        self._infos = self.create_publisher(CameraInfo, "camera_info", qos)
        self._born = time.monotonic()
        self._started: float | None = None
        self._first_ns = self._next.stamp_ns
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        if self._source.live:
            self._frames = iter(())  # off until somebody looks
        self._timer = self.create_timer(0.005, self._tick, clock=self._steady)
        self.published = 0

    def _on_damage(self, problem: str) -> None:
        self.get_logger().warning(problem)

    def _tick(self) -> None:
        now = time.monotonic()
        if self._started is None:
            if self._images.get_subscription_count() < self._listeners and now - self._born < self._patience_s:
                return
            self._begin(now)
        try:
            if self._source.live:
                self._show_newest()
            else:
                self._play(now)
        except SourceError as error:
            raise StartError(str(error)) from None

    def _show_newest(self) -> None:
        """A camera's image, as soon as it is there."""
        frame = next(self._frames)
        self._offset_ns = self.get_clock().now().nanoseconds - frame.stamp_ns
        self._publish(frame)

    def _play(self, now: float) -> None:
        """All frames that are due, for 0.1 s at most: a player that cannot keep up can still be stopped."""
        if self._next is None:
            raise Finished
        until = time.monotonic() + _LONGEST_TICK_S
        while self._next is not None and self._next.stamp_ns <= self._due_ns(now) and time.monotonic() < until:
            played = self._next
            self._publish(played)
            self._next = next(self._frames, None)
            if self._next is None and self._loop:
                self._play_again(played.stamp_ns)

    def _due_ns(self, now: float) -> float:
        """How far the recording should have come, on its own clock."""
        assert self._started is not None
        return self._first_ns + (now - self._started) * self._rate * 1e9

    def _play_again(self, last_ns: int) -> None:
        """Goes on with the first frame, one step after the last one: stamps rise, and time goes on at its pace."""
        assert self._started is not None
        length_ns = last_ns - self._first_ns + round(1e9 / self._source.fps)
        self._offset_ns += length_ns
        self._started += length_ns / 1e9 / self._rate
        self._frames = self._source.frames(lambda _: None)
        self._next = next(self._frames, None)

    def _begin(self, now: float) -> None:
        """Image stamps keep the recording's own spacing, whatever the timer's jitter."""
        self._started = now
        if self._source.live:
            self._frames = self._source.frames(self._on_damage)
        stamp = self._start_stamp_ns
        self._offset_ns = (self.get_clock().now().nanoseconds if stamp < 0 else stamp) - self._first_ns

    def _publish(self, frame: Frame) -> None:
        frame = turned_back(frame, self._rotation)
        header = header_of(frame.stamp_ns + self._offset_ns, frame.frame_id or self._frame_id)
        info = camera_info(frame)
        info.header = header
        self._infos.publish(info)
        if self._compressed:
            message = CompressedImage(header=header)
            fill_compressed(message, frame.image)
        else:
            message = Image(header=header)
            fill_image(message, frame.image)
        self._images.publish(message)
        self.published += 1

    def destroy_node(self) -> None:
        if self.context.ok():
            from rclpy.duration import Duration

            self._images.wait_for_all_acked(Duration(seconds=1))
        super().destroy_node()


def camera_info(frame: Frame) -> CameraInfo:
    """The recording's calibration, or that of a camera with the assumed field of view."""
    height, width = frame.image.shape[:2]
    camera = frame.camera
    focal = width / 2 / math.tan(math.radians(ASSUMED_FIELD_OF_VIEW_DEG) / 2)
    fx, fy, cx, cy = (
        (camera.fx, camera.fy, camera.cx, camera.cy) if camera else (focal, focal, (width - 1) / 2, (height - 1) / 2)
    )
    info = CameraInfo(height=height, width=width, distortion_model="plumb_bob", d=[0.0] * 5)
    info.k = [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0]
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.p = [fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def main(arguments: Sequence[str] | None = None) -> int:
    return run_node(ClipPlayer, arguments)


if __name__ == "__main__":
    sys.exit(main())
