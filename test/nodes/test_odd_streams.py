# SPDX-License-Identifier: Apache-2.0
"""The same odd stream of stamps through the node and through replay: both take and drop the same images."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from facial_coding_msgs.msg import FaceCodeArray  # noqa: E402
from rosbags.rosbag2 import StoragePlugin, Writer  # noqa: E402
from rosbags.typesys import Stores, get_typestore  # noqa: E402

from facial_coding_ros.cli import main  # noqa: E402
from facial_coding_ros.image.stamps import Odd  # noqa: E402
from facial_coding_ros.nodes.messages import stamp_ns_of  # noqa: E402

from ..conftest import CLIP  # noqa: E402
from ..ros import Client, images_of, node  # noqa: E402

T = 1.7e9
# Seconds, and what becomes of each image: a letter of Odd, "held" until the next, "" taken.
STREAM: list[tuple[float, str]] = [
    (0.0, ""),  # before /clock
    (T, "held"), (T + 0.04, ""), (T + 0.08, ""), (T + 0.12, ""),
    (0.0, "held"),  # one wrong stamp
    (T + 0.16, ""), (T + 0.20, ""),
    (T + 5.2, "held"),  # and another
    (T + 0.24, ""), (T + 0.32, ""),
    (T + 0.28, "late"),  # two swapped
    (T + 0.32, "repeated"),
    (T + 0.36, ""), (T + 0.40, ""),
    (T + 9.0, "held"), (T + 9.04, ""), (T + 9.08, ""),  # a gap
    (3.0, "held"), (3.04, ""), (3.08, ""), (3.12, ""),  # the bag again, its clock set back
]  # fmt: skip
DROPPED = {Odd.OUTLIER: 2, Odd.LATE: 1, Odd.REPEATED: 1}


def write(path: Path, images: list[np.ndarray]) -> None:
    store = get_typestore(Stores.ROS2_HUMBLE)
    Header, Time = store.types["std_msgs/msg/Header"], store.types["builtin_interfaces/msg/Time"]
    kind = "sensor_msgs/msg/Image"
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        topic = bag.add_connection("/image", kind, typestore=store)
        for number, ((stamp_s, _), image) in enumerate(zip(STREAM, images, strict=False)):
            header = Header(Time(*divmod(round(stamp_s * 1e9), 10**9)), "camera")
            height, width = image.shape[:2]
            message = store.types[kind](header, height, width, "rgb8", 0, 3 * width, image.reshape(-1))
            bag.write(topic, number * 40_000_000, store.serialize_cdr(message, kind))


def test_node_and_replay_say_the_same_of_an_odd_stream(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = [cv2.resize(image, (480, 270)) for image in images_of(CLIP, len(STREAM))]
    write(tmp_path / "bag", images)
    out = tmp_path / "out"
    assert main(["replay", str(tmp_path / "bag"), "--out", str(out), "--formats", "csv"]) == 3, "in part"
    said = capsys.readouterr().err
    with (out / "frames.csv").open(newline="") as file:
        replayed = [(int(row["stamp_ns"]), int(row["faces"])) for row in csv.DictReader(file)]
    recording = json.loads((out / "recording.json").read_text())
    assert recording["problems"]["count"] == sum(DROPPED.values()) == said.count("left out: ")
    assert "message 5: its stamp, 0.000 s, lies 1700000000.120 s before the last one" in said
    assert len(replayed) == len(STREAM) - sum(DROPPED.values())
    assert 9 < recording["seconds"] < 10, "without the jumps of the clock"

    with Client() as client, node(tracking__id_seed=1, image_reliability="reliable") as process:
        codes: list[FaceCodeArray] = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        diagnostics: list[DiagnosticArray] = client.collect(DiagnosticArray, "/diagnostics")
        camera = client.camera()
        client.wait(lambda: camera.publisher.get_subscription_count(), "the image subscription", process)
        client.wait(lambda: client.node.count_publishers("/facial_coding/face_codes"), "face codes", process)

        def told() -> dict[str, str]:
            return {entry.key: entry.value for entry in diagnostics[-1].status[0].values} if diagnostics else {}

        def dropped() -> dict[Odd, int]:
            return {odd: int(told().get(f"{odd.value} images", 0)) for odd in Odd}

        taken = 0
        expected: Counter[Odd] = Counter()
        held = False
        for number, ((stamp_s, fate), image) in enumerate(zip(STREAM, images, strict=True)):
            camera.send(image, round(stamp_s * 1e9))
            if fate == "held":
                held = True
                client.wait(lambda n=number: told().get("received images") == str(n + 1), f"image {number}", process)
                continue
            if fate:
                expected[Odd(fate)] += 1
                client.wait(lambda: dropped() == {odd: expected[odd] for odd in Odd}, f"{fate} image {number}", process)
                continue
            goes_on = held and stamp_s - STREAM[number - 1][0] < 1 and stamp_s > STREAM[number - 1][0]
            if held and not goes_on:
                expected[Odd.OUTLIER] += 1
            taken, held = taken + 1 + goes_on, False
            client.wait(lambda n=taken: len(codes) >= n, f"codes of image {number}", process)
        live = [(stamp_ns_of(message.header), len(message.faces)) for message in codes]
        client.wait(lambda: dropped() == DROPPED, "all that was dropped", process)
        assert "two cameras behind one publisher" in process.log or "wrong stamp" in process.log
        assert any("images dropped for their stamps" in one.status[0].message for one in diagnostics)
    assert live == replayed
