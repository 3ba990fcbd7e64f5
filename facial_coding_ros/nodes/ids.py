# SPDX-License-Identifier: Apache-2.0
"""Ids that other nodes give to faces and persons."""

from __future__ import annotations

from collections.abc import Iterable

from rclpy.exceptions import InvalidTopicNameException
from rclpy.node import Node
from rclpy.validate_full_topic_name import validate_full_topic_name

_SHOWN = 20  # ids in a warning, and letters of each


def with_topics(node: Node, ids: Iterable[str], topic: str, most: int | None = None) -> set[str]:
    """The ids that `topic`, with {} for the id, is a name for, the first `most` of them.

    The others are left out with a warning.
    REP-155 allows letters, digits and _, the first not a digit; a subscription under another name would end the node.
    """
    named = {one: _is_name(topic.format(one)) and "/" not in one for one in ids}
    left_out = ", ".join(sorted(repr(one[:_SHOWN]) for one, valid in named.items() if not valid)[:_SHOWN])
    if left_out:
        node.get_logger().warning(
            f"left out: {left_out}, of which no topic {topic.format('ID')} can be made; an id has letters, digits and "
            "_, and does not begin with a digit",
            throttle_duration_sec=10.0,
        )
    valid_ids = [one for one, valid in named.items() if valid]
    if most is not None and len(valid_ids) > most:
        node.get_logger().warning(
            f"{len(valid_ids)} ids at once; the first {most} are listened to", throttle_duration_sec=10.0
        )
        valid_ids = valid_ids[:most]
    return set(valid_ids)


def _is_name(topic: str) -> bool:
    try:
        return bool(validate_full_topic_name(topic))
    except InvalidTopicNameException:
        return False
