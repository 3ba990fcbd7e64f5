# SPDX-License-Identifier: Apache-2.0
"""Who is heard to talk, where another node hears voices and knows whose they are."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from hri_msgs import msg as hri
from rclpy.node import Node
from rclpy.subscription import Subscription
from std_msgs.msg import Bool

from .humans import DEFAULT_NAMESPACE, RELIABLE
from .ids import with_topics
from .latched import LatchedSubscription

MOST_VOICES = 64
"""Voices listened to at once."""
MOST_OWNERS = 256
"""Voices of which it is remembered whose they are; the oldest goes first."""


class Voices:
    """Who is heard to talk: REP-155's `voices`, and `candidate_matches` that say whose they are.

    changed: called with person or face id -> 0 or 1 whenever that changes. match_confidence: confidence from which a
    match counts.
    """

    def __init__(
        self,
        node: Node,
        changed: Callable[[dict[str, float]], None],
        match_confidence: Callable[[], float],
        namespace: str = DEFAULT_NAMESPACE,
    ) -> None:
        self._node, self._changed, self._match_confidence = node, changed, match_confidence
        self._topic = f"{namespace}/voices/{{}}/is_speaking"
        self._owner: OrderedDict[str, str] = OrderedDict()
        self._speaking: dict[str, bool] = {}
        self._voices: dict[str, Subscription[Any]] = {}
        self._published: set[str] = set()  # voices somebody publishes, as far as discovery has come
        self._tracked = LatchedSubscription(node, hri.IdsList, f"{namespace}/voices/tracked", self._on_tracked)
        self._candidates = node.create_subscription(
            hri.IdsMatch, f"{namespace}/candidate_matches", self._on_match, RELIABLE
        )

    def _on_tracked(self, message: hri.IdsList) -> None:
        ids = with_topics(self._node, message.ids, self._topic, MOST_VOICES)
        for voice in ids - set(self._voices):
            on_message = lambda message, voice=voice: self._on_speaking(voice, message.data)  # noqa: E731
            self._voices[voice] = self._node.create_subscription(Bool, self._topic.format(voice), on_message, RELIABLE)
        for voice in set(self._voices) - ids:
            self._node.destroy_subscription(self._voices.pop(voice))
            self._speaking.pop(voice, None)
            self._published.discard(voice)
        self._report()

    def _on_match(self, message: hri.IdsMatch) -> None:
        ids = {message.id1_type: message.id1, message.id2_type: message.id2}
        voice = ids.get(hri.IdsMatch.VOICE, "")
        whose = ids.get(hri.IdsMatch.PERSON) or ids.get(hri.IdsMatch.FACE) or ""
        if not voice or not whose or with_topics(self._node, [voice, whose], self._topic) != {voice, whose}:
            return
        if self._match_confidence() <= message.confidence <= 1:
            self._owner[voice] = whose
        elif self._owner.get(voice) == whose:
            del self._owner[voice]
        while len(self._owner) > MOST_OWNERS:
            self._owner.popitem(last=False)
        self._report()

    def _on_speaking(self, voice: str, speaking: bool) -> None:
        self._speaking[voice] = speaking
        self._report()

    def drop_unpublished(self) -> None:
        """Call often: a voice whose publisher has gone is not known to speak any more."""
        published = {voice for voice in self._voices if self._node.count_publishers(self._topic.format(voice))}
        gone = self._published - published
        self._published = published
        if gone & set(self._speaking):
            for voice in gone:
                self._speaking.pop(voice, None)
            self._report()

    def _report(self) -> None:
        talking: dict[str, float] = {}
        for voice, whose in self._owner.items():
            if voice in self._speaking and voice in self._voices:
                talking[whose] = max(talking.get(whose, 0.0), float(self._speaking[voice]))
        self._changed(talking)

    def destroy(self) -> None:
        self._tracked.destroy()
        for subscription in [self._candidates, *self._voices.values()]:
            self._node.destroy_subscription(subscription)
        self._voices.clear()
