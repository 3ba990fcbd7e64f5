"""Neutrals on disk: killed at any moment, shared, damaged, newer, foreign."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from facial_coding_ros.neutral import NeutralKeeper, NeutralSettings
from facial_coding_ros.neutral.store import NeutralStore, StoredNeutral, StoreError
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
    for _ in range(400):
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
def test_killed_200_times_while_writing_loses_no_committed_neutral(tmp_path):
    path, choice = tmp_path / "n.sqlite", random.Random(0)
    committed: dict[int, int] = {}
    kills = 0
    for life in range(200):
        kills += _one_life(path, life + 1, choice.uniform(0.0, 0.02), committed)
    assert kills == 200
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
    assert [len(lines) for lines in outputs] == [401, 401]
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


def test_unwritable_place_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        NeutralKeeper(NeutralSettings(store=str(tmp_path / "file" / "n.sqlite")))


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
