# SPDX-License-Identifier: Apache-2.0
"""The neutrals of persons on disk: one SQLite file, one row per person, geometry only.

A commit survives the process being killed at any moment, and several processes may use the file at once. A file that is
damaged, or that a newer version wrote, is moved aside under a new name, never overwritten.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..types import FloatArray
from .vectors import SIZE

SCHEMA = 1
POINTS_FORM = "mesh468+68/eye-distances/1"
_APPLICATION_ID = 0x46434E31  # "FCN1"
BUSY_S = 5.0
"""How long another process may keep the file to itself before it counts as not to be had."""
_COLUMNS = "person_id, schema, form, updated_ns, uncertainty, support_s, by_hand, points, checksum"
_TABLE = """(
    person_id TEXT PRIMARY KEY, schema INTEGER NOT NULL, form TEXT NOT NULL, updated_ns INTEGER NOT NULL,
    uncertainty REAL NOT NULL, support_s REAL NOT NULL, by_hand INTEGER NOT NULL,
    points BLOB NOT NULL, checksum TEXT NOT NULL)"""

_ANONYMOUS = (len("anonymous_person_"), "anonymous_person_")
"""Ids that person managers make up for people they do not know. Older stores may hold some."""

logger = logging.getLogger(__name__)


class StoreError(Exception):
    """The store cannot be used; the text says why and what to do."""


class StoreUnavailableError(StoreError):
    """It cannot be had now, for reasons outside of it: no room, no right to write, in use by another process."""


class _UnusableError(Exception):
    """The file must be set aside; `kind` goes into its new name."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


@dataclass(frozen=True)
class StoredNeutral:
    """One person's neutral. vector: (1540,) as in `vectors`. updated_ns: time of the image it was last learnt from."""

    vector: FloatArray
    uncertainty: float
    support_s: float
    by_hand: bool
    updated_ns: int


class NeutralStore:
    """Opens or makes the file.

    notices: what was set aside or removed and why, for the person at the robot. patience_s: how long to wait for
    another process that opens it or writes to it. Raises StoreUnavailableError when it cannot be had now, StoreError
    when it is another program's.
    """

    def __init__(self, path: Path, patience_s: float = BUSY_S) -> None:
        self.path = path.expanduser().absolute()
        self.notices: list[str] = []
        self._damage = ""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._sole_opener(patience_s):
                self._connection = self._open(patience_s)
            self._file = _identity(self.path)
        except OSError as error:
            raise StoreUnavailableError(f"The store of neutrals {self.path} cannot be made: {error}.") from error
        except sqlite3.Error as error:
            raise StoreUnavailableError(f"The store of neutrals {self.path} cannot be opened: {error}.") from error

    def lost(self) -> str:
        """What others did to the file since it was opened, so that it must be opened anew; empty when nothing."""
        try:
            now = _identity(self.path)
        except OSError:
            return "was deleted"
        return "was replaced" if now != self._file else self._damage

    def load(self, person_id: str) -> StoredNeutral | None:
        """A person's neutral; None when there is none, or when its row is damaged (the row is then set aside)."""
        with self._errors("read"):
            row = self._connection.execute(
                f"SELECT {_COLUMNS} FROM neutral WHERE person_id = ?", (person_id,)
            ).fetchone()
        if row is None:
            return None
        _, schema, form, updated_ns, uncertainty, support_s, by_hand, points, checksum = row
        fault = None
        if schema != SCHEMA or form != POINTS_FORM:
            fault = f"is of another form ({form!r}, schema {schema})"
        elif (
            not (isinstance(points, bytes) and all(isinstance(one, (int, float)) for one in row[3:7]))
            or hashlib.sha256(points).hexdigest() != checksum
            or len(points) != 4 * SIZE
        ):
            fault = "is damaged"
        if fault is not None:
            with self._errors("written"), self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.execute(
                    f"INSERT INTO set_aside SELECT {_COLUMNS} FROM neutral WHERE person_id = ?", (person_id,)
                )
                self._connection.execute("DELETE FROM neutral WHERE person_id = ?", (person_id,))
            self._notice(f"The stored neutral of {person_id!r} in {self.path} {fault}; it is kept in table set_aside.")
            return None
        vector = np.frombuffer(points, "<f4").astype(np.float32)
        return StoredNeutral(vector, uncertainty, support_s, bool(by_hand), updated_ns)

    def save(self, person_id: str, neutral: StoredNeutral, patience_s: float = BUSY_S) -> None:
        """Writes a person's row; it is on disk when this returns. patience_s: how long to wait for other writers."""
        points = np.asarray(neutral.vector, "<f4").tobytes()
        row = (
            person_id,
            SCHEMA,
            POINTS_FORM,
            int(neutral.updated_ns),
            float(neutral.uncertainty),
            float(neutral.support_s),
            int(neutral.by_hand),
            points,
            hashlib.sha256(points).hexdigest(),
        )
        with self._errors("written", patience_s), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(f"INSERT OR REPLACE INTO neutral ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)", row)

    def forget(self, person_id: str) -> bool:
        """Deletes a person's row, its bytes too; False when there was none."""
        with self._errors("written"), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            found = self._connection.execute("DELETE FROM neutral WHERE person_id = ?", (person_id,)).rowcount
            found += self._connection.execute("DELETE FROM set_aside WHERE person_id = ?", (person_id,)).rowcount
        return found > 0

    def persons(self) -> dict[str, float]:
        """Uncertainty of each person's neutral, by person_id."""
        with self._errors("read"):
            return dict(self._connection.execute("SELECT person_id, uncertainty FROM neutral ORDER BY person_id"))

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _errors(self, verb: str, patience_s: float = BUSY_S) -> Iterator[None]:
        """patience_s: how long each statement waits for another process's transaction."""
        try:
            self._connection.execute(f"PRAGMA busy_timeout = {round(1000 * patience_s)}")
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if not isinstance(error, sqlite3.OperationalError):
                self._damage = "was damaged"
            raise StoreError(f"The store of neutrals {self.path} cannot be {verb}: {error}.") from error

    @contextmanager
    def _sole_opener(self, patience_s: float) -> Iterator[None]:
        """Only one process at a time looks the file over and moves it aside."""
        path = self.path.with_name(self.path.name + ".lock")
        # Through a link somebody else's file would be locked, or emptied.
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            end = time.monotonic() + patience_s
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= end:
                        raise StoreUnavailableError(
                            f"The store of neutrals {self.path} is held by another process, by a lock on {path.name}."
                        ) from None
                    time.sleep(0.05)
            yield
        finally:
            os.close(lock)

    def _open(self, patience_s: float) -> sqlite3.Connection:
        try:
            return self._connect(patience_s)
        except _UnusableError as fault:
            aside = self._free_name(fault.kind)
            for ending in ("", "-journal", "-wal", "-shm"):
                old = self.path.with_name(self.path.name + ending)
                if old.exists():
                    old.rename(aside.with_name(aside.name + ending))
            self._notice(f"The store of neutrals {self.path} {fault}; it was moved to {aside}, and a new one is begun.")
            return self._connect(patience_s)

    def _connect(self, patience_s: float) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=patience_s, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(connection)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # SQLite's words can quote what is no UTF-8
            connection.close()
            # Locked, read-only or full is an OperationalError, and no reason to move the file.
            if isinstance(error, sqlite3.OperationalError):
                raise
            raise _UnusableError("damaged", f"is damaged ({error})") from error
        except BaseException:
            connection.close()
            raise
        self.path.chmod(0o600)
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        application_id = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and application_id != _APPLICATION_ID:
            raise StoreError(
                f"{self.path} is a database of another program; name another file as the store of neutrals."
            )
        if version > SCHEMA:
            raise _UnusableError(
                f"newer-{version}", f"was written by a newer version (schema {version}, here {SCHEMA})"
            )
        found = connection.execute("PRAGMA quick_check").fetchone()[0]
        if found != "ok":
            raise _UnusableError("damaged", f"is damaged ({found})")
        # Not WAL: its index is mapped into memory, and who truncates that file ends this process with SIGBUS; and what
        # others copy over the file is seen at once.
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(f"CREATE TABLE IF NOT EXISTS neutral {_TABLE}")
            connection.execute(f"CREATE TABLE IF NOT EXISTS set_aside {_TABLE.replace(' PRIMARY KEY', '')}")
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
            made_up = sum(
                connection.execute(f"DELETE FROM {table} WHERE substr(person_id, 1, ?) = ?", _ANONYMOUS).rowcount
                for table in ("neutral", "set_aside")
            )
        if made_up:
            self._notice(
                f"{made_up} neutrals of anonymous persons were removed from {self.path}: such ids do not last."
            )

    def _free_name(self, kind: str) -> Path:
        for number in range(1, 10000):
            name = self.path.with_name(f"{self.path.name}.{kind}-{number}")
            if not name.exists():
                return name
        raise StoreError(f"There are 9999 files {self.path.name}.{kind}-N beside {self.path}; remove some.")

    def _notice(self, text: str) -> None:
        self.notices.append(text)
        logger.warning(text)


def _identity(path: Path) -> tuple[int, int]:
    """Which file a path names just now."""
    found = path.stat()
    return found.st_dev, found.st_ino
