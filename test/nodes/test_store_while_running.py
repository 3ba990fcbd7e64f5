# SPDX-License-Identifier: Apache-2.0
"""The store of neutrals and its troubles, as the node meets them: it serves the robot all the same, and says so."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from facial_coding_msgs.msg import FaceCodeArray  # noqa: E402
from facial_coding_msgs.srv import ForgetPerson, ResetNeutral  # noqa: E402

from facial_coding_ros.types import ImageArray  # noqa: E402

from ..ros import Client, node  # noqa: E402
from .test_node import last_ids, see_people  # noqa: E402
from .test_persons import PersonManager, ready, rows  # noqa: E402

WARN = b"\x01"


@pytest.mark.parametrize("trouble", ["place", "lock"])
def test_a_store_that_cannot_be_had_is_a_warning(
    client: Client, images: Iterator[ImageArray], tmp_path: Path, trouble: str
) -> None:
    store = tmp_path / "folder" / "neutrals.sqlite"
    with contextlib.ExitStack() as held:
        if trouble == "place":
            store.parent.write_text("a file in the place of the folder")
        else:
            store.parent.mkdir()
            lock = held.enter_context(store.with_name("neutrals.sqlite.lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        process = held.enter_context(node(neutral__store=store))
        diagnostics = client.collect(DiagnosticArray, "/diagnostics")
        camera, _ = see_people(client, process, images)
        words = "in memory only"
        camera.send_until(
            lambda: diagnostics and words in diagnostics[-1].status[0].message, images, process, "a warning"
        )
        assert diagnostics[-1].status[0].level == WARN
        answer = client.call(ForgetPerson, "/facial_coding/forget_person", ForgetPerson.Request(person_id="ada"))
        assert not answer.success and words in answer.message, "nobody believes it done"
        assert process.stop() == 0


def test_a_store_deleted_while_running_is_said_and_written_anew(
    client: Client, images: Iterator[ImageArray], tmp_path: Path
) -> None:
    store = tmp_path / "neutrals.sqlite"
    with node(neutral__store=store) as process:
        codes = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        diagnostics = client.collect(DiagnosticArray, "/diagnostics")
        camera, tracked = see_people(client, process, images)
        first, _ = sorted(last_ids(tracked))
        PersonManager(client).match("ada", first, 0.9)
        camera.send_until(lambda: ready(codes) and rows(store) == ["ada"], images, process, "ada in the store")
        store.unlink()

        def anew() -> bool:
            return store.exists() and "was deleted while it was in use" in diagnostics[-1].status[0].message

        camera.send_until(anew, images, process, "a warning and a new file")
        assert diagnostics[-1].status[0].level == WARN
        assert rows(store) == ["ada"]


def test_what_cannot_be_deleted_is_not_said_to_be_reset(
    client: Client, images: Iterator[ImageArray], tmp_path: Path
) -> None:
    store = tmp_path / "neutrals.sqlite"
    with node(neutral__store=store) as process:
        codes = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        camera, tracked = see_people(client, process, images)
        first, _ = sorted(last_ids(tracked))
        PersonManager(client).match("ada", first, 0.9)
        camera.send_until(lambda: ready(codes) and rows(store) == ["ada"], images, process, "ada in the store")
        with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            answer = client.call(ResetNeutral, "/facial_coding/reset_neutral", ResetNeutral.Request(person_id="ada"))
            assert not answer.success and "cannot be written" in answer.message
            other.rollback()
        assert rows(store) == ["ada"]
        assert client.call(ResetNeutral, "/facial_coding/reset_neutral", ResetNeutral.Request(person_id="ada")).success
        assert rows(store) == []
