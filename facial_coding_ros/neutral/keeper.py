# SPDX-License-Identifier: Apache-2.0
"""Whose neutral is what: one estimator per face or person, by hand, from the store, in image time."""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from ..types import Face, FloatArray, Neutral, NeutralState, Registered
from .calibration import Calibration, CalibrationRun
from .estimator import PriorEstimator
from .hidden_regions import SeenRegions, hidden
from .settings import NeutralSettings
from .store import BUSY_S, NeutralStore, StoredNeutral, StoreError, StoreUnavailableError
from .usual_pose import UsualPose
from .vectors import from_vector, to_vector

_LONGEST_STEP_S = 0.2  # what one frame counts at most, however long the gap before it
_READY_SLACK = 1.5
_MOST_ANONYMOUS = 4096  # ids remembered; the one longest out of view goes first, and then counts as one that lasts
_MOST_NOTICES = 20
_TRIES_EVERY = 30  # checks of the store between tries to open it
_PATIENCE_S = 0.1  # how long images wait for another process that keeps the store
_BY_HAND_S, _STORED_S = 120.0, 60.0  # seconds of frames that a given neutral counts for

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listed:
    """One line of the keeper's list. stored: kept on disk."""

    subject_key: str
    state: NeutralState
    uncertainty: float
    stored: bool


@dataclass
class _Entry:
    """What is held about one subject. saved_ns: time of the last write; None before the first."""

    estimator: PriorEstimator
    last_ns: int
    usable_ns: int
    person: bool = False
    was_ready: bool = False
    known: bool = False
    by_hand: bool = False
    saved_ns: int | None = None
    given_up: int = 0
    usual_pose: UsualPose = field(default_factory=UsualPose)
    regions: SeenRegions = field(default_factory=SeenRegions)
    registered: Registered | None = None
    of: FloatArray | None = None


class NeutralKeeper:
    """Neutrals of all faces and persons in view, and of a bounded number of others. Not thread-safe.

    A store that cannot be had now (no room, no right to write, in use by another process) stops nothing: it stands in
    `notices`. Raises StoreError when the settings name another program's file.
    """

    def __init__(self, settings: NeutralSettings | None = None) -> None:
        self.settings = settings or NeutralSettings()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._runs: dict[str, CalibrationRun] = {}
        self._anonymous: OrderedDict[str, str] = OrderedDict()  # person -> the face it was last held for
        self._problem = ""
        self._notices: list[str] = []
        self._store = self._open_store()
        self._checks = 0

    @property
    def notices(self) -> tuple[str, ...]:
        """What a person should know of the store: files and rows set aside, and why it does not write now."""
        said = (*self._notices, *(self._store.notices if self._store else ()))
        return (*said, self._problem) if self._problem else said

    def configure(self, settings: NeutralSettings) -> None:
        """Applies the settings that may change while running, to subjects that are known too."""
        self.settings = settings
        for entry in self._entries.values():
            entry.estimator.memory_s = settings.memory_s

    def update(self, subject_key: str, registered: Registered, face: Face, stamp_ns: int) -> Neutral:
        """Learns from one face of one frame and returns its neutral as known now."""
        vector = to_vector(registered)
        entry = self._entry(subject_key, stamp_ns, bool(face.person_id))
        entry.person = self._lasts(subject_key, bool(face.person_id))
        if subject_key in self._anonymous:
            self._anonymous.move_to_end(subject_key)
        seconds = min(max(stamp_ns - entry.last_ns, 0) / 1e9, _LONGEST_STEP_S)
        entry.last_ns = stamp_ns
        weight = entry.usual_pose.weight(face.pose.yaw_deg, face.pose.pitch_deg, seconds) * face.visibility.face
        if weight > 0:
            self._learn(entry, vector, weight, seconds, face, stamp_ns)
        run = self._runs.get(subject_key)
        if run is not None:
            calibrated = run.add(vector, face, stamp_ns)
            if calibrated is not None:
                self._give(entry, calibrated)
        known = self._neutral(entry, stamp_ns)
        if self._store is not None and entry.person:
            self._save_when_due(subject_key, entry, known, stamp_ns)
        return known

    def _learn(
        self, entry: _Entry, vector: FloatArray, weight: float, seconds: float, face: Face, stamp_ns: int
    ) -> None:
        """One frame into the estimate; a neutral that it contradicts, or that lacked what is seen now, begins anew."""
        covered = hidden(face.visibility)
        estimator = entry.estimator
        known = estimator.estimate() if estimator.support_s > 0 else None
        if entry.regions.come_to_sight(covered, seconds) and known is not None and not entry.known:
            estimator.begin_from(known)
            entry.was_ready = False
        if not entry.regions.usable(covered):
            return
        estimator.observe(entry.regions.filled(vector, known), weight, seconds, entry.usual_pose.head_turn)
        entry.usable_ns = stamp_ns
        if estimator.given_up != entry.given_up:
            entry.given_up, entry.was_ready = estimator.given_up, False

    def neutral(self, subject_key: str, stamp_ns: int) -> Neutral:
        """The neutral of a subject; state NONE when nothing is known."""
        entry = self._entries.get(subject_key)
        return Neutral(NeutralState.NONE, None, math.nan) if entry is None else self._neutral(entry, stamp_ns)

    def _neutral(self, entry: _Entry, stamp_ns: int) -> Neutral:
        if entry.estimator.support_s <= 0:
            return Neutral(NeutralState.NONE, None, math.nan)
        vector = entry.estimator.estimate()
        if entry.of is not vector:
            entry.of, entry.registered = vector, from_vector(vector)
        uncertainty = entry.estimator.uncertainty()
        return Neutral(self._state(entry, uncertainty, stamp_ns), entry.registered, uncertainty)

    def _state(self, entry: _Entry, uncertainty: float, stamp_ns: int) -> NeutralState:
        if entry.was_ready and stamp_ns - entry.usable_ns > self.settings.stale_after_s * 1e9:
            return NeutralState.STALE
        enough = entry.known or entry.estimator.support_s >= self.settings.ready_after_s
        # Once ready, a little more uncertainty does not take it back: states that flicker help nobody.
        slack = _READY_SLACK if entry.was_ready else 1.0
        if enough and uncertainty <= slack * self.settings.ready_uncertainty:
            entry.was_ready = True
            return NeutralState.READY
        return NeutralState.LEARNING

    def calibrate(self, subject_key: str, duration_s: float, stamp_ns: int) -> None:
        """Takes the coming `duration_s` of image time as the subject's neutral; see `calibration` for the outcome.

        A calibration of the same subject that still runs is replaced. Raises ValueError when the duration is not
        allowed.
        """
        self._runs[subject_key] = CalibrationRun(
            subject_key,
            duration_s,
            stamp_ns,
            self.settings.calibration_yaw_pitch_deg,
            self.settings.calibration_motion,
        )
        while len(self._runs) > self.settings.max_subjects:
            self._runs.pop(next(iter(self._runs)))

    def calibration(self, subject_key: str, stamp_ns: int | None = None) -> Calibration | None:
        """How the subject's last calibration stands; None when there was none. `stamp_ns`: the newest image's time."""
        run = self._runs.get(subject_key)
        if run is None:
            return None
        if stamp_ns is not None:
            run.check(stamp_ns)
        return run.state()

    def set_neutral(self, subject_key: str, registered: Registered, stamp_ns: int = 0, person: bool = False) -> None:
        """A neutral from frames or a file; ready at once. person: subject_key is a person_id."""
        self._give(self._entry(subject_key, stamp_ns, person), to_vector(registered))

    def reset(self, subject_key: str) -> bool:
        """Forgets the neutral of a subject in memory, on disk too, and learns it again; False when it is not in memory.

        Persons who are only on disk stay there; `forget` deletes them. Raises StoreError, and changes nothing, when the
        disk cannot be written.
        """
        entry = self._entries.get(subject_key)
        if entry is None:
            self._runs.pop(subject_key, None)
            return False
        if entry.person:
            self._delete(subject_key)
        self._runs.pop(subject_key, None)
        del self._entries[subject_key]
        return True

    def forget(self, person_id: str) -> bool:
        """Deletes all that is kept about a person, in memory and on disk; False when nothing was.

        Raises StoreError, and changes nothing, when the disk cannot be written, so that nobody believes it done.
        """
        stored = self._delete(person_id)
        self._runs.pop(person_id, None)
        return self._entries.pop(person_id, None) is not None or stored

    def set_anonymous(self, person_id: str, anonymous: bool) -> None:
        """Says whether a person's id lasts. An anonymous person is held like a face: in memory, never on disk."""
        if not anonymous:
            self._anonymous.pop(person_id, None)
            return
        if person_id in self._anonymous:
            return
        self._anonymous[person_id] = ""
        while len(self._anonymous) > _MOST_ANONYMOUS:
            self._anonymous.popitem(last=False)
        entry = self._entries.get(person_id)
        if entry is not None:
            entry.person = False
        if self._store is not None:
            try:
                self._store.forget(person_id)
            except StoreError as error:
                self._report(error)

    def anonymous_before(self, face_id: str, person_id: str) -> tuple[str, ...]:
        """The anonymous person whom a face was held for until it became this person; none where there was none."""
        formers = tuple(one for one, face in self._anonymous.items() if face == face_id and one != person_id)
        for former in formers:
            self._anonymous[former] = ""
        if person_id in self._anonymous:
            self._anonymous[person_id] = face_id
        return formers

    def adopt(self, former: str, subject_key: str, person: bool = True) -> None:
        """A face, or somebody anonymous, turns out to be a person; with person=False, somebody anonymous to be a face.

        A neutral that the subject already has stays; else the former's becomes it.
        """
        entry, run = self._entries.pop(former, None), self._runs.pop(former, None)
        if run is not None:
            run.subject_key = subject_key
            self._runs[subject_key] = run
        if entry is None:
            return
        lasts = self._lasts(subject_key, person)
        if subject_key not in self._entries and not (lasts and self._load(subject_key) is not None):
            entry.person, entry.saved_ns = lasts, None
            self._entries[subject_key] = entry
            return
        own = self._entry(subject_key, entry.last_ns, person)
        if entry.by_hand and not own.by_hand:
            self._give(own, entry.estimator.estimate())

    def _lasts(self, subject_key: str, person: bool) -> bool:
        """Whether a subject's neutral may be kept on disk."""
        return person and subject_key not in self._anonymous

    def listing(self, stamp_ns: int | None = None) -> tuple[Listed, ...]:
        """All subjects with a neutral in memory or on disk, sorted. `stamp_ns`: now; else each subject's last frame."""
        stored: dict[str, float] = {}
        if self._store is not None:
            try:
                stored = self._store.persons()
            except StoreError as error:
                self._report(error)
        rows = {
            subject_key: Listed(subject_key, NeutralState.READY, value, True) for subject_key, value in stored.items()
        }
        for subject_key, entry in self._entries.items():
            known = self._neutral(entry, entry.last_ns if stamp_ns is None else stamp_ns)
            rows[subject_key] = Listed(subject_key, known.state, known.uncertainty, subject_key in stored)
        return tuple(rows[subject_key] for subject_key in sorted(rows))

    def close(self) -> None:
        """Writes what the store lacks and closes it."""
        if self._store is not None:
            self._save_all(BUSY_S)
            self._store.close()
            self._store = None

    def _entry(self, subject_key: str, stamp_ns: int, person: bool) -> _Entry:
        entry = self._entries.get(subject_key)
        if entry is None:
            person = self._lasts(subject_key, person)
            entry = _Entry(PriorEstimator(memory_s=self.settings.memory_s), stamp_ns, stamp_ns, person)
            stored = self._load(subject_key) if person else None
            if stored is not None:
                entry.estimator.set(stored.vector, _BY_HAND_S if stored.by_hand else _STORED_S)
                entry.known, entry.by_hand, entry.saved_ns = True, stored.by_hand, stamp_ns
            self._entries[subject_key] = entry
            while len(self._entries) > self.settings.max_subjects:
                gone, old = self._entries.popitem(last=False)
                if old.person and old.was_ready:
                    self._save(gone, old, old.last_ns)
        self._entries.move_to_end(subject_key)
        return entry

    def _give(self, entry: _Entry, vector: FloatArray) -> None:
        entry.estimator.set(vector, _BY_HAND_S)
        entry.known = entry.by_hand = True
        entry.saved_ns = None

    def _save_when_due(self, subject_key: str, entry: _Entry, known: Neutral, stamp_ns: int) -> None:
        if known.state is NeutralState.READY and (
            entry.saved_ns is None or abs(stamp_ns - entry.saved_ns) >= self.settings.save_every_s * 1e9
        ):
            self._save(subject_key, entry, stamp_ns)

    def _save_all(self, patience_s: float) -> None:
        """Of everybody known, until a write fails: what keeps one from the file keeps the others from it too."""
        for subject_key, entry in self._entries.items():
            if entry.person and entry.was_ready and not self._save(subject_key, entry, entry.last_ns, patience_s):
                return

    def _save(self, subject_key: str, entry: _Entry, stamp_ns: int, patience_s: float = _PATIENCE_S) -> bool:
        """Whether it is on disk now."""
        if self._store is None:
            return False
        estimator = entry.estimator
        row = StoredNeutral(
            estimator.estimate(), estimator.uncertainty(), estimator.support_s, entry.by_hand, entry.usable_ns
        )
        entry.saved_ns = stamp_ns  # a failed write is tried again when the next one is due
        try:
            self._store.save(subject_key, row, patience_s)
            self._problem = ""
            return True
        except StoreError as error:
            self._report(error)
            return False

    def _open_store(self, patience_s: float = BUSY_S) -> NeutralStore | None:
        """The store that the settings name; None, and a notice, where it cannot be had now.

        Raises StoreError when the file is another program's: then the name is wrong.
        """
        if not self.settings.store:
            return None
        try:
            store = NeutralStore(Path(self.settings.store), patience_s)
        except StoreUnavailableError as error:
            self._report(StoreError(f"{error} Neutrals are held in memory only until it can be."))
            return None
        self._problem = ""
        return store

    def check_store(self) -> None:
        """Call about once a second: notices a store that was deleted, replaced or damaged by others, and begins anew.

        What is known goes into the new file. One that could not be opened is tried again twice a minute.
        """
        if not self.settings.store:
            return
        if self._store is None:
            self._checks += 1
            if self._checks % _TRIES_EVERY:
                return
        else:
            reason = self._store.lost()
            if not reason:
                return
            self._store.close()
            said = f"The store of neutrals {self._store.path} {reason} while it was in use; it is written anew."
            logger.warning("%s", said)
            self._notices = [*self._notices, *self._store.notices, said][-_MOST_NOTICES:]
            self._store = None
        try:
            self._store = self._open_store(_PATIENCE_S)
        except StoreError as error:
            self._report(error)
        self._save_all(_PATIENCE_S)

    def _load(self, person_id: str) -> StoredNeutral | None:
        if self._store is None:
            return None
        try:
            return self._store.load(person_id)
        except StoreError as error:
            self._report(error)
            return None

    def _delete(self, subject_key: str) -> bool:
        """From the disk; whether it was there. Raises StoreError when it cannot be."""
        if self._store is not None:
            return self._store.forget(subject_key)
        if self.settings.store and self._problem:
            raise StoreError(self._problem)
        return False

    def _report(self, error: StoreError) -> None:
        """A store that fails stops no coding; it is said once, and stays in `notices` until a write succeeds."""
        if not self._problem:
            logger.warning("%s", error)
        self._problem = str(error)
