# SPDX-License-Identifier: Apache-2.0
"""Nods and shakes: an angle of the head that swings to and fro."""

from __future__ import annotations

import itertools
import math
from collections import deque
from dataclasses import dataclass

from ..types import FaceCode
from .event import Event, Phase
from .signals import measure


@dataclass(frozen=True)
class SwingRule:
    """When an angle that swings makes an event; docs/events.md explains each.

    measure: the angle; across: the other one, which must move less than `across_share` of it. least_deg: of each
    swing. slowest_s: of a swing, from one turning point to the next. through: whether the head must swing through to
    the other side, as it does in a shake and not when somebody glances aside and back. still_s: without a further swing
    it is over. unless: measures that must stay under a value.
    """

    kind: str
    measure: str
    across: str
    least_deg: float = 3.0
    slowest_s: float = 0.6
    across_share: float = 0.7
    through: bool = False
    still_s: float = 0.35
    least_confidence: float = 0.3
    unless: tuple[tuple[str, float], ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        return (self.kind,)

    def follower(self) -> SwingFollower:
        return SwingFollower(self)


_RETURNED, _LEAST_RETURN_DEG = 0.12, 1.2
"""Share of the first swing, and degrees, that must be undone before a nod is said: lids that close move the pitch."""
_THROUGH = 1.2
"""How much larger the second swing of a shake is than the first, which starts from the middle."""
_MOST_UNLIKE = 3.0
"""A second swing that is larger than this many times the first is a turn of the head, not an answer to the first."""
_LONGEST_REST_NS, _AT_REST = 300_000_000, 0.15
"""Who stays within this share of the first swing from the turning point for longer looked there; it was no swing."""
_MOVING_S, _MOVING = 0.2, 0.4
"""The head still moves while its angle changes by this share of the least swing within this time."""


@dataclass
class _RunningSwing:
    event_id: str
    start_ns: int
    apex_ns: int
    peak: float
    last_ns: int
    confidence: float


@dataclass(frozen=True)
class _TwoSwings:
    """Two swings: where the first began, the turning point, and how far both went."""

    start_ns: int
    turn_ns: int
    first: float
    second: float


class SwingFollower:
    """Follows one face; a FaceFollower. Looks at the angle's highest and lowest point of the last moments."""

    def __init__(self, rule: SwingRule) -> None:
        self.rule = rule
        self._read, self._read_across = measure(rule.measure), measure(rule.across)
        self._unless = [(measure(name), limit) for name, limit in rule.unless]
        self._past: deque[tuple[int, float, float]] = deque(maxlen=240)
        self._running: _RunningSwing | None = None
        self._face: tuple[str, str] = ("", "")

    def step(self, code: FaceCode, stamp_ns: int) -> list[Event]:
        self._face = code.face.face_id, code.face.person_id
        value, confidence = self._read(code)
        across, _ = self._read_across(code)
        if math.isnan(value) or math.isnan(across) or confidence < self.rule.least_confidence:
            return self._over(stamp_ns) if self._running else []
        self._past.append((stamp_ns, value, across))
        while stamp_ns - self._past[0][0] > 2 * self.rule.slowest_s * 1e9:
            self._past.popleft()
        if self._running is not None:
            return self._go_on(stamp_ns)
        if any(read(code)[0] >= limit for read, limit in self._unless):
            return []
        found = next((one for sign in (-1, 1) if (one := self._swings(sign)) is not None), None)
        if found is None:
            return []
        event_id = f"{code.face.subject_key}-{self.rule.kind}-{found.start_ns}"
        peak = max(found.first, found.second)
        self._running = _RunningSwing(event_id, found.start_ns, found.turn_ns, peak, stamp_ns, confidence)
        return [self._event(Phase.BEGIN, stamp_ns)]

    def _swings(self, sign: int) -> _TwoSwings | None:
        """The swing to a turning point and back from it; sign: of the turning point, against what is around it."""
        rule, slowest_ns = self.rule, self.rule.slowest_s * 1e9
        now_ns = self._past[-1][0]
        recent = [(at, sign * value) for at, value, _ in self._past if now_ns - at <= slowest_ns]
        turn_ns, turn = max(recent, key=lambda one: one[1])
        second = turn - recent[-1][1]
        if second < _LEAST_RETURN_DEG:
            return None
        before = [(at, turn - sign * value) for at, value, _ in self._past if 0 <= turn_ns - at <= slowest_ns]
        first = max(away for _, away in before)
        if first < rule.least_deg or second < (_THROUGH if rule.through else _RETURNED) * first:
            return None
        if second > _MOST_UNLIKE * first:
            return None
        if self._rested_ns(sign, turn_ns, turn, _AT_REST * first) > _LONGEST_REST_NS:
            return None
        start_ns = next(at for at, away in reversed(before) if away >= 0.9 * first)
        if start_ns == self._past[0][0]:  # it had begun before that, so it is no swing but a slow turn
            return None
        moved_across = [across for at, _, across in self._past if at >= start_ns]
        if max(moved_across) - min(moved_across) > rule.across_share * max(first, second):
            return None
        return _TwoSwings(start_ns, turn_ns, first, second)

    def _rested_ns(self, sign: int, turn_ns: int, turn: float, near: float) -> int:
        """How long the angle was near its turning point, without leaving it in between."""
        before = itertools.takewhile(
            lambda one: turn - sign * one[1] <= near, (one for one in reversed(self._past) if one[0] <= turn_ns)
        )
        after = itertools.takewhile(
            lambda one: turn - sign * one[1] <= near, (one for one in self._past if one[0] >= turn_ns)
        )
        *_, (begin_ns, _, _) = before
        *_, (end_ns, _, _) = after
        return end_ns - begin_ns

    def _go_on(self, stamp_ns: int) -> list[Event]:
        running = self._running
        assert running is not None
        values = [value for at, value, _ in self._past if stamp_ns - at <= _MOVING_S * 1e9]
        if max(values) - min(values) >= _MOVING * self.rule.least_deg:
            running.last_ns = stamp_ns
        recent = [value for at, value, _ in self._past if stamp_ns - at <= self.rule.slowest_s * 1e9]
        if (size := max(recent) - min(recent)) > running.peak:
            running.peak, running.apex_ns = size, stamp_ns
        return self._over(stamp_ns) if stamp_ns - running.last_ns >= self.rule.still_s * 1e9 else []

    def _over(self, stamp_ns: int) -> list[Event]:
        running = self._running
        assert running is not None
        event = self._event(Phase.END, stamp_ns, running.last_ns)
        self._running = None
        self._past.clear()
        return [event]

    def lost(self, stamp_ns: int) -> list[Event]:
        return self._over(stamp_ns) if self._running is not None else []

    def _event(self, phase: Phase, stamp_ns: int, end_ns: int | None = None) -> Event:
        running = self._running
        assert running is not None
        return Event(
            self.rule.kind, *self._face, stamp_ns, running.event_id, phase, running.start_ns, running.apex_ns, end_ns,
            running.peak, running.peak, confidence=min(max(running.confidence, 0.0), 1.0),
        )  # fmt: skip
