# SPDX-License-Identifier: Apache-2.0
"""Frames of videos, folders and bags."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from facial_coding_ros.image.conversion import fill_compressed, fill_image
from facial_coding_ros.image.sources import SourceError, Span, open_source

STORE = get_typestore(Stores.ROS2_HUMBLE)
STEP_NS = 40_000_000


def picture(index: int) -> np.ndarray:
    return np.full((48, 64, 3), (10 * index, 100, 255 - 10 * index), np.uint8)


def write_bag(
    path: Path, plugin: StoragePlugin, compressed: bool, topics: int = 1, spoil: int = -1, infos: int = 1
) -> None:
    kind = "sensor_msgs/msg/CompressedImage" if compressed else "sensor_msgs/msg/Image"
    Header, Time = STORE.types["std_msgs/msg/Header"], STORE.types["builtin_interfaces/msg/Time"]
    with Writer(path, version=9, storage_plugin=plugin) as bag:
        names = [f"/camera{i}/image" + ("/compressed" if compressed else "") for i in range(topics)]
        connections = [bag.add_connection(name, kind, typestore=STORE) for name in names]
        calibrated = [
            bag.add_connection(f"/camera{i}/camera_info", "sensor_msgs/msg/CameraInfo", typestore=STORE)
            for i in range(infos)
        ]
        region = STORE.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
        for index in range(5):
            stamp_ns = 7_000_000_000 + index * STEP_NS
            header = Header(Time(stamp_ns // 10**9, stamp_ns % 10**9), "camera_optical_frame")

            class Fields:
                pass

            fields = Fields()
            (fill_compressed if compressed else fill_image)(fields, picture(index))
            fields.data = np.frombuffer(fields.data, np.uint8)
            if index == spoil:
                fields.data = fields.data[:7]
            message = STORE.types[kind](header=header, **vars(fields))
            k = np.array([50.0, 0, 32, 0, 50, 24, 0, 0, 1])
            calibration = STORE.types["sensor_msgs/msg/CameraInfo"](
                header, 48, 64, "plumb_bob", np.zeros(5), k, np.eye(3).ravel(), np.zeros(12), 0, 0, region
            )
            for info in calibrated:
                bag.write(info, stamp_ns, STORE.serialize_cdr(calibration, "sensor_msgs/msg/CameraInfo"))
            for connection in connections:
                bag.write(connection, stamp_ns + 3, STORE.serialize_cdr(message, kind))


@pytest.mark.parametrize("plugin", list(StoragePlugin))
@pytest.mark.parametrize("compressed", [False, True])
def test_bag(tmp_path: Path, plugin: StoragePlugin, compressed: bool) -> None:
    write_bag(tmp_path / "bag", plugin, compressed)
    source = open_source(tmp_path / "bag")
    frames = list(source.frames())
    assert source.count == 5 and source.fps == pytest.approx(25, rel=0.01)
    assert [frame.stamp_ns for frame in frames] == [7_000_000_000 + i * STEP_NS for i in range(5)]
    assert [frame.index for frame in frames] == list(range(5))
    assert frames[0].frame_id == "camera_optical_frame"
    assert frames[0].camera is not None and frames[0].camera.fx == 50
    for index, frame in enumerate(frames):
        assert np.abs(frame.image.astype(int) - picture(index)).max() <= (6 if compressed else 0)


def test_bag_with_several_image_topics_asks_for_one(tmp_path: Path) -> None:
    write_bag(tmp_path / "bag", StoragePlugin.MCAP, False, topics=2, infos=2)
    with pytest.raises(SourceError, match=r"--topic.*camera0/image.*camera1/image"):
        open_source(tmp_path / "bag")
    assert len(list(open_source(tmp_path / "bag", "/camera1/image").frames())) == 5
    with pytest.raises(SourceError, match=r"topic /wrong with images is expected; the bag holds .*camera1"):
        open_source(tmp_path / "bag", "/wrong")


def test_damaged_message_is_left_out_and_named(tmp_path: Path) -> None:
    write_bag(tmp_path / "bag", StoragePlugin.SQLITE3, False, spoil=2)
    problems: list[str] = []
    frames = list(open_source(tmp_path / "bag").frames(problems.append))
    assert [frame.index for frame in frames] == [0, 1, 3, 4]
    assert len(problems) == 1 and "message 2: image data of 7 bytes" in problems[0]
    with pytest.raises(SourceError, match="message 2"):
        list(open_source(tmp_path / "bag").frames())


def test_video(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20, (64, 48))
    for index in range(6):
        writer.write(cv2.cvtColor(picture(index), cv2.COLOR_RGB2BGR))
    writer.release()
    source = open_source(path)
    frames = list(source.frames())
    assert source.fps == 20 and source.count == 6
    assert [frame.stamp_ns for frame in frames] == [i * 50_000_000 for i in range(6)]
    assert np.abs(frames[4].image.astype(int) - picture(4)).max() < 12
    assert [f.stamp_ns for f in source.frames()] == [f.stamp_ns for f in frames], "it can be read again"


@pytest.mark.parametrize(
    ("suffix", "codec", "cut"),
    [
        ("avi", "MJPG", True), ("avi", "MJPG", False), ("mkv", "VP80", True), ("mkv", "VP80", False),
        ("webm", "VP80", True), ("webm", "VP80", False), ("mp4", "mp4v", False),
    ],
)  # fmt: skip
def test_damaged_video_is_read_as_far_as_it_goes_and_said(tmp_path: Path, suffix: str, codec: str, cut: bool) -> None:
    """Cut to half its bytes, or a fifth of them overwritten: what it states stays as it was."""
    path = tmp_path / f"clip.{suffix}"
    random = np.random.default_rng(0)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 30, (64, 48))
    for _ in range(120):
        writer.write(random.integers(0, 256, (48, 64, 3), np.uint8))
    writer.release()
    problems: list[str] = []
    assert len(list(open_source(path).frames(problems.append))) == 120 and not problems
    content = bytearray(path.read_bytes())
    size = len(content)
    if cut:
        del content[size // 2 :]
    else:
        content[size * 2 // 5 : size * 3 // 5] = bytes(size * 3 // 5 - size * 2 // 5)
    path.write_bytes(content)
    read = len(list(open_source(path).frames(problems.append)))
    assert 30 < read < 100
    (problem,) = problems
    assert problem.startswith(f"{path} is damaged") and f"{read} of the 120 frames it" in problem
    with pytest.raises(SourceError, match="of the 120 frames"):
        list(open_source(path).frames())
    assert len(list(open_source(path, span=Span(0, 0.5)).frames())) == 15, "what is damaged lies behind the range"


def test_folder_in_natural_order(tmp_path: Path) -> None:
    for index in (0, 2, 10):
        cv2.imwrite(str(tmp_path / f"{index}.png"), cv2.cvtColor(picture(index), cv2.COLOR_RGB2BGR))
    (tmp_path / "3.png").write_bytes(b"no image")
    problems: list[str] = []
    frames = list(open_source(tmp_path, fps=10).frames(problems.append))
    assert [int(frame.image[0, 0, 0]) // 10 for frame in frames] == [0, 2, 10]
    assert [frame.stamp_ns for frame in frames] == [0, 100_000_000, 300_000_000]
    (problem,) = problems
    assert problem.startswith(f"{tmp_path / '3.png'} is not a readable image: 8 bytes that are no readable JPEG, PNG")


@pytest.mark.parametrize("fps", [0.0, -30.0, math.nan, math.inf])
def test_a_rate_that_gives_no_rising_stamps_is_refused(tmp_path: Path, fps: float) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), picture(0))
    with pytest.raises(ValueError, match="fps is"):
        open_source(tmp_path, fps=fps)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.mp4 does not exist"):
        open_source(tmp_path / "nowhere.mp4")
    with pytest.raises(SourceError, match="holds no images"):
        open_source(tmp_path)
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(SourceError, match=r"text\.mp4 cannot be opened as a video"):
        open_source(tmp_path / "text.mp4")
    (tmp_path / "cut.mcap").write_bytes(b"\x89MCAP0\r\n" + bytes(20))
    with pytest.raises(SourceError, match=r"cut\.mcap is not a readable bag"):
        open_source(tmp_path / "cut.mcap")
