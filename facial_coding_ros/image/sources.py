"""Frames of a recording: a video, a folder of images or a ROS 2 bag."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2

from ..types import CameraIntrinsics, Frame, ImageArray
from .bags import Bag, BagError, is_bag, open_bag
from .conversion import ImageError, natural_key, to_rgb

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
DEFAULT_FPS = 30.0
_FEW_FRAMES = 5


class SourceError(Exception):
    """A recording that cannot be read; the text says which, what was found and what was expected."""


@dataclass(frozen=True)
class Span:
    """Part of a recording, in seconds since its first frame: begin_s is in it, end_s is not."""

    begin_s: float = 0.0
    end_s: float = math.inf

    def __post_init__(self) -> None:
        if not 0 <= self.begin_s < self.end_s:
            raise ValueError(f"a range from {self.begin_s:g} to {self.end_s:g} s; 0 <= start < end is expected")

    def before(self, since_first_ns: int) -> bool:
        return since_first_ns < self.begin_s * 1e9

    def behind(self, since_first_ns: int) -> bool:
        return since_first_ns >= self.end_s * 1e9

    def share(self, count: int, fps: float) -> int:
        """Frames of a recording of `count` frames that lie in it, about."""
        return round(max(min(count, self.end_s * fps) - self.begin_s * fps, 0)) if count else 0


WHOLE = Span()


@dataclass(frozen=True)
class Source:
    """A recording that can be read from its start again and again.

    fps: mean rate. count: frames expected, for progress; 0 when not known. `frames` yields them in order, their stamps
    rising. live: a camera; its frames come at their own pace, and each reading begins with the newest.
    """

    name: str
    fps: float
    count: int
    open: Callable[[Callable[[str], None]], Iterator[Frame]]
    live: bool = False

    def frames(self, on_damage: Callable[[str], None] | None = None) -> Iterator[Frame]:
        """Frames in order. A frame that cannot be used is left out: `on_damage` is called, without it SourceError."""
        return self.open(on_damage or _raise)


def _raise(problem: str) -> None:
    raise SourceError(problem)


def open_source(path: Path | str, topic: str = "", fps: float = DEFAULT_FPS, span: Span = WHOLE) -> Source:
    """Open a video, a folder of images or a ROS 2 bag, to be read from its start again and again.

    Frames keep the number they have in the whole recording, whatever part `span` leaves of it.

    Parameters
    ----------
    path : pathlib.Path or str
        A video file, a folder of images (read in the natural order of their names), or a bag.
    topic : str, optional
        The image topic of a bag that has several.
    fps : float, optional
        Images per second of a folder of images.
    span : Span, optional
        The part to read, in seconds since the first frame.

    Returns
    -------
    Source
        ``frames()`` yields `Frame` after `Frame`.

    Raises
    ------
    SourceError
        When there is nothing to read: the text says what was found and what was expected.
    """
    path = Path(path)
    if not path.exists():
        raise SourceError(f"{path} does not exist")
    if is_bag(path):
        return _bag(path, topic, span)
    if path.is_dir():
        return _folder(path, fps, span)
    return _video(path, span)


def image_topics(path: Path | str) -> list[str]:
    """The topics of a bag that hold images. Raises SourceError."""
    return [topic.name for topic in _opened(Path(path)).topics if topic.type in IMAGE_TYPES]


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
    return Source(f"camera {number}", DEFAULT_FPS, 0, frames, live=True)


def _capture(where: int | str, name: str) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(where)
    if not capture.isOpened():
        raise SourceError(f"{name} cannot be opened as a video")
    return capture


def _next(capture: cv2.VideoCapture) -> ImageArray | None:
    good, image = capture.read()
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if good else None  # type: ignore[return-value]


def _video(path: Path, span: Span) -> Source:
    capture = _capture(str(path), str(path))
    fps = capture.get(cv2.CAP_PROP_FPS)
    fps = fps if 0.1 < fps < 1000 else DEFAULT_FPS
    count = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
    readable = _next(capture) is not None
    capture.release()
    if not readable:
        raise SourceError(f"{path} holds no readable video frame")

    def frames(on_damage: Callable[[str], None]) -> Iterator[Frame]:
        capture = _capture(str(path), str(path))
        try:
            index, stamp_ns = 0, -1
            hole_ns = 0.0
            first_ns: int | None = None
            while capture.grab():
                # Some containers give no times: then the mean rate.
                stated_ns = round(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
                last_ns, stamp_ns = stamp_ns, stated_ns if stated_ns > stamp_ns else round(index / fps * 1e9)
                first_ns = stamp_ns if first_ns is None else first_ns
                hole_ns = max(hole_ns, stamp_ns - last_ns if index else 0)
                if span.behind(stamp_ns - first_ns):
                    return
                if not span.before(stamp_ns - first_ns):
                    good, image = capture.retrieve()
                    if not good:
                        break
                    yield Frame(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), stamp_ns, index)  # type: ignore[arg-type]
                index += 1
            hole_ns = max(hole_ns, count / fps * 1e9 - (stamp_ns - (first_ns or 0)))
            # Whole files may state a few frames more than they hold, and many more where the rate varies (Matroska
            # states a length, not a count); but then no time is without frames.
            if count - index > max(_FEW_FRAMES, 0.05 * count) and hole_ns > _FEW_FRAMES / fps * 1e9:
                on_damage(f"{path} is damaged or cut short: {index} of the {count} frames it states could be read")
        finally:
            capture.release()

    return Source(str(path), fps, span.share(count, fps), frames)


def _folder(path: Path, fps: float, span: Span) -> Source:
    files = sorted((f for f in path.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES), key=lambda f: natural_key(f.name))
    if not files:
        raise SourceError(f"{path} holds no images ({', '.join(sorted(IMAGE_SUFFIXES))}) and no bag (metadata.yaml)")

    def frames(on_damage: Callable[[str], None]) -> Iterator[Frame]:
        for index, file in enumerate(files):
            stamp_ns = round(index / fps * 1e9)
            if span.before(stamp_ns):
                continue
            if span.behind(stamp_ns):
                return
            image = cv2.imread(str(file), cv2.IMREAD_COLOR)
            if image is None:
                on_damage(f"{file} is not a readable image")
                continue
            yield Frame(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), stamp_ns, index)  # type: ignore[arg-type]

    return Source(str(path), fps, span.share(len(files), fps), frames)


def _opened(path: Path) -> Bag:
    try:
        return open_bag(path)
    except (BagError, OSError) as error:
        raise SourceError(f"{path} is not a readable ROS 2 bag: {error}") from None


def _bag(path: Path, topic: str, span: Span) -> Source:
    from rosbags.serde import SerdeError
    from rosbags.typesys import Stores, get_typestore

    bag = _opened(path)
    images = [t.name for t in bag.topics if t.type in IMAGE_TYPES]
    chosen = topic or (images[0] if len(images) == 1 else "")
    if chosen not in images:
        wanted = f"topic {topic} with images" if topic else "one topic with images (choose with --topic)"
        there = ", ".join(str(t) for t in bag.topics) or "nothing"
        raise SourceError(f"{path}: {wanted} is expected; the bag holds {there}")
    count = sum(t.count for t in bag.topics if t.name == chosen)
    if not count:
        raise SourceError(f"{path}: topic {chosen} holds no message")
    seconds = (bag.end_ns - bag.start_ns) / 1e9
    fps = (count - 1) / seconds if count > 1 and seconds > 0 else DEFAULT_FPS
    types = {t.name: t.type for t in bag.topics}
    info_topic = chosen.removesuffix("/compressed").rsplit("/", 1)[0] + "/camera_info"
    store = get_typestore(Stores.LATEST)  # images and camera_info look the same in every distribution

    def frames(on_damage: Callable[[str], None]) -> Iterator[Frame]:
        camera: CameraIntrinsics | None = None
        index = -1
        first_ns: int | None = None
        last_ns = -1
        for name, recorded_ns, raw in bag.messages((chosen, info_topic), on_damage):
            index += name == chosen
            where = f"{path}, {name}" + (f", message {index}" if name == chosen else "")
            try:
                message: Any = store.deserialize_cdr(raw, types[name])
                if name == info_topic:
                    camera = intrinsics(message)
                    continue
                stamp_ns = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec or recorded_ns
                first_ns = stamp_ns if first_ns is None else first_ns
                if span.before(stamp_ns - first_ns):
                    continue
                if span.behind(stamp_ns - first_ns):
                    return
                if stamp_ns <= last_ns:
                    raise ImageError(_out_of_order(stamp_ns, last_ns))
                image = to_rgb(message)
            except (ImageError, SerdeError, KeyError) as error:
                on_damage(f"{where}: {error}")
                continue
            last_ns = stamp_ns
            frame = Frame(image, stamp_ns, index, message.header.frame_id, recorded_ns=recorded_ns)
            yield replace(frame, camera=fitting(camera, frame))

    return Source(str(path), fps, span.share(count, fps), frames)


def _out_of_order(stamp_ns: int, last_ns: int) -> str:
    if stamp_ns == last_ns:
        return f"its stamp {stamp_ns / 1e9:.3f} s is the one of the image before; left out"
    return f"its stamp {stamp_ns / 1e9:.3f} s lies {(last_ns - stamp_ns) / 1e9:.3f} s before the last one; left out"


def intrinsics(info: Any) -> CameraIntrinsics | None:
    """Of a sensor_msgs/CameraInfo; None when it is not calibrated."""
    k = getattr(info, "k", None)
    k = info.K if k is None else k
    if not (k[0] > 0 and k[4] > 0 and info.width > 0 and info.height > 0 and all(map(math.isfinite, k))):
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
