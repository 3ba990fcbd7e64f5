# SPDX-License-Identifier: Apache-2.0
"""Who is heard to talk, where another node hears voices and knows whose they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hri_msgs import msg as hri
from rclpy.node import Node
from rclpy.subscription import Subscription

from .humans import RELIABLE


class Voices:
    """Who is heard to talk: `/humans/voices`, and `/humans/candidate_matches` that say whose they are.

    told: called with person or face id -> 0 or 1 whenever that changes.
    """

    VOICES = "/humans/voices"

    def __init__(self, node: Node, told: Callable[[dict[str, float]], None], match_confidence: float) -> None:
        self._node, self._told, self._match_confidence = node, told, match_confidence
        self._owner: dict[str, str] = {}
        self._speaking: dict[str, bool] = {}
        self._voices: dict[str, Subscription[Any]] = {}
        self._subscriptions: list[Subscription[Any]] = [
            node.create_subscription(hri.IdsList, f"{self.VOICES}/tracked", self._on_tracked, RELIABLE),
            node.create_subscription(hri.IdsMatch, "/humans/candidate_matches", self._on_match, RELIABLE),
        ]

    def _on_tracked(self, message: hri.IdsList) -> None:
        from std_msgs.msg import Bool

        ids = {one for one in message.ids if one.isidentifier()}
        for voice in ids - set(self._voices):
            topic = f"{self.VOICES}/{voice}/is_speaking"
            said = lambda message, voice=voice: self._on_speaking(voice, message.data)  # noqa: E731
            self._voices[voice] = self._node.create_subscription(Bool, topic, said, RELIABLE)
        for voice in set(self._voices) - ids:
            self._node.destroy_subscription(self._voices.pop(voice))
            self._speaking.pop(voice, None)
        self._tell()

    def _on_match(self, message: hri.IdsMatch) -> None:
        ids = {message.id1_type: message.id1, message.id2_type: message.id2}
        voice = ids.get(hri.IdsMatch.VOICE, "")
        whose = ids.get(hri.IdsMatch.PERSON) or ids.get(hri.IdsMatch.FACE) or ""
        if not voice or not whose:
            return
        if message.confidence >= self._match_confidence:
            self._owner[voice] = whose
        elif self._owner.get(voice) == whose:
            del self._owner[voice]
        self._tell()

    def _on_speaking(self, voice: str, speaking: bool) -> None:
        self._speaking[voice] = speaking
        self._tell()

    def _tell(self) -> None:
        told: dict[str, float] = {}
        for voice, whose in self._owner.items():
            if voice in self._speaking and voice in self._voices:
                told[whose] = max(told.get(whose, 0.0), float(self._speaking[voice]))
        self._told(told)

    def destroy(self) -> None:
        for subscription in [*self._subscriptions, *self._voices.values()]:
            self._node.destroy_subscription(subscription)
        self._voices.clear()
