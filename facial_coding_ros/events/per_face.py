# SPDX-License-Identifier: Apache-2.0
"""A detector that looks at each face by itself, in image time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol

from ..types import FaceCode
from .event import Event

LONGEST_GAP_NS = 700_000_000
"""A face unseen for longer, or frames that far apart, end what was going on."""
MOST_FACES = 64
"""Faces and persons remembered; the one unseen for longest goes first."""


class FaceFollower(Protocol):
    """What a detector holds of one face."""

    def step(self, code: FaceCode, stamp_ns: int) -> list[Event]:
        """Takes in the face's next frame."""

    def lost(self, stamp_ns: int) -> list[Event]:
        """The face is gone, or time has jumped: ends what was going on at the frame that showed it last."""


class PerFace:
    """Runs one FaceFollower for each face or person.

    make: a new FaceFollower. A face that turns out to be a person keeps what was held of it. A stamp before the last
    one, or long after it, ends what was going on; nothing is said about the time between.
    """

    def __init__(self, kinds: Sequence[str], make: Callable[[], FaceFollower]) -> None:
        self.kinds = tuple(kinds)
        self._make = make
        self._faces: OrderedDict[str, tuple[FaceFollower, int]] = OrderedDict()
        self._last_ns: int | None = None

    def update(self, codes: Sequence[FaceCode], stamp_ns: int) -> list[Event]:
        events: list[Event] = []
        if self._last_ns is not None and not 0 <= stamp_ns - self._last_ns <= LONGEST_GAP_NS:
            for tracker, _ in self._faces.values():
                events += tracker.lost(stamp_ns)
            self._faces.clear()
        self._last_ns = stamp_ns
        for code in codes:
            key, face_id = code.face.subject_key, code.face.face_id
            if key not in self._faces and face_id in self._faces:
                self._faces[key] = self._faces.pop(face_id)
            tracker = self._faces[key][0] if key in self._faces else self._make()
            events += tracker.step(code, stamp_ns)
            self._faces[key] = tracker, stamp_ns
            self._faces.move_to_end(key)
        gone = [key for key, (_, seen_ns) in self._faces.items() if stamp_ns - seen_ns > LONGEST_GAP_NS]
        while len(self._faces) - len(gone) > MOST_FACES:
            gone.append(next(key for key in self._faces if key not in gone))
        for key in gone:
            events += self._faces.pop(key)[0].lost(stamp_ns)
        return events
