# SPDX-License-Identifier: Apache-2.0
"""What somebody listens to: only that is coded."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rclpy.node import Node

from ..coding.output_settings import OUTPUTS, Outputs


class Demand:
    """Union of what the topics' users need. Not thread-safe, as Humans.

    topics: each says what the subscribers of its topics need now. Says in the log when coding begins and ends.
    """

    def __init__(self, node: Node, topics: Sequence[Callable[[], Outputs]], allowed: Outputs = OUTPUTS) -> None:
        self._node, self._topics, self._allowed = node, topics, allowed
        self._wanted: Outputs | None = None

    def outputs(self) -> Outputs:
        """What is needed now, of what is allowed."""
        wanted = self._allowed.intersection(frozenset[str]().union(*(topic() for topic in self._topics)))
        if self._wanted is None or bool(wanted) != bool(self._wanted):
            self._node.get_logger().info(f"coded: {words(wanted)}")
        self._wanted = wanted
        return wanted

    @property
    def complete(self) -> bool:
        """Whether all that is allowed is coded now."""
        return self._wanted == self._allowed

    @property
    def words(self) -> str:
        """For diagnostics."""
        return words(self._wanted or frozenset())


def words(outputs: Outputs) -> str:
    """What is coded, in words."""
    return ", ".join(sorted(outputs)) or "nothing, as nobody subscribes to it; faces are tracked, and neutrals learnt"


def clients_of(node: Node, service: str) -> int:
    """Clients of a service; 1 where this ROS cannot count them (Humble)."""
    count = getattr(node, "count_clients", None)
    return 1 if count is None else int(count(service))
