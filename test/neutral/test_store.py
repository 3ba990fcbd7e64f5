# SPDX-License-Identifier: Apache-2.0
"""Neutrals on disk: killed at any moment, shared, damaged, newer, foreign."""

from __future__ import annotations

import fcntl
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from facial_coding_ros.neutral import NeutralKeeper, NeutralSettings
from facial_coding_ros.neutral import keeper as keeping
from facial_coding_ros.neutral.store import NeutralStore, StoredNeutral, StoreError, StoreUnavailableError
from facial_coding_ros.neutral.vectors import SIZE
from facial_coding_ros.types import NeutralState

from .test_neutral import Actor, a_face, dense_size, run

# Writes neutrals whose numbers say which write they are, and prints each one when it is committed.
WRITER = """
import sys
import numpy as np
from pathlib import Path
from facial_coding_ros.neutral.store import NeutralStore, StoredNeutral
from facial_coding_ros.neutral.vectors import SIZE
store = NeutralStore(Path(sys.argv[1]))
print("ready", flush=True)
count = 0
while sys.stdin.readline():
    # One burst of writes for each line; the parent kills it somewhere inside.
    for _ in range(150):
        count += 1
        vector = np.full(SIZE, float(sys.argv[2]) * 100000 + count, np.float32)
        store.save(f"person{count % 3}", StoredNeutral(vector, 0.01, 10.0, False, count))
        print(count % 3, int(vector[0]), flush=True)
"""


def stored(value: float = 1.0) -> StoredNeutral:
    return StoredNeutral(np.full(SIZE, value, np.float32), 0.01, 12.0, False, 7)


def test_row_comes_back(tmp_path):
    store = NeutralStore(tmp_path / "deep" / "n.sqlite")
    store.save("anna", stored(2.5))
    store.close()
    again = NeutralStore(tmp_path / "deep" / "n.sqlite")
    row = again.load("anna")
    assert (row.uncertainty, row.support_s, row.by_hand, row.updated_ns) == (0.01, 12.0, False, 7)
    np.testing.assert_array_equal(row.vector, stored(2.5).vector)
    assert again.load("ben") is None
    assert again.persons() == {"anna": 0.01}
    assert (again.path.stat().st_mode & 0o777) == 0o600


def test_forgotten_numbers_leave_the_file(tmp_path):
    store = NeutralStore(tmp_path / "n.sqlite")
    store.save("anna", stored(1234.5))
    needle = np.full(8, 1234.5, "<f4").tobytes()
    everything = lambda: b"".join(path.read_bytes() for path in tmp_path.iterdir())  # noqa: E731
    assert needle in everything()
    assert store.forget("anna")
    assert not store.forget("anna")
    assert needle not in everything()


@pytest.mark.slow
def test_killed_100_times_while_writing_loses_no_committed_neutral(tmp_path):
    path, choice = tmp_path / "n.sqlite", random.Random(0)
    committed: dict[int, int] = {}
    kills = 0
    for life in range(100):
        kills += _one_life(path, life + 1, choice.uniform(0.0, 0.02), committed)
    assert kills == 100
    store = NeutralStore(path)
    assert not store.notices
    for person, value in committed.items():
        row = store.load(f"person{person}")
        assert (row.vector == row.vector[0]).all()
        # The last one that was reported, or a later one whose report the kill cut off.
        assert row.vector[0] >= value


def _one_life(path: Path, life: int, delay_s: float, committed: dict[int, int]) -> int:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            store = NeutralStore(path)
            for count in range(1, 100000):
                store.save(f"person{count % 3}", stored(life * 10000 + count))
                os.write(writing, b"%d %d\n" % (count % 3, life * 10000 + count))
        finally:
            os._exit(1)  # never back into the tests
    os.close(writing)
    with os.fdopen(reading) as lines:
        first = lines.readline()
        time.sleep(delay_s)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        for line in [first, *lines.read().splitlines(keepends=True)]:
            if line.endswith("\n"):
                person, value = map(int, line.split())
                committed[person] = max(committed.get(person, 0), value)
    return int(os.WIFSIGNALED(status))


def test_two_nodes_at_once(tmp_path):
    path = tmp_path / "n.sqlite"
    nodes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in (1, 2)
    ]
    outputs = [node.communicate("go\n", timeout=120)[0].splitlines() for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0]
    assert [len(lines) for lines in outputs] == [151, 151]
    store = NeutralStore(path)
    for person in range(3):
        vector = store.load(f"person{person}").vector
        assert (vector == vector[0]).all()


@pytest.mark.parametrize("how", ["noise", "cut", "newer"])
def test_unusable_file_is_set_aside_and_kept(tmp_path, how, caplog):
    path = tmp_path / "n.sqlite"
    store = NeutralStore(path)
    for i in range(30):
        store.save(f"p{i}", stored())
    store.close()
    if how == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(20000))
    elif how == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 9")
        connection.commit()
        connection.close()
    before = path.read_bytes()
    again = NeutralStore(path)
    aside = next(p for p in tmp_path.iterdir() if ("newer-9" if how == "newer" else "damaged") in p.name)
    assert aside.read_bytes() == before
    assert str(aside) in again.notices[0] and str(aside) in caplog.text
    assert again.persons() == {}
    again.save("anna", stored())
    assert again.load("anna") is not None


def test_another_programs_database_is_left_alone(tmp_path):
    path = tmp_path / "n.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE songs (title TEXT)")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="another program"):
        NeutralStore(path)
    assert [p.name for p in tmp_path.iterdir() if "damaged" in p.name] == []


def test_a_damaged_row_is_set_aside_alone(tmp_path):
    store = NeutralStore(tmp_path / "n.sqlite")
    store.save("anna", stored())
    store.save("ben", stored())
    store._connection.execute("UPDATE neutral SET points = zeroblob(6160) WHERE person_id = 'anna'")
    assert store.load("anna") is None
    assert "'anna'" in store.notices[0]
    assert store._connection.execute("SELECT count(*) FROM set_aside").fetchone() == (1,)
    assert store.load("ben") is not None


def test_a_place_that_cannot_be_written_is_said_and_stops_nothing(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    settings = NeutralSettings(store=str(tmp_path / "file" / "n.sqlite"))
    keeper = NeutralKeeper(settings)
    assert "cannot be made" in keeper.notices[-1] and "in memory only" in caplog.text
    known, _ = run(keeper, Actor(3), lambda t: {}, 4.0, face=a_face(person_id="anna"))
    assert known.state is NeutralState.READY
    with pytest.raises(StoreError, match="cannot be made"):
        keeper.forget("anna")
    assert [row.subject_key for row in keeper.listing()] == ["anna"], "nobody believes it done"
    (tmp_path / "file").unlink()  # there is room again
    for _ in range(60):
        keeper.check_store()
    assert keeper.notices == ()
    assert [row.stored for row in keeper.listing()] == [True]
    assert keeper.forget("anna")


def full_disk(size: int) -> None:
    """What a process may write into a file from now on; beyond it a write fails, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def in_a_process(work) -> str:
    """What `work` answers in a process of its own, whose limits end with it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            os.write(writing, str(work()).encode())
        except BaseException as error:  # noqa: BLE001  it is the answer
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text


def test_a_full_disk_at_the_start_stops_nothing(tmp_path):
    def work():
        full_disk(1024)
        keeper = NeutralKeeper(NeutralSettings(store=str(tmp_path / "n.sqlite")))
        known, _ = run(keeper, Actor(3), lambda t: {}, 4.0, face=a_face(person_id="anna"))
        return known.state.name, keeper.notices[-1]

    answer = in_a_process(work)
    assert "READY" in answer and "in memory only" in answer


def test_what_a_full_disk_keeps_is_not_said_to_be_deleted(tmp_path):
    store = NeutralStore(tmp_path / "n.sqlite")
    store.save("anna", stored())
    store.close()

    def work():
        keeper = NeutralKeeper(NeutralSettings(store=str(tmp_path / "n.sqlite")))
        run(keeper, Actor(3), lambda t: {}, 0.2, face=a_face(person_id="anna"))
        full_disk(0)
        for delete in (keeper.reset, keeper.forget):
            try:
                return f"{delete.__name__} said {delete('anna')}"
            except StoreError:
                assert [row.subject_key for row in keeper.listing()] == ["anna"]
        return "refused twice"

    assert in_a_process(work) == "refused twice"
    assert NeutralStore(tmp_path / "n.sqlite").load("anna") is not None


@pytest.mark.parametrize("how", ["deleted", "replaced", "damaged"])
def test_a_store_that_others_take_away_is_noticed_and_written_anew(tmp_path, how):
    path = tmp_path / "n.sqlite"
    keeper = NeutralKeeper(NeutralSettings(store=str(path), save_every_s=1.0))
    run(keeper, Actor(3), lambda t: {}, 4.0, face=a_face(person_id="anna"))
    keeper.check_store()
    assert keeper.notices == ()
    if how == "deleted":
        for file in tmp_path.iterdir():
            file.unlink()
    elif how == "replaced":
        other = NeutralStore(tmp_path / "other.sqlite")
        other.save("ben", stored())
        other.close()
        (tmp_path / "other.sqlite").rename(path)
    else:
        with path.open("r+b") as file:
            file.write(np.random.default_rng(0).bytes(path.stat().st_size))
        run(keeper, Actor(3), lambda t: {}, 2.0, start=5.0, face=a_face(person_id="anna"))
    keeper.check_store()
    assert f"was {how} while it was in use" in " ".join(keeper.notices)
    assert "anna" in NeutralStore(path).persons(), "what is known is in the new file"
    keeper.close()
    assert "anna" in NeutralStore(path).persons()


def test_a_lock_of_another_process_is_waited_for_and_then_said(tmp_path):
    path = tmp_path / "n.sqlite"
    with (tmp_path / "n.sqlite.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        start = time.monotonic()
        with pytest.raises(StoreUnavailableError, match=r"is held by another process, by a lock on n\.sqlite\.lock"):
            NeutralStore(path, patience_s=0.2)
        assert time.monotonic() - start < 5
    NeutralStore(path).close()


def test_images_do_not_wait_for_another_process_that_keeps_the_store(tmp_path):
    """It may keep it for long: a database shell in a transaction, a backup."""
    path = tmp_path / "n.sqlite"
    settings = NeutralSettings(store=str(path), save_every_s=1.0)
    keeper = NeutralKeeper(settings)
    people = [(a_face(face_id=name, person_id=name), Actor(number)) for number, name in enumerate(("ada", "bo", "cy"))]
    for face, actor in people:
        run(keeper, actor, lambda t: {}, 4.0, face=face)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    start = time.monotonic()
    for face, actor in people:
        run(keeper, actor, lambda t: {}, 0.1, start=10.0, face=face)
    assert time.monotonic() - start < 2.0, "all three were due"
    assert "cannot be written" in " ".join(keeper.notices)
    other.rollback()
    run(keeper, people[0][1], lambda t: {}, 0.1, start=12.0, face=people[0][0])
    assert keeper.notices == ()
    other.execute("BEGIN IMMEDIATE")
    start = time.monotonic()
    keeper.close()
    assert time.monotonic() - start < 9.0, "waits once, not for every person"
    other.close()


def test_a_link_in_the_place_of_the_lock_empties_nothing(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("do not touch")
    (tmp_path / "n.sqlite.lock").symlink_to(precious)
    with pytest.raises(StoreUnavailableError, match="cannot be made"):
        NeutralStore(tmp_path / "n.sqlite")
    assert precious.read_text() == "do not touch"


def test_rows_of_anonymous_persons_are_removed_and_said(tmp_path):
    path = tmp_path / "n.sqlite"
    store = NeutralStore(path)
    for person_id in ("anonymous_person_ab12x", "anna", "anonymous_person_9", "anonymousity"):
        store.save(person_id, stored(1234.5))
    store.close()
    again = NeutralStore(path)
    assert list(again.persons()) == ["anna", "anonymousity"]
    assert "2 neutrals of anonymous persons were removed" in again.notices[0]
    again.close()
    assert NeutralStore(path).notices == []


def test_nobody_anonymous_is_stored_until_somebody(tmp_path):
    settings = NeutralSettings(store=str(tmp_path / "n.sqlite"), save_every_s=1.0)
    keeper = NeutralKeeper(settings)
    keeper.set_anonymous("visitor", True)
    run(keeper, Actor(3), lambda t: {}, 4.0, face=a_face(person_id="visitor"))
    assert [(row.subject_key, row.stored) for row in keeper.listing()] == [("visitor", False)]
    keeper.set_anonymous("visitor", False)  # the id lasts after all
    run(keeper, Actor(3), lambda t: {}, 0.2, start=4.0, face=a_face(person_id="visitor"))
    assert [(row.subject_key, row.stored) for row in keeper.listing()] == [("visitor", True)]
    keeper.set_anonymous("visitor", True)
    keeper.close()
    assert NeutralStore(tmp_path / "n.sqlite").persons() == {}


def test_a_returning_person_starts_ready_and_can_be_forgotten(tmp_path):
    settings = NeutralSettings(store=str(tmp_path / "n.sqlite"))
    actor, face = Actor(20), a_face(person_id="anna")
    keeper = NeutralKeeper(settings)
    learnt, _ = run(keeper, actor, lambda t: {}, 4.0, face=face)
    run(keeper, actor, lambda t: {}, 4.0, face=a_face("stranger"))
    keeper.close()
    again = NeutralKeeper(settings)
    assert [(row.subject_key, row.stored) for row in again.listing()] == [("anna", True)]
    first = again.update("anna", actor.show(smile=1.0), face, 10**9)
    assert first.state is NeutralState.READY
    assert dense_size(first.registered, learnt.registered) < 0.01
    assert again.forget("anna")
    assert not again.forget("anna")
    again.close()
    assert NeutralKeeper(settings).listing() == ()


def test_off_by_default(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    keeper = NeutralKeeper()
    run(keeper, Actor(21), lambda t: {}, 2.0, face=a_face(person_id="anna"))
    keeper.close()
    assert list(tmp_path.iterdir()) == []


def test_somebody_anonymous_in_view_stays_so_however_many_come(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "_MOST_ANONYMOUS", 16)
    keeper, face = NeutralKeeper(NeutralSettings(store=str(tmp_path / "n.sqlite"))), a_face(person_id="visitor")
    keeper.set_anonymous("visitor", True)
    neutral, end_s = run(keeper, Actor(3), lambda t: {}, 3.0, face=face)
    assert neutral.state is NeutralState.READY
    for number in range(64):
        keeper.set_anonymous(f"another{number}", True)
        if number % 8 == 0:
            neutral, end_s = run(keeper, Actor(3), lambda t: {}, 0.1, end_s, face=face)
    run(keeper, Actor(3), lambda t: {}, 0.5, end_s, face=face)
    assert [(row.subject_key, row.stored) for row in keeper.listing()] == [("visitor", False)]
    keeper.close()
