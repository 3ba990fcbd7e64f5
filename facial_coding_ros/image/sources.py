"""Frames of a recording: a video, a folder of images or a ROS 2 bag."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2

from ..types import CameraIntrinsics, Frame, ImageArray
from .conversion import ImageError, natural_key, to_rgb

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
DEFAULT_FPS = 30.0


class SourceError(Exception):
    """A recording that cannot be read; the text says which, what was found and what was expected."""


@dataclass(frozen=True)
class Source:
    """A recording that can be read from its start again and again.

    fps: mean rate. count: frames expected, for progress; 0 when not known. `frames` yields them in order.
    """

    name: str
    fps: float
    count: int
    open: Callable[[Callable[[str], None]], Iterator[Frame]]

    def frames(self, on_damage: Callable[[str], None] | None = None) -> Iterator[Frame]:
        """Frames in order. A frame that cannot be used is left out: `on_damage` is told, without it SourceError."""
        return self.open(on_damage or _raise)


def _raise(problem: str) -> None:
    raise SourceError(problem)


def open_source(path: Path | str, topic: str = "", fps: float = DEFAULT_FPS) -> Source:
    """A video file, a folder of images (`fps` gives their rate) or a ROS 2 bag (`topic` chooses the images).

    Raises SourceError when there is nothing to read.
    """
    path = Path(path)
    if not path.exists():
        raise SourceError(f"{path} does not exist")
    if path.suffix in (".mcap", ".db3") or (path / "metadata.yaml").is_file():
        return _bag(path, topic)
    if path.is_dir():
        return _folder(path, fps)
    return _video(path)


def camera_source(number: int) -> Source:
    """A camera of this machine, /dev/video<number>; it never ends by itself. Stamps count from the first frame."""

    def frames(_on_damage: Callable[[str], None]) -> Iterator[Frame]:
        capture = _capture(number, f"camera {number}")
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

    _capture(number, f"camera {number}").release()
    return Source(f"camera {number}", DEFAULT_FPS, 0, frames)


def _capture(where: int | str, name: str) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(where)
    if not capture.isOpened():
        raise SourceError(f"{name} cannot be opened as a video")
    return capture


def _next(capture: cv2.VideoCapture) -> ImageArray | None:
    good, image = capture.read()
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if good else None  # type: ignore[return-value]


def _video(path: Path) -> Source:
    capture = _capture(str(path), str(path))
    fps = capture.get(cv2.CAP_PROP_FPS)
    fps = fps if 0.1 < fps < 1000 else DEFAULT_FPS
    count = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
    readable = _next(capture) is not None
    capture.release()
    if not readable:
        raise SourceError(f"{path} holds no readable video frame")

    def frames(_on_damage: Callable[[str], None]) -> Iterator[Frame]:
        capture = _capture(str(path), str(path))
        try:
            index, stamp_ns = 0, -1
            while (image := _next(capture)) is not None:
                # Some containers give no times: then the mean rate.
                stated_ns = round(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
                stamp_ns = stated_ns if stated_ns > stamp_ns else round(index / fps * 1e9)
                yield Frame(image, stamp_ns, index)
                index += 1
        finally:
            capture.release()

    return Source(str(path), fps, count, frames)


def _folder(path: Path, fps: float) -> Source:
    files = sorted((f for f in path.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES), key=lambda f: natural_key(f.name))
    if not files:
        raise SourceError(f"{path} holds no images ({', '.join(sorted(IMAGE_SUFFIXES))}) and no bag (metadata.yaml)")

    def frames(on_damage: Callable[[str], None]) -> Iterator[Frame]:
        for index, file in enumerate(files):
            image = cv2.imread(str(file), cv2.IMREAD_COLOR)
            if image is None:
                on_damage(f"{file} is not a readable image")
                continue
            yield Frame(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), round(index / fps * 1e9), index)  # type: ignore[arg-type]

    return Source(str(path), fps, len(files), frames)


def _bag(path: Path, topic: str) -> Source:
    from rosbags.highlevel import AnyReader, AnyReaderError
    from rosbags.typesys import Stores, get_typestore

    def reader() -> AnyReader:
        # Older bags carry no message definitions.
        return AnyReader([path], default_typestore=get_typestore(Stores.LATEST))

    try:
        with reader() as bag:
            images = {c.topic: c for c in bag.connections if c.msgtype in IMAGE_TYPES}
            there = ", ".join(f"{c.topic} ({c.msgtype})" for c in bag.connections) or "nothing"
            chosen = topic or (next(iter(images)) if len(images) == 1 else "")
            if chosen not in images:
                wanted = f"topic {topic} with images" if topic else "one topic with images (choose with --topic)"
                raise SourceError(f"{path}: {wanted} is expected; the bag holds {there}")
            count = sum(c.msgcount for c in bag.connections if c.topic == chosen)
            fps = (count - 1) / (bag.duration / 1e9) if count > 1 and bag.duration > 0 else DEFAULT_FPS
    except (AnyReaderError, OSError) as error:
        raise SourceError(f"{path} is not a readable ROS 2 bag: {error}") from None

    info_topic = chosen.removesuffix("/compressed").rsplit("/", 1)[0] + "/camera_info"

    def frames(on_damage: Callable[[str], None]) -> Iterator[Frame]:
        with reader() as bag:
            camera: CameraIntrinsics | None = None
            index = -1
            used = [c for c in bag.connections if c.topic in (chosen, info_topic)]
            for connection, recorded_ns, raw in bag.messages(connections=used):
                message: Any = bag.deserialize(raw, connection.msgtype)
                if connection.topic == info_topic:
                    camera = intrinsics(message)
                    continue
                index += 1
                stamp = message.header.stamp
                try:
                    image = to_rgb(message)
                except ImageError as error:
                    on_damage(f"{path}, {chosen}, message {index}: {error}")
                    continue
                stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec or recorded_ns
                frame = Frame(image, stamp_ns, index, message.header.frame_id)
                yield replace(frame, camera=fitting(camera, frame))

    return Source(str(path), fps, count, frames)


def intrinsics(info: Any) -> CameraIntrinsics | None:
    """Of a sensor_msgs/CameraInfo; None when it is not calibrated."""
    k = getattr(info, "k", None)
    k = info.K if k is None else k
    if not (k[0] > 0 and k[4] > 0 and info.width > 0 and info.height > 0):
        return None
    return CameraIntrinsics(info.width, info.height, float(k[0]), float(k[4]), float(k[2]), float(k[5]))


def fitting(camera: CameraIntrinsics | None, frame: Frame) -> CameraIntrinsics | None:
    """Intrinsics scaled to the size of a frame's image; None when its shape is another one."""
    if camera is None:
        return None
    height, width = frame.image.shape[:2]
    sx, sy = width / camera.width, height / camera.height
    if abs(sx / sy - 1) > 0.02:
        return None
    return CameraIntrinsics(width, height, camera.fx * sx, camera.fy * sy, camera.cx * sx, camera.cy * sy)
