# SPDX-License-Identifier: Apache-2.0
"""A bag played through the running node in simulated time, against offline replay of the same bag."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import pytest

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from facial_coding_msgs.msg import FaceCodeArray, FaceEvent  # noqa: E402
from hri_msgs.msg import Expression, IdsList  # noqa: E402
from rosbags.highlevel import AnyReader  # noqa: E402
from rosbags.rosbag2 import StoragePlugin, Writer  # noqa: E402

from facial_coding_ros.cli import main  # noqa: E402
from facial_coding_ros.coding.expression import ExpressionDwell  # noqa: E402
from facial_coding_ros.face_codes.table import row  # noqa: E402
from facial_coding_ros.image.bags import open_bag  # noqa: E402
from facial_coding_ros.learning.studies.recorded_bags import LATE_NS, STORE, write_bag  # noqa: E402
from facial_coding_ros.nodes.messages import expression, face_code_of, stamp_ns_of  # noqa: E402

from ..conftest import CLIP  # noqa: E402
from ..ros import BagPlayer, Client, Process, images_of, node  # noqa: E402

FRAMES = 48
CODES = "/facial_coding/face_codes"
SIMULATED = {"use_sim_time": True, "tracking__id_seed": 1, "image_reliability": "reliable"}
FORMS = {
    "mcap": (StoragePlugin.MCAP, True),
    "sqlite3": (StoragePlugin.SQLITE3, False),
}


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo clip's first frames: as JPEG in an mcap bag, raw in a sqlite3 bag."""
    folder = tmp_path_factory.mktemp("bags")
    images = images_of(CLIP, FRAMES)
    for name, (plugin, compressed) in FORMS.items():
        write_bag(folder / name, images, plugin, compressed)
    return folder


def player_of(client: Client, bag: Path, process: Process) -> BagPlayer:
    """Ready to play into the node."""
    opened = open_bag(bag)
    topic = next(t.name for t in opened.topics if "image" in t.name)
    to = "/image/compressed" if topic.endswith("/compressed") else "/image"
    player = BagPlayer(client, opened, topic, to)
    client.wait(lambda: player.publisher.get_subscription_count(), "the image subscription", process)
    client.wait(lambda: player.clock.get_subscription_count(), "the subscription of /clock", process)
    client.wait(lambda: client.node.count_publishers(CODES), "face codes", process)
    return player


def transport(name: str) -> str:
    return "compressed" if FORMS[name][1] else "raw"


def replayed(bag: Path, out: Path) -> list[list[str]]:
    """Rows of `facial_coding replay`, without the frame's number."""
    assert main(["replay", str(bag), "--out", str(out), "--formats", "csv,bag"]) == 0
    with (out / "face_codes.csv").open(newline="") as file:
        return [cells[1:] for cells in list(csv.reader(file))[1:]]


def said(messages: list[FaceCodeArray]) -> list[list[str]]:
    """The same of what the node said."""
    return [
        [str(value) for value in row(0, stamp_ns_of(message.header), face_code_of(face))[1:]]
        for message in messages
        for face in message.faces
    ]


@pytest.mark.parametrize("name", FORMS)
def test_every_frame_as_in_replay(name: str, client: Client, bags: Path, tmp_path: Path) -> None:
    """Time goes on when the node has answered: it takes every frame, and says of each what replay says."""
    expected = replayed(bags / name, tmp_path)
    with AnyReader([tmp_path / "bag"]) as bag:
        of_bag = {
            kind: [bag.deserialize(raw, c.msgtype) for c, _, raw in bag.messages() if c.topic == topic]
            for kind, topic in (("codes", CODES), ("events", "/facial_coding/events"))
        }
    offline = [(stamp_ns_of(e.header), e.face_id, e.kind) for e in of_bag["events"]]
    heard: dict[str, list[Expression]] = {}
    with node(**SIMULATED, image_transport=transport(name)) as process:
        codes = client.collect(FaceCodeArray, CODES)
        events = client.collect(FaceEvent, "/facial_coding/events", 100)
        player = player_of(client, bags / name, process)
        while player.step():
            seen = len(codes)
            client.wait(lambda seen=seen: len(codes) > seen, f"codes of frame {seen}", process)
            for face in codes[-1].faces:
                if face.face_id not in heard:
                    topic = f"/humans/faces/{face.face_id}/expression"
                    heard[face.face_id] = client.collect(Expression, topic, 100)
                    client.wait(lambda topic=topic: client.node.count_publishers(topic), topic, process)
        client.wait(lambda: len(events) >= len(offline), "the events of the last frame", process)
        for face_id, told in labels_of(codes).items():
            last = max(told)
            heard_all = lambda m=heard[face_id], last=last: m and stamp_ns_of(m[-1].header) == last  # noqa: E731
            client.wait(heard_all, f"the last expression of {face_id}", process)
    assert len(codes) == FRAMES
    assert len(expected) > FRAMES and said(codes) == expected
    assert [(stamp_ns_of(e.header), e.face_id, e.kind) for e in events] == offline
    replayed_labels = labels_of(of_bag["codes"])
    assert replayed_labels
    for face_id, told in replayed_labels.items():
        live = {stamp_ns_of(m.header): (m.expression, m.valence, m.arousal, m.confidence) for m in heard[face_id]}
        assert live and live == {stamp: label for stamp, label in told.items() if stamp in live}


def labels_of(messages: Iterable[FaceCodeArray]) -> dict[str, dict[int, tuple[str, float, float, float]]]:
    """What is to be said on the expression topic of each face with these face codes, by stamp."""
    dwell = ExpressionDwell()
    labels: dict[str, dict[int, tuple[str, float, float, float]]] = {}
    for message in messages:
        stamp_ns = stamp_ns_of(message.header)
        for face in message.faces:
            code = face_code_of(face)
            if label := dwell.update(code.face.subject_key, code.expression, stamp_ns):
                said = expression(message.header, code, label)
                told = (said.expression, said.valence, said.arousal, said.confidence)
                labels.setdefault(code.face.face_id, {})[stamp_ns] = told
    return labels


def test_frames_the_node_took_as_in_replay_of_those(client: Client, bags: Path, tmp_path: Path) -> None:
    """Played in bursts faster than it works, the node skips frames; of those it took it says what replay of these
    says."""
    name = "sqlite3"
    with node(**SIMULATED, image_transport=transport(name)) as process:
        codes = client.collect(FaceCodeArray, CODES, 100)
        player = player_of(client, bags / name, process)
        while newest := [now_ns for _ in range(4) if (now_ns := player.step())]:
            last = newest[-1] - LATE_NS
            answered = lambda last=last: codes and stamp_ns_of(codes[-1].header) == last  # noqa: E731
            client.wait(answered, "codes of the newest frame", process)
    taken = [stamp_ns_of(message.header) for message in codes]
    assert taken == sorted(set(taken)) and FRAMES / 4 <= len(taken) < FRAMES, "some skipped, never the newest"
    expected = replayed(only(bags / name, tmp_path / "taken", taken), tmp_path / "out")
    assert expected and said(codes) == expected


def only(bag: Path, out: Path, stamps_ns: list[int]) -> Path:
    """A bag with the images of these stamps, byte by byte."""
    opened = open_bag(bag)
    topic = next(t for t in opened.topics if "image" in t.name)
    with Writer(out, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(topic.name, topic.type, typestore=STORE)
        for _, recorded_ns, raw in opened.messages((topic.name,), print):
            if recorded_ns - LATE_NS in stamps_ns:
                writer.write(connection, recorded_ns, raw)
    return out


def test_a_paused_bag_is_no_dead_camera(client: Client, bags: Path) -> None:
    """While simulated time stands still nobody is lost and nothing is warned of; when it goes on without images, the
    camera is said to be gone."""
    with node(**SIMULATED, image_transport="compressed", stall_s=0.3, no_image_warning_s=0.5) as process:
        codes = client.collect(FaceCodeArray, CODES)
        tracked = client.collect(IdsList, "/humans/faces/tracked")
        diagnostics = client.collect(DiagnosticArray, "/diagnostics")
        player = player_of(client, bags / "mcap", process)
        while len(codes) < 10:
            now_ns, seen = player.step(), len(codes)
            client.wait(lambda seen=seen: len(codes) > seen, f"codes of frame {seen}", process)
        # What was said before the bag was opened, or of an earlier frame, is not of the pause.
        paused = lambda: diagnostics and stamp_ns_of(diagnostics[-1].header) == now_ns  # noqa: E731
        client.wait(paused, "diagnostics of the paused bag", process)
        diagnostics.clear()
        said_before = len(process.log)
        client.wait(lambda: len(diagnostics) >= 3, "three seconds of a paused bag", process)
        assert all(len(ids.ids) == 2 for ids in tracked[-3:])
        for message in diagnostics:
            status = message.status[0]
            assert status.level == b"\x00" and status.message == "2 faces"
            assert stamp_ns_of(message.header) == now_ns
        assert "No image" not in process.log[said_before:]
        player.tell_time(now_ns + 2 * 10**9)
        client.wait(lambda: not tracked[-1].ids, "an empty `tracked`", process)
        client.wait(lambda: diagnostics[-1].status[0].level == b"\x01", "a warning in the diagnostics", process)
        assert "no image for" in diagnostics[-1].status[0].message
        client.wait(lambda: "No image" in process.log[said_before:], "a warning in the log", process)
        player.tell_time(1_000_000_000)  # the bag starts again
        seen = len(codes)
        assert player.step()
        client.wait(lambda: len(codes) > seen and tracked[-1].ids, "faces after the stall", process)
