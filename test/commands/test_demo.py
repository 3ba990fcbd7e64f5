# SPDX-License-Identifier: Apache-2.0
"""The demo, its clients and the annotator, as a user runs them."""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image

from facial_coding_ros.cli import main
from facial_coding_ros.commands import demo
from facial_coding_ros.image import videos
from facial_coding_ros.image.conversion import to_rgb
from facial_coding_ros.image.sources import open_source
from facial_coding_ros.learning.studies.recorded_bags import write_bag
from facial_coding_ros.nodes.clip_player import ClipPlayer
from facial_coding_ros.nodes.messages import stamp_ns_of

from ..conftest import CLIP
from ..ros import Client, forwards_and_back, images_of, node, running

pytestmark = pytest.mark.ros


def test_demo_leaves_video_table_and_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    clip = Path("001")  # no camera
    clip.mkdir()
    frames = list(itertools.islice(open_source(CLIP).frames(), 90))
    for frame in frames:
        cv2.imwrite(str(clip / f"{frame.index}.png"), cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
    out = tmp_path / "out"
    command = [sys.executable, "-m", "facial_coding_ros.cli", "demo", "--clip", str(clip), "--out", str(out)]
    command += ["--rerun"] * (find_spec("rerun") is not None)
    run = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=200)
    assert run.returncode == 0, run.stdout + run.stderr
    for words in ("person 1 comes into view", "person 2 comes into view", "person 1 is gone", "person 2 is gone"):
        assert words in run.stdout, run.stdout + run.stderr
    words = ("smiles", "raises the brows", "looks at me", "frowns", "looks away", "nods", "talks")
    assert any(f"person {number} {word}" in run.stdout for number in (1, 2) for word in words), "it speaks from events"
    with (out / "events.csv").open(newline="") as file:
        kinds = [row["kind"] for row in csv.DictReader(file) if row["phase"] in ("begin", "moment")]
    assert "neutral_ready" in kinds and kinds.count("appears") >= 2
    assert f"{out / 'report.html'}" in run.stdout
    with (out / "face_codes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["face_id"] for row in rows}) == 2
    coded = len({row["frame"] for row in rows})
    capture = cv2.VideoCapture(str(out / "annotated.webm"))
    assert capture.isOpened() and capture.read()[1].shape[:2] == frames[0].image.shape[:2]
    assert coded > 5
    page = (out / "report.html").read_text()
    assert "annotated.webm" in page and rows[0]["face_id"] in page and "Plotly.newPlot" in page
    assert "neutral ready" in page, "events are on the timelines"
    assert (out / "demo.rrd").is_file() == (find_spec("rerun") is not None)
    assert not list(out.glob("*.part*")), "nothing half-written"


@pytest.mark.parametrize("name", ["001", "Ada's clip", "yes", "2024-05-01T12:30:00"])
def test_what_the_clip_player_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """As the demo quotes it: a folder, whatever its name looks like."""
    monkeypatch.chdir(tmp_path)
    Path(name).mkdir()
    cv2.imwrite(f"{name}/0.png", np.zeros((24, 32, 3), np.uint8))
    arguments = argparse.Namespace(camera=None, clip=name, bag=None, topic="")
    source, _ = demo._input(arguments)
    with Client() as client:
        given = [f"{key}:={demo._as_yaml(value)}" for key, value in source.items()]
        words = [word for one in given for word in ("-p", one)]
        with running("facial_coding_ros.nodes.clip_player", *words) as process:
            images: list[Image] = client.collect(Image, "image")
            client.wait(lambda: images, "its image", process)


def test_demo_says_that_nobody_was_found(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((48, 64, 3), 90, np.uint8))
    assert main(["demo", "--clip", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    said = capfd.readouterr().out
    assert "\n3 images, " in said and "No face was found in them." in said, said


def test_topic_of_a_bag(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_bag(tmp_path / "bag", [np.zeros((24, 32, 3), np.uint8)] * 2)
    assert main(["demo", "--bag", str(tmp_path / "bag"), "--topic", "/wrong", "--out", str(tmp_path / "out")]) == 1
    assert "topic /wrong with images is expected" in capfd.readouterr().err


def test_names_that_no_parameter_can_have(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((24, 32, 3), np.uint8))
    (tmp_path / "0.png").rename(folder / "0.png")
    assert main(["demo", "--clip", str(folder), "--out", str(tmp_path / "out")]) == 1
    error = capfd.readouterr().err
    assert "is not UTF-8, as parameters of ROS nodes must be; rename it" in error and "Traceback" not in error


@pytest.mark.parametrize("arguments", [["--clip", "nowhere.mp4"], ["--bag", "nowhere"], ["--camera", "97"]])
def test_demo_without_an_input_says_so(arguments: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", *arguments, "--out", str(tmp_path / "out")]) == 1
    error = capfd.readouterr().err
    assert "does not exist" in error or "camera 97: there is no /dev/video97" in error
    assert not (tmp_path / "out").exists()


def test_clip_player_ends_with_an_error_it_explains() -> None:
    for arguments, words in (
        (["-p", "clip:=nowhere.mp4"], "nowhere.mp4 does not exist"),
        ([], "parameter clip is '' and camera is -1; one is expected"),
        (["-p", "clip:=x", "-p", "image_rotation:=45"], "image_rotation is 45; allowed: 0, 90, 180, 270"),
        (["-p", "clip:=x", "-p", "rate:=-1.0"], "parameter rate is -1.0; above 0 is allowed"),
    ):
        with running("facial_coding_ros.nodes.clip_player", *arguments) as process:
            assert process.popen.wait(60) == 1
            assert words in process.log and "Traceback" not in process.log


def test_clip_player_plays_again_at_the_same_pace_and_ends_when_told(tmp_path: Path) -> None:
    for number in range(5):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((24, 32, 3), 50 * number, np.uint8))
    arguments = ["-p", f"clip:={tmp_path}", "-p", "loop:=true", "-p", "start_stamp_ns:=1000000000"]
    with Client() as client:
        images: list[Image] = client.collect(Image, "image")
        with running("facial_coding_ros.nodes.clip_player", *arguments) as process:
            client.wait(lambda: images, "the first image", process)
            begin = time.monotonic()
            client.wait(lambda: len(images) >= 16, "three times five images", process)
            took_s = time.monotonic() - begin
            assert process.stop(signal.SIGTERM) == 0
    played = images[:16]
    stamps = np.array([stamp_ns_of(image.header) for image in played])
    np.testing.assert_allclose(np.diff(stamps), 1e9 / 30, atol=1)
    assert [image.data[0] for image in played] == [50 * (number % 5) for number in range(16)]
    assert took_s > 0.5 * 15 / 30, "as fast as it can"


class FakeCamera:
    """Thirty images a second; `read` waits for the next one."""

    def __init__(self, *_: object) -> None:
        self._number = 0

    def isOpened(self) -> bool:  # noqa: N802  OpenCV's name
        return True

    def read(self) -> tuple[bool, np.ndarray]:
        time.sleep(1 / 30)
        self._number += 1
        return True, np.full((24, 32, 3), self._number, np.uint8)

    def release(self) -> None:
        pass


def test_a_camera_is_shown_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(videos, "_check_device", lambda _number: None)
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    with Client() as client:
        player = ClipPlayer(context=client.context, parameter_overrides=[Parameter("camera", value=0)])
        client.executor.add_node(player)
        late = time.monotonic() + 1.0  # nobody looks for a second; an event to wait for there is none
        while time.monotonic() < late:
            client.executor.spin_once(timeout_sec=0.05)
        images: list[Image] = client.collect(Image, "image")
        client.wait(lambda: len(images) >= 10, "ten images")
        now_ns = player.get_clock().now().nanoseconds
        stamps = np.array([stamp_ns_of(image.header) for image in images[:10]])
        numbers = [image.data[0] for image in images[:10]]
        player.destroy_node()
    assert numbers == list(range(numbers[0], numbers[0] + 10)), "none left out"
    assert (np.diff(stamps) > 1e7).all() and 0 < now_ns - stamps[-1] < 5e9, "stamped when they came"


def test_annotator_draws_on_the_image_the_codes_belong_to() -> None:
    images = forwards_and_back(images_of(CLIP))
    with (
        Client() as client,
        node() as process,
        running("facial_coding_ros.nodes.annotator", "-r", "face_codes:=facial_coding/face_codes") as annotator,
    ):
        raw: list[Image] = client.collect(Image, "/annotated")
        packed: list[CompressedImage] = client.collect(CompressedImage, "/annotated/compressed")
        camera = client.camera()
        sent = {}

        def pictures():
            for image in images:
                sent[camera.stamp_ns + camera.STEP_NS] = image
                yield image

        def drawn(message: Image | CompressedImage) -> float:
            stamp = message.header.stamp
            image = sent[stamp.sec * 10**9 + stamp.nanosec]
            return float((np.abs(to_rgb(message).astype(int) - image).max(axis=2) > 40).mean())

        walk = pictures()

        def both_drawn() -> bool:
            return bool(raw and packed) and min(drawn(raw[-1]), drawn(packed[-1])) > 0.01

        camera.send_until(both_drawn, walk, process, "a drawn image")
        assert drawn(raw[-1]) < 0.7, "the image under the drawing is the one of the same stamp"
        assert drawn(packed[-1]) < 0.7
        assert annotator.stop(signal.SIGTERM) == 0
