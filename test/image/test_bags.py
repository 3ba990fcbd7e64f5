# SPDX-License-Identifier: Apache-2.0
"""Bags as recorders leave them: packed, killed, of all topics, of ROS 1, damaged in any place."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import struct
from pathlib import Path

import numpy as np
import pytest
import yaml
from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.rosbag2.storage_mcap import zstd
from rosbags.typesys import Stores, get_typestore

from facial_coding_ros.image.bags import BagError, is_bag, open_bag
from facial_coding_ros.image.conversion import fill_image
from facial_coding_ros.image.sources import SourceError, Span, image_topics, open_source
from facial_coding_ros.types import Frame

IMAGE, INFO, TEXT = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo", "std_msgs/msg/String"
STORE = get_typestore(Stores.ROS2_HUMBLE)
STEP_NS = 40_000_000
COUNT = 8


def message(store, kind: str, stamp_ns: int, number: int):  # type: ignore[no-untyped-def]
    stamp = store.types["builtin_interfaces/msg/Time"](stamp_ns // 10**9, stamp_ns % 10**9)
    counter = (0,) if "seq" in store.types["std_msgs/msg/Header"].__dataclass_fields__ else ()
    header = store.types["std_msgs/msg/Header"](*counter, stamp, "camera")
    if kind == TEXT:
        return store.types[TEXT](f"words {number}")
    if kind == INFO:
        region = store.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
        k = np.array([50.0, 0, 32, 0, 50, 24, 0, 0, 1])
        rest = (np.zeros(5), k, np.eye(3).ravel(), np.zeros(12), 0, 0, region)
        return store.types[INFO](header, 48, 64, "plumb_bob", *rest)
    fields = type("Fields", (), {})()
    fill_image(fields, np.full((48, 64, 3), 10 * number, np.uint8))
    fields.data = np.frombuffer(fields.data, np.uint8)
    return store.types[IMAGE](header=header, **vars(fields))


def write(
    path: Path,
    plugin: StoragePlugin = StoragePlugin.MCAP,
    topics: dict[str, str] | None = None,
    packed: CompressionMode | None = None,
) -> Path:
    topics = topics or {"/camera/image": IMAGE}
    writer = Writer(path, version=9, storage_plugin=plugin)
    if packed is not None:
        writer.set_compression(packed, CompressionFormat.ZSTD)
    with writer as bag:
        there = {name: bag.add_connection(name, kind, typestore=STORE) for name, kind in topics.items()}
        for number in range(COUNT):
            stamp_ns = 7_000_000_000 + number * STEP_NS
            for name, kind in topics.items():
                bag.write(there[name], stamp_ns, STORE.serialize_cdr(message(STORE, kind, stamp_ns, number), kind))
    return path


def read(path: Path, topic: str = "") -> tuple[list[Frame], list[str]]:
    problems: list[str] = []
    return list(open_source(path, topic).frames(problems.append)), problems


@pytest.mark.parametrize("plugin", list(StoragePlugin))
@pytest.mark.parametrize("metadata", [True, False])
def test_packed_as_a_whole(tmp_path: Path, plugin: StoragePlugin, metadata: bool) -> None:
    bag = write(tmp_path / "bag", plugin, packed=CompressionMode.FILE)
    (packed,) = bag.glob("*.zstd")
    if not metadata:
        (bag / "metadata.yaml").unlink()
    frames, problems = read(bag)
    assert len(frames) == COUNT and bool(problems) == (not metadata and plugin is StoragePlugin.SQLITE3)
    assert is_bag(packed) and len(read(packed)[0]) == COUNT
    packed.write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])
    try:
        frames, problems = read(packed)
    except SourceError as error:
        problems = [str(error)]
    assert any("cut short" in problem for problem in problems)


def test_recorder_killed_while_it_packed_a_file(tmp_path: Path) -> None:
    bag = write(tmp_path / "bag")
    (plain,) = bag.glob("*.mcap")
    plain.with_name(plain.name + ".zstd").write_bytes(zstd.compress(plain.read_bytes())[:100])
    (bag / "metadata.yaml").unlink()
    frames, problems = read(bag)
    assert len(frames) == COUNT and not problems, "the plain file is whole"


@pytest.mark.parametrize("plugin", list(StoragePlugin))
def test_hidden_files_beside_the_bag(tmp_path: Path, plugin: StoragePlugin) -> None:
    bag = write(tmp_path / "bag", plugin)
    (stored,) = (f for f in bag.iterdir() if f.suffix != ".yaml")
    (bag / f"._{stored.name}").write_bytes(b"\0\5\x16\7macOS")
    (bag / "metadata.yaml").unlink()
    assert len(read(bag)[0]) == COUNT
    shutil.move(bag / f"._{stored.name}", tmp_path / f"._{stored.name}")
    assert not is_bag(tmp_path / f"._{stored.name}")


def test_folder_of_images_with_a_metadata_file_is_no_bag(tmp_path: Path) -> None:
    (tmp_path / "metadata.yaml").write_text("title: holidays\n")
    assert not is_bag(tmp_path)


def test_bag_of_ros_1(tmp_path: Path) -> None:
    store = get_typestore(Stores.ROS1_NOETIC)
    path = tmp_path / "old.bag"
    with Writer1(path) as bag:
        topics = {"/c/image": IMAGE, "/c/camera_info": INFO}
        there = {name: bag.add_connection(name, kind, typestore=store) for name, kind in topics.items()}
        for number in range(COUNT):
            stamp_ns = 7_000_000_000 + number * STEP_NS
            for name, kind in reversed(topics.items()):
                raw = store.serialize_ros1(message(store, kind, stamp_ns, number), kind)
                bag.write(there[name], stamp_ns, raw)
    frames, problems = read(path)
    assert [frame.stamp_ns for frame in frames] == [7_000_000_000 + i * STEP_NS for i in range(COUNT)] and not problems
    assert frames[3].image[0, 0, 0] == 30 and frames[3].camera is not None and frames[3].camera.fx == 50
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(SourceError, match=r"old.bag is not a readable bag: a bag of ROS 1 without a good index"):
        open_source(path)


def test_all_topics_recorded(tmp_path: Path) -> None:
    """The node's own pictures, depth, and what is compressed too make no choice necessary."""
    names = {
        "/camera/color/image_raw": IMAGE,
        "/camera/color/camera_info": INFO,
        "/camera/depth/image_rect_raw": IMAGE,
        "/humans/faces/fabcde/cropped": IMAGE,
        "/humans/faces/fabcde/aligned": IMAGE,
        "/annotated": IMAGE,
        "/rosout": TEXT,
    }
    bag = write(tmp_path / "bag", topics=names)
    assert image_topics(bag) == ["/camera/color/image_raw"]
    assert len(read(bag)[0]) == COUNT
    with pytest.raises(SourceError, match=r"topic /rosout with images is expected; the bag holds /rosout \(std_msgs"):
        open_source(bag, "/rosout")
    assert len(read(bag, "/annotated")[0]) == COUNT


def test_one_of_two_cameras_has_a_camera_info(tmp_path: Path) -> None:
    bag = write(tmp_path / "bag", topics={"/left/image": IMAGE, "/left/camera_info": INFO, "/right/image": IMAGE})
    source = open_source(bag)
    assert source.notes == (f"{bag}: /left/image is read, which alone has a camera_info; with --topic: /right/image",)
    bag = write(tmp_path / "two", topics={"/left/image": IMAGE, "/right/image": IMAGE, "/rosout": TEXT})
    with pytest.raises(SourceError, match=r"the bag holds /left/image \(.*\), /right/image \([^)]*\)$"):
        open_source(bag)
    bag = write(tmp_path / "none", topics={"/rosout": TEXT})
    with pytest.raises(SourceError, match=r"a topic with images is expected; the bag holds std_msgs/msg/String"):
        open_source(bag)


def test_channel_that_is_not_ros_is_no_damage(tmp_path: Path) -> None:
    """Foxglove's tools write JSON channels beside the images."""
    bag = write(tmp_path / "bag")
    (stored,) = bag.glob("*.mcap")
    with Writer(tmp_path / "json", version=9, storage_plugin=StoragePlugin.MCAP) as other:
        definition = MessageDefinition(MessageDefinitionFormat.MSG, "string data")
        there = other.add_connection("/log", TEXT, msgdef=definition.data, rihs01="RIHS01_" + "0" * 64)
        image = other.add_connection("/camera/image", IMAGE, typestore=STORE)
        for number in range(COUNT):
            stamp_ns = 7_000_000_000 + number * STEP_NS
            other.write(there, stamp_ns, json.dumps({"data": number}).encode())
            other.write(image, stamp_ns, STORE.serialize_cdr(message(STORE, IMAGE, stamp_ns, number), IMAGE))
    (stored,) = (tmp_path / "json").glob("*.mcap")
    data = stored.read_bytes()
    at = data.index(b"\x07\0\0\0ros2msg" + struct.pack("<I", len("string data")))
    assert at > 0
    everywhere = data.replace(b"ros2msg" + struct.pack("<I", len("string data")), b"jsonsch" + struct.pack("<I", 11))
    stored.write_bytes(everywhere)
    frames, problems = read(stored, "/camera/image")
    assert len(frames) == COUNT and not problems


def test_rows_that_do_not_rise(tmp_path: Path) -> None:
    """Pages of a damaged database that point back to earlier ones were read for ever."""
    bag = write(tmp_path / "bag", StoragePlugin.SQLITE3)
    (bag / "metadata.yaml").unlink()
    (stored,) = bag.glob("*.db3")
    data = bytearray(stored.read_bytes())
    size = struct.unpack_from(">H", data, 16)[0]
    with sqlite3.connect(stored) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name='messages'").fetchone()[0]
    page = (root - 1) * size
    assert data[page] in (5, 13)
    cells, first = struct.unpack_from(">HH", data, page + 3)[0], page + (12 if data[page] == 5 else 8)
    for cell in range(1, cells):  # every pointer to the first cell
        data[first + 2 * cell : first + 2 * cell + 2] = data[first : first + 2]
    stored.write_bytes(data)
    try:
        frames, problems = read(bag)
        assert len(frames) <= COUNT and problems
    except SourceError:
        pass


def test_messages_that_metadata_states_and_nobody_finds(tmp_path: Path) -> None:
    bag = write(tmp_path / "bag", StoragePlugin.SQLITE3)
    (stored,) = bag.glob("*.db3")
    with sqlite3.connect(stored) as connection:
        connection.execute("DELETE FROM messages WHERE id IN (3, 4)")
    frames, problems = read(bag)
    assert len(frames) == COUNT - 2
    assert problems == [f"{bag} is damaged: 6 of the 8 messages of /camera/image were found"]


@pytest.mark.parametrize("claim", [2**63, 2**40, 2**31])
def test_chunk_of_absurd_size(tmp_path: Path, claim: int) -> None:
    bag = write(tmp_path / "bag")
    (stored,) = bag.glob("*.mcap")
    data = bytearray(stored.read_bytes())
    at = data.index(b"\x06", 30)
    struct.pack_into("<Q", data, at + 9 + 16, claim)
    stored.write_bytes(data)
    try:
        frames, problems = read(stored)
        assert problems or len(frames) == COUNT
    except SourceError:
        pass


@pytest.mark.slow
@pytest.mark.parametrize("plugin", list(StoragePlugin))
@pytest.mark.parametrize("seed", [0, 1])
def test_mutated_bags_lose_nothing_without_a_word(tmp_path: Path, plugin: StoragePlugin, seed: int) -> None:
    """Whatever the bytes: all frames, or a problem that is said, or a bag that is refused."""
    chance = random.Random(seed)
    whole = write(tmp_path / "bag", plugin, topics={"/camera/image": IMAGE, "/camera/camera_info": INFO})
    expected = [frame.image.copy() for frame in read(whole)[0]]
    for number in range(60):
        bag = tmp_path / f"bag{number}"
        shutil.copytree(whole, bag)
        file = chance.choice(sorted(bag.iterdir()))
        data = bytearray(file.read_bytes())
        span = min(len(data), chance.choice([400, len(data)]))
        begin = chance.choice([0, len(data) - span])
        for _ in range(chance.randint(1, 4)):
            data[begin + chance.randrange(span)] = chance.randrange(256)
        if chance.random() < 0.2:
            del data[chance.randrange(len(data)) :]
        file.write_bytes(data)
        try:
            frames, problems = read(bag)
        except SourceError as error:
            assert str(bag) in str(error) or bag.name in str(error)
            continue
        assert problems or len(frames) == len(expected), f"{file.name}, mutation {number}"
        shutil.rmtree(bag)


@pytest.mark.parametrize("plugin", list(StoragePlugin))
@pytest.mark.parametrize("spoil", ["storage_identifier: ''", "topics_with_message_count: []"])
def test_metadata_as_reindexing_leaves_it(tmp_path: Path, plugin: StoragePlugin, spoil: str) -> None:
    """`ros2 bag reindex` has written an empty storage identifier, and no topics where it counted no message."""
    bag = write(tmp_path / "bag", plugin)
    metadata = bag / "metadata.yaml"
    content = yaml.safe_load(metadata.read_text())
    name, value = next(iter(yaml.safe_load(spoil).items()))
    content["rosbag2_bagfile_information"][name] = value
    metadata.write_text(yaml.safe_dump(content))
    frames, problems = read(bag)
    assert len(frames) == COUNT and not problems, "nothing is missing"


def test_recorder_stopped_between_two_records(tmp_path: Path) -> None:
    bag = write(tmp_path / "bag")
    (stored,) = bag.glob("*.mcap")
    data = stored.read_bytes()
    stored.write_bytes(data[: data.rindex(b"\x0f\x04\0\0\0\0\0\0\0")])  # before the record DataEnd
    frames, problems = read(stored)
    assert len(frames) == COUNT
    assert any("has no end; its recorder was stopped" in problem for problem in problems)


def test_messages_recorded_at_one_time(tmp_path: Path) -> None:
    """As in simulated time, between two ticks of /clock: the order of recording stays."""
    for plugin in StoragePlugin:
        with Writer(tmp_path / plugin.name, version=9, storage_plugin=plugin) as bag:
            topic = bag.add_connection("/image", IMAGE, typestore=STORE)
            for number in range(COUNT):
                stamp_ns = 7_000_000_000 + number * STEP_NS
                bag.write(topic, 7_000_000_000, STORE.serialize_cdr(message(STORE, IMAGE, stamp_ns, number), IMAGE))
        frames, problems = read(tmp_path / plugin.name)
        assert [frame.index for frame in frames] == list(range(COUNT)) and not problems


def with_stamps(path: Path, stamps_ns: list[int]) -> Path:
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        topic = bag.add_connection("/image", IMAGE, typestore=STORE)
        for number, stamp_ns in enumerate(stamps_ns):
            raw = STORE.serialize_cdr(message(STORE, IMAGE, stamp_ns, number), IMAGE)
            bag.write(topic, 10**18 + number * STEP_NS, raw)
    return path


def test_stamps_that_begin_at_0(tmp_path: Path) -> None:
    """A stamp of 0 was replaced by the time of recording, and all others lay before that."""
    stamps = [0, STEP_NS, 2 * STEP_NS]
    frames, problems = read(with_stamps(tmp_path / "zero", stamps))
    assert [frame.stamp_ns for frame in frames] == stamps and not problems
    clock = [0, *(17 * 10**17 + i * STEP_NS for i in range(4))]
    bag = with_stamps(tmp_path / "clock", clock)
    frames, problems = read(bag)
    assert [frame.stamp_ns for frame in frames] == clock and not problems
    part = list(open_source(bag, span=Span(0.06, 0.14)).frames())
    assert [frame.index for frame in part] == [3, 4], "seconds since the first frame, without the jump of the clock"


def test_no_image_has_a_stamp(tmp_path: Path) -> None:
    bag = with_stamps(tmp_path / "none", [0, 0, 0])
    frames, problems = read(bag)
    assert [frame.stamp_ns for frame in frames] == [10**18 + i * STEP_NS for i in range(3)] and not problems
    assert open_source(bag).notes == (f"{bag}: no image on /image has a stamp; times are those of the recorder",)


def test_nothing_of_a_bag(tmp_path: Path) -> None:
    (tmp_path / "x.db3").write_bytes(b"")
    with pytest.raises(BagError):
        open_bag(tmp_path / "x.db3")
