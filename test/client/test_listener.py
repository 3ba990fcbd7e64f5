# SPDX-License-Identifier: Apache-2.0
"""FaceListener over DDS: a node that is restarted, several robots, and REP-155's topics alone."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

import rclpy
from hri_msgs.msg import Expression, FacialActionUnits, IdsList

from facial_coding_ros.client import FaceListener
from facial_coding_ros.events import Event
from facial_coding_ros.image.sources import open_source
from facial_coding_ros.nodes.messages import header_of
from facial_coding_ros.types import ImageArray

from ..conftest import CLIP
from ..events.simulated import FRAME_NS, START_NS, face_code
from ..ros import PATIENCE_S, Client, node

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def picture() -> ImageArray:
    """Two people who look into the camera."""
    return next(iter(open_source(CLIP).frames())).image


@pytest.fixture
def still(picture: ImageArray) -> Iterator[ImageArray]:
    return itertools.repeat(picture)


def two(events: list[Event]) -> bool:
    return len({event.face_id for event in events}) == 2


def test_the_node_may_be_restarted(client: Client, still: Iterator[ImageArray]) -> None:
    listener = FaceListener(client.node, "/facial_coding")
    came: list[Event] = []
    listener.on("appears", came.append)
    camera = client.camera()
    with node() as process:
        camera.send_until(lambda: len(listener.people()) == 2 and two(came), still, process, "two people")
        first = {event.event_id for event in came}
    client.wait(lambda: not listener.people(), "that nobody counts as seen while the node is away")
    client.executor.remove_node(client.node)
    with pytest.raises(TimeoutError, match="is the node /facial_coding running and active"):
        listener.summarize(5.0, timeout_s=0.2)
    client.executor.add_node(client.node)
    came.clear()
    with node() as process:
        again_ns = camera.stamp_ns

        def seen_a_second() -> bool:
            people = listener.people()
            return len(people) == 2 and two(came) and all(one.stamp_ns - again_ns > 1_500_000_000 for one in people)

        camera.send_until(seen_a_second, still, process, "the same people, for a while")
        assert first.isdisjoint(event.event_id for event in came), "events of another run have other ids"
        client.executor.remove_node(client.node)
        assert "looked at the robot" in listener.summarize(5.0, timeout_s=PATIENCE_S)
        client.executor.add_node(client.node)
    listener.destroy()


def test_each_robot_has_its_own(client: Client, still: Iterator[ImageArray]) -> None:
    """The node in the namespace of a second robot: heard by its full name and from within, not by the first robot."""
    inside = rclpy.create_node("dialogue", namespace="/robot2", context=client.context)
    client.executor.add_node(inside)
    by_name, within = FaceListener(client.node, "/robot2/facial_coding"), FaceListener(inside)
    first_robot = FaceListener(client.node)
    heard: list[Event] = []
    first_robot.on("*", heard.append)
    with node("-r", "__ns:=/robot2") as process:
        camera = client.camera("/robot2/image")
        camera.send_until(
            lambda: len(by_name.people()) == len(within.people()) == 2,
            still,
            process,
            "people seen by the second robot",
        )
        assert {one.face_id for one in by_name.people()} == {one.face_id for one in within.people()}
        assert not first_robot.people() and not heard
    for listener in (by_name, within, first_robot):
        listener.destroy()
    client.executor.remove_node(inside)
    inside.destroy_node()


def test_a_kind_that_may_be_mistyped_is_said(client: Client, capfd: pytest.CaptureFixture[str]) -> None:
    listener = FaceListener(client.node)
    listener.on("smile", lambda event: None)
    assert "no kind of event" not in capfd.readouterr().err
    listener.on("simle", lambda event: None)
    logged = capfd.readouterr().err
    assert "'simle' is no kind of event" in logged and "events.kinds_file" in logged
    listener.destroy()


def test_with_rep155_alone(client: Client) -> None:
    """Another node codes the faces: events come from its action units, summaries from what was heard."""
    listener = FaceListener(client.node, rep155_only=True)
    smiles: list[Event] = []
    listener.on("smile", smiles.append)
    publish = {
        kind: client.node.create_publisher(kind, topic, 10)
        for kind, topic in (
            (IdsList, "/humans/faces/tracked"),
            (FacialActionUnits, "/humans/faces/abc/facs"),
            (Expression, "/humans/faces/abc/expression"),
        )
    }
    client.wait(publish[IdsList].get_subscription_count, "the listener")
    publish[IdsList].publish(IdsList(ids=["abc"]))
    client.wait(publish[FacialActionUnits].get_subscription_count, "the face's subscriptions")
    for frame in range(40):
        message = FacialActionUnits(header=header_of(10**12 + frame * 40_000_000, "camera"))
        message.intensity[12], message.confidence[12] = (0.7 if 15 <= frame < 30 else 0.0), 0.8
        publish[FacialActionUnits].publish(message)
        stamp_ns = 10**12 + frame * 40_000_000
        client.wait(lambda stamp_ns=stamp_ns: [p for p in listener.people() if p.stamp_ns == stamp_ns], "the face")
    assert [event.face_id for event in smiles] == ["abc"]
    assert smiles[0].start_ns == pytest.approx(10**12 + 14.3 * 40_000_000, abs=20_000_000)
    assert "smiled once" in listener.summarize(5.0)
    with pytest.raises(ValueError, match="need facial_coding_msgs"):
        listener.summaries(5.0)
    with pytest.raises(ValueError, match=r"'simle' is no kind of event; there are .*smile"):
        listener.wait_for("simle", timeout_s=0.1)
    publish[IdsList].publish(IdsList(ids=[]))
    client.wait(lambda: not listener.people(), "an empty room")
    listener.destroy()


def test_ids_that_are_no_names_of_topics_are_left_out(client: Client) -> None:
    listener = FaceListener(client.node, rep155_only=True)
    tracked = client.node.create_publisher(IdsList, "/humans/faces/tracked", 10)
    facs = client.node.create_publisher(FacialActionUnits, "/humans/faces/abc/facs", 10)
    client.wait(tracked.get_subscription_count, "the listener")
    tracked.publish(IdsList(ids=["fé", "../etc", "", "abc"]))
    client.wait(facs.get_subscription_count, "the subscription of the one that is")
    listener.destroy()


def test_summaries_may_be_asked_for_in_another_thread(client: Client) -> None:
    listener = FaceListener(client.node, rep155_only=True)
    failures: list[RuntimeError] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                listener.summarize(60.0, "f1")
            except ValueError:  # not seen yet
                continue
            except RuntimeError as error:
                failures.append(error)
                return

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for frame in range(300):
            ids = [(frame // 7 + place) % 70 for place in range(3)]
            codes = [face_code(face_id=f"f{one}", person_id=f"p{one}") for one in ids]
            listener._on_faces(codes, START_NS + frame * FRAME_NS)
    finally:
        over.set()
        asking.join()
    listener.destroy()
    assert not failures
