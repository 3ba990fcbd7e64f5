# SPDX-License-Identifier: Apache-2.0
"""A neutral taken on request: the coming seconds of a still, frontal face."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from ..types import Face, FloatArray
from .vectors import DENSE_SIZE

MAX_DURATION_S = 30.0
_KEPT_FRAMES = 64
_FEWEST_FRAMES = 5
_LONGEST_GAP_S = 1.0
_QUARTERS = 4
_MOVED_SHARE = 0.95  # of the points may move no more than is allowed
_LEAST_VISIBILITY = 0.5


class CalibrationState(Enum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    REFUSED = "refused"


@dataclass(frozen=True)
class Calibration:
    """How a calibration stands. message: for a person; the reason when refused. progress: 0..1."""

    subject_key: str
    state: CalibrationState
    message: str
    progress: float


class CalibrationRun:
    """Collects the frames of one calibration; keeps at most 64 of them, evenly spread."""

    def __init__(
        self, subject_key: str, duration_s: float, stamp_ns: int, max_angle_deg: float, max_motion: float
    ) -> None:
        if not 0.2 <= duration_s <= MAX_DURATION_S:
            raise ValueError(f"duration_s is {duration_s!r}; allowed: 0.2 to {MAX_DURATION_S:g}")
        self.subject_key = subject_key
        self.outcome: Calibration | None = None
        self._start = stamp_ns
        self._duration = duration_s
        self._max_angle, self._max_motion = max_angle_deg, max_motion
        self._frames: list[FloatArray] = []
        self._stride, self._seen = 1, 0
        self._last = stamp_ns

    def state(self) -> Calibration:
        if self.outcome is not None:
            return self.outcome
        done = min((self._last - self._start) / 1e9 / self._duration, 1.0)
        return Calibration(self.subject_key, CalibrationState.RUNNING, f"{self._seen} frames so far", done)

    def check(self, stamp_ns: int) -> None:
        """Refuses when the face has not been seen for a while, or time has gone back."""
        if self.outcome is None and stamp_ns < self._last:
            self._refuse("the stamps of the images went back", stamp_ns)
        elif self.outcome is None and stamp_ns - self._last > _LONGEST_GAP_S * 1e9:
            self._refuse(f"the face was not seen for {(stamp_ns - self._last) / 1e9:.1f} s", stamp_ns)

    def add(self, vector: FloatArray, face: Face, stamp_ns: int) -> FloatArray | None:
        """One frame. Returns the neutral when this frame completes the calibration."""
        self.check(stamp_ns)
        if self.outcome is not None:
            return None
        self._last = stamp_ns
        turned = max(abs(face.pose.yaw_deg), abs(face.pose.pitch_deg))
        if turned > self._max_angle:
            self._refuse(
                f"the head was turned by {turned:.0f} degrees; at most {self._max_angle:g} are allowed", stamp_ns
            )
            return None
        if face.visibility.face < _LEAST_VISIBILITY:
            self._refuse(f"the face was only {face.visibility.face:.0%} visible", stamp_ns)
            return None
        if self._seen % self._stride == 0:
            self._frames.append(vector)
            if len(self._frames) > _KEPT_FRAMES:
                self._frames = self._frames[::2]
                self._stride *= 2
        self._seen += 1
        if (stamp_ns - self._start) / 1e9 < self._duration:
            return None
        return self._finish(stamp_ns)

    def _finish(self, stamp_ns: int) -> FloatArray | None:
        if len(self._frames) < _FEWEST_FRAMES:
            self._refuse(
                f"only {len(self._frames)} frames in {self._duration:g} s; {_FEWEST_FRAMES} are needed", stamp_ns
            )
            return None
        frames = np.stack(self._frames)
        middle = np.median(frames, axis=0)
        # Medians of the quarters: neither jitter nor a blink is motion.
        quarters = np.stack([np.median(part, axis=0) for part in np.array_split(frames, _QUARTERS)])
        offsets = np.linalg.norm((quarters - middle)[:, :DENSE_SIZE].reshape(_QUARTERS, -1, 3), axis=2)
        moved = float(np.quantile(offsets.max(0), _MOVED_SHARE))
        if moved > self._max_motion:
            self._refuse(
                f"the face moved: points by {moved:.3f} eye distances; at most {self._max_motion:g} is allowed",
                stamp_ns,
            )
            return None
        self.outcome = Calibration(
            self.subject_key, CalibrationState.SUCCEEDED, f"taken from {self._seen} frames in {self._duration:g} s", 1.0
        )
        return middle.astype(np.float32)

    def _refuse(self, reason: str, stamp_ns: int) -> None:
        done = min(max((stamp_ns - self._start) / 1e9 / self._duration, 0.0), 1.0)
        self.outcome = Calibration(self.subject_key, CalibrationState.REFUSED, reason, done)
