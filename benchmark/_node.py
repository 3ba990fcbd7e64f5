# SPDX-License-Identifier: Apache-2.0
"""The node as a process of its own beside a camera in this one, as on a robot."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count, cycle
from typing import Any

import numpy as np

PATIENCE_S = 60.0


def isolate() -> None:
    """From other nodes of this machine; before rclpy is loaded."""
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    os.environ["ROS_DOMAIN_ID"] = str(101 - os.getpid() % 50)


@contextmanager
def node_process(**parameters: object) -> Iterator[subprocess.Popen[str]]:
    """The node with these parameters; its words on stdout. Ended, as by Ctrl-C, with the block."""
    command = [sys.executable, "-m", "facial_coding_ros.nodes.facial_coding", "--ros-args"]
    for name, value in parameters.items():
        command += ["-p", f"{name.replace('__', '.')}:={value}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


def wait_until_active(process: subprocess.Popen[str]) -> None:
    """Raises RuntimeError with the node's words when it ends instead."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        if "active; images from" in line:
            return
        said.append(line)
    raise RuntimeError("the node did not become active:\n" + "".join(said))


class Camera:
    """Publishes images at a rate, forwards and backwards, and hears what it was told to hear in between."""

    def __init__(self, images: Sequence[np.ndarray], rate_hz: float) -> None:
        import rclpy
        from rclpy.qos import QoSProfile, ReliabilityPolicy
        from sensor_msgs.msg import Image

        rclpy.init()
        self.node = rclpy.create_node("benchmark")
        self._spin = lambda timeout_s: rclpy.spin_once(self.node, timeout_sec=timeout_s)
        self._walk, self._numbers, self._rate_hz = cycle([*images, *images[::-1]]), count(), rate_hz
        qos = QoSProfile(depth=2, reliability=ReliabilityPolicy.RELIABLE)
        self._publisher = self.node.create_publisher(Image, "image", qos)

    def hear(self, kind: type, topic: str, heard: Callable[[Any], object]) -> None:
        self.node.create_subscription(kind, topic, heard, 10)

    def wait_for_node(self) -> None:
        """Until somebody takes the images. Raises RuntimeError when nobody does."""
        end = time.monotonic() + PATIENCE_S
        while not self._publisher.get_subscription_count():
            if time.monotonic() > end:
                raise RuntimeError(f"nobody subscribed to the images in {PATIENCE_S:.0f} s")
            self._spin(0.1)

    def run(self, seconds: float, sent: Callable[[int], object] = lambda stamp_ns: None) -> int:
        """Publishes for so long; how many images. sent: called with the stamp of each."""
        from sensor_msgs.msg import Image

        from facial_coding_ros.image.conversion import fill_image
        from facial_coding_ros.nodes.messages import header_of

        start, published = time.monotonic(), 0
        while published < seconds * self._rate_hz:
            stamp_ns = round(next(self._numbers) * 1e9 / self._rate_hz) + 10**12
            message = Image(header=header_of(stamp_ns, "camera"))
            fill_image(message, next(self._walk))
            sent(stamp_ns)
            self._publisher.publish(message)
            published += 1
            due = start + published / self._rate_hz
            while (left := due - time.monotonic()) > 0:
                self._spin(left)
        return published

    def close(self) -> None:
        import rclpy

        self.node.destroy_node()
        rclpy.shutdown()
