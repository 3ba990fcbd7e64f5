"""Which person a face is, as REP-155's person manager and recognisers say it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hri_msgs.msg import IdsList, IdsMatch
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from std_msgs.msg import String

from .ids import with_topics

LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)

FACE_ID = "/humans/persons/{}/face_id"
MOST_MATCHES = 256
"""Matches remembered; the oldest goes first."""


@dataclass
class _Match:
    face_id: str
    confidence: float


class Persons:
    """Tells `joined(face_id, person_id)` whenever a face is said to be a person, and again when that is corrected.

    An empty person_id: the face is nobody known any more. A face is one person at a time: of several candidates the
    most confident; what a person's own topic says is certain.
    """

    def __init__(self, node: Node, match_confidence: Callable[[], float], joined: Callable[[str, str], None]) -> None:
        self._node = node
        self._match_confidence = match_confidence
        self._joined = joined
        self._matches: OrderedDict[str, _Match] = OrderedDict()
        self._persons: dict[str, Subscription[Any]] = {}
        self._subscriptions = [
            node.create_subscription(IdsList, "/humans/persons/tracked", self._on_tracked, RELIABLE),
            node.create_subscription(IdsMatch, "/humans/candidate_matches", self._on_match, RELIABLE),
        ]

    def _on_tracked(self, message: IdsList) -> None:
        ids = with_topics(self._node, message.ids, FACE_ID)
        for person_id in ids - set(self._persons):
            self._persons[person_id] = self._node.create_subscription(
                String,
                FACE_ID.format(person_id),
                lambda face, person_id=person_id: self._on_face(person_id, face.data, 1.0),
                LATCHED,
            )
        for person_id in set(self._persons) - ids:
            self._node.destroy_subscription(self._persons.pop(person_id))
            self._matches.pop(person_id, None)

    def _on_face(self, person_id: str, face_id: str, confidence: float) -> None:
        known = self._matches.get(person_id)
        if known is not None and known.face_id == face_id:
            known.confidence = confidence
            return
        other = next((p for p, match in self._matches.items() if match.face_id == face_id), None)
        if other is not None and self._matches[other].confidence > confidence:
            return
        if known is not None:
            del self._matches[person_id]
            self._joined(known.face_id, "")
        if other is not None:
            del self._matches[other]
        if face_id:
            self._matches[person_id] = _Match(face_id, confidence)
            self._joined(face_id, person_id)
        while len(self._matches) > MOST_MATCHES:
            self._matches.popitem(last=False)

    def _on_match(self, message: IdsMatch) -> None:
        ids = {message.id1_type: message.id1, message.id2_type: message.id2}
        if set(ids) != {IdsMatch.PERSON, IdsMatch.FACE}:
            return
        person_id, face_id = ids[IdsMatch.PERSON], ids[IdsMatch.FACE]
        if not (person_id and face_id):
            return
        known = self._matches.get(person_id)
        if message.confidence >= self._match_confidence():
            self._on_face(person_id, face_id, message.confidence)
        elif known is not None and known.face_id == face_id:
            self._on_face(person_id, "", 0.0)

    def destroy(self) -> None:
        for subscription in [*self._subscriptions, *self._persons.values()]:
            self._node.destroy_subscription(subscription)
        self._persons.clear()
