# SPDX-License-Identifier: Apache-2.0
"""The replay command on real recordings, and its agreement with the live node."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from facial_coding_ros.cli import main
from facial_coding_ros.evaluation import replay
from facial_coding_ros.evaluation.runs import RunError, read_run
from facial_coding_ros.face_codes.table import FIXED_COLUMNS
from facial_coding_ros.image.sources import open_source

from ..conftest import CLIP

pytestmark = pytest.mark.slow

Rows = list[dict[str, str]]


def rows_of(folder: Path) -> Rows:
    with (folder / "face_codes.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def short_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 60 frames of the demo clip, as a folder of images."""
    folder = tmp_path_factory.mktemp("clip")
    for frame, index in zip(open_source(CLIP).frames(), range(60), strict=False):
        cv2.imwrite(str(folder / f"{index:03d}.png"), cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
    return folder


@pytest.fixture(scope="module")
def replayed(short_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("replayed")
    assert main(["replay", str(short_clip), "--out", str(folder), "--overlay"]) == 0
    return folder


def test_one_row_per_face_and_frame(replayed: Path) -> None:
    rows = rows_of(replayed)
    names = list(rows[0])
    assert tuple(names[: len(FIXED_COLUMNS)]) == FIXED_COLUMNS
    after = names[len(FIXED_COLUMNS) :]
    assert after[0] == "p_neutral" and "au12" in after and after[after.index("au12") + 1] == "au12_confidence"
    assert after.index("au01") > max(i for i, name in enumerate(after) if name.startswith("p_"))
    assert len({(row["frame"], row["face_id"]) for row in rows}) == len(rows)
    assert len({row["face_id"] for row in rows}) == 2
    frames = [int(row["frame"]) for row in rows]
    assert frames == sorted(frames) and frames[-1] == 59
    assert len(rows) > 2 * 50
    for row in rows:
        assert int(row["stamp_ns"]) == round(int(row["frame"]) / 30 * 1e9)
        assert 0 <= float(row["roi_xmin"]) < float(row["roi_xmax"]) <= 1
        shares = sum(float(value) for name, value in row.items() if name.startswith("p_"))
        assert 0 <= shares <= 1 + 1e-5
        assert row["neutral_state"] in ("none", "learning", "ready", "stale")


def test_same_input_same_output(short_clip: Path, replayed: Path, tmp_path: Path) -> None:
    assert main(["replay", str(short_clip), "--out", str(tmp_path)]) == 0
    assert (tmp_path / "face_codes.csv").read_bytes() == (replayed / "face_codes.csv").read_bytes()


def test_overlay_is_a_video_of_the_drawn_images(short_clip: Path, replayed: Path) -> None:
    capture = cv2.VideoCapture(str(replayed / "overlay.webm"))
    drawn = []
    while (read := capture.read())[0]:
        drawn.append(read[1])
    assert len(drawn) == 60
    plain = cv2.imread(str(short_clip / "050.png"))
    changed = np.abs(drawn[50].astype(int) - plain[: drawn[50].shape[0], : drawn[50].shape[1]]).max(axis=2) > 40
    assert 0.01 < changed.mean() < 0.6, "faces are drawn on, the rest stays"


def test_neutral_by_hand(short_clip: Path, tmp_path: Path) -> None:
    assert main(["replay", str(short_clip), "--out", str(tmp_path), "--neutral", "5:25"]) == 0
    rows = rows_of(tmp_path)
    assert {row["neutral_state"] for row in rows} == {"ready"}, "it is there from the first frame on"


def test_no_face_no_row(shared: Path, tmp_path: Path) -> None:
    assert main(["replay", str(shared / "data" / "clips" / "no_face.mp4"), "--out", str(tmp_path)]) == 0
    assert rows_of(tmp_path) == []
    assert (tmp_path / "face_codes.csv").read_text().startswith("frame,stamp_ns,face_id")


def test_smile(shared: Path, tmp_path: Path) -> None:
    """AU12 near zero before, above all other lower-face AUs during, near zero after the smile."""
    assert main(["replay", str(shared / "data" / "clips" / "smile.mov"), "--out", str(tmp_path)]) == 0
    rows = rows_of(tmp_path)
    lower = [name for name in rows[0] if name[:2] == "au" and name[2:].isdigit() and 10 <= int(name[2:]) <= 28]

    def mean(name: str, start: int, end: int) -> float:
        return float(np.mean([float(row[name]) for row in rows if start <= int(row["frame"]) < end]))

    assert mean("au12", 15, 33) < 0.1
    assert mean("au12", 42, 58) > 0.3
    assert mean("au12", 145, 164) < 0.1
    others = {name: mean(name, 42, 58) for name in lower if name != "au12"}
    assert mean("au12", 42, 58) > 1.3 * max(others.values()), others
    with (tmp_path / "events.csv").open(newline="") as file:
        smiles = [row for row in csv.DictReader(file) if row["kind"] == "smile"]
    begins = [int(row["start_ns"]) / 1e9 for row in smiles if row["phase"] == "begin"]
    assert len(smiles) == 4 and begins == pytest.approx([2.7, 7.05], abs=0.15), "two smiles, each begins and ends"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.mp4"], "nowhere.mp4 does not exist"),
        (["{text}"], "cannot be opened as a video"),
        (["{clip}", "--out", "{text}"], "File exists"),
        (["{clip}", "--out", "/proc/nowhere"], "/proc/nowhere"),
        (["{clip}", "--neutral", "9:5"], "--neutral 9:5: START:END in frames is expected"),
        (["{clip}", "--neutral", "900:905"], "that is replayed ends with frame 59"),
        (["{clip}", "--neutral", "0:5", "--range", "1:2"], "that is replayed begins with frame 30"),
        (["{clip}", "--fps", "0"], "--fps 0: images a second are expected, above 0"),
        (["{clip}", "--fps", "-30"], "--fps -30: images a second are expected, above 0"),
        (["{clip}", "--fps", "nan"], "--fps nan: images a second are expected, above 0"),
        (["{clip}", "--fps", "inf"], "--fps inf: images a second are expected, above 0"),
        (["{clip}", "--neutral-from", "nowhere.npz"], "nowhere.npz"),
        (["{clip}", "--params-file", "{text}"], "holds no ros__parameters"),
        (["{clip}", "--params-file", "nowhere.yaml"], "nowhere.yaml does not exist"),
        (["{clip}", "--topic", "/image"], "--topic /image is of bags, and no input is one"),
        (["{empty}"], "empty.mp4 is an empty file"),
        (["{folder}"], "and no bag (metadata.yaml), but empty.mp4: a video or a bag in it is named itself"),
    ],
)
def test_bad_input(
    arguments: list[str], words: str, short_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    empty = tmp_path / "videos" / "empty.mp4"
    empty.parent.mkdir()
    empty.touch()
    out = ["--out", str(tmp_path / "out")] if "--out" not in arguments else []
    filled = [word.format(text=text, clip=short_clip, empty=empty, folder=empty.parent) for word in arguments]
    assert main(["replay", *filled, *out]) == 1
    error = capsys.readouterr().err
    assert words in error and "Traceback" not in error
    assert not list(tmp_path.rglob("face_codes*")), "nothing half-written"


@pytest.fixture(scope="module")
def few(short_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 4 images, to replay quickly."""
    folder = tmp_path_factory.mktemp("few")
    for number in range(4):
        shutil.copy(short_clip / f"{number:03d}.png", folder)
    return folder


def test_no_face_in_the_neutral_frames(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros((90, 160, 3), np.uint8))
    assert main(["replay", str(tmp_path), "--out", str(tmp_path / "out"), "--neutral", "0:3"]) == 1
    assert "no face was found in these frames" in capsys.readouterr().err


def test_nothing_of_a_former_replay_stays(few: Path, tmp_path: Path) -> None:
    command = ["replay", str(few), "--out", str(tmp_path), "--formats"]
    assert main([*command, "csv,parquet,bag", "--overlay"]) == 0
    assert (tmp_path / "bag").is_dir() and (tmp_path / "overlay.webm").is_file()
    (tmp_path / "notes.txt").write_text("mine")
    assert main([*command, "csv"]) == 0
    there = sorted(path.name for path in tmp_path.iterdir())
    assert there == ["events.csv", "face_codes.csv", "frames.csv", "notes.txt", "recording.json"]
    (tmp_path / "bag").mkdir()  # of the user's
    assert main([*command, "csv"]) == 0 and (tmp_path / "bag").is_dir()
    assert len(read_run(tmp_path)) == 1, "and nobody takes it for the replay's"


def test_results_do_not_replace_the_recording(few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = tmp_path / "bag"
    shutil.copytree(few, images)
    assert main(["replay", str(images), "--out", str(tmp_path), "--formats", "csv,bag"]) == 1
    assert "choose another --out" in capsys.readouterr().err and len(list(images.iterdir())) == 4


def test_one_recording_and_several_in_one_folder(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["replay", str(few), "--out", str(out), "--formats", "csv"]) == 0
    shutil.copytree(out, out / ".work-0123")  # of a replay that was ended
    assert len(read_run(out)) == 1
    shutil.copytree(out / ".work-0123", out / "a")
    with pytest.raises(RunError, match=r"holds face_codes.csv, and so does .*a; they are of different replays"):
        read_run(out)
    (out / "face_codes.csv").unlink()
    assert len(read_run(out)) == 1, "what an ended replay left is no recording"


def test_cut_recording_json(few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(few), "--out", str(tmp_path), "--formats", "csv"]) == 0
    content = tmp_path / "recording.json"
    content.write_text(content.read_text()[:200])
    assert main(["evaluate", str(tmp_path)]) == 1
    assert f"{content} is damaged" in capsys.readouterr().err
    content.write_text("{}")
    with pytest.raises(RunError, match=r"recording.json is damaged"):
        read_run(tmp_path)


def test_the_second_of_two_replays_at_once_is_refused(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["replay", str(few), "--out", str(tmp_path), "--formats", "csv"]
    whole = replay._replay
    codes = []

    def while_another_works(*arguments):  # type: ignore[no-untyped-def]
        codes.append(main(command))
        return whole(*arguments)

    monkeypatch.setattr(replay, "_replay", while_another_works)
    assert main(command) == 0
    assert codes == [1] and f"another replay writes into {tmp_path}" in capsys.readouterr().err
    assert len(rows_of(tmp_path)) > 0


def test_resume_beside_the_images(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Results in the folder of images change nothing of the input; results that were deleted are not there."""
    shutil.copytree(few, tmp_path / "images")
    monkeypatch.chdir(tmp_path)
    out = Path("images") / "out"
    command = ["replay", "images", "--out", str(out), "--formats", "csv", "--resume"]
    assert main(command) == 0 and main(command) == 0
    assert capsys.readouterr().out.count("it was there already") == 1
    assert json.loads((out / "recording.json").read_text())["input"] == str(tmp_path / "images")
    (out / "face_codes.csv").unlink()
    assert main(command) == 0
    assert "it was there already" not in capsys.readouterr().out and rows_of(out)


def test_damaged_video_is_replayed_in_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 30, (160, 90))
    for _ in range(40):
        writer.write(np.zeros((90, 160, 3), np.uint8))
    writer.release()
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    assert main(["replay", str(video), "--out", str(tmp_path / "out"), "--formats", "csv"]) == 3
    assert "of the 40 frames it states could be read" in capsys.readouterr().err
    assert json.loads((tmp_path / "out" / "recording.json").read_text())["problems"]["count"] == 1


def test_parameters_of_the_node(short_clip: Path, tmp_path: Path) -> None:
    file = tmp_path / "parameters.yaml"
    file.write_text("/**:\n  facial_coding:\n    ros__parameters:\n      tracking:\n        max_faces: 1\n")
    assert main(["replay", str(short_clip), "--out", str(tmp_path), "--params-file", str(file)]) == 0
    assert len({row["face_id"] for row in rows_of(tmp_path)}) == 1


def test_image_rotation_is_an_option_too(few: Path, tmp_path: Path) -> None:
    command = ["replay", str(few), "--image-rotation", "180", "--out", str(tmp_path), "--formats", "csv"]
    assert main(command) == 0
    recording = json.loads((tmp_path / "recording.json").read_text())
    assert recording["settings"]["tracking"]["image_rotation"] == 180


@pytest.mark.ros
def test_live_node_and_replay_agree(replayed: Path, short_clip: Path, tmp_path: Path) -> None:
    """The same images through DDS and through replay give the same codes, to the last digit."""
    pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")
    from facial_coding_msgs.msg import FaceCodeArray

    from facial_coding_ros.face_codes.table import row
    from facial_coding_ros.nodes.messages import face_code_of, stamp_ns_of

    from ..ros import Client, node

    with Client() as client, node(tracking__id_seed=1, image_reliability="reliable") as process:
        codes: list[FaceCodeArray] = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        camera = client.camera()
        client.wait(lambda: camera.publisher.get_subscription_count(), "the image subscription", process)
        client.wait(lambda: client.node.count_publishers("/facial_coding/face_codes"), "face codes", process)
        for frame in open_source(short_clip).frames():  # each when the one before is answered: none is skipped
            camera.send(frame.image, frame.stamp_ns)
            client.wait(lambda seen=frame.index: len(codes) > seen, f"codes of frame {frame.index}", process)
    live = [
        [str(value) for value in row(index, stamp_ns_of(message.header), face_code_of(face))]
        for index, message in enumerate(codes)
        for face in message.faces
    ]
    assert live == [list(entry.values()) for entry in rows_of(replayed)]
