# SPDX-License-Identifier: Apache-2.0
"""Face codes, events and summaries of the node `facial_coding`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from facial_coding_msgs.msg import FaceCodeArray, FaceEvent, PersonSummary
from facial_coding_msgs.srv import Summarize
from rclpy.client import Client
from rclpy.node import Node
from rclpy.task import Future

from ..events import Event
from ..face_codes.fields import event_of
from ..nodes.messages import face_code_of, stamp_ns_of
from .snapshot import Snapshot


class NodeSource:
    """Calls `seen(snapshots)` for each image and `happened(event)` for each event.

    topic: where the node's topics are, absolute or in the namespace of `node`. The node may be restarted meanwhile.
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        seen: Callable[[list[Snapshot], int], None],
        happened: Callable[[Event], None],
    ) -> None:
        self._node, self._seen, self._happened = node, seen, happened
        self._subscriptions = [
            node.create_subscription(FaceCodeArray, f"{topic}/face_codes", self._on_codes, 10),
            node.create_subscription(FaceEvent, f"{topic}/events", self._on_event, 50),
        ]
        self._service: Client[Any, Any] = node.create_client(Summarize, f"{topic}/summarize")

    def _on_codes(self, message: FaceCodeArray) -> None:
        stamp_ns = stamp_ns_of(message.header)
        snapshots = [
            Snapshot.of(face_code_of(face), stamp_ns, math.nan if face.distance_m == 0 else face.distance_m)
            for face in message.faces
        ]
        self._seen(snapshots, stamp_ns)

    def _on_event(self, message: FaceEvent) -> None:
        self._happened(event_of(message))

    def summarize(self, seconds: float, who: str) -> Future[Any] | None:
        """The service's answer to come; None while nobody offers it."""
        if not self._service.service_is_ready():
            return None
        return self._service.call_async(Summarize.Request(person_id=who, seconds=float(seconds)))

    def destroy(self) -> None:
        """Ends the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._node.destroy_client(self._service)


def text_of(answer: Summarize.Response) -> tuple[str, list[PersonSummary]]:
    """Text and summaries of an answer. Raises ValueError with the reason of a refusal."""
    if not answer.success:
        raise ValueError(answer.message)
    return answer.text, list(answer.summaries)
