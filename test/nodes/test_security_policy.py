# SPDX-License-Identifier: Apache-2.0
"""The SROS2 policy against what the node really publishes, hears and serves: all of it, and nothing besides."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from fnmatch import fnmatch

import pytest

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

from hri_msgs.msg import IdsList  # noqa: E402
from rclpy.qos import QoSProfile  # noqa: E402

from facial_coding_ros.client import FaceListener  # noqa: E402
from facial_coding_ros.types import ImageArray  # noqa: E402

from ..conftest import REPOSITORY  # noqa: E402
from ..ros import Client, node  # noqa: E402
from .test_node import see_people  # noqa: E402

POLICY = REPOSITORY / "config" / "sros2" / "policy.xml"
ELSEWHERE = {
    "publish": {
        "/tf",
        "/facial_coding/annotations",  # where tf2_ros and foxglove_msgs are installed
        "/humans/persons/*/engagement_status",  # of persons
    },
    "subscribe": {
        "/image/compressed",
        "/clock",
        "/humans/faces/tracked",
        "/humans/faces/*/roi",
        "/humans/voices/*/is_speaking",  # of voices
        "/tf",  # with robot_face_frame, where tf2_ros is installed
        "/tf_static",
    },
    "reply": set(),
}


def allowed(enclave: str) -> dict[str, set[str]]:
    """Names by what is allowed with them."""
    profile = ET.parse(POLICY).getroot().find(f".//enclave[@path='/{enclave}']/profiles/profile")
    assert profile is not None and profile.get("node") == enclave
    found: dict[str, set[str]] = {}
    for group in profile:
        for right in ("publish", "subscribe", "reply", "request"):
            if group.get(right) == "ALLOW":
                found[right] = {(entry.text or "").replace("~", f"/{enclave}") for entry in group}
    return found


def test_policy_is_what_the_node_needs(client: Client, images: Iterator[ImageArray]) -> None:
    persons = client.node.create_publisher(IdsList, "/humans/persons/tracked", QoSProfile(depth=1))
    with node() as process:
        camera, _ = see_people(client, process, images)

        def used() -> dict[str, set[str]]:
            graph, me = client.node, ("facial_coding", "/")
            return {
                "publish": {name for name, _ in graph.get_publisher_names_and_types_by_node(*me)},
                "subscribe": {name for name, _ in graph.get_subscriber_names_and_types_by_node(*me)},
                "reply": {name for name, _ in graph.get_service_names_and_types_by_node(*me)},
            }

        def complete() -> bool:
            persons.publish(IdsList(ids=["ada"]))
            return {"/humans/persons/ada/anonymous", "/humans/persons/ada/face_id"} <= used()["subscribe"]

        camera.send_until(complete, images, process, "the subscriptions of a person")
        found, policy = used(), allowed("facial_coding")
    for right, names in found.items():
        refused = {name for name in names if not any(fnmatch(name, one) for one in policy[right])}
        assert refused == set(), f"{right}: the policy forbids what the node does"
        idle = {one for one in policy[right] if not any(fnmatch(name, one) for name in names)}
        assert idle <= ELSEWHERE[right], f"{right}: the policy allows what the node does not do"


def test_policy_of_the_example_is_what_it_uses(client: Client) -> None:
    """The client that examples/dialogue_manager.py is built on, in a node of that name."""
    own = rclpy.create_node("dialogue_manager", context=client.node.context)
    listener = FaceListener(own)
    me, policy = ("dialogue_manager", "/"), allowed("dialogue_manager")
    assert {name for name, _ in own.get_subscriber_names_and_types_by_node(*me)} == policy["subscribe"]
    assert {name for name, _ in own.get_client_names_and_types_by_node(*me)} == policy["request"]
    assert {name for name, _ in own.get_publisher_names_and_types_by_node(*me)} == policy["publish"]
    assert {name for name, _ in own.get_service_names_and_types_by_node(*me)} == policy["reply"]
    listener.destroy()
    own.destroy_node()
