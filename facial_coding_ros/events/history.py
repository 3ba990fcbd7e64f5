# SPDX-License-Identifier: Apache-2.0
"""What is remembered of each person for a while: a few numbers a frame, and the events."""

from __future__ import annotations

import bisect
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from ..types import FaceCode
from .event import Event, Phase

MOST_PEOPLE = 64
MOST_SAMPLES = 20_000
"""Of one person: 120 s at 160 frames a second."""
MOST_EVENTS = 2000


@dataclass(frozen=True)
class Sample:
    """One frame of one person. confidence: how well the face was seen, 0..1; the others as in the face code."""

    stamp_ns: int
    face_id: str
    confidence: float
    attention: float
    talking: float
    valence: float
    arousal: float
    expression: str

    @classmethod
    def of(cls, code: FaceCode, stamp_ns: int) -> Sample:
        expression = code.expression
        return cls(
            stamp_ns,
            code.face.face_id,
            code.face.visibility.face,
            code.attention,
            code.talking,
            expression.valence,
            expression.arousal,
            expression.label,
        )


@dataclass
class Remembered:
    """Of one person, oldest first. events: the latest word about each, by its id."""

    samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=MOST_SAMPLES))
    events: OrderedDict[str, Event] = field(default_factory=OrderedDict)

    @property
    def person_id(self) -> str:
        return next((event.person_id for event in reversed(self.events.values()) if event.person_id), "")


class History:
    """The last `seconds` of everybody, in image time, in bounded memory; a person's faces are one.

    A stamp before the last one begins anew: what was remembered is of another time.
    """

    def __init__(self, seconds: float = 120.0) -> None:
        self.seconds = seconds
        self._people: OrderedDict[str, Remembered] = OrderedDict()
        self.last_ns: int | None = None

    def update(self, codes: Sequence[FaceCode], events: Iterable[Event], stamp_ns: int) -> None:
        """Takes in one frame and the events that were seen in it."""
        if self.last_ns is not None and stamp_ns < self.last_ns:
            self._people.clear()
        self.last_ns = stamp_ns
        for code in codes:
            self._of(code.face.subject_key, code.face.face_id).samples.append(Sample.of(code, stamp_ns))
        for event in events:
            if event.start_ns > stamp_ns:  # the end of an event from before the stamps went back
                continue
            held = self._of(event.person_id or event.face_id, event.face_id).events
            if event.phase is Phase.WITHDRAWN:
                held.pop(event.event_id, None)
            else:
                held[event.event_id] = event
        self._forget(stamp_ns - round(self.seconds * 1e9))

    def end_open_events(self) -> None:
        """Ends the events that are going on with the last frame. Call when frames will be missing: nobody would see
        them end."""
        for held in self._people.values():
            for event_id, event in held.events.items():
                if event.end_ns is None and self.last_ns is not None:
                    end_ns = max(event.start_ns, self.last_ns)
                    held.events[event_id] = replace(event, phase=Phase.END, end_ns=end_ns)

    def _of(self, key: str, face_id: str) -> Remembered:
        """What is held of a person, joined with what was held of a face that turns out to be this person."""
        if key != face_id and face_id in self._people:
            before = self._people.pop(face_id)
            known = self._people.setdefault(key, Remembered())
            samples = sorted([*known.samples, *before.samples], key=lambda sample: sample.stamp_ns)
            known.samples = deque(samples, maxlen=MOST_SAMPLES)
            known.events |= before.events
        held = self._people.setdefault(key, Remembered())
        self._people.move_to_end(key)
        return held

    def _forget(self, before_ns: int) -> None:
        for key, held in list(self._people.items()):
            while held.samples and held.samples[0].stamp_ns < before_ns:
                held.samples.popleft()
            over = [one for one, event in held.events.items() if event.end_ns is not None and event.end_ns < before_ns]
            for one in over:
                del held.events[one]
            while len(held.events) > MOST_EVENTS:
                held.events.popitem(last=False)
            if not held.samples and all(event.stamp_ns < before_ns for event in held.events.values()):
                del self._people[key]
        while len(self._people) > MOST_PEOPLE:
            self._people.popitem(last=False)

    def forget(self, key: str) -> bool:
        """Drops all that is remembered of a person or face; whether there was something."""
        return self._people.pop(key, None) is not None

    @property
    def people(self) -> tuple[str, ...]:
        """Ids of those remembered: person where known, else face."""
        return tuple(self._people)

    def key_of(self, face_or_person: str) -> str:
        """Under which id somebody is remembered. Raises KeyError when nobody of that id is."""
        if face_or_person in self._people:
            return face_or_person
        for key, held in self._people.items():
            if any(sample.face_id == face_or_person for sample in held.samples):
                return key
        raise KeyError(face_or_person)

    def samples(self, key: str, start_ns: int, end_ns: int) -> list[Sample]:
        """Of one person in a span."""
        held = list(self._people[key].samples)
        stamps = [sample.stamp_ns for sample in held]
        return held[bisect.bisect_left(stamps, start_ns) : bisect.bisect_right(stamps, end_ns)]

    def events(self, key: str, start_ns: int, end_ns: int) -> list[Event]:
        """Those of one person that touch a span, by their start."""
        touching = [
            event
            for event in self._people[key].events.values()
            if event.start_ns <= end_ns and (event.end_ns is None or event.end_ns >= start_ns)
        ]
        return sorted(touching, key=lambda event: event.start_ns)
