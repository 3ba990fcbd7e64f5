# SPDX-License-Identifier: Apache-2.0
"""Files of users with some bytes changed: each is read, or refused with the error that is meant for it.

Bags, pictures, containers of videos and YAML have theirs beside their readers.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from facial_coding_ros.coding.perceptual.similarity import read_moments
from facial_coding_ros.datasets.coded_frames import read_columns
from facial_coding_ros.datasets.labels_csv import read as read_labels
from facial_coding_ros.datasets.records import DatasetError
from facial_coding_ros.evaluation.runs import RunError, read_table
from facial_coding_ros.face_codes.table import as_text, columns
from facial_coding_ros.image.sources import SourceError, open_source
from facial_coding_ros.inference import ModelError
from facial_coding_ros.inference.model_files import ModelFile
from facial_coding_ros.models import share_folder
from facial_coding_ros.neutral.files import read_neutral, write_neutral
from facial_coding_ros.neutral.store import NeutralStore, StoredNeutral, StoreError
from facial_coding_ros.types import CodeForm, Registered


def mutated(whole: bytes, chance: random.Random, most: int = 6) -> bytes:
    data = bytearray(whole)
    for _ in range(chance.randint(1, most)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    if chance.random() < 0.2:
        del data[chance.randrange(len(data)) :]
    return bytes(data)


def try_all(path: Path, read: Callable[[Path], object], meant: tuple[type[Exception], ...], count: int) -> int:
    """How many of so many mutations were read; any other error is the test's."""
    whole, chance, good = path.read_bytes(), random.Random(7), 0
    for _ in range(count):
        path.write_bytes(mutated(whole, chance))
        try:
            read(path)
            good += 1
        except meant as error:
            assert str(error)
    return good


def test_neutral_files(tmp_path: Path) -> None:
    path = tmp_path / "neutral.npz"
    write_neutral(path, Registered(np.zeros((68, 2), np.float32), np.zeros((468, 3), np.float32)))
    try_all(path, read_neutral, (ValueError,), 150)


def use_store(path: Path) -> None:
    for left in path.parent.glob("store.sqlite?*"):
        left.unlink()
    store = NeutralStore(path)
    try:
        store.persons()
        store.load("ada")
        store.forget("ada")
    finally:
        store.close()


def test_stores_of_neutrals(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    store = NeutralStore(path)
    for name in ("ada", "bob"):
        store.save(name, StoredNeutral(np.zeros(1540, np.float32), 0.01, 3.0, True, 5))
    store.close()
    try_all(path, use_store, (StoreError,), 60)


def test_store_whose_schema_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE neutral(x)")
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("UPDATE sqlite_master SET sql = CAST(x'637265617465ff' AS TEXT), name = CAST(x'ff' AS TEXT)")
    connection.close()
    use_store(path)
    assert list(tmp_path.glob("store.sqlite.damaged-*")), "it is set aside"


@pytest.mark.parametrize("which", ["onnx", "yaml"])
def test_models_and_their_cards(tmp_path: Path, which: str) -> None:
    source = min(share_folder("models").glob("*.onnx"), key=lambda file: file.stat().st_size)
    for file in (source, source.with_suffix(".yaml")):
        shutil.copy(file, tmp_path)
    model = tmp_path / source.name
    assert ModelFile.read(model).graph
    good = try_all(model.with_suffix(f".{which}"), lambda _: ModelFile.read(model), (ModelError,), 60)
    assert which == "yaml" or good == 0, "the hash tells"


HEADER = columns(CodeForm((12,), ("happy",), 1, 1))
ROW = ["0", "0", "fabcde", "", "ready", "1", "0", "0", "0", "0.1", "0.1", "0.2", "0.2", "happy", "1", "0", "0"]


def table(path: Path) -> Path:
    rows = [HEADER, *([*ROW, *["0.5"] * (len(HEADER) - len(ROW))] for _ in range(3))]
    for number, row in enumerate(rows[1:]):
        row[0], row[1] = str(number), str(number * 40_000_000)
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")
    return path


def read_all(path: Path) -> None:
    list(read_labels(path))


READERS: dict[str, tuple[Callable[[Path], object], type[Exception]]] = {
    "codes": (read_table, RunError),
    "moments": (read_moments, ValueError),
    "frames": (read_columns, DatasetError),
    "labels": (read_all, DatasetError),
}


@pytest.mark.parametrize("reader", READERS)
def test_tables(tmp_path: Path, reader: str) -> None:
    read, meant = READERS[reader]
    path = table(tmp_path / "face_codes.csv")
    if reader == "labels":
        path.write_text("frame,person_id,au12,expression\n0,ada,3,happy\n1,ada,2,neutral\n2,ada,9,\n")
    read(path)
    whole, refused = path.read_text(), 0
    for content in (
        b"\xff\xfe" + whole.encode(),
        whole.replace("0,0,", "9" * 30 + ",0,", 1).encode(),
        whole.replace("\n0,", "\n" + "9" * 5000 + ",", 1).encode(),
        whole.replace("\n1,", "\n1e999,", 1).encode(),
        whole.replace("frame", "fame", 1).encode(),
        whole.replace("\n", ",\n", 2).encode(),
        b"",
        b"\0" * 50,
    ):
        path.write_bytes(content)
        try:
            read(path)
        except meant as error:
            assert "face_codes.csv" in str(error), content[:60]
            refused += 1
    assert refused >= 5
    path.write_text(whole)
    try_all(path, read, (meant,), 150)


def test_names_of_others_are_no_formulas() -> None:
    names = ["=HYPERLINK(1)", "+1", "-1", "@x", "\t=1", "ada", "", "a=b"]
    assert [as_text(name) for name in names] == ["'=HYPERLINK(1)", "'+1", "'-1", "'@x", "'\t=1", "ada", "", "a=b"]


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "mp4v"), ("mkv", "VP80"), ("avi", "MJPG")])
def test_videos(tmp_path: Path, suffix: str, codec: str) -> None:
    """What is read has rising times; frames that are missing are said."""
    path = tmp_path / f"clip.{suffix}"
    noise = np.random.default_rng(0)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 30, (64, 48))
    for _ in range(40):
        writer.write(noise.integers(0, 256, (48, 64, 3), np.uint8))
    writer.release()
    whole, chance = path.read_bytes(), random.Random(3)
    for number in range(40):
        head = bytearray(whole)
        place = chance.choice([slice(0, 400), slice(len(whole) - 700, len(whole)), slice(0, len(whole))])
        head[place] = mutated(whole[place], chance, 3)
        path.write_bytes(head)
        problems: list[str] = []
        try:
            stamps = [frame.stamp_ns for frame in open_source(path).frames(problems.append)]
        except SourceError:
            continue
        assert sorted(set(stamps)) == stamps
        assert problems or len(stamps) >= 38, f"mutation {number}: {len(stamps)} frames and no word"
