# SPDX-License-Identifier: Apache-2.0
"""Videos as telephones, editors and cameras leave them."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from facial_coding_ros.drawing.video import VideoWriter
from facial_coding_ros.image import containers
from facial_coding_ros.image.containers import BrokenFileError, frames_held
from facial_coding_ros.image.settings import ImageSettings
from facial_coding_ros.image.sources import SourceError, open_source

FRAMES = 30


def numbered(number: int) -> np.ndarray:
    """Dark above, light below, the number in the blue."""
    image = np.full((48, 64, 3), 60, np.uint8)
    image[24:] = 200
    image[..., 2] = 8 * number
    return image


def write(path: Path, codec: str = "mp4v", fps: float = 25) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, (64, 48))
    for number in range(FRAMES):
        writer.write(cv2.cvtColor(numbered(number), cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def content_of(data: bytes, kind: bytes) -> int:
    """Where the content of a box begins."""
    return data.index(kind) + 4


def rotated(path: Path, matrix: tuple[int, int, int, int]) -> None:
    data = bytearray(path.read_bytes())
    at = content_of(data, b"tkhd") + 40
    a, b, c, d = (one * 0x10000 for one in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("matrix", "upright"),
    [
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
        ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
        ((0, -1, 1, 0), lambda image: np.rot90(image, 1)),
    ],
)
def test_tag_of_rotation(tmp_path: Path, matrix: tuple[int, int, int, int], upright) -> None:  # type: ignore[no-untyped-def]
    path = write(tmp_path / "clip.mp4")
    rotated(path, matrix)
    frames = list(open_source(path).frames())
    assert len(frames) == FRAMES
    expected = upright(numbered(5)).astype(int)
    assert frames[5].image.shape == expected.shape
    assert np.abs(frames[5].image - expected).mean() < 12


def test_trimmed_without_loss_is_not_damaged(tmp_path: Path) -> None:
    """The edit list leaves frames out that lie in the file."""
    path = write(tmp_path / "clip.mp4")
    data = bytearray(path.read_bytes())
    at = content_of(data, b"elst")
    assert data[at] == 0 and struct.unpack_from(">I", data, at + 4) == (1,)
    scale = struct.unpack_from(">I", data, content_of(data, b"mdhd") + 12)[0]
    # 15 frames from the twelfth on; a movie's clock has 1000 ticks a second.
    struct.pack_into(">Ii", data, at + 8, 600, scale * 12 // 25)
    path.write_bytes(data)
    assert frames_held(path) == 15
    problems: list[str] = []
    frames = list(open_source(path).frames(problems.append))
    assert 13 <= len(frames) <= 17 and not problems
    path.write_bytes(data[: len(data) - 60])
    with pytest.raises(BrokenFileError):
        frames_held(path)


def test_frames_lost_from_an_avi_index_are_said(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.avi", "MJPG")
    assert frames_held(path) == FRAMES
    data = bytearray(path.read_bytes())
    at = data.index(b"idx1") + 8
    for entry in range(10, 14):
        struct.pack_into("<4sIII", data, at + 16 * entry, b"00dc", 16, 4 + entry, 1)
    path.write_bytes(data)
    problems: list[str] = []
    frames = list(open_source(path).frames(problems.append))
    assert len(frames) == FRAMES or len(problems) == 1


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "mp4v"), ("mkv", "VP80"), ("webm", "VP80"), ("avi", "MJPG")])
def test_frames_are_counted_in_the_structure(tmp_path: Path, suffix: str, codec: str) -> None:
    path = write(tmp_path / f"clip.{suffix}", codec)
    assert frames_held(path) == FRAMES
    random = np.random.default_rng(0)
    whole = path.read_bytes()
    for _ in range(200):  # whatever the bytes: a number, none, or BrokenFileError
        data = bytearray(whole)
        for at in random.integers(0, min(len(data), 600), 3):
            data[at] = random.integers(256)
        path.write_bytes(data)
        with contextlib.suppress(BrokenFileError):
            assert (frames_held(path) or 0) <= len(data)


def matroska_with_times(path: Path, times_ms: list[int]) -> None:
    """Changes the times of the frames of a Matroska file; its clusters all begin at 0 then."""
    data = bytearray(path.read_bytes())
    left = iter(times_ms)

    def block(at: int) -> None:
        struct.pack_into(">h", data, at + 1, next(left))  # behind the number of the track

    with path.open("rb") as file:
        (segment,) = [(s, e) for kind, s, e in containers._elements(file, 0, len(data), set()) if kind == 0x18538067]
        for kind, start, end in list(containers._elements(file, *segment, set())):
            for inner, at, after in containers._elements(file, start, end, set()) if kind == 0x1F43B675 else ():
                if inner == 0xE7:
                    data[at:after] = bytes(after - at)
                elif inner == 0xA3:
                    block(at)
                elif inner == 0xA0:
                    block(next(s for k, s, _ in containers._elements(file, at, after, set()) if k == 0xA1))
    assert next(left, None) is None
    path.write_bytes(data)


def test_frames_of_equal_time_after_a_gap(tmp_path: Path) -> None:
    """Stamps jumped back by the gap at each pair, and the gap was called damage."""
    path = write(tmp_path / "clip.mkv", "VP80")
    times = [40 * i if i < 15 else 40 * (i // 2 * 2) + 4000 for i in range(FRAMES)]
    matroska_with_times(path, times)
    problems: list[str] = []
    frames = list(open_source(path).frames(problems.append))
    stamps = [frame.stamp_ns for frame in frames]
    assert len(frames) == FRAMES and not problems
    assert all(after - before > 0 for before, after in itertools.pairwise(stamps))
    assert [round(stamps[i] / 1e6) for i in (14, 16, 17, 18)] == [560, 4640, 4660, 4720]


def test_cover_of_a_sound_file_is_no_video(tmp_path: Path) -> None:
    jpeg = cv2.imencode(".jpg", numbered(1))[1].tobytes()
    picture = b"\0image/jpeg\0\3\0" + jpeg
    frame = b"APIC" + struct.pack(">I", len(picture)) + b"\0\0" + picture
    size = bytes((len(frame) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    silence = (b"\xff\xfb\x90\x00" + bytes(413)) * 200
    path = tmp_path / "song.mp3"
    path.write_bytes(b"ID3\3\0\0" + size + frame + silence)
    with pytest.raises(SourceError, match=r"song.mp3 (holds one picture|cannot be opened as a video)"):
        open_source(path)


@pytest.mark.parametrize(
    "name", ["2024-05-01T12:30:00.mp4", "http:clip.mp4", "50%03d.mp4", "a?b#c.mp4", " .mp4", "-.mp4"]
)
def test_names_of_files(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.move(write(tmp_path / "clip.mp4"), tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(list(open_source(name).frames())) == FRAMES


@pytest.mark.parametrize("name", [b"2024-05-01T12:30:00", b"caf\xe9"])
def test_names_of_folders_to_write_to(tmp_path: Path, name: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(os.fsdecode(name))
    monkeypatch.chdir(tmp_path)
    folder.mkdir()
    with VideoWriter(folder / "overlay.webm", 25) as video:
        for number in range(5):
            video.write(numbered(number), number * 40_000_000)
    assert len(list(open_source(folder / "overlay.webm").frames())) == 5


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    """They ended the process with SIGSEGV: files, folders and images in them."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    video = folder / os.fsdecode(b"\xff\xfe.mp4")
    shutil.move(write(tmp_path / "clip.mp4"), video)
    assert len(list(open_source(video).frames())) == FRAMES
    (folder / os.fsdecode(b"\xe9.png")).write_bytes(cv2.imencode(".png", numbered(0))[1].tobytes())
    assert len(list(open_source(folder).frames())) == 1
    (folder / os.fsdecode(b"\xe9.jpg")).write_bytes(b"no image")
    script = "import sys; from facial_coding_ros.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", script, "replay", str(folder), "--out", str(tmp_path / os.fsdecode(b"\xfe"))]
    strict = os.environ | {"PYTHONIOENCODING": "utf-8:strict"}  # as in most terminals
    done = subprocess.run([*command, "--formats", "csv"], capture_output=True, timeout=120, check=False, env=strict)
    assert done.returncode == 3 and b"Traceback" not in done.stderr, done.stderr
    assert b"is not a readable image" in done.stderr


def test_too_large_a_video_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (160, 120))
    writer.write(np.zeros((120, 160, 3), np.uint8))
    writer.release()
    assert len(list(open_source(path).frames())) == 1
    with pytest.raises(SourceError, match=r"image of 160x120.*image.max_megapixels"):
        open_source(path, settings=ImageSettings(max_megapixels=0.01))
