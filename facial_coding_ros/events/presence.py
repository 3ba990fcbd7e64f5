# SPDX-License-Identifier: Apache-2.0
"""Who comes into view, leaves it, and comes back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from ..types import Face, FaceCode
from .event import Event, Phase

MOST_REMEMBERED = 256


@dataclass
class _HeldPerson:
    face: Face
    since_ns: int
    seen_ns: int


class Presence:
    """`appears`, `leaves` and `returns`. A face counts as gone when it has been out of view for `gone_s`.

    A face that turns out to be a person is the same one; a person who was here before `returns`.
    """

    kinds = ("appears", "leaves", "returns")

    def __init__(self, gone_s: float = 1.0) -> None:
        self._gone_ns = round(gone_s * 1e9)
        self._here: dict[str, _HeldPerson] = {}
        self._known: OrderedDict[str, int] = OrderedDict()
        self._last_ns: int | None = None

    def update(self, codes: Sequence[FaceCode], stamp_ns: int) -> list[Event]:
        if self._last_ns is not None and stamp_ns < self._last_ns:
            self._here.clear()
        self._last_ns = stamp_ns
        events: list[Event] = []
        for code in codes:
            face, key = code.face, code.face.subject_key
            if key not in self._here:
                if face.face_id in self._here:
                    self._here[key] = self._here.pop(face.face_id)
                    self._known.pop(face.face_id, None)
                    self._remember(key, stamp_ns)
                else:
                    kind = "returns" if key in self._known else "appears"
                    self._here[key] = _HeldPerson(face, stamp_ns, stamp_ns)
                    self._remember(key, stamp_ns)
                    events.append(self._event(kind, face, stamp_ns, stamp_ns, stamp_ns))
            held = self._here[key]
            held.face, held.seen_ns = face, stamp_ns
        for key, held in list(self._here.items()):
            if stamp_ns - held.seen_ns > self._gone_ns:
                del self._here[key]
                events.append(self._event("leaves", held.face, stamp_ns, held.since_ns, held.seen_ns))
        return events

    def _remember(self, key: str, stamp_ns: int) -> None:
        self._known[key] = stamp_ns
        self._known.move_to_end(key)
        while len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)

    @staticmethod
    def _event(kind: str, face: Face, stamp_ns: int, start_ns: int, end_ns: int) -> Event:
        """Of `leaves` start and end are those of the stay."""
        event_id = f"{face.subject_key}-{kind}-{stamp_ns}"
        return Event(
            kind, face.face_id, face.person_id, stamp_ns, event_id, Phase.MOMENT, start_ns, end_ns, end_ns,
            confidence=face.visibility.face,
        )  # fmt: skip
