# SPDX-License-Identifier: Apache-2.0
"""Events found against events scripted: precision, recall, delays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ...events import Event, Phase
from .scripts import VISIBLE, Act

SLACK_S = 0.25
"""An event found this near to a scripted one is that one."""
UNITS = {
    "smile": (12,), "brow_raise": (1, 2), "frown": (4,), "nose_wrinkle": (9,), "lip_press": (24,),
    "mouth_open_wide": (27,), "blink": (45,), "eyes_closed": (45,),
}  # fmt: skip
"""Action units that are an event by themselves, whatever act shows them: who chews presses the lips, too."""


@dataclass
class KindScore:
    """Of one kind over all scripts. delays_s: from the scripted onset to the frame that said so; starts_s, ends_s:
    error of the start and end that the event itself tells. withdrawn: said to begin, then taken back."""

    scripted: int = 0
    found: int = 0
    right: int = 0
    withdrawn: int = 0
    delays_s: list[float] = field(default_factory=list)
    starts_s: list[float] = field(default_factory=list)
    ends_s: list[float] = field(default_factory=list)

    @property
    def recall(self) -> float:
        return self.right / self.scripted if self.scripted else float("nan")

    @property
    def precision(self) -> float:
        return self.right / self.found if self.found else float("nan")

    def add(self, other: KindScore) -> None:
        for name in ("scripted", "found", "right", "withdrawn"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("delays_s", "starts_s", "ends_s"):
            getattr(self, name).extend(getattr(other, name))


@dataclass(frozen=True)
class FoundEvent:
    """An event of the detectors in seconds: when it was said, began and ended."""

    said_s: float
    start_s: float
    end_s: float


def found_events(events: Sequence[Event], kind: str, zero_ns: int) -> tuple[list[FoundEvent], int]:
    """Those of one kind, and how many were withdrawn. zero_ns: stamp at which the script begins."""
    said = {e.event_id: e for e in events if e.kind == kind and e.phase in (Phase.BEGIN, Phase.MOMENT)}
    withdrawn = {e.event_id for e in events if e.kind == kind and e.phase is Phase.WITHDRAWN}
    ends = {e.event_id: e for e in events if e.kind == kind and e.phase is Phase.END}
    last_ns = max((e.stamp_ns for e in events), default=zero_ns)
    found = []
    for event_id, event in said.items():
        if event_id in withdrawn:
            continue
        end = ends.get(event_id)
        end_ns = last_ns if end is None or end.end_ns is None else end.end_ns
        found.append(FoundEvent(*((ns - zero_ns) / 1e9 for ns in (event.stamp_ns, event.start_ns, end_ns))))
    return sorted(found, key=lambda one: one.start_s), len(withdrawn)


def score_kind(acts: Sequence[Act], events: Sequence[Event], kind: str, zero_ns: int) -> KindScore:
    """One script's. Each found event counts for one scripted one at most: that which it overlaps longest.

    What an act of another kind shows as well is neither right nor wrong.
    """
    scripted = [act for act in acts if act.kind == kind]
    found, withdrawn = found_events(events, kind, zero_ns)
    score = KindScore(len(scripted), len(found), 0, withdrawn)
    overlaps = sorted(
        (
            (min(act.end_s, one.end_s) - max(act.onset_s, one.start_s), i, j)
            for i, act in enumerate(scripted)
            for j, one in enumerate(found)
        ),
        reverse=True,
    )
    taken_acts: set[int] = set()
    taken_found: set[int] = set()
    for overlap_s, i, j in overlaps:
        if overlap_s < -SLACK_S or i in taken_acts or j in taken_found:
            continue
        taken_acts.add(i)
        taken_found.add(j)
        score.right += 1
        score.delays_s.append(found[j].said_s - scripted[i].onset_s)
        score.starts_s.append(found[j].start_s - scripted[i].onset_s)
        score.ends_s.append(found[j].end_s - scripted[i].end_s)
    others = [act for act in acts if act.kind != kind]
    score.found -= sum(
        j not in taken_found and shown_by(one, others, UNITS.get(kind, ())) for j, one in enumerate(found)
    )
    return score


def shown_by(found: FoundEvent, acts: Sequence[Act], units: Sequence[int]) -> bool:
    """Whether one of the acts visibly shows one of the action units while an event lasts."""
    for act in acts:
        begin, end = max(found.start_s, act.start_s), min(found.end_s, act.start_s + act.length_s)
        for at_s in np.arange(begin, end, 0.03):
            shown = act.units(float(at_s) - act.start_s)
            if any(shown.get(unit, 0.0) >= VISIBLE for unit in units):
                return True
    return False


def percentile(values: Sequence[float], q: float) -> float:
    return float(np.percentile(values, q)) if len(values) else float("nan")
