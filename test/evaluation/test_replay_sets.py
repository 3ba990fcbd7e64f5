# SPDX-License-Identifier: Apache-2.0
"""Replay of sets of recordings: formats, ranges, topics, damage, resuming, processes and a cluster."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin

from facial_coding_ros.cli import main
from facial_coding_ros.image.bags import open_bag
from facial_coding_ros.image.prefetch import prefetch
from facial_coding_ros.image.sources import SourceError, Span, image_topics, open_source
from facial_coding_ros.learning.studies.recorded_bags import LATE_NS, START_NS, image_message, write_bag

from ..conftest import CLIP

pytestmark = pytest.mark.slow

FRAMES = 24
ROWS = list[dict[str, str]]


def rows_of(path: Path) -> ROWS:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    return [frame.image for frame, _ in zip(open_source(CLIP).frames(), range(FRAMES), strict=False)]


@pytest.fixture(scope="module")
def bags(images: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same frames as sqlite3 and mcap, raw and compressed."""
    folder = tmp_path_factory.mktemp("bags")
    for plugin in StoragePlugin:
        for compressed in (False, True):
            name = f"{plugin.name.lower()}_{'compressed' if compressed else 'raw'}"
            write_bag(folder / name, images, plugin, compressed)
    return folder


@pytest.fixture(scope="module")
def replayed(bags: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All four bags in two processes."""
    out = tmp_path_factory.mktemp("replayed")
    given = [str(bag) for bag in sorted(bags.iterdir())]
    command = ["replay", *given, "--out", str(out), "--formats", "csv,parquet,bag", "--processes", "2"]
    assert main(command) == 0
    return out


def test_every_kind_of_bag_gives_a_folder(replayed: Path) -> None:
    assert sorted(p.name for p in replayed.iterdir()) == [
        "mcap_compressed", "mcap_raw", "sqlite3_compressed", "sqlite3_raw",
    ]  # fmt: skip
    codes = {p.name: (p / "face_codes.csv").read_bytes() for p in replayed.iterdir()}
    assert codes["mcap_raw"] == codes["sqlite3_raw"], "the storage makes no difference"
    assert codes["mcap_compressed"] == codes["sqlite3_compressed"]
    rows = rows_of(replayed / "mcap_raw" / "face_codes.csv")
    assert len({row["face_id"] for row in rows}) == 2
    assert int(rows[0]["stamp_ns"]) == START_NS + round(int(rows[0]["frame"]) / 30 * 1e9)
    frames = rows_of(replayed / "mcap_raw" / "frames.csv")
    assert [int(row["frame"]) for row in frames] == list(range(FRAMES))
    assert all(int(row["recorded_ns"]) - int(row["stamp_ns"]) == LATE_NS for row in frames)
    assert sum(int(row["faces"]) for row in frames) == len(rows)
    content = json.loads((replayed / "mcap_raw" / "recording.json").read_text())
    assert content["frames"] == FRAMES and content["problems"]["count"] == 0
    assert content["settings"]["tracking"]["id_seed"] == 1 and "facs" in content["models"]
    spread = content["timing"]["processing_ms"]
    assert 0 < spread["p50"] <= spread["p95"] <= spread["max"]


def test_parquet_holds_the_same_numbers(replayed: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = rows_of(replayed / "mcap_raw" / "face_codes.csv")
    table = parquet.read_table(replayed / "mcap_raw" / "face_codes.parquet").to_pydict()
    assert list(table) == list(rows[0])
    for name, values in table.items():
        if isinstance(values[0], float):
            given = np.array([row[name] for row in rows], np.float32)
            np.testing.assert_array_equal(np.array(values, np.float32), given)
        else:
            assert [str(value) for value in values] == [row[name] for row in rows]


def test_bag_holds_the_messages_the_node_would_have_sent(replayed: Path) -> None:
    rows = rows_of(replayed / "mcap_raw" / "face_codes.csv")
    with AnyReader([replayed / "mcap_raw" / "bag"]) as bag:
        assert {c.topic: c.msgtype for c in bag.connections} == {
            "/facial_coding/face_codes": "facial_coding_msgs/msg/FaceCodeArray",
            "/facial_coding/events": "facial_coding_msgs/msg/FaceEvent",
        }
        messages = [(at, bag.deserialize(raw, c.msgtype), raw) for c, at, raw in bag.messages() if "codes" in c.topic]
    assert len(messages) == FRAMES
    number = 0
    for index, (at, message, _) in enumerate(messages):
        stamp = message.header.stamp
        stamp_ns = stamp.sec * 10**9 + stamp.nanosec
        assert stamp_ns == START_NS + round(index / 30 * 1e9) and at == stamp_ns + LATE_NS
        assert message.header.frame_id == "camera_optical_frame"
        for face in message.faces:
            row = rows[number]
            number += 1
            assert (face.face_id, str(stamp_ns)) == (row["face_id"], row["stamp_ns"])
            intensity = dict(zip(face.au, face.au_intensity, strict=True))
            np.testing.assert_equal(np.float32(intensity[12]), np.float32(row["au12"]))
            assert len(face.landmark_x) == 70 and abs(face.landmark_x[0] * 640) > 1
    assert number == len(rows)


@pytest.mark.ros
def test_rclpy_reads_the_bag(replayed: Path) -> None:
    serialization = pytest.importorskip("rclpy.serialization", reason="needs ROS 2; standalone/env has it")
    from facial_coding_msgs.msg import FaceCodeArray

    from facial_coding_ros.face_codes.table import row
    from facial_coding_ros.nodes.messages import face_code_of, stamp_ns_of

    rows = rows_of(replayed / "mcap_raw" / "face_codes.csv")
    read = []
    with AnyReader([replayed / "mcap_raw" / "bag"]) as bag:
        for connection, _, raw in bag.messages():
            if connection.msgtype.endswith("FaceCodeArray"):
                message = serialization.deserialize_message(bytes(raw), FaceCodeArray)
                index = round((stamp_ns_of(message.header) - START_NS) * 30 / 1e9)
                read += [row(index, stamp_ns_of(message.header), face_code_of(face)) for face in message.faces]
    assert [[str(value) for value in entry] for entry in read] == [list(entry.values()) for entry in rows]


def test_range_keeps_frame_numbers(bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["replay", str(bags / "mcap_raw"), str(CLIP), "--out", str(tmp_path), "--range", "0.2:0.4"]
    assert main(command) == 0
    frames = rows_of(tmp_path / "mcap_raw" / "frames.csv")
    assert [int(row["frame"]) for row in frames] == list(range(6, 12))
    stamps = [int(row["stamp_ns"]) for row in rows_of(tmp_path / "two_people" / "frames.csv")]
    first = next(open_source(CLIP).frames()).stamp_ns
    assert stamps and all(0.2e9 <= stamp - first < 0.4e9 for stamp in stamps)
    assert "2 recordings: 2 whole, 0 in part, 0 without a result" in capsys.readouterr().out
    assert main(["replay", str(bags / "mcap_raw"), "--out", str(tmp_path / "x"), "--range", "5:3"]) == 1
    assert "--range 5:3: START:END in seconds" in capsys.readouterr().err
    assert main(["replay", str(bags / "mcap_raw"), "--out", str(tmp_path / "x"), "--range", "100:"]) == 1
    assert "no frame that can be used in the range asked for" in capsys.readouterr().err


def test_range_of_a_folder(images: list[np.ndarray], tmp_path: Path) -> None:
    for number in range(6):
        cv2.imwrite(str(tmp_path / f"{number}.png"), images[number])
    source = open_source(tmp_path, fps=10, span=Span(0.2, 0.4))
    assert [frame.index for frame in source.frames()] == [2, 3] and source.count == 2


def test_topics(images: list[np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write_bag(tmp_path / "two", images[:3], topics=("/left/image", "/right/image"))
    assert image_topics(bag) == ["/left/image/compressed", "/right/image/compressed"]
    out = tmp_path / "out"
    assert main(["replay", str(bag), "--topic", "all", "--out", str(out), "--processes", "1"]) == 0
    names = ["two-left-image-compressed", "two-right-image-compressed"]
    assert sorted(p.name for p in out.iterdir()) == names
    assert (out / names[0] / "face_codes.csv").read_bytes() == (out / names[1] / "face_codes.csv").read_bytes()
    assert main(["replay", str(bag), "--topic", "/words", "--out", str(out)]) == 1
    error = capsys.readouterr().err
    assert "topic /words with images is expected" in error and "/words (std_msgs/msg/String, 3 messages)" in error


def cut(bag: Path, share: float) -> Path:
    """The bag's file ends too early, as after a loss of power: no metadata.yaml either."""
    (bag / "metadata.yaml").unlink()
    file = next(f for f in bag.iterdir() if f.suffix in (".mcap", ".db3"))
    content = file.read_bytes()
    file.write_bytes(content[: round(len(content) * share)])
    return bag


@pytest.mark.parametrize("plugin", list(StoragePlugin))
def test_cut_bag_is_read_as_far_as_it_goes(
    plugin: StoragePlugin, images: list[np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mcap = plugin is StoragePlugin.MCAP
    # Raw images fill several chunks of MCAP; SQLite needs many rows until its first pages stay where they are.
    given = images[:12] if mcap else [cv2.resize(image, (320, 180)) for image in images] * 5
    bag = cut(write_bag(tmp_path / "bag", given, plugin, compressed=not mcap), 0.6)
    problems: list[str] = []
    frames = list(open_source(bag).frames(problems.append))
    assert 0.3 * len(given) <= len(frames) < len(given)
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert np.abs(frames[3].image.astype(int) - given[3]).mean() < 4
    assert any("is not whole" in problem and str(bag) in problem for problem in problems)
    assert any("ends inside a record" in p or "ends or is damaged after" in p for p in problems)
    with pytest.raises(SourceError, match="is not whole"):
        list(open_source(bag).frames())
    if mcap:
        assert main(["replay", str(bag), "--out", str(tmp_path / "out")]) == 3
        assert "left out" in capsys.readouterr().err
        assert json.loads((tmp_path / "out" / "recording.json").read_text())["problems"]["count"] >= 2


def test_damage_in_the_middle_costs_only_what_is_damaged(images: list[np.ndarray], tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", images[:12], StoragePlugin.MCAP, compressed=False)
    file = next(bag.glob("*.mcap"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2 - 200 : len(content) // 2] = bytes(200)
    file.write_bytes(content)
    problems: list[str] = []
    frames = list(open_source(bag).frames(problems.append))
    indices = [round((frame.stamp_ns - START_NS) * 30 / 1e9) for frame in frames]
    assert indices == sorted(set(indices)) and indices[0] == 0
    assert len(indices) >= 6
    assert not problems or all(str(bag) in problem for problem in problems)


def test_stamps_out_of_order_and_doubled(images: list[np.ndarray], tmp_path: Path) -> None:
    stamps = [START_NS + i * 10**8 for i in (0, 1, 1, 2, 0, 3)]
    bag = write_bag(tmp_path / "bag", images[:6], stamps_ns=stamps)
    problems: list[str] = []
    frames = list(open_source(bag).frames(problems.append))
    assert [frame.index for frame in frames] == [0, 1, 3, 5]
    assert len(problems) == 2
    assert "message 2: its stamp" in problems[0] and "is that of the image before" in problems[0]
    assert "message 4: its stamp" in problems[1] and "0.200 s before the last one" in problems[1]


def test_one_bad_file_never_stops_the_others(
    bags: Path, images: list[np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = write_bag(tmp_path / "empty", [])
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    garbage = tmp_path / "garbage.mcap"
    garbage.write_bytes(b"\x89MCAP0\r\n" + bytes(50))
    bad = write_bag(tmp_path / "spoilt", images[:4])
    out = tmp_path / "out"
    given = [str(p) for p in (empty, text, garbage, tmp_path / "nowhere", bags / "mcap_raw", bad)]
    assert main(["replay", *given, "--out", str(out), "--processes", "2", "--formats", "csv"]) == 1
    said = capsys.readouterr()
    for words in (
        f"{empty}: topic /camera/image/compressed holds no message",
        "text.mp4 cannot be opened as a video",
        "garbage.mcap is not a readable bag",
        "nowhere does not exist",
    ):
        assert words in said.err, said.err
    assert "6 recordings: 2 whole, 0 in part, 4 without a result" in said.out
    assert sorted(p.name for p in out.iterdir() if (p / "face_codes.csv").exists()) == ["mcap_raw", "spoilt"]
    assert not list(out.rglob(".work*"))


def test_unknown_message_type_beside_the_images(images: list[np.ndarray], tmp_path: Path) -> None:
    """A bag may hold types nobody here knows, with definitions that do not even parse."""
    from rosbags.rosbag2 import Writer

    with Writer(tmp_path / "bag", version=8, storage_plugin=StoragePlugin.MCAP) as bag:
        odd = bag.add_connection("/odd", "odd_msgs/msg/Thing", msgdef="what is this?", rihs01="RIHS01_0")
        kind, raw = image_message(images[0], START_NS, True)
        from facial_coding_ros.learning.studies.recorded_bags import STORE

        image = bag.add_connection("/image", kind, typestore=STORE)
        bag.write(odd, START_NS, b"\0\1\0\0 whatever")
        bag.write(image, START_NS, raw)
    assert len(list(open_source(tmp_path / "bag").frames())) == 1
    with pytest.raises(SourceError, match=r"/odd \(odd_msgs/msg/Thing, 1 messages\)"):
        open_source(tmp_path / "bag", "/odd")


def test_resume_keeps_what_is_finished(
    images: list[np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bags = [write_bag(tmp_path / name, images[:4]) for name in ("a", "b")]
    out = tmp_path / "out"
    command = ["replay", *map(str, bags), "--out", str(out), "--formats", "csv", "--resume", "--processes", "1"]
    assert main(command) == 0
    before = (out / "a" / "recording.json").stat().st_mtime_ns
    content = (out / "b" / "face_codes.csv").read_bytes()
    (out / "b" / "recording.json").unlink()  # as if it had been ended there
    (out / "b" / ".work-old").mkdir()
    capsys.readouterr()
    assert main(command) == 0
    assert capsys.readouterr().out.count("it was there already") == 1
    assert (out / "a" / "recording.json").stat().st_mtime_ns == before
    assert (out / "b" / "face_codes.csv").read_bytes() == content and not (out / "b" / ".work-old").exists()
    shutil.rmtree(bags[0])
    write_bag(bags[0], images[:5])
    assert main(command) == 0
    assert len(rows_of(out / "a" / "frames.csv")) == 5, "another input is another result"


def test_reading_ahead_hands_on_errors_and_stops() -> None:
    def frames():
        yield 1
        raise SourceError("broken")

    with prefetch(frames()) as read:
        assert next(read) == 1
        with pytest.raises(SourceError, match="broken"):
            next(read)

    def endless():
        while True:
            yield 1

    with prefetch(endless()) as read:
        assert next(read) == 1


def test_bag_of_many_messages_is_listed_with_counts(bags: Path) -> None:
    bag = open_bag(bags / "sqlite3_raw")
    assert {topic.name: topic.count for topic in bag.topics} == {"/camera/image": FRAMES, "/words": FRAMES}
    assert not bag.damage


def test_cluster(bags: Path, replayed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two workers of a local cluster, of which one is lost while it works: everything is there, and the same."""
    distributed = pytest.importorskip("distributed", reason="needs dask.distributed")
    import threading
    import time

    import dask

    # By default Dask gives its workers one thread of BLAS, which rounds differently.
    as_here = {"distributed.nanny.pre-spawn-environ": {"MALLOC_TRIM_THRESHOLD_": 65536}}
    given = sorted(bags.iterdir())
    out = tmp_path / "out"
    with (
        dask.config.set(as_here),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=0
        ) as cluster,
    ):
        pid = next(iter(cluster.workers.values())).pid

        def lose() -> None:
            while not list(out.rglob(".work-*")):
                time.sleep(0.05)
            os.kill(pid, signal.SIGKILL)  # as when a machine goes: no farewell

        loss = threading.Thread(target=lose, daemon=True)
        loss.start()
        command = ["replay", *map(str, given), "--out", str(out), "--cluster", cluster.scheduler_address]
        assert main([*command, "--formats", "csv"]) == 0
        loss.join(10)
        assert not loss.is_alive()
    assert "4 recordings: 4 whole, 0 in part, 0 without a result" in capsys.readouterr().out
    for bag in given:
        expected = (replayed / bag.name / "face_codes.csv").read_bytes()
        assert (out / bag.name / "face_codes.csv").read_bytes() == expected
    assert not list(out.rglob(".work-*")), "what the lost worker had begun is cleared away"


def test_cluster_that_does_not_answer(bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    distributed = pytest.importorskip("distributed", reason="needs dask.distributed")
    import dask

    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        given = [str(bags / "mcap_raw"), "--out", str(tmp_path / "out"), "--cluster", "tcp://127.0.0.1:9"]
        assert main(["replay", *given]) == 1
    assert "--cluster tcp://127.0.0.1:9" in capsys.readouterr().err and distributed
