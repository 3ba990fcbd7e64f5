"""Whose neutral is what: one estimator per face or person, by hand, from the store, in image time."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

from ..types import Face, FloatArray, Neutral, NeutralState, Registered
from .calibration import Calibration, CalibrationRun
from .estimator import Estimator, RunningMean
from .settings import NeutralSettings
from .vectors import from_vector, to_vector

_LONGEST_STEP_S = 0.2  # what one frame counts at most, however long the gap before it
_POSE_SCALE_DEG = 15.0
_LEAST_WEIGHT = 0.05


@dataclass(frozen=True)
class Listed:
    """One line of the keeper's list. stored: kept on disk."""

    owner: str
    state: NeutralState
    uncertainty: float
    stored: bool


@dataclass
class _Entry:
    """What is held about one owner."""

    estimator: Estimator
    last_ns: int
    usable_ns: int
    was_ready: bool = False
    by_hand: bool = False


def frame_weight(face: Face) -> float:
    """Trust 0..1 in a frame as a view of the neutral: falls with yaw, pitch and hidden points."""
    turned = math.hypot(face.pose.yaw_deg, face.pose.pitch_deg) / _POSE_SCALE_DEG
    return math.exp(-0.5 * turned * turned) * face.visibility.face


class NeutralKeeper:
    """Neutrals of all faces and persons in view, and of a bounded number of others. Not thread-safe."""

    def __init__(self, settings: NeutralSettings | None = None) -> None:
        self.settings = settings or NeutralSettings()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._runs: dict[str, CalibrationRun] = {}

    def update(self, owner: str, registered: Registered, face: Face, stamp_ns: int) -> Neutral:
        """Learns from one face of one frame and returns its neutral as known now."""
        vector = to_vector(registered)
        entry = self._entry(owner, stamp_ns)
        seconds = min(max(stamp_ns - entry.last_ns, 0) / 1e9, _LONGEST_STEP_S)
        entry.last_ns = stamp_ns
        weight = frame_weight(face)
        if weight >= _LEAST_WEIGHT:
            entry.estimator.observe(vector, weight, seconds)
            entry.usable_ns = stamp_ns
        run = self._runs.get(owner)
        if run is not None:
            given = run.add(vector, face, stamp_ns)
            if given is not None:
                self._give(owner, given, stamp_ns)
        return self.neutral(owner, stamp_ns)

    def neutral(self, owner: str, stamp_ns: int) -> Neutral:
        """The neutral of an owner; state NONE when nothing is known."""
        entry = self._entries.get(owner)
        if entry is None or (entry.estimator.support_s <= 0 and not entry.by_hand):
            return Neutral(NeutralState.NONE, None, math.nan)
        uncertainty = entry.estimator.uncertainty()
        return Neutral(self._state(entry, uncertainty, stamp_ns), from_vector(entry.estimator.estimate()), uncertainty)

    def _state(self, entry: _Entry, uncertainty: float, stamp_ns: int) -> NeutralState:
        if entry.was_ready and stamp_ns - entry.usable_ns > self.settings.stale_after_s * 1e9:
            return NeutralState.STALE
        enough = entry.by_hand or entry.estimator.support_s >= self.settings.ready_after_s
        if enough and uncertainty <= self.settings.ready_uncertainty:
            entry.was_ready = True
            return NeutralState.READY
        return NeutralState.LEARNING

    def calibrate(self, owner: str, duration_s: float, stamp_ns: int) -> None:
        """Takes the coming `duration_s` of image time as the owner's neutral; see `calibration` for the outcome.

        A calibration of the same owner that still runs is replaced. Raises ValueError when the duration is not allowed.
        """
        self._runs[owner] = CalibrationRun(
            owner,
            duration_s,
            stamp_ns,
            self.settings.calibration_yaw_pitch_deg,
            self.settings.calibration_motion,
        )
        while len(self._runs) > self.settings.max_owners:
            self._runs.pop(next(iter(self._runs)))

    def calibration(self, owner: str, stamp_ns: int | None = None) -> Calibration | None:
        """How the owner's last calibration stands; None when there was none. `stamp_ns`: the newest image's time."""
        run = self._runs.get(owner)
        if run is None:
            return None
        if stamp_ns is not None:
            run.check(stamp_ns)
        return run.state()

    def set_neutral(self, owner: str, registered: Registered, stamp_ns: int = 0) -> None:
        """A neutral from frames or a file; ready at once."""
        self._give(owner, to_vector(registered), stamp_ns)

    def reset(self, owner: str) -> bool:
        """Forgets the neutral and learns it again; False when nothing was known."""
        self._runs.pop(owner, None)
        return self._entries.pop(owner, None) is not None

    def forget(self, person_id: str) -> bool:
        """Deletes all that is kept about a person, in memory and on disk; False when nothing was."""
        return self.reset(person_id)

    def adopt(self, face_id: str, person_id: str) -> None:
        """A face turns out to be a person: what was learnt from the face goes over to the person."""
        entry = self._entries.pop(face_id, None)
        run = self._runs.pop(face_id, None)
        if run is not None:
            self._runs[person_id] = run
        if entry is not None and person_id not in self._entries:
            self._entries[person_id] = entry

    def listing(self, stamp_ns: int | None = None) -> tuple[Listed, ...]:
        """All owners whose neutral is held, sorted. `stamp_ns`: now; without it, each owner's last frame."""
        rows = []
        for owner in sorted(self._entries):
            known = self.neutral(owner, self._entries[owner].last_ns if stamp_ns is None else stamp_ns)
            rows.append(Listed(owner, known.state, known.uncertainty, False))
        return tuple(rows)

    def close(self) -> None:
        """Writes what the store lacks and closes it."""

    def _entry(self, owner: str, stamp_ns: int) -> _Entry:
        entry = self._entries.get(owner)
        if entry is None:
            entry = _Entry(RunningMean(), stamp_ns, stamp_ns)
            self._entries[owner] = entry
            while len(self._entries) > self.settings.max_owners:
                self._entries.popitem(last=False)
        self._entries.move_to_end(owner)
        return entry

    def _give(self, owner: str, vector: FloatArray, stamp_ns: int) -> None:
        entry = self._entry(owner, stamp_ns)
        entry.estimator.set(vector)
        entry.by_hand, entry.usable_ns = True, max(entry.usable_ns, stamp_ns)
