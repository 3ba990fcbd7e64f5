# SPDX-License-Identifier: Apache-2.0
"""Real nodes as processes, and a client that talks to them over DDS."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from facial_coding_ros.image.bags import Bag
from facial_coding_ros.image.conversion import fill_compressed, fill_image
from facial_coding_ros.image.sources import open_source
from facial_coding_ros.nodes.messages import header_of
from facial_coding_ros.types import ImageArray

PATIENCE_S = 60.0  # for machines that do other things too; nothing waits that long when all is well


class Process:
    """A node's process. `log` is all it has printed so far."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._output = tempfile.TemporaryFile("w+b")  # noqa: SIM115  closed by end()
        command = [sys.executable, "-u", "-m", module, "--ros-args", *arguments]
        environment = os.environ | {"RCUTILS_LOGGING_BUFFERED_STREAM": "0"}
        self.popen = subprocess.Popen(command, stdout=self._output, stderr=subprocess.STDOUT, env=environment)

    @property
    def log(self) -> str:
        return os.pread(self._output.fileno(), 1 << 24, 0).decode(errors="replace")

    def stop(self, number: int = signal.SIGINT) -> int:
        """Sends the signal; the exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        return self.popen.wait(PATIENCE_S)

    def end(self) -> None:
        """Asks first: a killed process leaves its shared memory behind, until the machine is out of it."""
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self._output.close()


@contextlib.contextmanager
def running(module: str, *arguments: str) -> Iterator[Process]:
    process = Process(module, *arguments)
    try:
        yield process
    finally:
        process.end()


def node(*arguments: str, **parameters: Any) -> contextlib.AbstractContextManager[Process]:
    """The node `facial_coding` as a process, with parameters (dots written as __)."""
    given = [word for name, value in parameters.items() for word in ("-p", f"{name.replace('__', '.')}:={value}")]
    return running("facial_coding_ros.nodes.facial_coding", *given, *arguments)


class Client:
    """A node that publishes images as a camera would and collects messages."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("test_client", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self._publishers: dict[str, Any] = {}

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)
        self.context.destroy()

    def collect(self, kind: type, topic: str, qos: QoSProfile | int = 10) -> list[Any]:
        """A list that grows by every message of the topic."""
        messages: list[Any] = []
        self.node.create_subscription(kind, topic, messages.append, qos)
        return messages

    def wait(self, until: Callable[[], object], what: str, process: Process | None = None) -> None:
        """Spins until something holds; fails with `what` and the process's log when it never does."""
        end = time.monotonic() + PATIENCE_S
        while not until():
            log = f"\n{process.log}" if process else ""
            assert time.monotonic() < end, f"waited in vain for {what}{log}"
            assert process is None or process.popen.poll() is None, f"the process ended while waiting for {what}{log}"
            self.executor.spin_once(timeout_sec=0.02)

    def call(self, kind: type, name: str, request: Any, meanwhile: Callable[[], None] | None = None) -> Any:
        """Calls a service; `meanwhile` is called again and again until the answer is there."""
        service = self.node.create_client(kind, name)
        self.wait(service.service_is_ready, f"service {name}")
        future = service.call_async(request)

        def answered() -> bool:
            if meanwhile is not None:
                meanwhile()
            return future.done()

        self.wait(answered, f"answer of {name}")
        self.node.destroy_client(service)
        return future.result()

    def camera(self, topic: str = "/image", reliable: bool = True, compressed: bool = False) -> Camera:
        reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        qos = QoSProfile(depth=2, reliability=reliability)
        kind = CompressedImage if compressed else Image
        publisher = self.node.create_publisher(kind, topic + ("/compressed" if compressed else ""), qos)
        return Camera(self, publisher, self.node.create_publisher(CameraInfo, "/camera_info", qos), compressed)


class Camera:
    """Publishes images with stamps 1/15 s apart, whatever the time."""

    STEP_NS = 66_666_667

    def __init__(self, client: Client, publisher: Any, infos: Any, compressed: bool) -> None:
        self._client, self._compressed = client, compressed
        self.publisher, self.infos = publisher, infos
        self.stamp_ns = 1_000_000_000_000

    def send(self, image: ImageArray, stamp_ns: int | None = None) -> int:
        """Publishes one image; its stamp."""
        self.stamp_ns = self.stamp_ns + self.STEP_NS if stamp_ns is None else stamp_ns
        header = header_of(self.stamp_ns, "camera_optical_frame")
        message = CompressedImage(header=header) if self._compressed else Image(header=header)
        (fill_compressed if self._compressed else fill_image)(message, image)  # type: ignore[operator]
        self.publisher.publish(message)
        return self.stamp_ns

    def send_until(
        self, until: Callable[[], object], images: Iterator[ImageArray], process: Process, what: str
    ) -> None:
        """Sends one image after another, each when there was time to answer the one before."""
        self._client.wait(lambda: self.publisher.get_subscription_count(), "the image subscription", process)
        end = time.monotonic() + PATIENCE_S
        while not until():
            assert time.monotonic() < end, f"waited in vain for {what}\n{process.log}"
            assert process.popen.poll() is None, f"the process ended while waiting for {what}\n{process.log}"
            self.send(next(images))
            pause = time.monotonic() + 0.04
            while time.monotonic() < pause and not until():
                self._client.executor.spin_once(timeout_sec=0.01)

    def close(self) -> None:
        self._client.node.destroy_publisher(self.publisher)
        self._client.node.destroy_publisher(self.infos)


class BagPlayer:
    """A topic of a bag as `ros2 bag play --clock` sends it: the recorded bytes, and /clock with the recorder's time."""

    def __init__(self, client: Client, bag: Bag, topic: str, to: str) -> None:
        self._client = client
        self._messages = bag.messages((topic,), _fail)
        kind = Image if next(t.type for t in bag.topics if t.name == topic).endswith("/Image") else CompressedImage
        qos = QoSProfile(depth=2, reliability=ReliabilityPolicy.RELIABLE)
        self.publisher = client.node.create_publisher(kind, to, qos)
        self.clock = client.node.create_publisher(Clock, "/clock", 10)

    def tell_time(self, now_ns: int) -> None:
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(now_ns, 10**9)
        self.clock.publish(message)

    def step(self) -> int:
        """Sends the next message at its time of recording; that time, 0 when there is none."""
        for _, recorded_ns, raw in self._messages:
            self._send(recorded_ns, raw)
            return recorded_ns
        return 0

    def _send(self, recorded_ns: int, raw: bytes) -> None:
        self.tell_time(recorded_ns)
        self.publisher.publish(raw)


def _fail(problem: str) -> None:
    raise AssertionError(problem)


def images_of(path: Path, count: int = 40) -> list[ImageArray]:
    """The first images of a recording."""
    return [frame.image for frame, _ in zip(open_source(path).frames(), range(count), strict=False)]


def forwards_and_back(images: list[ImageArray]) -> Iterator[ImageArray]:
    """An endless walk through the images without a jump."""
    while True:
        yield from images
        yield from images[-2:0:-1]
