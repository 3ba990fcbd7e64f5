# SPDX-License-Identifier: Apache-2.0
"""Voices of another node: announced before the node came, under foreign names, too many, and talking."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

from facial_coding_msgs.msg import FaceCodeArray  # noqa: E402
from hri_msgs.msg import IdsList, IdsMatch  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from std_msgs.msg import Bool  # noqa: E402

from facial_coding_ros.types import ImageArray  # noqa: E402

from ..ros import Client, node  # noqa: E402

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def test_voices_announced_before_are_heard_and_foreign_names_left_out(
    client: Client, images: Iterator[ImageArray]
) -> None:
    tracked = client.node.create_publisher(IdsList, "/left/humans/voices/tracked", LATCHED)
    tracked.publish(IdsList(ids=["é", "../etc", "=1+1", "", "known", *(f"voice_{i}" for i in range(100))]))
    matches = client.node.create_publisher(IdsMatch, "/left/humans/candidate_matches", 10)
    speaking = client.node.create_publisher(Bool, "/left/humans/voices/known/is_speaking", 10)
    with node(humans_namespace="/left/humans") as process:
        client.wait(speaking.get_subscription_count, "the subscription to a voice", process)
        heard = {name for name, _ in client.node.get_topic_names_and_types() if name.endswith("/is_speaking")}
        assert 1 <= len(heard) <= 64 and "left out" in process.log
        codes = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        camera = client.camera()
        camera.send_until(lambda: codes and codes[-1].faces, images, process, "a face")
        face_id = codes[-1].faces[0].face_id

        def say(confidence: float, voice: str = "known") -> None:
            kinds = {"id1_type": IdsMatch.VOICE, "id2_type": IdsMatch.FACE}
            matches.publish(IdsMatch(id1=voice, id2=face_id, confidence=confidence, **kinds))
            speaking.publish(Bool(data=True))

        say(float("inf"))
        say(0.9, "../etc")

        def talks() -> bool:
            say(0.9)
            return any(face.face_id == face_id and face.talking == 1.0 for face in codes[-1].faces)

        camera.send_until(talks, images, process, "a face that talks")
        published = {name for name, _ in client.node.get_topic_names_and_types()}
        assert "/left/humans/interactions/gazing" in published
        assert not any(name.startswith("/humans/") for name in published), "all of REP-155 is in the namespace"


def test_a_voice_whose_publisher_has_gone_does_not_talk_on(client: Client, images: Iterator[ImageArray]) -> None:
    """An audio node that dies says neither that the voice fell silent nor that it has gone."""
    tracked = client.node.create_publisher(IdsList, "/humans/voices/tracked", LATCHED)
    tracked.publish(IdsList(ids=["v1"]))
    matches = client.node.create_publisher(IdsMatch, "/humans/candidate_matches", 10)
    speaking = client.node.create_publisher(Bool, "/humans/voices/v1/is_speaking", 10)
    with node() as process:
        codes = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        client.wait(speaking.get_subscription_count, "the subscription to the voice", process)
        camera = client.camera()
        camera.send_until(lambda: codes and codes[-1].faces, images, process, "a face")
        face_id = codes[-1].faces[0].face_id
        kinds = {"id1_type": IdsMatch.VOICE, "id2_type": IdsMatch.FACE}

        def surely_talks() -> bool:
            return any(face.face_id == face_id and face.talking == 1.0 for face in codes[-1].faces)

        def talks() -> bool:
            matches.publish(IdsMatch(id1="v1", id2=face_id, confidence=0.9, **kinds))
            speaking.publish(Bool(data=True))
            return surely_talks()

        camera.send_until(talks, images, process, "a face that talks")
        client.node.destroy_publisher(speaking)
        camera.send_until(lambda: not surely_talks(), images, process, "the end of the voice")
