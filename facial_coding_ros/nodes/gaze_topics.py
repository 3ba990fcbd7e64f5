# SPDX-License-Identifier: Apache-2.0
"""REP-155's gaze and engagement: who looks at the robot, and how engaged each person is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hri_msgs import msg as hri
from rclpy.node import Node
from rclpy.publisher import Publisher

from ..events import Event, Phase
from ..types import Face, FaceCode, Frame
from . import messages
from .humans import DEFAULT_NAMESPACE, RELIABLE

try:
    from rclpy.event_handler import PublisherEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks

_ENGAGED_FROM, _DISENGAGED_FROM = 0.6, 0.25
_FAR_M = 2.5
"""Beyond this distance attention counts half for engagement; at twice of it, not at all."""
_KEPT_S = 5.0
"""How long a person's publisher and level are kept out of view, in seconds of image time."""
_TURN_S = 1.0
"""How long attention must be high or low before somebody counts as engaged or disengaged."""
_UNSEEN_S = 1.0
"""After so long without known attention, out of view or with unseen eyes, a person's engagement is unknown."""


@dataclass
class _EngagedPerson:
    publisher: Publisher[Any]
    stamp_ns: int
    """Of the last image with this person."""
    known_ns: int
    """Of the last image in which the attention was known."""
    level: int = 0  # UNKNOWN
    turning_ns: int = 0
    """Since when the level holds, see `engagement_level`."""


class GazeTopics:
    """Publishes `/humans/interactions/gazing` while somebody has eye contact, and each person's engagement.

    engagement: whether to publish it; off where another node does. Only persons, not faces, are named in both.
    """

    def __init__(self, node: Node, engagement: bool, namespace: str = DEFAULT_NAMESPACE) -> None:
        self._node, self._engagement = node, engagement and hasattr(hri, "EngagementLevel")
        gazing = f"{namespace}/interactions/gazing"
        self._engagement_topic = f"{namespace}/persons/{{}}/engagement_status"
        self._gazing = node.create_publisher(hri.Gaze, gazing, RELIABLE) if hasattr(hri, "Gaze") else None
        self._contacts: dict[str, Event] = {}  # those that have begun and not ended, by event_id
        self._people: dict[str, _EngagedPerson] = {}

    def heard(self, person_ids: Iterable[str]) -> bool:
        """Whether somebody subscribes to what is said of these persons."""
        if self._gazing is not None and self._gazing.get_subscription_count():
            return True
        topics = [self._engagement_topic.format(person_id) for person_id in person_ids if self._engagement]
        return any(self._node.count_subscribers(topic) for topic in topics)

    def publish(self, frame: Frame, codes: Sequence[FaceCode], events: Sequence[Event]) -> None:
        """Of one frame; the node calls it under its lock."""
        for event in events:
            if event.kind == "eye_contact" and event.phase is Phase.BEGIN:
                self._contacts[event.event_id] = event
            elif event.kind == "eye_contact":
                self._contacts.pop(event.event_id, None)
        header = messages.header_of(frame.stamp_ns, frame.frame_id)
        for code in codes:
            person_id = code.face.person_id
            if not person_id:
                continue
            if self._gazing is not None and self._in_contact(code.face):
                self._gazing.publish(hri.Gaze(header=header, sender=person_id, receiver=""))  # empty: the robot
            if self._engagement:
                self._publish_engagement(header, code, frame.stamp_ns)
        in_view = {code.face.person_id for code in codes}
        for person_id, held in list(self._people.items()):
            if person_id in in_view:
                continue
            gone_s = (frame.stamp_ns - held.stamp_ns) / 1e9
            if not 0 <= gone_s <= _UNSEEN_S:
                self._publish_unknown(header, held)
            if not 0 <= gone_s <= _KEPT_S:
                self._node.destroy_publisher(self._people.pop(person_id).publisher)

    def _in_contact(self, face: Face) -> bool:
        """Whether eye contact of this face or person has begun. A face may have become a person since."""
        return any(
            face.person_id == contact.person_id if contact.person_id else face.face_id == contact.face_id
            for contact in self._contacts.values()
        )

    def forget_contacts(self) -> None:
        """Call when frames are missing: nobody would see eye contact end."""
        self._contacts.clear()

    def nobody(self, header: Any) -> None:
        """Call when images have ceased: how engaged somebody is, is no longer known. header: of the last image."""
        for held in self._people.values():
            self._publish_unknown(header, held)

    @staticmethod
    def _publish_unknown(header: Any, held: _EngagedPerson) -> None:
        """Once, when it was known before."""
        if held.level != hri.EngagementLevel.UNKNOWN:
            held.level = hri.EngagementLevel.UNKNOWN
            held.publisher.publish(hri.EngagementLevel(header=header, level=held.level))

    def _publish_engagement(self, header: Any, code: FaceCode, stamp_ns: int) -> None:
        person_id = code.face.person_id
        held = self._people.get(person_id)
        if held is None:
            silent = PublisherEventCallbacks(use_default_callbacks=False)
            publisher = self._node.create_publisher(
                hri.EngagementLevel, self._engagement_topic.format(person_id), RELIABLE, event_callbacks=silent
            )
            held = self._people[person_id] = _EngagedPerson(publisher, stamp_ns, stamp_ns)
        if not 0 <= stamp_ns - held.stamp_ns <= _KEPT_S * 1e9:
            held.level, held.known_ns = hri.EngagementLevel.UNKNOWN, stamp_ns
        held.stamp_ns = stamp_ns
        score = engagement_score(code.attention, _distance(code))
        if not math.isnan(score):
            held.known_ns = stamp_ns
        held.level, held.turning_ns = engagement_level(held.level, held.turning_ns, score, stamp_ns)
        if stamp_ns - held.known_ns > _UNSEEN_S * 1e9:
            held.level = hri.EngagementLevel.UNKNOWN
        held.publisher.publish(hri.EngagementLevel(header=header, level=held.level))

    def destroy(self) -> None:
        for held in self._people.values():
            self._node.destroy_publisher(held.publisher)
        self._people.clear()
        if self._gazing is not None:
            self._node.destroy_publisher(self._gazing)
            self._gazing = None


def _distance(code: FaceCode) -> float | None:
    position = code.face.pose.position_m
    return None if position is None else float((position.astype(float) ** 2).sum() ** 0.5)


def engagement_score(attention: float, distance_m: float | None) -> float:
    """0..1: attention, less of it from far away; NaN where attention is not known."""
    if distance_m is None:
        return attention
    near = min(max((2 * _FAR_M - distance_m) / _FAR_M * 0.5 + 0.5, 0.0), 1.0) if distance_m > _FAR_M else 1.0
    return attention * near


def engagement_level(level: int, turning_ns: int, score: float, stamp_ns: int) -> tuple[int, int]:
    """The next level of hri_msgs/EngagementLevel and when it was taken.

    A person passes ENGAGING on the way to ENGAGED, and DISENGAGING on the way back; each takes a second of high or low
    attention. Unknown attention changes nothing. Where stamps have gone back, the second begins anew.
    """
    message = hri.EngagementLevel
    turning_ns = min(turning_ns, stamp_ns)
    if math.isnan(score):
        return level, turning_ns
    settled = stamp_ns - turning_ns >= _TURN_S * 1e9
    if level == message.ENGAGED:
        return (message.DISENGAGING, stamp_ns) if score < _DISENGAGED_FROM else (level, stamp_ns)
    if level == message.DISENGAGING:
        if score >= _ENGAGED_FROM:
            return message.ENGAGED, stamp_ns
        return (message.DISENGAGED, stamp_ns) if settled else (level, turning_ns)
    if level == message.ENGAGING:
        if score < _DISENGAGED_FROM:
            return message.DISENGAGED, stamp_ns
        return (message.ENGAGED, stamp_ns) if settled else (level, turning_ns)
    return (message.ENGAGING, stamp_ns) if score >= _ENGAGED_FROM else (message.DISENGAGED, stamp_ns)
