# SPDX-License-Identifier: Apache-2.0
"""Events of a measure that rises over a level and falls below another."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ..types import FaceCode
from .event import Event, Phase
from .signals import measure, side_of

_LOOK_BACK_NS = 1_000_000_000
_ONE_SIDED = 2.0
_TURN_NS = 400_000_000
"""Time within which a turn of the head counts for `still_deg`."""


@dataclass(frozen=True)
class LevelRule:
    """When a measure makes an event; docs/events.md explains each.

    measures: names, joined by `combine` (mean, min, max). above, below: the level from which it begins and under which
    it ends. hold_s: how long it must be above before it is said. gap_s: how long below before it is over. least_s: what
    was shorter is withdrawn, as is what lasts longer than `longest_s` (0: no limit). least_confidence: of the measures.
    relative_s: time constant of the person's usual value, from which the measure is taken; 0: from zero. magnitude:
    either direction counts; its sign is the side. falling: begins under `above` and ends over `below`. unless: measures
    that must be under a value for it to begin. still_deg: it does not begin while the head turns by more than this
    within 0.4 s; 0: it may. turned_deg: it does not begin where the head has turned by more than this since
    0.4 s before the measure was last under `below`: then the turn may be what raised it; 0: it does. usually_under: it
    does not begin while the measure's mean over the last 20 s is more: then that is how this face looks, or its neutral
    is wrong; 0: it may. ends_as: kind of a moment said when it is over.
    lag_s, end_lag_s: how late the measure is by itself at the begin and at the end, by which the stamps of start, apex
    and end are set back.
    """

    kind: str
    measures: tuple[str, ...]
    above: float
    below: float
    combine: str = "mean"
    hold_s: float = 0.03
    gap_s: float = 0.1
    least_s: float = 0.0
    longest_s: float = 0.0
    least_confidence: float = 0.3
    relative_s: float = 0.0
    magnitude: bool = False
    falling: bool = False
    unless: tuple[tuple[str, float], ...] = ()
    still_deg: float = 0.0
    turned_deg: float = 0.0
    usually_under: float = 0.0
    ends_as: str = ""
    lag_s: float = 0.0
    end_lag_s: float = 0.0

    @property
    def kinds(self) -> tuple[str, ...]:
        return (self.kind, self.ends_as) if self.ends_as else (self.kind,)

    def follower(self) -> LevelFollower:
        """What follows one face. Raises ValueError for a measure that is none."""
        return LevelFollower(self)


_COMBINE: dict[str, Callable[[list[float]], float]] = {
    "mean": lambda values: sum(values) / len(values),
    "min": min,
    "max": max,
}
COMBINATIONS = tuple(_COMBINE)


@dataclass
class _RunningLevel:
    """An event that is going on. said: its BEGIN has been sent."""

    event_id: str
    start_ns: int
    apex_ns: int
    peak: float
    total: float = 0.0
    count: int = 0
    confidence: float = 0.0
    side: str = ""
    said: bool = False
    below_ns: int | None = None


_USUALLY_S = 20.0
"""Time constant of the mean for `usually_under`."""


class LevelFollower:
    """Follows one face; a FaceFollower."""

    def __init__(self, rule: LevelRule) -> None:
        self.rule = rule
        self._read = [measure(name) for name in rule.measures]
        self._unless = [(measure(name), limit) for name, limit in rule.unless]
        self._past: deque[tuple[int, float]] = deque(maxlen=64)
        self._turns: deque[tuple[int, float, float]] = deque(maxlen=64)
        self._low_pose: tuple[float, float] | None = None
        self._running: _RunningLevel | None = None
        self._face: tuple[str, str] = ("", "")
        self._seen_ns: int | None = None
        self._usual: float | None = None
        self._mean = 0.0
        self._too_long = False

    def step(self, code: FaceCode, stamp_ns: int) -> list[Event]:
        self._face = code.face.face_id, code.face.person_id
        value, confidence, sign = self._value(code, stamp_ns)
        known = not math.isnan(value) and confidence >= self.rule.least_confidence
        prevented = self._prevented(code, value if known else math.nan, stamp_ns)
        self._seen_ns = stamp_ns
        if prevented and self._running is not None and not self._running.said:
            self._running = None
        if self._running is None:
            events = self._begin(code, value, confidence, sign, stamp_ns) if known and not prevented else []
        else:
            events = self._go_on(code, value if known else math.nan, confidence, sign, stamp_ns)
        if known:
            self._past.append((stamp_ns, value))
        return events

    def _prevented(self, code: FaceCode, value: float, stamp_ns: int) -> bool:
        """Whether nothing may begin now. value: NaN where it is not known."""
        if not math.isnan(value) and self._seen_ns is not None:
            self._mean += (value - self._mean) * min((stamp_ns - self._seen_ns) / 1e9 / _USUALLY_S, 1.0)
        if 0 < self.rule.usually_under <= self._mean:
            return True
        turns = self._head_turns(code, value, stamp_ns)
        return turns or any(read(code)[0] >= limit for read, limit in self._unless)

    def _head_turns(self, code: FaceCode, value: float, stamp_ns: int) -> bool:
        """Whether the head turns, or has turned since shortly before the measure was low."""
        rule, pose = self.rule, (code.face.pose.yaw_deg, code.face.pose.pitch_deg)
        if not (rule.still_deg or rule.turned_deg):
            return False
        self._turns.append((stamp_ns, *pose))
        while stamp_ns - self._turns[0][0] > _TURN_NS:
            self._turns.popleft()
        _, yaws, pitches = zip(*self._turns, strict=True)
        if self._low_pose is None or not self._over(value, rule.below):
            self._low_pose = yaws[0], pitches[0]
        moves = max(max(yaws) - min(yaws), max(pitches) - min(pitches))
        return 0 < rule.still_deg < moves or 0 < rule.turned_deg < math.dist(pose, self._low_pose)

    def _value(self, code: FaceCode, stamp_ns: int) -> tuple[float, float, str]:
        """Value against the usual one, confidence, and the side of a magnitude."""
        read = [one(code) for one in self._read]
        value = _COMBINE[self.rule.combine]([value for value, _ in read])
        # Of a mean all its parts must be known; of a minimum or maximum the one that it is.
        which = [confidence for own, confidence in read if own == value] if self.rule.combine != "mean" else []
        confidence = max(which) if which else min(confidence for _, confidence in read)
        if self.rule.relative_s and not math.isnan(value) and confidence >= self.rule.least_confidence:
            value = self._against_usual(value, stamp_ns)
        if not self.rule.magnitude:
            return value, confidence, ""
        return abs(value), confidence, "left" if value > 0 else "right"

    def _against_usual(self, value: float, stamp_ns: int) -> float:
        """The usual value follows slowly; while an event is going on, ten times as slowly."""
        if self._usual is None or self._seen_ns is None:
            self._usual = value
        step_s = 0.0 if self._seen_ns is None else (stamp_ns - self._seen_ns) / 1e9
        slower = 10.0 if self._running is not None else 1.0
        self._usual += (value - self._usual) * min(step_s / (self.rule.relative_s * slower), 1.0)
        return value - self._usual

    def _over(self, value: float, level: float) -> bool:
        return value <= level if self.rule.falling else value >= level

    def _stronger(self, value: float, than: float) -> bool:
        return value < than if self.rule.falling else value > than

    def _begin(self, code: FaceCode, value: float, confidence: float, sign: str, stamp_ns: int) -> list[Event]:
        if not self._over(value, self.rule.below):
            self._too_long = False
        if self._too_long or not self._over(value, self.rule.above):
            return []
        start_ns = self._rise_began(stamp_ns, value)
        event_id = f"{code.face.subject_key}-{self.rule.kind}-{start_ns}"
        self._running = _RunningLevel(event_id, start_ns, stamp_ns, value)
        return self._go_on(code, value, confidence, sign, stamp_ns)

    def _rise_began(self, stamp_ns: int, value: float) -> int:
        """When the measure rose through `below` on its way to now, between frames."""
        later_ns, later = stamp_ns, value
        for earlier_ns, earlier in reversed(self._past):
            if later_ns - earlier_ns > _LOOK_BACK_NS // 2 or stamp_ns - earlier_ns > _LOOK_BACK_NS:
                break
            if not self._over(earlier, self.rule.below):
                share = (self.rule.below - earlier) / (later - earlier) if later != earlier else 1.0
                return earlier_ns + round(min(max(share, 0.0), 1.0) * (later_ns - earlier_ns))
            later_ns, later = earlier_ns, earlier
        return later_ns

    def _go_on(self, code: FaceCode, value: float, confidence: float, sign: str, stamp_ns: int) -> list[Event]:
        running, rule = self._running, self.rule
        assert running is not None
        if math.isnan(value) or not self._over(value, rule.below):
            if running.below_ns is None:
                running.below_ns = stamp_ns
            if not running.said or stamp_ns - running.below_ns >= rule.gap_s * 1e9:
                return self._end(running.below_ns, stamp_ns)
            return []
        running.below_ns = None
        running.total, running.count = running.total + value, running.count + 1
        running.confidence += (confidence - running.confidence) / running.count
        if self._stronger(value, running.peak) or running.count == 1:
            running.peak, running.apex_ns = value, stamp_ns
            running.side = sign or side_of(code, rule.measures, _ONE_SIDED)
        if rule.longest_s and stamp_ns - running.start_ns > rule.longest_s * 1e9:
            self._running, self._too_long = None, True
            return [self._event(running, Phase.WITHDRAWN, stamp_ns)] if running.said else []
        if not running.said and stamp_ns - running.start_ns >= rule.hold_s * 1e9:
            running.said = True
            return [self._event(running, Phase.BEGIN, stamp_ns)]
        return []

    def _end(self, end_ns: int, stamp_ns: int) -> list[Event]:
        running, rule = self._running, self.rule
        assert running is not None
        self._running = None
        if not running.said:
            return []
        if end_ns - running.start_ns < rule.least_s * 1e9:
            return [self._event(running, Phase.WITHDRAWN, stamp_ns)]
        events = [self._event(running, Phase.END, stamp_ns, end_ns)]
        if rule.ends_as:
            said_id = f"{running.event_id}-{rule.ends_as}"
            over_ns = events[0].end_ns or end_ns
            events.append(
                Event(
                    rule.ends_as, *self._face, stamp_ns, said_id, Phase.MOMENT, over_ns, over_ns, over_ns,
                    confidence=events[0].confidence,
                )
            )  # fmt: skip
        return events

    def lost(self, stamp_ns: int) -> list[Event]:
        if self._running is None or self._seen_ns is None:
            self._running = None
            return []
        return self._end(self._running.below_ns or self._seen_ns, stamp_ns)

    def _event(self, running: _RunningLevel, phase: Phase, stamp_ns: int, end_ns: int | None = None) -> Event:
        mean = running.total / running.count if running.count else running.peak
        lag_ns = round(self.rule.lag_s * 1e9)
        start_ns, apex_ns = running.start_ns - lag_ns, running.apex_ns - lag_ns
        if end_ns is not None:
            end_ns = max(end_ns - round(self.rule.end_lag_s * 1e9), start_ns)
            apex_ns = min(apex_ns, end_ns)
        return Event(
            self.rule.kind, *self._face, stamp_ns, running.event_id, phase, start_ns, apex_ns, end_ns,
            running.peak, mean, running.side, min(max(running.confidence, 0.0), 1.0),
        )  # fmt: skip
