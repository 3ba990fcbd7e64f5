# SPDX-License-Identifier: Apache-2.0
"""REP-155's topics that keep their last word ("latched", transient local), heard whoever publishes them and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks


class LatchedSubscription:
    """The newest message of a topic, also one that was sent before we came.

    A subscription that wants what was kept does not hear publishers that keep nothing, and one that does not gets
    nothing of what was kept: so there are two. `callback` may be given the same message twice.
    """

    def __init__(self, node: Node, kind: type, topic: str, callback: Callable[[Any], None]) -> None:
        self._node = node
        # Each of the two finds the other one's publishers incompatible, which is nothing to report.
        silent = SubscriptionEventCallbacks(use_default_callbacks=False)
        self._subscriptions: list[Subscription[Any]] = [
            node.create_subscription(
                kind,
                topic,
                callback,
                QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=durability),
                event_callbacks=silent,
            )
            for durability in (DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL)
        ]

    def destroy(self) -> None:
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []
