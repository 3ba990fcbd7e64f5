# SPDX-License-Identifier: Apache-2.0
"""Recordings for Rerun, read back with its SDK, and its page in a browser."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

rr = pytest.importorskip("rerun", reason="needs Rerun: the extra view")
import rerun.dataframe as rdf  # noqa: E402

from facial_coding_ros import code_recording  # noqa: E402
from facial_coding_ros.cli import main  # noqa: E402
from facial_coding_ros.events import Event, Phase  # noqa: E402
from facial_coding_ros.image import videos  # noqa: E402
from facial_coding_ros.image.sources import Span, open_source  # noqa: E402
from facial_coding_ros.pipeline import PipelineSettings  # noqa: E402
from facial_coding_ros.tracking import TrackingSettings  # noqa: E402
from facial_coding_ros.viewing import scene  # noqa: E402
from facial_coding_ros.viewing.blueprint import FRAME  # noqa: E402
from facial_coding_ros.viewing.colours import PALETTE, picture_of_colours  # noqa: E402
from facial_coding_ros.viewing.rerun_viewer import Viewer, browser, bytes_of, new_recording, saved  # noqa: E402
from facial_coding_ros.viewing.scene import Scene  # noqa: E402
from facial_coding_ros.viewing.sights import Sight, sights_of_source  # noqa: E402

from ..browser import CHROMIUM, Browser  # noqa: E402
from ..conftest import CLIP  # noqa: E402

pytestmark = pytest.mark.slow  # as a whole

SECONDS = 2.0


@pytest.fixture(scope="module")
def sights() -> list[Sight]:
    """The clip's first seconds, with an event that nobody has to wait for."""
    settings = PipelineSettings(tracking=TrackingSettings(id_seed=1))
    seen = list(sights_of_source(open_source(CLIP, span=Span(0, SECONDS)), settings))
    face, stamp_ns = seen[-1].faces[0].code.face, seen[-1].stamp_ns
    event = Event("smile", face.face_id, "", stamp_ns, "1", Phase.BEGIN, stamp_ns, stamp_ns)
    return [*seen[:-1], Sight(seen[-1].index, stamp_ns, seen[-1].image, seen[-1].faces, (event,))]


def recorded(sights: list[Sight], path: Path) -> rdf.Recording:
    recording = new_recording()
    with saved(recording, path):
        shown = Scene(recording)
        for sight in sights:
            shown.show(sight)
        shown.finish()
    return rdf.load_recording(path)


def entities(recording: rdf.Recording) -> set[str]:
    return {column.entity_path.lstrip("/") for column in recording.schema().component_columns()}


def values(recording: rdf.Recording, entity: str, timeline: str = FRAME) -> tuple[list, np.ndarray]:
    """Times and values of a curve."""
    view = recording.view(index=timeline, contents=f"/{entity}")
    table = view.select(timeline, f"/{entity}:Scalar").read_all().to_pydict()
    (column,) = [name for name in table if name != timeline]
    rows = [(at, value[0]) for at, value in zip(table[timeline], table[column], strict=True) if value]
    return [at for at, _ in rows], np.array([value for _, value in rows])


def test_view_leaves_a_recording_with_everything_of_the_clip(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "clip.rrd"
    assert main(["view", str(CLIP), "--seconds", str(SECONDS), "--save", str(path)]) == 0
    assert f"in {path}" in capfd.readouterr().out and not list(tmp_path.glob("*.part"))
    recording = rdf.load_recording(path)
    truth = code_recording(CLIP, end_s=SECONDS).columns()
    there = entities(recording)
    assert {"camera/image", "camera/image/faces", "camera/image/landmarks", "colours", "events"} <= there
    people = sorted(set(truth["face_id"].tolist()))
    assert len(people) == 2
    for person in people:
        of = f"people/{person}"
        curves = {f"{of}/action_units/AU{int(name[2:])}" for name in truth if name[:2] == "au" and name[2:].isdigit()}
        curves |= {f"{of}/expression/{name[2:]}" for name in truth if name.startswith("p_")}
        curves |= {f"{of}/expression/unsure", f"{of}/affect/valence", f"{of}/affect/arousal", f"{of}/neutral"}
        assert curves | {f"mesh/{person}", f"mesh/{person}/name"} <= there
        rows = truth["face_id"] == person
        at, shown = values(recording, f"{of}/action_units/AU12")
        assert at == truth["frame"][rows].tolist()
        np.testing.assert_allclose(shown, truth["au12"][rows], atol=1e-6)
        times, _ = values(recording, f"{of}/affect/valence", "image_time")
        since = [round((time - times[0]).total_seconds() * 1e9) for time in times]
        np.testing.assert_allclose(since, truth["stamp_ns"][rows] - truth["stamp_ns"][rows][0], atol=1000)


def test_events_are_marks_and_lines(sights: list[Sight], tmp_path: Path) -> None:
    recording = recorded(sights, tmp_path / "events.rrd")
    person = sights[-1].faces[0].code.face.face_id
    assert values(recording, f"people/{person}/events/smile")[0] == [sights[-1].index]
    table = recording.view(index=FRAME, contents="/events").select("/events:Text").read_all().to_pydict()
    assert f"**{person}** smile begins" in next(iter(table.values()))[-1][0]


def test_curves_end_where_a_person_leaves(sights: list[Sight], tmp_path: Path) -> None:
    last = sights[-1]
    gone = Sight(last.index + 1, last.stamp_ns + 40_000_000, last.image, last.faces[:1])
    recording = recorded([*sights, gone], tmp_path / "gone.rrd")
    at, shown = values(recording, f"people/{last.faces[1].code.face.face_id}/affect/valence")
    assert at[-1] == gone.index and np.isnan(shown[-1]) and not np.isnan(shown[:-1]).any()


def test_nobody_in_view_is_a_recording_too(sights: list[Sight], tmp_path: Path) -> None:
    empty = [Sight(sight.index, sight.stamp_ns, sight.image, ()) for sight in sights[:5]]
    there = entities(recorded(empty, tmp_path / "nobody.rrd"))
    assert "camera/image" in there and not any(name.startswith("people") for name in there)


def test_a_finished_run_is_shown_with_the_images_of_its_recording(tmp_path: Path) -> None:
    assert main(["replay", str(CLIP), "--range", "0:1", "--out", str(tmp_path / "run"), "--formats", "csv"]) == 0
    assert main(["view", str(tmp_path / "run"), "--save", str(tmp_path / "run.rrd")]) == 0
    recording = rdf.load_recording(tmp_path / "run.rrd")
    frames = recording.view(index=FRAME, contents="/camera/image").select(FRAME, "/camera/image:Blob").read_all()
    assert frames.num_rows >= 25
    assert {"camera/image/faces"} <= entities(recording)
    assert not any(name.startswith("mesh/") for name in entities(recording))


def test_a_camera_is_shown_until_it_is_unplugged(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = list(itertools.islice(open_source(CLIP).frames(), 40))

    class Capture:
        """As OpenCV's, of a camera that is unplugged after forty images."""

        def __init__(self, _number: int) -> None:
            self._images = iter(first)

        def isOpened(self) -> bool:  # noqa: N802
            return True

        def read(self) -> tuple[bool, np.ndarray | None]:
            frame = next(self._images, None)
            return frame is not None, None if frame is None else frame.image[..., ::-1].copy()

        def release(self) -> None:
            """Nothing to do."""

    monkeypatch.setattr(videos, "_check_device", lambda _number: None)
    monkeypatch.setattr(videos.cv2, "VideoCapture", Capture)
    path = tmp_path / "camera.rrd"
    assert main(["view", "--camera", "0", "--seconds", "0.2", "--save", str(path)]) == 0
    assert {"camera/image", "camera/image/faces"} <= entities(rdf.load_recording(path))
    path.unlink()
    assert main(["view", "--camera", "0", "--save", str(path)]) == 1
    assert "facial_coding view: camera 0 gives no more images, after 40" in capfd.readouterr().err
    assert not list(tmp_path.iterdir())


def test_meshes_stand_in_a_row_as_people_sit_and_return_to_their_places(sights: list[Sight], tmp_path: Path) -> None:
    last = sights[-1]
    left, right = sorted(last.faces, key=lambda face: face.code.face.region.xmin)
    names = [face.code.face.face_id for face in (left, right)]
    order = [(left, right), (), (right,), (left, right)]
    shown = [
        Sight(number, last.stamp_ns + number * 40_000_000, last.image, faces) for number, faces in enumerate(order)
    ]
    recording = recorded(shown, tmp_path / "row.rrd")
    at = {}
    for name in names:
        view = recording.view(index=FRAME, contents=f"/mesh/{name}")
        table = view.select(FRAME, f"/mesh/{name}:Translation3D").read_all().to_pydict()
        at[name] = {n: v[0] for n, v in zip(*table.values(), strict=True) if v}
    assert sorted(at[names[0]]) == [0, 3] and sorted(at[names[1]]) == [0, 2, 3]
    assert np.linalg.norm(at[names[0]][3]) == 0
    for number in (2, 3):
        np.testing.assert_allclose(at[names[1]][number], at[names[1]][0])
    assert at[names[1]][0][0] > 1, "to the right, by more than a face's width"


def test_who_went_long_ago_is_forgotten(sights: list[Sight], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene, "_REMEMBERED_PEOPLE", 3)
    last = sights[-1]
    face = last.faces[0]
    recording = new_recording()
    with saved(recording, tmp_path / "many.rrd"):
        shown = Scene(recording)
        for number in range(8):
            code = dataclasses.replace(face.code, face=dataclasses.replace(face.code.face, face_id=f"f{number}"))
            seen = (dataclasses.replace(face, code=code),)
            shown.show(Sight(number, last.stamp_ns + number * 40_000_000, last.image, seen))
    assert sorted(shown._last_seen) == ["f5", "f6", "f7"]
    assert {path.split("/")[1] for path in shown._styled} == {"f5", "f6", "f7"}


def test_who_left_the_window_of_a_live_view_makes_room(sights: list[Sight], tmp_path: Path) -> None:
    last = sights[-1]
    names = [face.code.face.face_id for face in last.faces]
    recording = new_recording()
    with saved(recording, tmp_path / "live.rrd"):
        shown = Scene(recording, window_s=2.0)
        for tenths, faces, expected in (
            (0, last.faces, names),
            (10, last.faces[1:], names),
            (25, last.faces[1:], names[1:]),
            (26, last.faces, names[1:]),  # not before a second has gone by
            (36, last.faces, [names[1], names[0]]),
            (80, (), []),
        ):
            shown.show(Sight(tenths, last.stamp_ns + tenths * 100_000_000, last.image, faces))
            assert sorted(shown._shown) == sorted(expected), tenths


def test_the_picture_of_the_colours_grows_with_the_kinds_of_events() -> None:
    plain, full = picture_of_colours(), picture_of_colours([f"kind_{number}" for number in range(20)])
    assert plain.dtype == np.uint8 and plain.shape[0] == full.shape[0] and plain.shape[1] < full.shape[1] < 1600
    shades = set(map(tuple, np.unique(full.reshape(-1, 3), axis=0).tolist()))
    assert set(PALETTE) <= shades, "every colour is in it, unblended"


@pytest.mark.skipif(not CHROMIUM, reason="needs chromium")
def test_the_page_shows_the_recording_and_tells_nobody(sights: list[Sight], tmp_path: Path) -> None:
    recording = new_recording()
    port = _free_pair()
    with browser(recording, port, "200MB") as viewer, Browser(tmp_path / "profile", 900, 600) as page:
        page.go(viewer.address)
        page.wait_for("document.querySelector('canvas') !== null && document.querySelector('canvas').width > 0")
        before = page.screenshot()
        shown = Scene(recording)
        shown.show(sights[-1])
        shown.finish()
        recording.flush(blocking=True)
        end = time.monotonic() + 60
        while len(page.screenshot()) < len(before) + 50_000:  # a picture of two people packs badly
            assert time.monotonic() < end, page.console
            page.listen(0.5)
        problems = [text for text in page.errors if text.strip() and "Content Security Policy" not in text]
    assert not problems
    elsewhere = [address for address in page.answered if not address.startswith(viewer.address.partition("/?")[0])]
    assert not elsewhere, "Rerun's page reports its use, which is not to leave this machine"


@pytest.mark.skipif(not CHROMIUM, reason="needs chromium")
def test_a_kept_recording_is_shown_and_leaves_nothing_behind(
    sights: list[Sight], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    kept = tmp_path / "kept.rrd"
    recorded(sights[-1:], kept)
    port = _free_pair()
    with browser(kept, port, "200MB") as viewer, Browser(tmp_path / "profile", 900, 600) as page:
        page.go(viewer.address)
        end = time.monotonic() + 60
        while len(page.screenshot()) < 100_000:  # a picture of two people
            assert time.monotonic() < end, page.console
            page.listen(0.5)
    assert not list((tmp_path / "home").rglob("*rerun*")), "the layout names people"


def test_a_viewer_with_more_than_it_may_take_is_full() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            assert not Viewer(process, most_bytes=1e9).full and Viewer(process, most_bytes=1e3).full
            assert Viewer(process).open
        finally:
            process.kill()
    assert not Viewer(process, most_bytes=1e3).full and not Viewer(process).open
    assert [bytes_of(text) for text in ("500MB", "2GiB")] == [5e8, 2**31]


def _free_pair() -> int:
    """A port that is free, as is the one above it."""
    return next(number for number in range(20000, 30000, 7) if not _taken(number) and not _taken(number + 1))


def _taken(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


def test_what_cannot_be_shown_is_one_line(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    damaged = tmp_path_factory.mktemp("other") / "damaged.rrd"
    damaged.write_text("no recording")
    with socket.socket() as other, contextlib.suppress(SystemExit):
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        for arguments, words in (
            ([], "no display: neither DISPLAY nor WAYLAND_DISPLAY is set. Use --web"),
            (["nowhere.mp4", "--save", str(tmp_path / "a.rrd")], "nowhere.mp4 does not exist"),
            (["--web", "--web-port", str(taken)], f"port {taken} (--web-port) cannot be had on 127.0.0.1"),
            (["--save", str(tmp_path)], "a file is expected"),
            (["--save", str(tmp_path / "none" / "a.rrd")], "No such file"),
            (["--seconds", "0", "--web"], "above 0 is expected"),
            (["--web", str(damaged)], f"{damaged} is no recording of Rerun's, or a damaged one"),
            (["--save", "b.rrd", str(damaged)], "is a recording for the viewer already"),
            (["--web", str(damaged.with_name("none.rrd"))], "No such file"),
            (["--web", "--camera", "63"], "camera 63: there is no /dev/video63"),
            (["--web", "--memory", "much"], "--memory much: an amount such as 500MB, 2GB or 10% is expected"),
        ):
            assert main(["view", *arguments]) == 1
            error = capfd.readouterr().err
            assert words in error and "Traceback" not in error, error
            assert len([line for line in error.splitlines() if line.startswith("facial_coding view:")]) == 1
    assert not list(tmp_path.iterdir()), "nothing half-written"


def test_without_rerun_the_extra_is_named(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("facial_coding_ros.viewing")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "facial_coding_ros.commands.view")
    for name in [name for name in sys.modules if name.partition(".")[0] in ("rerun", "rerun_cli")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rerun_cli", None)
    monkeypatch.setitem(sys.modules, "rerun", None)
    assert main(["view"]) == 1
    assert "pip install 'facial_coding_ros[view]'" in capfd.readouterr().err
