# SPDX-License-Identifier: Apache-2.0
"""Which person a face is, as REP-155's person manager and recognisers say it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from hri_msgs.msg import IdsList, IdsMatch
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import Bool, String

from .humans import DEFAULT_NAMESPACE
from .ids import with_topics
from .latched import LatchedSubscription

RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)

ANONYMOUS_PREFIX = "anonymous_"
"""How person managers begin the ids that they make up; such a person is anonymous until its own topic denies it."""
MOST_MATCHES = 256
"""Matches remembered; the oldest goes first."""
AT_ONCE, EVERY_S = 4, 0.05
"""Persons that are begun to be listened to at once, and how soon the next ones are."""
MOST_PERSONS = 64
"""Persons listened to at once."""


class Joined(Protocol):
    """Told that a face is a person from now on, or, where person_id is empty, nobody known any more.

    anonymous: the id does not last; nothing is to be kept under it. With an empty person_id: so was that of the person
    whom the face was held for, and it is gone.
    """

    def __call__(self, face_id: str, person_id: str, anonymous: bool) -> None: ...


@dataclass
class _Match:
    """certain: said by the person's own topic, which alone may change it."""

    face_id: str
    confidence: float
    certain: bool = False


class Persons:
    """Tells `joined` whenever a face is said to be a person, and again when that is corrected.

    A face is one person at a time: of several candidates the most confident; what a person's own topic says is certain;
    an anonymous person gives way to any other.
    """

    def __init__(
        self, node: Node, match_confidence: Callable[[], float], joined: Joined, namespace: str = DEFAULT_NAMESPACE
    ) -> None:
        self._node = node
        persons = f"{namespace}/persons"
        self._face_id_topic = f"{persons}/{{}}/face_id"
        self._anonymous_topic = f"{persons}/{{}}/anonymous"
        self._match_confidence = match_confidence
        self._joined = joined
        self._matches: OrderedDict[str, _Match] = OrderedDict()
        self._persons: dict[str, list[LatchedSubscription]] = {}
        self._said_anonymous: dict[str, bool] = {}
        self._unheard: list[str] = []
        self._later = node.create_timer(EVERY_S, self._hear_some, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._later.cancel()
        self._tracked = LatchedSubscription(node, IdsList, f"{persons}/tracked", self._on_tracked)
        self._candidates = node.create_subscription(
            IdsMatch, f"{namespace}/candidate_matches", self._on_match, RELIABLE
        )

    def _on_tracked(self, message: IdsList) -> None:
        """Of many new persons, a few at a time: each takes milliseconds, in which no image is heard."""
        ids = with_topics(self._node, message.ids, self._face_id_topic, MOST_PERSONS)
        for person_id in set(self._persons) - ids:
            for subscription in self._persons.pop(person_id):
                subscription.destroy()
            self._on_face(person_id, "", 0.0)
            self._said_anonymous.pop(person_id, None)
        self._unheard = sorted(ids - set(self._persons))
        self._hear_some()

    def _hear_some(self) -> None:
        some, self._unheard = self._unheard[:AT_ONCE], self._unheard[AT_ONCE:]
        if self._unheard:
            self._later.reset()
        else:
            self._later.cancel()
        for person_id in some:
            self._persons[person_id] = [
                LatchedSubscription(
                    self._node,
                    Bool,
                    self._anonymous_topic.format(person_id),
                    partial(self._on_anonymous, person_id),
                ),
                LatchedSubscription(
                    self._node,
                    String,
                    self._face_id_topic.format(person_id),
                    partial(self._on_own_face, person_id),
                ),
            ]

    def _is_anonymous(self, person_id: str) -> bool:
        return self._said_anonymous.get(person_id, person_id.startswith(ANONYMOUS_PREFIX))

    def _on_anonymous(self, person_id: str, message: Bool) -> None:
        changed = self._is_anonymous(person_id) != message.data
        self._said_anonymous[person_id] = message.data
        match = self._matches.get(person_id)
        if changed and match is not None:
            self._joined(match.face_id, person_id, message.data)

    def _on_own_face(self, person_id: str, message: String) -> None:
        if message.data and not with_topics(self._node, [message.data], self._face_id_topic):
            return
        self._on_face(person_id, message.data, 1.0, certain=True)

    def _on_face(self, person_id: str, face_id: str, confidence: float, certain: bool = False) -> None:
        known = self._matches.get(person_id)
        if known is not None and known.face_id == face_id:
            known.confidence, known.certain = confidence, certain
            return
        other = next((p for p, match in self._matches.items() if match.face_id == face_id), None)
        if other is not None and self._outranks(other, person_id, confidence, certain):
            return
        if known is not None:
            del self._matches[person_id]
            self._joined(known.face_id, "", self._is_anonymous(person_id) and not face_id)
        if other is not None:
            del self._matches[other]
        if face_id:
            self._matches[person_id] = _Match(face_id, confidence, certain)
            self._joined(face_id, person_id, self._is_anonymous(person_id))
        while len(self._matches) > MOST_MATCHES:
            self._matches.popitem(last=False)

    def _outranks(self, other: str, person_id: str, confidence: float, certain: bool) -> bool:
        """Whether the person that a face is held for stays it."""
        unknown = self._is_anonymous(other)
        if unknown != self._is_anonymous(person_id):
            return not unknown
        match = self._matches[other]
        return (match.certain and not certain) or match.confidence > confidence

    def _on_match(self, message: IdsMatch) -> None:
        ids = {message.id1_type: message.id1, message.id2_type: message.id2}
        if set(ids) != {IdsMatch.PERSON, IdsMatch.FACE}:
            return
        person_id, face_id = ids[IdsMatch.PERSON], ids[IdsMatch.FACE]
        if with_topics(self._node, [person_id, face_id], self._face_id_topic) != {person_id, face_id}:
            return
        if not 0 <= message.confidence <= 1:
            self._node.get_logger().warning(
                f"left out: candidate_matches gives {person_id} and {face_id} a confidence of "
                f"{message.confidence}; 0 to 1 is allowed",
                throttle_duration_sec=10.0,
            )
            return
        known = self._matches.get(person_id)
        if known is not None and known.certain:
            return
        if message.confidence >= self._match_confidence():
            self._on_face(person_id, face_id, message.confidence)
        elif known is not None and known.face_id == face_id:
            self._on_face(person_id, "", 0.0)

    def destroy(self) -> None:
        for subscription in [self._tracked, *(one for both in self._persons.values() for one in both)]:
            subscription.destroy()
        self._node.destroy_timer(self._later)
        self._node.destroy_subscription(self._candidates)
        self._persons.clear()
