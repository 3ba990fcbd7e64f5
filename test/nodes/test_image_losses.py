# SPDX-License-Identifier: Apache-2.0
"""Images that get lost between camera and node: seen, said, and done something about, over DDS."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from hri_msgs.msg import IdsList  # noqa: E402
from rclpy.qos import ReliabilityPolicy  # noqa: E402

from facial_coding_ros.nodes.clip_player import camera_info  # noqa: E402
from facial_coding_ros.nodes.image_losses import ImageLosses  # noqa: E402
from facial_coding_ros.types import Frame, ImageArray  # noqa: E402

from ..ros import Camera, Client, node  # noqa: E402
from .test_node import last_ids, see_people  # noqa: E402

STEP_NS = 33_333_333


def watched(kept: np.ndarray, rate: float = 30.0) -> ImageLosses:
    losses = ImageLosses()
    for index in np.flatnonzero(kept):
        losses.arrived(index / rate, int(index) * STEP_NS)
    return losses


def test_share_of_the_images_that_arrive() -> None:
    rng = np.random.default_rng(0)
    assert watched(np.ones(150, bool)).share(5.0) == pytest.approx(1.0)
    assert watched(rng.random(150) < 0.3).share(5.0) == pytest.approx(0.3, abs=0.1)
    # A bag played at a tenth of its speed loses nothing.
    assert watched(np.ones(15, bool), rate=3.0).share(5.0) == pytest.approx(1.0)
    assert watched(np.ones(3, bool)).share(0.1) == 1.0, "too few to say"
    losses = watched(np.ones(150, bool))
    losses.lost(4.0, 300)
    assert losses.share(5.0) == pytest.approx(1 / 3, abs=0.01)
    assert losses.words(5.0).startswith("29.8 of about 90 images a second arrive")
    assert "config/fastdds_shm.xml" in losses.words(5.0) and "(300 so far" in losses.words(5.0)
    assert losses.words(20.0) == ""


def reliability(client: Client) -> ReliabilityPolicy:
    found = client.node.get_subscriptions_info_by_topic("/image")
    return found[0].qos_profile.reliability if found else ReliabilityPolicy.UNKNOWN


def send_a_third(camera: Camera, images: Iterator[ImageArray]) -> None:
    """Two of six images, at their stamps."""
    for index in range(6):
        if index < 2:
            camera.send(next(images))
        else:
            camera.stamp_ns += camera.STEP_NS


@pytest.mark.parametrize("reliable", [True, False])
def test_lost_images_are_said_and_taken_reliably_where_that_helps(
    client: Client, images: Iterator[ImageArray], reliable: bool
) -> None:
    with node() as process:
        diagnostics = client.collect(DiagnosticArray, "/diagnostics")
        camera = client.camera(reliable=reliable)
        client.wait(lambda: camera.publisher.get_subscription_count(), "the image subscription", process)
        client.wait(lambda: reliability(client) == ReliabilityPolicy.BEST_EFFORT, "a best-effort start", process)

        def noticed() -> bool:
            send_a_third(camera, images)
            for _ in range(6):
                client.executor.spin_once(timeout_sec=0.03)
            if reliable:
                return reliability(client) == ReliabilityPolicy.RELIABLE
            return bool(diagnostics) and "the others are lost on the way" in diagnostics[-1].status[0].message

        client.wait(noticed, "notice of the losses", process)
        if reliable:
            assert "are taken reliably from now on (image_reliability auto)" in process.log
            unreliable = client.camera(reliable=False)  # one more, whom a reliable subscription would not hear
            client.wait(lambda: reliability(client) == ReliabilityPolicy.BEST_EFFORT, "best effort again", process)
            unreliable.close()
        else:
            assert diagnostics[-1].status[0].level == b"\x01"
            assert "image_reliability" in diagnostics[-1].status[0].message
            assert reliability(client) == ReliabilityPolicy.BEST_EFFORT, "reliable would hear nothing"


def test_a_camera_in_order_is_no_warning(client: Client, images: Iterator[ImageArray]) -> None:
    with node() as process:
        diagnostics = client.collect(DiagnosticArray, "/diagnostics")
        camera, tracked = see_people(client, process, images)
        seen = len(tracked)
        camera.send_until(lambda: len(tracked) > seen + 60, images, process, "some seconds")
        assert diagnostics
        assert not any("lost on the way" in one.status[0].message for one in diagnostics)


def test_a_node_that_hears_camera_info_only_subscribes_anew(client: Client, images: Iterator[ImageArray]) -> None:
    with node(no_image_warning_s=1.0) as process:
        tracked = client.collect(IdsList, "/humans/faces/tracked")
        camera = client.camera()
        info = camera_info(Frame(next(images), 0))

        def told() -> bool:
            camera.infos.publish(info)
            return "camera_info arrives, images do not: subscribed to them anew" in process.log

        client.wait(told, "a new subscription", process)
        assert "fastdds shm clean" in process.log
        camera.send_until(lambda: len(last_ids(tracked)) == 2, images, process, "faces after the new subscription")


def listened_to(pid: int) -> list[Path]:
    """Ports of Fast DDS's shared memory that a process listens on."""
    opened = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    return [Path(name.removesuffix("_el")) for name in opened if "/dev/shm/fast" in name and name.endswith("_el")]


def test_a_node_that_nothing_can_reach_ends_and_says_so(client: Client) -> None:
    """Fast DDS replaces the port of a process that it takes for a killed one."""
    with node(no_image_warning_s=0.5) as process:
        client.wait(lambda: "no publisher" in process.log, "a first warning", process)
        camera = client.camera()
        client.wait(camera.publisher.get_subscription_count, "the image subscription", process)
        client.wait(lambda: "sends nothing, or nothing arrives" in process.log, "a silent camera", process)
        ports = [port for port in listened_to(process.popen.pid) if "_port" in port.name]
        assert ports, "the tests' transports have shared memory"
        for port in ports:
            port.unlink(missing_ok=True)
        client.wait(lambda: process.popen.poll() is not None, "its end")
        assert process.popen.returncode == 1, process.log
        assert "Traceback" not in process.log
        assert f"this process's shared memory ({', '.join(sorted(p.name for p in ports))})" in process.log
        assert "Start it again" in process.log.splitlines()[-1]
