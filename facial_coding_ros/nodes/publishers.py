# SPDX-License-Identifier: Apache-2.0
"""Who else publishes on a topic, as far as discovery has come."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.topic_endpoint_info import TopicEndpointInfo

_NOT_YET_KNOWN = ("_NODE_NAME_UNKNOWN_", "_CREATED_BY_BARE_DDS_APP_")
"""Node names that rmw gives while the participant of an endpoint is not discovered, or where it is no ROS node."""


def node_name(publisher: TopicEndpointInfo) -> str | None:
    """Full name of the publisher's node; None while it is not known."""
    if publisher.node_name in _NOT_YET_KNOWN:
        return None
    return f"{publisher.node_namespace.rstrip('/')}/{publisher.node_name}"


def problem_of_tracked(node: Node, tracked_topic: str, add_on: bool) -> str | None:
    """What is wrong with who publishes the set of faces: nobody for an add-on, somebody beside this node else.

    A publisher whose node is not known yet is left out: it is named once discovery has come that far.
    """
    publishers = node.get_publishers_info_by_topic(tracked_topic)
    if add_on:
        if publishers:
            return None
        return "nobody publishes the faces to add to; without a face detector, set mode to standalone"
    names = [name for name in map(node_name, publishers) if name is not None]
    if len(names) < 2:
        return None
    return (
        f"{', '.join(names)} all do, and each message replaces the whole set. Stop one, set its mode to addon, or give "
        "each a parameter humans_namespace of its own, such as /left/humans, and ids another tracking.id_seed"
    )
