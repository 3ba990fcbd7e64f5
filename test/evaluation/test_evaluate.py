# SPDX-License-Identifier: Apache-2.0
"""Evaluations of runs whose answers are known: written tables, true labels, and what must come out."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from facial_coding_ros.cli import main
from facial_coding_ros.coding.expression import EXPRESSION_LABELS
from facial_coding_ros.datasets.labelled import sequence
from facial_coding_ros.evaluation.align import NO_FACE, NO_FRAME, LabelError, align, nearest, overlap, pair
from facial_coding_ros.evaluation.evaluate import Options, evaluate
from facial_coding_ros.evaluation.onsets import onset_delays
from facial_coding_ros.evaluation.report import write_report
from facial_coding_ros.evaluation.results import result_of, table
from facial_coding_ros.evaluation.runs import RunError, read_run
from facial_coding_ros.evaluation.timelines import SHOWN_AUS, charts
from facial_coding_ros.evaluation.tracking_score import track_score
from facial_coding_ros.events import EventDetectors
from facial_coding_ros.events.neutral_ready import NeutralReady
from facial_coding_ros.face_codes.table import FIXED_COLUMNS
from facial_coding_ros.types import NeutralState

from ..browser import CHROMIUM, Browser
from ..conftest import REPOSITORY

AUS = (4, 12)
START_NS = 5_000_000_000


class Writer:
    """Writes a run's folder as replay does, from values at hand."""

    def __init__(self, folder: Path, frames: int = 90, fps: float = 30.0, name: str = "clip.mp4") -> None:
        self.folder, self.frames, self.fps, self.name = folder, frames, fps, name
        self.rows: list[dict[str, object]] = []

    def face(self, frame: int, face_id: str, au12: float = 0.0, **others: object) -> None:
        row: dict[str, object] = dict.fromkeys(FIXED_COLUMNS, 0)
        row |= {f"p_{label}": float(label == "neutral") for label in EXPRESSION_LABELS}
        row |= {"frame": frame, "stamp_ns": self.stamp(frame), "face_id": face_id, "person_id": ""}
        row |= {"neutral_state": "ready", "expression": "neutral", "expression_confidence": 0.9}
        row |= {"roi_xmin": 0.1, "roi_ymin": 0.1, "roi_xmax": 0.3, "roi_ymax": 0.4}
        for au in AUS:
            row |= {f"au{au:02d}": 0.0, f"au{au:02d}_confidence": 0.8}
        self.rows.append(row | {"au12": au12} | others)

    def stamp(self, frame: int) -> int:
        return START_NS + round(frame / self.fps * 1e9)

    def write(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.rows.sort(key=lambda row: (row["frame"], row["face_id"]))  # type: ignore[arg-type, return-value]
        with (self.folder / "face_codes.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)
        with (self.folder / "frames.csv").open("w", newline="") as file:
            writer2 = csv.writer(file)
            writer2.writerow(("frame", "stamp_ns", "recorded_ns", "faces"))
            writer2.writerows((i, self.stamp(i), "", 0) for i in range(self.frames))
        content = {
            "input": f"/recordings/{self.name}",
            "settings": {"tracking": {"max_faces": 2}},
            "models": {"facs": {}},
        }
        (self.folder / "recording.json").write_text(json.dumps(content))
        return self.folder


def smiling(frame: int) -> float:
    return 0.8 if 30 <= frame < 60 else 0.0


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """One face in frames 5 to 89; it smiles, two frames late, in 32 to 61."""
    writer = Writer(tmp_path / "run")
    for frame in range(5, 90):
        writer.face(frame, "abcde", smiling(frame - 2))
    return writer.write()


def test_events_of_a_table_are_those_the_node_tells(tmp_path: Path) -> None:
    """Ready again after a while without it; a person who is another track; a frame in which nobody is seen."""
    states = {
        0: [("aaaaa", "", "learning")],
        1: [("aaaaa", "", "ready"), ("bbbbb", "p1", "ready")],
        2: [("aaaaa", "", "stale"), ("ccccc", "p1", "ready")],
        3: [("aaaaa", "", "ready"), ("ccccc", "p1", "ready")],
        5: [("aaaaa", "", "ready")],
    }
    writer = Writer(tmp_path / "run", frames=6)
    node: EventDetectors = EventDetectors([NeutralReady()])
    expected = []
    for frame in range(6):
        codes = []
        for face_id, person_id, state in states.get(frame, []):
            writer.face(frame, face_id, person_id=person_id, neutral_state=state)
            face = SimpleNamespace(face_id=face_id, person_id=person_id, subject_key=person_id or face_id)
            codes.append(SimpleNamespace(face=face, neutral_state=NeutralState[state.upper()]))
        expected += node.update(codes, writer.stamp(frame))  # type: ignore[arg-type]
    (recording,) = read_run(writer.write())
    ready = [event for event in recording.events if event.kind == "neutral_ready"]
    assert list(map(str, ready)) == list(map(str, expected))  # Python 3.13 finds no NaN equal to itself
    assert {event.kind for event in recording.events} >= {"appears", "neutral_ready"}
    assert [(frame, face_id) for frame, face_id in ((1, "aaaaa"), (1, "bbbbb"), (3, "aaaaa"), (5, "aaaaa"))] == [
        (round((event.stamp_ns - START_NS) * 30 / 1e9), event.face_id) for event in expected
    ]


def labels_csv(path: Path, fps: float = 30.0, count: int = 90, recording: str = "clip") -> Path:
    rows = ["recording,seconds,person_id,au12,au4,expression,neutral"]
    for number in range(count):
        frame = number * 30 / fps
        level = round(5 * smiling(round(frame)))
        unknown = 9 if number % 10 == 0 else level
        rows.append(f"{recording},{number / fps},anna,{unknown},0,neutral,{int(level == 0)}")
    path.write_text("\n".join(rows))
    return path


def test_figures_of_a_known_run(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = labels_csv(tmp_path / "labels.csv")
    assert main(["evaluate", str(run), "--labels", str(labels)]) == 0
    assert "au/mean/f1" in capsys.readouterr().out
    with (run / "evaluation" / "figures.csv").open() as file:
        figures = {row["figure"]: float(row["value"]) for row in csv.DictReader(file)}
    # Labelled and seen: frames 5 to 89 but every tenth. There: 31..59 but 40, 50 (27). Said: 32..61 but 40, 50, 60.
    tp, fp, fn = 26, 1, 1
    assert figures["au/12/f1"] == pytest.approx(2 * tp / (2 * tp + fp + fn))
    coded = 90 - 5 - 8
    assert figures["au/12/accuracy"] == pytest.approx((coded - fp - fn) / coded)
    assert figures["au/12/mae"] == pytest.approx(0.8 * (fp + fn) / coded)
    assert figures["au/4/accuracy"] == 1 and np.isnan(figures["au/4/auc"]), "never labelled as there"
    assert figures["expression/accuracy"] == 1
    assert figures["expression/calibration_error"] == pytest.approx(0.1)
    assert figures["tracking/missed"] == pytest.approx(5 / 90) and figures["tracking/switches"] == 0
    assert figures["neutral/ready"] == 1 and figures["neutral/until_ready_s"] == 0
    # At rest 60 frames, 55 of them seen, two of them with AU12 at 0.8; two units.
    assert figures["neutral/intensity_at_rest"] == pytest.approx(2 * 0.8 / (55 * 2))
    content = json.loads((run / "evaluation" / "evaluation.json").read_text())
    assert content["facts"]["frames"] == 90 and content["facts"]["frames_without_face"] == 5
    assert content["facts"]["rate_hz"] == pytest.approx(30) and content["facts"]["labels_without_face"] == 5
    assert content["unit"].startswith("stretches of"), "one person in one recording"


def test_other_frame_rates_and_tolerance(run: Path, tmp_path: Path) -> None:
    (recording,) = read_run(run)
    seconds = np.arange(60) / 20  # labels at 20 Hz, frames at 30 Hz
    labels = sequence("x", "anna", "clip", range(60), seconds, [12], np.zeros((60, 1), np.int8))
    wide = align(labels, recording, 0.02)
    assert (wide.frame != NO_FRAME).all() and (wide.row == NO_FACE).sum() == (
        recording.seconds[wide.frame] < 5 / 30
    ).sum()
    narrow = align(labels, recording, 0.001)
    assert ((narrow.frame != NO_FRAME) == (np.arange(60) % 2 == 0)).all()
    assert nearest([0.0, 1.0, 2.0], [-0.4, 0.5, 0.6, 2.3, 9.0], 0.5).tolist() == [0, 0, 1, 2, NO_FRAME]


def test_absolute_stamps_and_frame_numbers(run: Path, tmp_path: Path) -> None:
    (recording,) = read_run(run)
    by_stamp = sequence("x", "anna", "clip", [-1], [(START_NS + 1e9) / 1e9], expression=["happy"], absolute=True)
    assert recording.frame[align(by_stamp, recording).frame].tolist() == [30]
    by_number = sequence("x", "anna", "clip", [7, 200], [np.nan, np.nan], expression=["happy", "sad"])
    assert align(by_number, recording).frame.tolist() == [7, NO_FRAME]


def test_labels_of_another_recording(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (recording,) = read_run(run)
    late = sequence("x", "anna", "clip", [0], [99.0], expression=["happy"])
    with pytest.raises(
        LabelError, match=r"labels of clip \(anna\) are of 99.00 to 99.00 s, recording clip.mp4 of 0.00"
    ):
        align(late, recording)
    two = [sequence("x", "p", name, [0], [0.0], expression=["happy"]) for name in ("SN001", "SN002")]
    with pytest.raises(LabelError, match=r"labels are of SN001, SN002; the run has clip.mp4: no name fits"):
        pair(two, [recording])
    path = tmp_path / "labels.csv"
    path.write_text("seconds,au12\n500,1\n")
    assert main(["evaluate", str(run), "--labels", str(path)]) == 1
    assert "labels of another recording?" in capsys.readouterr().err


def test_labels_of_no_recording_are_told(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = labels_csv(tmp_path / "labels.csv")
    path.write_text(path.read_text() + "\nclyp,0,ben,1,0,neutral,0\nclyp,1,ben,1,0,neutral,0\n")
    assert main(["evaluate", str(run), "--labels", str(path)]) == 0
    words = "2 labels of clyp are left out: the run has clip.mp4"
    assert words in capsys.readouterr().out and words in (run / "evaluation" / "report.html").read_text()
    facts = json.loads((run / "evaluation" / "evaluation.json").read_text())["facts"]
    assert facts["labels_without_recording"] == 2 and facts["labels"] == 90


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--present-from", "9", "--present-from is 9; a level above 0, at most 5"),
        ("--present-from", "0", "a level above 0"),
        ("--present-from", "nan", "--present-from is nan"),
        ("--tolerance", "0", "--tolerance is 0; seconds above 0"),
        ("--tolerance", "inf", "--tolerance is inf"),
        ("--threshold", "1.5", "--threshold is 1.5; an intensity of 0 to 1"),
    ],
)
def test_options_out_of_range(run: Path, option: str, value: str, words: str, capsys) -> None:
    assert main(["evaluate", str(run), option, value]) == 1
    assert words in capsys.readouterr().err


def test_no_label_at_all(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("recording,frame,au12\n")
    assert main(["evaluate", str(run), "--labels", str(path)]) == 1
    assert f"{path}: no labelled frame" in capsys.readouterr().err


def test_worst_moments_are_in_the_charts_they_lead_to(tmp_path: Path) -> None:
    """Of a unit that was never said, beside nine that were; and of a face that was her for a short time only."""
    aus = (1, 2, 4, 5, 6, 7, 9, 10, 12, 15)
    writer = Writer(tmp_path / "run")
    for frame in range(90):
        said = {f"au{au:02d}": 0.0 if au == 15 else 0.6 for au in aus} | {f"au{au:02d}_confidence": 0.8 for au in aus}
        writer.face(frame, "fghij" if 25 <= frame < 35 else "abcde", **said)
    (recording,) = read_run(writer.write())
    intensity = np.array([[5.0 if au == 15 else 3.0 for au in aus]] * 90, np.float32)
    anna = sequence("x", "anna", "clip", range(90), np.arange(90) / 30, aus, intensity=intensity)
    found = evaluate([recording], [anna])
    page = write_report(tmp_path / "report.html", [recording], found, result_of(found)).read_text()
    worst = page.split("Worst moments")[1].split("</table>")[0]
    links = re.findall(r"<td>(anna [^<]*)<td><a href='#(\S+)'.*?(AU\d+ said [^<]*)", worst)
    assert {person for person, _, _ in links} == {"anna (abcde)", "anna (fghij)"}
    for person, anchor, what in links:
        section = page.split(f"<section id='{anchor}'")[1].split("</section>")[0]
        assert what == "AU15 said 0.00, labelled 1.00" and "AU15 lip corner depressor" in section
        assert f"<h2>{person} in clip.mp4</h2>" in section


def test_what_an_event_is_told_from_is_drawn_beside_stronger_units(tmp_path: Path) -> None:
    aus = (5, 7, 10, 14, 15, 16, 17, 18, 20)
    writer = Writer(tmp_path / "run")
    for frame in range(90):
        others = {f"au{au:02d}": 0.9 for au in aus} | {f"au{au:02d}_confidence": 0.8 for au in aus}
        writer.face(frame, "abcde", 0.5 if 30 <= frame < 60 else 0.0, **others)
    (recording,) = read_run(writer.write())
    assert "smile" in {event.kind for event in recording.events}
    chart = charts(recording, np.arange(90))["action units, neutral and events"]
    units = [line.name for line in chart.data if line.name.startswith("AU")]
    assert "AU12 lip corner puller" in units and len(units) == SHOWN_AUS


@pytest.mark.slow
def test_the_walk_through_can_begin_anew(tmp_path: Path) -> None:
    """Its bags are made from the repository's root; those of the last time go."""
    (tmp_path / "demo").symlink_to(REPOSITORY / "demo")
    left = tmp_path / "walk" / "bags" / "left" / "left.mcap"
    left.parent.mkdir(parents=True)
    left.write_text("of the last time")
    command = [sys.executable, "-m", "facial_coding_ros.learning.studies.evaluation_bags"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert left.stat().st_size > 100_000 and (tmp_path / "walk" / "labels.csv").is_file()


def test_recordings_by_a_part_of_their_name(tmp_path: Path) -> None:
    for name in ("LeftVideoSN001_comp.avi", "LeftVideoSN002_comp.avi"):
        writer = Writer(tmp_path / name[:14], name=name)
        writer.face(0, "abcde")
        writer.write()
    labels = [sequence("disfa", n, n, [1], [0.0], expression=["happy"]) for n in ("SN002", "SN001")]
    found = pair(labels, read_run(tmp_path))
    assert [(a.name, b.name[9:14]) for a, b in found] == [("SN002", "SN002"), ("SN001", "SN001")]


def test_unknown_answers_do_not_count_as_wrong(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "run")
    for frame in range(90):
        writer.face(frame, "abcde", smiling(frame) * (frame >= 45), **({"au12_confidence": 0.0} if frame < 45 else {}))
    recordings = read_run(writer.write())
    present = np.array([[smiling(i) > 0] for i in range(90)], np.int8)
    labels = sequence("x", "anna", "clip", range(90), np.arange(90) / 30, [12], present)
    figures = evaluate(recordings, [labels]).figures
    assert figures["au/12/f1"].total() == 1 and figures["au/12/answered"].total() == 0.5


def test_presence_is_used_where_it_is_told(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "run")
    for frame in range(90):
        writer.face(frame, "abcde", 0.25, au12_presence=0.9 if smiling(frame) else 0.2)
    recordings = read_run(writer.write())
    present = np.array([[smiling(i) > 0] for i in range(90)], np.int8)
    labels = sequence("x", "anna", "clip", range(90), np.arange(90) / 30, [12], present)
    assert evaluate(recordings, [labels]).figures["au/12/f1"].total() == 1
    assert Options(present_from=2).said_from == pytest.approx(0.3) and Options(threshold=0.5).said_from == 0.5


def test_onset_delay(run: Path) -> None:
    (recording,) = read_run(run)
    present = np.array([[smiling(i) > 0] for i in range(90)], np.int8)
    labels = sequence("x", "anna", "clip", range(90), np.arange(90) / 30, [12], present)
    assert onset_delays(align(labels, recording), 12, 0.3) == pytest.approx([2 / 30])
    assert np.isnan(onset_delays(align(labels, recording), 12, 0.9)).tolist() == [True]


def test_tracking(tmp_path: Path) -> None:
    """Two people in boxes; one face is lost for five frames and comes back with another id; one face is of nobody."""
    writer = Writer(tmp_path / "run", frames=40)
    left, right = (0.1, 0.1, 0.3, 0.4), (0.6, 0.1, 0.8, 0.4)
    names = ("roi_xmin", "roi_ymin", "roi_xmax", "roi_ymax")
    for frame in range(40):
        writer.face(frame, "aaaaa", **dict(zip(names, left, strict=True)))
        if not 10 <= frame < 15:
            writer.face(frame, "bbbbb" if frame < 10 else "ccccc", **dict(zip(names, right, strict=True)))
        if frame < 3:
            writer.face(frame, "ddddd", roi_xmin=0.4, roi_xmax=0.5)
    (recording,) = read_run(writer.write())
    people = [
        align(sequence("x", who, "clip", range(40), np.arange(40) / 30, region=np.tile(box, (40, 1))), recording)
        for who, box in (("anna", left), ("ben", right))
    ]
    score = track_score(people)
    assert score.false_faces == 3
    assert [(p.labelled, p.missed, p.switches, p.ids) for p in score.by_person] == [(40, 0, 0, 1), (40, 5, 1, 2)]
    figures = evaluate([recording], [one.labels for one in people]).figures
    assert figures["tracking/mota"].total() == pytest.approx(1 - (5 + 1 + 3) / 80)
    assert overlap(np.array([[0, 0, 1, 1]]), np.array([[0.5, 0, 1.5, 1]]))[0, 0] == pytest.approx(1 / 3)


def test_intervals_are_by_person(tmp_path: Path) -> None:
    """Ten people, one of them always wrong: the interval spans what drawing people gives, not frames."""
    recordings, labels = [], []
    for number in range(10):
        writer = Writer(tmp_path / f"p{number}", name=f"person{number}.mp4")
        for frame in range(90):
            writer.face(frame, "abcde", 0.8 - smiling(frame) if number == 0 else smiling(frame))
        recordings += read_run(writer.write())
        present = np.array([[smiling(i) > 0] for i in range(90)], np.int8)
        seconds = np.arange(90) / 30
        labels.append(sequence("x", f"p{number}", f"person{number}", range(90), seconds, [12], present))
    found = evaluate(recordings, labels)
    row = next(row for row in table(found) if row.name == "au/12/accuracy")
    assert found.unit == "people" and row.value == pytest.approx(0.9)
    assert row.low == pytest.approx(0.7) and row.high == 1.0


def test_without_labels(run: Path) -> None:
    assert main(["evaluate", str(run)]) == 0
    assert json.loads((run / "evaluation" / "evaluation.json").read_text())["facts"]["frames"] == 90
    assert "abcde" in (run / "evaluation" / "report.html").read_text()


def test_what_is_no_run(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(tmp_path / "nowhere")]) == 1
    (tmp_path / "empty").mkdir()
    assert main(["evaluate", str(tmp_path / "empty")]) == 1
    error = capsys.readouterr().err
    assert "nowhere does not exist" in error and "holds no face_codes.csv" in error
    text = (run / "face_codes.csv").read_text()
    (run / "face_codes.csv").write_text(text.replace("0.8", "many", 1))
    with pytest.raises(RunError, match=r"face_codes.csv, column \w+: could not convert"):
        read_run(run)
    (run / "face_codes.csv").write_text("\n".join(text.splitlines()[:3]) + "\n1,2,3\n")
    with pytest.raises(RunError, match="line 4: 3 cells; the header has"):
        read_run(run)


def test_a_bag_of_the_live_node_is_a_run_too(tmp_path: Path) -> None:
    from rosbags.rosbag2 import StoragePlugin
    from rosbags.rosbag2 import Writer as BagWriter

    from facial_coding_ros.face_codes.bag import CODES_TYPE, EVENT_TYPE
    from facial_coding_ros.face_codes.definitions import typestore

    store = typestore()
    make = store.types
    kind = make["facial_coding_msgs/msg/FaceCode"]
    empty: dict[str, object] = {
        field.name: np.empty(0, np.float32) if "ndarray" in str(field.type) else 0.5
        for field in kind.__dataclass_fields__.values()
        if not field.name.startswith("__") and field.init
    }
    with BagWriter(tmp_path / "bag", version=8, storage_plugin=StoragePlugin.SQLITE3) as bag:
        codes = bag.add_connection("/robot/facial_coding/face_codes", CODES_TYPE, typestore=store)
        events = bag.add_connection("/robot/facial_coding/events", EVENT_TYPE, typestore=store)
        for frame in range(10):
            stamp_ns = START_NS + frame * 100_000_000
            header = make["std_msgs/msg/Header"](
                make["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 10**9)), "camera"
            )
            content = {
                "face_id": "abcde",
                "person_id": "anna",
                "neutral_state": 2,
                "expression": "happy",
                "au": np.array([12], np.uint8),
                "au_intensity": np.array([frame / 10], np.float32),
                "au_confidence": np.array([0.9], np.float32),
                "expression_label": ["neutral", "happy"],
                "expression_probability": np.array([0.2, 0.7], np.float32),
            }
            face = kind(**(empty | content))
            message = make[CODES_TYPE](header=header, faces=[face] if frame else [], processing_latency_s=0.02)
            bag.write(codes, stamp_ns, store.serialize_cdr(message, CODES_TYPE))
        time = header.stamp
        event = make[EVENT_TYPE](
            header, "abcde", "anna", "neutral_ready", "x1", 0, time, time, time, 0.5, 0.4, "", 0.9, ""
        )
        bag.write(events, stamp_ns, store.serialize_cdr(event, EVENT_TYPE))
    (recording,) = read_run(tmp_path / "bag")
    assert len(recording.frame) == 10 and recording.aus == (12,) and recording.labels == ("neutral", "happy")
    np.testing.assert_allclose(recording.number("au12"), np.arange(1, 10) / 10, rtol=1e-6)
    assert recording.words("neutral_state").tolist() == ["ready"] * 9 and recording.events[0].kind == "neutral_ready"
    assert recording.events[0].end_ns == stamp_ns and recording.events[0].confidence == np.float32(0.9)
    facts = evaluate([recording], []).facts
    assert facts["latency_p95_ms"] == pytest.approx(20, rel=0.03) and facts["rate_hz"] == pytest.approx(10)


@pytest.mark.skipif(not CHROMIUM, reason="needs a browser: chromium")
@pytest.mark.slow
def test_report_in_a_browser(run: Path, tmp_path: Path) -> None:
    """It loads without a script error and without the network, and every chart is drawn."""
    labels = labels_csv(tmp_path / "labels.csv")
    assert main(["evaluate", str(run), "--labels", str(labels)]) == 0
    page = run / "evaluation" / "report.html"
    text = page.read_text()
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)\s*=\s*['\"]?(https?:)?//", text)
    own = re.sub(r"<script id=plotly.*?</script>", "", text, flags=re.DOTALL)
    assert "Plotly.newPlot" in own and "data:image" not in own, "faces are shown only when asked for"
    with Browser(tmp_path / "profile", 390, 844) as shown:
        shown.go(page.as_uri())
        shown.wait_for("window.drawAll !== undefined")
        shown.evaluate("document.querySelector('a[data-at]').click()")
        shown.evaluate("drawAll().then(() => true)")
        assert shown.evaluate("document.querySelectorAll('.chart .main-svg').length") >= 8
        zoomed = "Array.from(document.querySelectorAll('section')).some(s => s.now && s.now[1] - s.now[0] < 5)"
        assert shown.evaluate(zoomed), "the link shows its moment"
        assert shown.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert shown.errors == []
        assert not [address for address in shown.answered if not address.startswith(("file:", "data:", "blob:"))]
