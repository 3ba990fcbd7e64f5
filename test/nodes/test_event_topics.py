# SPDX-License-Identifier: Apache-2.0
"""Events, summaries and the client, over DDS: a node as a process, and a FaceListener that hears it."""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

from facial_coding_msgs.msg import FaceCodeArray, FaceEvent
from facial_coding_msgs.srv import ForgetPerson, Summarize
from hri_msgs.msg import EngagementLevel, Gaze, IdsList, IdsMatch
from std_msgs.msg import Bool

from facial_coding_ros.client import FaceListener
from facial_coding_ros.events import Event, Phase
from facial_coding_ros.image.sources import open_source
from facial_coding_ros.nodes.gaze_topics import GazeTopics, engagement_level, engagement_score
from facial_coding_ros.nodes.messages import header_of, nanoseconds, stamp_ns_of
from facial_coding_ros.types import Frame, ImageArray

from ..conftest import CLIP
from ..events.simulated import FRAME_NS, START_NS, face_code
from ..ros import PATIENCE_S, Camera, Client, node

pytestmark = pytest.mark.ros

FRAMES = range(130)
"""Of the clip: two neutral seconds, then the person on the right raises the brows, from 2.7 to 4.8 s."""


@pytest.fixture(scope="module")
def images() -> list[ImageArray]:
    return [frame.image for frame, _ in zip(open_source(CLIP).frames(), FRAMES, strict=False)]


def play(client: Client, camera: Camera, images: Iterator[ImageArray], answered: list, process) -> None:  # type: ignore[no-untyped-def]
    """Every image, at 25 a second of image time, each when the node has answered the one before.

    One that is lost on the way is sent again; of two with the same stamp the node drops the second.
    """
    client.wait(lambda: camera.publisher.get_subscription_count(), "the image subscription", process)
    for image in images:
        stamp_ns = camera.stamp_ns + 40_000_000
        there = lambda stamp_ns=stamp_ns: answered and stamp_ns_of(answered[-1].header) == stamp_ns  # noqa: E731
        end = time.monotonic() + PATIENCE_S
        while not there():
            assert time.monotonic() < end, f"waited in vain for the answer to an image\n{process.log}"
            camera.send(image, stamp_ns)
            again = time.monotonic() + 1.0
            while time.monotonic() < again and not there():
                client.executor.spin_once(timeout_sec=0.05)


@contextlib.contextmanager
def not_spun(client: Client) -> Iterator[None]:
    """While nobody spins the node, the listener does."""
    client.executor.remove_node(client.node)
    yield
    client.executor.add_node(client.node)


def test_node_client_and_service(client: Client, images: list[ImageArray]) -> None:
    with node() as process:
        listener = FaceListener(client.node, "/facial_coding")
        heard: list[Event] = []
        raised: list[Event] = []
        listener.on("*", heard.append)
        listener.on("brow_raise", raised.append, ends=True)
        service = client.node.create_client(Summarize, "/facial_coding/summarize")
        client.wait(service.service_is_ready, "the service", process)
        client.wait(lambda: "active" in process.log, "an active node", process)
        with not_spun(client), pytest.raises(ValueError, match="no image has come yet"):
            listener.summarize(5.0, timeout_s=PATIENCE_S)
        codes = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        words = client.collect(FaceEvent, "/facial_coding/events", 50)
        camera = client.camera()
        start_ns = camera.stamp_ns
        play(client, camera, iter(images), codes, process)
        client.wait(lambda: raised, "the end of the brow raise", process)

        assert {"appears", "neutral_ready", "brow_raise"} <= {event.kind for event in heard}
        (begin,) = [e for e in words if e.kind == "brow_raise" and e.phase == FaceEvent.PHASE_BEGIN]
        (end,) = [e for e in words if e.kind == "brow_raise" and e.phase == FaceEvent.PHASE_END]
        assert begin.event_id == end.event_id == raised[0].event_id
        began_s = (nanoseconds(begin.start) - start_ns) / 1e9
        assert 2.7 < began_s < 3.1, "in the clip it begins at 2.7 s"
        assert nanoseconds(begin.header.stamp) - nanoseconds(begin.start) < 150_000_000
        assert nanoseconds(begin.end) == 0 and nanoseconds(end.end) > nanoseconds(end.apex) > nanoseconds(end.start)
        assert 0.3 < end.mean < end.peak <= 1 and end.confidence > 0.3

        people = listener.people()
        assert len(people) == 2 and all(one.age_s < 1 for one in people)
        who = raised[0].face_id
        assert {12, 45} <= set(people[0].units) and 0 <= people[0].attention <= 1
        with not_spun(client):
            text = listener.summarize(60.0, who, timeout_s=PATIENCE_S)
            (summary,) = listener.summaries(60.0, who, timeout_s=PATIENCE_S)
            both = listener.summaries(60.0, timeout_s=PATIENCE_S)
            assert listener.wait_for("nod", timeout_s=0.2) is None
        assert "raised the brows once" in text, text
        assert summary.face_ids == [who] and summary.seen_share > 0
        assert "brow_raise" in {event.kind for event in summary.events}
        np.testing.assert_allclose(sum(summary.expression_share), 1, atol=1e-3)
        assert len(both) == 2

        def asked(**request: object) -> Summarize.Response:
            return client.call(Summarize, "/facial_coding/summarize", Summarize.Request(**request))

        refused = asked(person_id="nobody")
        assert not refused.success and "'nobody' was not seen" in refused.message and who in refused.message
        late = header_of(start_ns, "").stamp
        refused = asked(start=header_of(camera.stamp_ns, "").stamp, end=late)
        assert not refused.success and "before it begins" in refused.message
        refused = asked(
            start=header_of(camera.stamp_ns + 10**10, "").stamp, end=header_of(camera.stamp_ns + 10**11, "").stamp
        )
        assert not refused.success and "outside of what is remembered" in refused.message
        refused = asked(seconds=-1.0)
        assert not refused.success and "seconds is -1" in refused.message
        listener.destroy()


def test_persons_are_looked_at_and_engaged(client: Client, images: list[ImageArray]) -> None:
    with node() as process:
        codes = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        gazing = client.collect(Gaze, "/humans/interactions/gazing")
        engaged = client.collect(EngagementLevel, "/humans/persons/ada/engagement_status", 50)
        matches = client.node.create_publisher(IdsMatch, "/humans/candidate_matches", 10)
        camera = client.camera()
        still = itertools.repeat(images[10])
        camera.send_until(lambda: codes and codes[-1].faces, still, process, "a face")
        face_id = codes[-1].faces[0].face_id
        client.wait(matches.get_subscription_count, "the node's subscription", process)
        matches.publish(
            IdsMatch(id1=face_id, id1_type=IdsMatch.FACE, id2="ada", id2_type=IdsMatch.PERSON, confidence=0.9)
        )
        camera.send_until(
            lambda: gazing and engaged and engaged[-1].level == EngagementLevel.ENGAGED, still, process, "engagement"
        )
        assert gazing[-1].sender == "ada" and gazing[-1].receiver == ""
        assert list(dict.fromkeys(e.level for e in engaged))[-2:] == [
            EngagementLevel.ENGAGING,
            EngagementLevel.ENGAGED,
        ]

        def forgotten() -> bool:
            """Asked again, as an image may still have been on its way."""
            client.call(ForgetPerson, "/facial_coding/forget_person", ForgetPerson.Request(person_id="ada"))
            request = Summarize.Request(person_id="ada", seconds=60.0)
            answer = client.call(Summarize, "/facial_coding/summarize", request)
            return not answer.success and "'ada' was not seen" in answer.message

        client.wait(forgotten, "that nothing is remembered of ada", process)


def test_a_voice_says_who_talks(client: Client, images: list[ImageArray]) -> None:
    """A publisher of REP-155's voices, as an audio node is; nobody in these images moves the lips."""
    with node() as process:
        codes = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        publish = {
            kind: client.node.create_publisher(kind, topic, 10)
            for kind, topic in (
                (IdsList, "/humans/voices/tracked"),
                (IdsMatch, "/humans/candidate_matches"),
                (Bool, "/humans/voices/v1/is_speaking"),
            )
        }
        camera = client.camera()
        still = itertools.repeat(images[10])
        camera.send_until(lambda: codes and len(codes[-1].faces) == 2, still, process, "two faces")
        speaker, other = (face.face_id for face in codes[-1].faces)

        def talking(face_id: str) -> float:
            return next((face.talking for face in codes[-1].faces if face.face_id == face_id), math.nan)

        client.wait(publish[IdsList].get_subscription_count, "the node's subscription of voices", process)
        publish[IdsList].publish(IdsList(ids=["v1"]))
        client.wait(publish[Bool].get_subscription_count, "its subscription of this voice", process)
        client.wait(publish[IdsMatch].get_subscription_count, "its subscription of matches", process)
        matched = IdsMatch(id1="v1", id1_type=IdsMatch.VOICE, id2=speaker, id2_type=IdsMatch.FACE, confidence=0.9)
        publish[IdsMatch].publish(matched)
        publish[Bool].publish(Bool(data=True))
        camera.send_until(lambda: talking(speaker) == 1.0 and talking(other) < 0.1, still, process, "who is heard")
        publish[Bool].publish(Bool(data=False))
        camera.send_until(lambda: talking(speaker) == 0.0, still, process, "silence")
        publish[Bool].publish(Bool(data=True))
        camera.send_until(lambda: talking(speaker) == 1.0, still, process, "the voice again")
        publish[IdsList].publish(IdsList(ids=[]))
        client.wait(lambda: not publish[Bool].get_subscription_count(), "the end of the subscription", process)
        camera.send_until(lambda: talking(speaker) < 0.1, still, process, "the lips as witness when the voice is gone")


def test_engagement_takes_time_and_attention() -> None:
    level, since = EngagementLevel.DISENGAGED, 0
    seen = []
    for frame in range(90):
        score = 0.9 if frame < 45 else 0.1
        level, since = engagement_level(level, since, score, frame * 33_333_333)
        seen.append(level)
    assert list(dict.fromkeys(seen)) == [2, 3, 4, 1], "engaging, engaged, disengaging, disengaged"
    assert engagement_level(3, 0, float("nan"), 10**10) == (3, 0), "unknown attention changes nothing"
    assert engagement_score(0.8, 1.0) == 0.8 and engagement_score(0.8, 10.0) == 0 and engagement_score(0.8, None) == 0.8


def test_engagement_goes_on_after_stamps_went_back() -> None:
    level, since = EngagementLevel.ENGAGING, 100_000_000_000
    for frame in range(40):
        level, since = engagement_level(level, since, 0.9, frame * FRAME_NS)
    assert level == EngagementLevel.ENGAGED, "the second of attention is counted from the new time"


def test_engagement_of_who_is_not_seen_is_unknown(client: Client) -> None:
    """Nobody stays engaged who has left, whose eyes are not seen, or when images cease."""
    topics = GazeTopics(client.node, engagement=True)
    levels = client.collect(EngagementLevel, "/humans/persons/ada/engagement_status", 500)
    image = np.zeros((8, 8, 3), np.uint8)
    frame = Frame(image, START_NS)

    def publish(*attentions: float) -> None:
        nonlocal frame
        for attention in attentions:
            frame = Frame(image, frame.stamp_ns + FRAME_NS)
            topics.publish(frame, [replace(face_code(person_id="ada"), attention=attention)], [])

    def last_is(level: int) -> None:
        client.wait(
            lambda: levels and levels[-1].level == level and stamp_ns_of(levels[-1].header) >= frame.stamp_ns - 10**9,
            f"level {level}",
        )

    publish(math.nan)
    client.wait(lambda: client.node.count_publishers("/humans/persons/ada/engagement_status"), "the publisher")
    client.wait(lambda: publish(math.nan) or levels, "a message")
    last_is(EngagementLevel.UNKNOWN)
    publish(*[1.0] * 40)
    last_is(EngagementLevel.ENGAGED)
    publish(*[math.nan] * 20)
    last_is(EngagementLevel.ENGAGED)
    publish(*[math.nan] * 20)
    last_is(EngagementLevel.UNKNOWN)
    publish(*[1.0] * 40)
    last_is(EngagementLevel.ENGAGED)
    for _ in range(40):
        frame = Frame(image, frame.stamp_ns + FRAME_NS)
        topics.publish(frame, [], [])
    last_is(EngagementLevel.UNKNOWN)
    publish(*[1.0] * 40)
    last_is(EngagementLevel.ENGAGED)
    topics.nobody(header_of(frame.stamp_ns, ""))
    last_is(EngagementLevel.UNKNOWN)
    topics.destroy()


def test_eye_contact_is_of_who_began_it_until_it_ends(client: Client) -> None:
    """Whatever face id the person has by then, and not after frames were missing."""
    topics = GazeTopics(client.node, engagement=False)
    gazing = client.collect(Gaze, "/humans/interactions/gazing")
    client.wait(lambda: topics.heard([]), "the subscription")
    image = np.zeros((8, 8, 3), np.uint8)
    stamp_ns = START_NS

    def publish(face_id: str, *phases: Phase) -> None:
        nonlocal stamp_ns
        stamp_ns += FRAME_NS
        events = [Event("eye_contact", face_id, "ada", stamp_ns, "id", phase, stamp_ns, stamp_ns) for phase in phases]
        topics.publish(Frame(image, stamp_ns), [face_code(face_id=face_id, person_id="ada")], events)

    def stamps() -> list[int]:
        return [(stamp_ns_of(message.header) - START_NS) // FRAME_NS for message in gazing]

    publish("fa", Phase.BEGIN)
    publish("fb")
    publish("fb", Phase.END)
    publish("fa")
    publish("fa", Phase.BEGIN)
    topics.forget_contacts()
    publish("fa")
    publish("fa", Phase.BEGIN)
    client.wait(lambda: stamps()[-1:] == [7], "the last message")
    assert stamps() == [1, 2, 5, 7]
    topics.destroy()
