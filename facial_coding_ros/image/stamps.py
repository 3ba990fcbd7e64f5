# SPDX-License-Identifier: Apache-2.0
"""Which images of a stream are taken, by their stamps alone: one rule for the node and for bags; and times of videos.

Between one image and the next the stamp rises by at most a few steps of the stream. What does not is one of these:

- the same stamp again, or up to `late_s` before the last one: an old image (two publishers, best-effort transport that
  reorders); dropped and counted;
- any other jump: held until the next image. Does that go on from the jump, both are taken and the stream goes on from
  there: after a gap, or in a new time when stamps jumped back or by more than an hour. Else it was one wrong stamp;
  dropped and counted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")

DEFAULT_LATE_S = 0.5
LEAST_REACH_S = 2.0
"""A step that is never held."""
STEPS_REACH = 4
"""Nor is one of so many of the steps before it."""
FIRST_REACH_S = 60.0
"""Nor one of so many seconds while no step is known: a slow camera. So near are the first images of a new time, too."""
SAME_TIME_S = 3600.0
"""A longer gap is another clock: simulated time that began, a clock that was set."""


class Odd(Enum):
    """Why an image was dropped for its stamp."""

    REPEATED = "repeated"
    LATE = "late"
    OUTLIER = "outlier"


class Taken(NamedTuple, Generic[Item]):
    """elapsed_ns: since the first image, without the jumps from one time to another."""

    item: Item
    stamp_ns: int
    elapsed_ns: int


@dataclass(frozen=True)
class Dropped(Generic[Item]):
    """An image that is not used. step_ns: from the last one that is, negative when it lies before."""

    item: Item
    stamp_ns: int
    step_ns: int
    odd: Odd

    def __str__(self) -> str:
        stamp = f"its stamp, {self.stamp_ns / 1e9:.3f} s,"
        if self.odd is Odd.REPEATED:
            return f"{stamp} is that of the image before; a camera stamps each image anew"
        where = f"lies {abs(self.step_ns) / 1e9:.3f} s {'before' if self.step_ns < 0 else 'after'} the last one"
        if self.odd is Odd.LATE:
            return f"{stamp} {where}: an old image"
        return f"{stamp} {where}, and no image followed it there: a wrong stamp"


class StampRule(Generic[Item]):
    """Takes images in the order in which they come; see above.

    late_s may be changed at any time. counts: of what was dropped, since the start; times: in which the stream was, 1
    from its first image on.
    """

    def __init__(self, late_s: float = DEFAULT_LATE_S) -> None:
        self.late_s = late_s
        self.counts: Counter[Odd] = Counter()
        self.times = 0
        self.elapsed_ns = 0
        self._last_ns: int | None = None
        self._step_ns = 0
        self._held: tuple[int, Item] | None = None

    def offer(self, stamp_ns: int, item: Item) -> tuple[list[Taken[Item]], list[Dropped[Item]]]:
        """What is to be worked on now, in this order, and what was dropped."""
        last_ns, late_ns = self._last_ns, self.late_s * 1e9
        if last_ns is None:
            self.times = 1
            return [self._take(stamp_ns, item)], []
        if 0 < stamp_ns - last_ns <= self._reach_ns():
            wrong = self.flush()
            return [self._take(stamp_ns, item)], wrong
        if stamp_ns == last_ns:
            return [], [self._drop(stamp_ns, item, Odd.REPEATED)]
        if -late_ns <= stamp_ns - last_ns < 0:
            return [], [self._drop(stamp_ns, item, Odd.LATE)]
        if self._held is None:
            self._held = stamp_ns, item
            return [], []
        held_ns, held = self._held
        if held_ns - late_ns <= stamp_ns <= held_ns:  # the new time has old images too
            odd = Odd.REPEATED if stamp_ns == held_ns else Odd.LATE
            return [], [self._drop(stamp_ns, item, odd)]
        if 0 < stamp_ns - held_ns <= max(FIRST_REACH_S * 1e9, self._reach_ns()):
            self._held = None
            return [self._take(held_ns, held), self._take(stamp_ns, item)], []
        wrong = self.flush()
        self._held = stamp_ns, item
        return [], wrong

    def flush(self) -> list[Dropped[Item]]:
        """Drops what is held, at the end of a stream."""
        if self._held is None:
            return []
        (stamp_ns, item), self._held = self._held, None
        return [self._drop(stamp_ns, item, Odd.OUTLIER)]

    def _reach_ns(self) -> float:
        if not self._step_ns:
            return FIRST_REACH_S * 1e9
        return max(LEAST_REACH_S * 1e9, STEPS_REACH * self._step_ns)

    def _take(self, stamp_ns: int, item: Item) -> Taken[Item]:
        step_ns = 0 if self._last_ns is None else stamp_ns - self._last_ns
        if 0 <= step_ns <= SAME_TIME_S * 1e9:
            self._step_ns = step_ns
        else:
            self.times += 1
            step_ns, self._step_ns = self._step_ns, 0
        self.elapsed_ns += step_ns
        self._last_ns = stamp_ns
        return Taken(item, stamp_ns, self.elapsed_ns)

    def _drop(self, stamp_ns: int, item: Item, odd: Odd) -> Dropped[Item]:
        assert self._last_ns is not None
        self.counts[odd] += 1
        return Dropped(item, stamp_ns, stamp_ns - self._last_ns, odd)


class VideoTimes:
    """Times of a video's frames from those that its container states: rising, on one base.

    A time that is not later than the one before (two frames in one tick, rounded ones) becomes half a mean step later;
    where a container's times jump back or by more than an hour, as in videos that were put together, they go on from
    there with one mean step. Without any times (`timed` False) all follow from the rate.
    """

    def __init__(self, fps: float, timed: bool = True) -> None:
        self._step_ns = 1e9 / fps
        self._timed = timed
        self._offset_ns = 0
        self._last_ns: int | None = None
        self._index = -1

    def next(self, stated_ns: int) -> int:
        """Time of the next frame, in ns."""
        self._index += 1
        if not self._timed:
            return round(self._index * self._step_ns)
        if self._last_ns is None:
            self._offset_ns = max(-stated_ns, 0)  # stamps of messages cannot lie before 0
        stamp_ns = stated_ns + self._offset_ns
        if self._last_ns is not None and not 0 < stamp_ns - self._last_ns <= SAME_TIME_S * 1e9:
            if -DEFAULT_LATE_S * 1e9 <= stamp_ns - self._last_ns <= 0:
                stamp_ns = self._last_ns + round(self._step_ns / 2)
            else:
                stamp_ns = self._last_ns + round(self._step_ns)
                self._offset_ns = stamp_ns - stated_ns
        self._last_ns = stamp_ns
        return stamp_ns
