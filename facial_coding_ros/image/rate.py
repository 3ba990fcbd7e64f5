# SPDX-License-Identifier: Apache-2.0
"""Fewer images than the camera gives, evenly spread in image time."""

from __future__ import annotations

from collections.abc import Iterator

from ..types import Frame

_EARLY = 0.1
"""Share of the wanted step by which an image may come early: stamps of cameras are not even."""


class RateLimit:
    """Takes at most so many images a second of image time.

    The mean rate is kept where it does not divide the camera's: of 30 images a second 20 are taken, two of three.
    max_rate_hz may be changed at any time; 0 takes all.
    """

    def __init__(self, max_rate_hz: float) -> None:
        self.max_rate_hz = max_rate_hz
        self._due_ns: float | None = None
        self._last_ns = 0

    def takes(self, stamp_ns: int) -> bool:
        """Whether the image with this stamp is one of those to be worked on; it then counts as taken."""
        if self.max_rate_hz <= 0:
            self._due_ns = None
            return True
        step_ns = 1e9 / self.max_rate_hz
        if self._due_ns is None or stamp_ns < self._last_ns:  # the first one, or a new time
            self._due_ns = stamp_ns + step_ns
        elif stamp_ns >= self._due_ns - _EARLY * step_ns:
            late_ns = stamp_ns - self._due_ns
            self._due_ns = (self._due_ns if late_ns < step_ns else stamp_ns) + step_ns
        else:
            return False
        self._last_ns = stamp_ns
        return True

    def of(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Those of the frames that are taken."""
        return (frame for frame in frames if self.takes(frame.stamp_ns))
