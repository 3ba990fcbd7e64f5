# SPDX-License-Identifier: Apache-2.0
"""Topics on a graph that others are on too: compressed images under a remapped name, two nodes of one robot."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator

import pytest

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

from hri_msgs.msg import IdsList  # noqa: E402

from facial_coding_ros.nodes.image_topics import image_topic  # noqa: E402
from facial_coding_ros.nodes.settings import RosSettings  # noqa: E402
from facial_coding_ros.self_check import Level, machine  # noqa: E402
from facial_coding_ros.types import ImageArray  # noqa: E402

from ..conftest import CLIP  # noqa: E402
from ..ros import Client, forwards_and_back, images_of, node  # noqa: E402

pytestmark = pytest.mark.ros


@pytest.fixture
def images() -> Iterator[ImageArray]:
    return forwards_and_back(images_of(CLIP))


@pytest.mark.parametrize(
    ("rules", "raw", "compressed"),
    [
        ([], "/image", "/image/compressed"),
        (["image:=/cam/image_raw"], "/cam/image_raw", "/cam/image_raw/compressed"),
        (["image/compressed:=/x/jpeg"], "/image", "/x/jpeg"),
        (["image:=/cam/image_raw", "image/compressed:=/x/jpeg"], "/cam/image_raw", "/x/jpeg"),
        (["__ns:=/robot"], "/robot/image", "/robot/image/compressed"),
    ],
)
def test_names_of_image_topics(rules: list[str], raw: str, compressed: str) -> None:
    context = rclpy.Context()
    words = [word for rule in rules for word in ("-r", rule)]
    rclpy.init(args=["--ros-args", *words], context=context)
    try:
        one = rclpy.create_node("names", context=context)
        assert (image_topic(one, False), image_topic(one, True)) == (raw, compressed)
        one.destroy_node()
    finally:
        rclpy.shutdown(context=context)


def test_compressed_images_of_a_remapped_topic(client: Client, images: Iterator[ImageArray]) -> None:
    with node("-r", "image:=/cam/image_raw", image_transport="compressed", no_image_warning_s=0.5) as process:
        other = client.camera("/elsewhere", compressed=True)
        advice = "remap `image`, for example with -r image:=/elsewhere"
        client.wait(lambda: advice in process.log, "advice that is not what was done", process)
        other.close()
        raw = client.camera("/raw")
        advice = "set image_transport to raw and remap `image`, for example with -p image_transport:=raw -r image:=/raw"
        client.wait(lambda: advice in process.log, "advice for the other transport", process)
        raw.close()
        tracked = client.collect(IdsList, "/humans/faces/tracked")
        camera = client.camera("/cam/image_raw", compressed=True)
        camera.send_until(lambda: tracked and len(tracked[-1].ids) == 2, images, process, "two faces")


def test_two_nodes_on_one_graph(client: Client, images: Iterator[ImageArray]) -> None:
    """They are told what to do, and kept apart by a parameter."""
    with node("-r", "__ns:=/left") as left, node("-r", "__ns:=/right", humans_namespace="/right/humans") as right:
        seen = client.collect(IdsList, "/humans/faces/tracked")
        apart = client.collect(IdsList, "/right/humans/faces/tracked")
        camera = client.camera("/right/image")
        camera.send_until(lambda: apart and len(apart[-1].ids) == 2, images, right, "faces of the right camera")
        assert not any(message.ids for message in seen)
        assert "all do, and each message replaces" not in left.log
        with node("-r", "__ns:=/third") as third:
            said = ("/left/facial_coding", "/third/facial_coding", "a parameter humans_namespace of its own")
            client.wait(lambda: all(one in third.log for one in said), "what to do about two nodes", third)


@pytest.mark.parametrize("name", ["humans", "/humans/", "/", "", "/1", "/a b"])
def test_namespaces_that_are_none(name: str) -> None:
    with pytest.raises(ValueError, match=r"humans_namespace is .* a name such as /humans"):
        RosSettings(humans_namespace=name)


def test_little_shared_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container of Docker's has 64 MiB; three red lines of Fast DDS gave no hint."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage(64 << 20, 0, 64 << 20))
    finding = machine.check_shared_memory()
    assert finding.level is Level.WARNING and "64 MiB free in /dev/shm of 64" in finding.text
    assert "--shm-size=512m" in finding.text and "RTPS_TRANSPORT_SHM" in finding.text
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage(8 << 30, 0, 8 << 30))
    assert machine.check_shared_memory().level is Level.OK
