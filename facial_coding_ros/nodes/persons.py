"""Which person a face is, as REP-155's person manager and recognisers say it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hri_msgs.msg import IdsList, IdsMatch
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from std_msgs.msg import String

LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)


class Persons:
    """Tells `joined(face_id, person_id)` whenever a face is said to be a person, and again when that is corrected.

    An empty person_id: the face is nobody known any more.
    """

    def __init__(self, node: Node, match_confidence: Callable[[], float], joined: Callable[[str, str], None]) -> None:
        self._node = node
        self._match_confidence = match_confidence
        self._joined = joined
        self._faces: dict[str, str] = {}
        self._persons: dict[str, Subscription[Any]] = {}
        self._subscriptions = [
            node.create_subscription(IdsList, "/humans/persons/tracked", self._on_tracked, RELIABLE),
            node.create_subscription(IdsMatch, "/humans/candidate_matches", self._on_match, RELIABLE),
        ]

    def _on_tracked(self, message: IdsList) -> None:
        for person_id in set(message.ids) - set(self._persons):
            self._persons[person_id] = self._node.create_subscription(
                String,
                f"/humans/persons/{person_id}/face_id",
                lambda face, person_id=person_id: self._on_face(person_id, face.data),
                LATCHED,
            )
        for person_id in set(self._persons) - set(message.ids):
            self._node.destroy_subscription(self._persons.pop(person_id))
            self._faces.pop(person_id, None)

    def _on_face(self, person_id: str, face_id: str) -> None:
        before = self._faces.get(person_id, "")
        if before == face_id:
            return
        if before:
            self._joined(before, "")
        self._faces[person_id] = face_id
        if face_id:
            self._joined(face_id, person_id)

    def _on_match(self, message: IdsMatch) -> None:
        ids = {message.id1_type: message.id1, message.id2_type: message.id2}
        if set(ids) != {IdsMatch.PERSON, IdsMatch.FACE}:
            return
        person_id, face_id = ids[IdsMatch.PERSON], ids[IdsMatch.FACE]
        if message.confidence >= self._match_confidence():
            self._on_face(person_id, face_id)
        elif self._faces.get(person_id) == face_id:
            self._on_face(person_id, "")

    def destroy(self) -> None:
        for subscription in [*self._subscriptions, *self._persons.values()]:
            self._node.destroy_subscription(subscription)
        self._persons.clear()
