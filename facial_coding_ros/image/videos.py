# SPDX-License-Identifier: Apache-2.0
"""Frames of a video file or a camera of this machine, through OpenCV and its FFmpeg."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2

from ..types import Frame, ImageArray
from .containers import BrokenFileError, frames_held
from .decoding import ImageError, check_size
from .file_names import plain_name
from .settings import ImageSettings
from .source import DEFAULT_FPS, Source, SourceError, Span
from .stamps import VideoTimes

_PEEKED = 3
"""Frames whose times tell whether a container has any."""
_PICTURE_FPS = 1000.0
"""FFmpeg gives a cover picture beside sound the rate of its clock."""
_EDGE_FRAMES = 2
"""A player may show that many frames less than the structure says, where a cut falls between two."""


def camera_source(number: int) -> Source:
    """A camera of this machine, /dev/video<number>. Stamps count from the first frame.

    Its frames never end by themselves. Raises SourceError where there is none, and in its frames when it gives no more.
    """

    def frames(_on_damage: Callable[[str], None]) -> Iterator[Frame]:
        capture = _opened(cv2.VideoCapture(number), f"camera {number}")
        try:
            start = None
            index = 0
            while (image := _next(capture)) is not None:
                now = round(cv2.getTickCount() / cv2.getTickFrequency() * 1e9)
                start = now if start is None else start
                yield Frame(image, now - start, index)
                index += 1
        finally:
            capture.release()
        raise SourceError(f"camera {number} gives no more images, after {index}: is it still connected?")

    _check_device(number)
    _opened(cv2.VideoCapture(number), f"camera {number}").release()
    return Source(f"camera {number}", DEFAULT_FPS, 0, frames, live=True)


def _check_device(number: int) -> None:
    """Where cameras are files, OpenCV has nothing better to say than that it failed. Raises SourceError."""
    if not sys.platform.startswith("linux") or Path(f"/dev/video{number}").exists():
        return
    there = ", ".join(str(path) for path in sorted(Path("/dev").glob("video*"))) or "no camera is connected"
    raise SourceError(f"camera {number}: there is no /dev/video{number} ({there})")


def video_source(path: Path, span: Span, settings: ImageSettings) -> Source:
    """A video file; frames are upright, as a tag of rotation says. Raises SourceError."""
    with _reading(path) as capture:
        stated_fps, stated_count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        width, height = (int(capture.get(size)) for size in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        try:
            check_size(width, height, settings.max_megapixels)
        except ImageError as error:
            raise SourceError(f"{path}: {error}") from None
        if _next(capture) is None:
            raise SourceError(f"{path} holds no readable video frame")
        times = [capture.get(cv2.CAP_PROP_POS_MSEC)]
        while len(times) < _PEEKED and capture.grab():
            times.append(capture.get(cv2.CAP_PROP_POS_MSEC))
    if stated_fps > _PICTURE_FPS and len(times) == 1:
        raise SourceError(f"{path} holds one picture, as a sound file's cover, and no video")
    fps = stated_fps if 0.1 < stated_fps < _PICTURE_FPS else DEFAULT_FPS
    timed = len(set(times)) > 1
    count = max(int(stated_count), 0)

    def frames(on_damage: Callable[[str], None]) -> Iterator[Frame]:
        with _reading(path) as capture:
            clock = VideoTimes(fps, timed)
            index, first_ns = 0, None
            while capture.grab():
                stamp_ns = clock.next(round(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6))
                first_ns = stamp_ns if first_ns is None else first_ns
                if span.behind(stamp_ns - first_ns):
                    return
                if not span.before(stamp_ns - first_ns):
                    good, image = capture.retrieve()
                    if not good:
                        break
                    yield Frame(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), stamp_ns, index)  # type: ignore[arg-type]
                index += 1
            if index < count:  # often for no other reason than that the statement is wrong
                _judge(path, index, count, on_damage)

    return Source(str(path), fps, span.share(count, fps), frames)


def _judge(path: Path, read: int, stated: int, on_damage: Callable[[str], None]) -> None:
    try:
        held = frames_held(path)
    except BrokenFileError as error:
        on_damage(f"{path} is damaged or cut short: {read} of the {stated} frames it states could be read ({error})")
        return
    if held is not None and read < held - _EDGE_FRAMES:
        on_damage(f"{path} is damaged: {read} of the {held} frames it holds could be read")


@contextmanager
def _reading(path: Path) -> Iterator[cv2.VideoCapture]:
    try:
        with plain_name(path) as name:
            capture = _opened(cv2.VideoCapture(name), str(path))
            try:
                capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # off in some builds of OpenCV
                yield capture
            finally:
                capture.release()
    except OSError as error:
        raise SourceError(f"{path} cannot be opened ({error.strerror})") from None


def _opened(capture: cv2.VideoCapture, name: str) -> cv2.VideoCapture:
    if not capture.isOpened():
        empty = Path(name).is_file() and not Path(name).stat().st_size
        raise SourceError(f"{name} is an empty file" if empty else f"{name} cannot be opened as a video")
    return capture


def _next(capture: cv2.VideoCapture) -> ImageArray | None:
    good, image = capture.read()
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if good else None  # type: ignore[return-value]
