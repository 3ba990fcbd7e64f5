# SPDX-License-Identifier: Apache-2.0
"""How long each stage of the pipeline takes."""

from __future__ import annotations

import time


class StageTimes:
    """Mean seconds per frame of each stage since the last `take`."""

    def __init__(self) -> None:
        self._total: dict[str, float] = {}
        self._frames = 0

    def measure(self, stage: str) -> Measured:
        """Adds the time of a `with` block."""
        return Measured(self, stage)

    def add(self, stage: str, seconds: float) -> None:
        self._total[stage] = self._total.get(stage, 0.0) + seconds

    def frame_done(self) -> None:
        self._frames += 1

    def take(self) -> dict[str, float]:
        """Mean seconds per frame by stage; starts anew."""
        # Changed hands first: another thread may be adding.
        (totals, frames), (self._total, self._frames) = (self._total, self._frames), ({}, 0)
        return {stage: total / max(frames, 1) for stage, total in list(totals.items())}


class Measured:
    """The block of StageTimes.measure; contextlib's way takes several times as long."""

    __slots__ = ("_stage", "_start", "_times")

    def __init__(self, times: StageTimes, stage: str) -> None:
        self._times, self._stage = times, stage

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *raised: object) -> None:
        self._times.add(self._stage, time.perf_counter() - self._start)
