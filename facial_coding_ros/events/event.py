# SPDX-License-Identifier: Apache-2.0
"""An event, and the interface of its detectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from ..types import FaceCode


class Phase(IntEnum):
    """What a message about an event says of it; the constants FaceEvent.PHASE_* of the messages.

    MOMENT: it happened at one moment. BEGIN: it has begun. END: it is over, and its figures are final. WITHDRAWN: what
    was said to have begun was none, as a blink whose lids stay shut.
    """

    MOMENT = 0
    BEGIN = 1
    END = 2
    WITHDRAWN = 3


@dataclass(frozen=True)
class Event:
    """Something that a face did, as known in one frame.

    stamp_ns: of the frame in which this was seen. event_id: the same in BEGIN and in END or WITHDRAWN. start_ns: when
    it began, which may lie before the frame that shows it. end_ns: None while it lasts. peak, mean: strength so far, in
    the unit of what is measured; NaN where there is none. side: "left" or "right" where it is one-sided.
    confidence: 0..1. label: of an event that has one, as the new expression.
    """

    kind: str
    face_id: str
    person_id: str
    stamp_ns: int
    event_id: str
    phase: Phase
    start_ns: int
    apex_ns: int
    end_ns: int | None = None
    peak: float = field(default=float("nan"))
    mean: float = field(default=float("nan"))
    side: str = ""
    confidence: float = 1.0
    label: str = ""


class EventDetector(Protocol):
    """Finds events of one or several kinds, for all faces, frame after frame."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it can find."""

    def update(self, codes: Sequence[FaceCode], stamp_ns: int) -> list[Event]:
        """What the faces of a frame show that was not known before it; also called for frames without a face."""


class EventDetectors:
    """Several detectors as one: the list that the node, replay and evaluation use alike."""

    def __init__(self, detectors: Sequence[EventDetector]) -> None:
        self._detectors = tuple(detectors)

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(kind for detector in self._detectors for kind in detector.kinds)

    def update(self, codes: Sequence[FaceCode], stamp_ns: int) -> list[Event]:
        return [event for detector in self._detectors for event in detector.update(codes, stamp_ns)]
