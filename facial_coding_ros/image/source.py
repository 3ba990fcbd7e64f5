# SPDX-License-Identifier: Apache-2.0
"""What every recording is: frames that can be read again and again, and the part of it that is wanted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ..types import Frame
from .rate import RateLimit

DEFAULT_FPS = 30.0


class SourceError(Exception):
    """A recording that cannot be read; the text says which, what was found and what was expected."""


@dataclass(frozen=True)
class Span:
    """Part of a recording, in seconds since its first frame: begin_s is in it, end_s is not."""

    begin_s: float = 0.0
    end_s: float = math.inf

    def __post_init__(self) -> None:
        if not 0 <= self.begin_s < self.end_s:
            raise ValueError(f"a range from {self.begin_s:g} to {self.end_s:g} s; 0 <= start < end is expected")

    def before(self, since_first_ns: int) -> bool:
        return since_first_ns < self.begin_s * 1e9

    def behind(self, since_first_ns: int) -> bool:
        return since_first_ns >= self.end_s * 1e9

    def share(self, count: int, fps: float) -> int:
        """Frames of a recording of `count` frames that lie in it, about."""
        return round(max(min(count, self.end_s * fps) - self.begin_s * fps, 0)) if count else 0


WHOLE = Span()


@dataclass(frozen=True)
class Source:
    """A recording that can be read from its start again and again.

    fps: mean rate. count: frames expected, for progress; 0 when not known. `frames` yields them in order; their stamps
    rise, unless the recording holds several times (image/stamps.py). live: a camera; its frames come at their own pace,
    and each reading begins with the newest. notes: what a person should know of it, though nothing is left out.
    pictures: of a folder of pictures the files' names, by the frame's index.
    """

    name: str
    fps: float
    count: int
    open: Callable[[Callable[[str], None]], Iterator[Frame]]
    live: bool = False
    notes: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()

    def frames(self, on_damage: Callable[[str], None] | None = None) -> Iterator[Frame]:
        """Frames in order. A frame that cannot be used is left out: `on_damage` is told, without it SourceError."""
        return self.open(on_damage or _raise)

    def limited(self, max_rate_hz: float) -> Source:
        """The same recording at so many frames a second at most, as the node takes them; 0: all."""
        if max_rate_hz <= 0:
            return self
        fps = min(max_rate_hz, self.fps)
        return replace(
            self,
            fps=fps,
            count=round(self.count * fps / self.fps),
            open=lambda on_damage: RateLimit(max_rate_hz).of(self.open(on_damage)),
        )


def _raise(problem: str) -> None:
    raise SourceError(problem)
