# SPDX-License-Identifier: Apache-2.0
"""Frames of a bag: which of its topics are a camera's images, and which of the images are taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..types import Frame
from .bags import Bag, BagError, Topic, open_bag, unreadable_errors
from .camera_info import CameraCalibration, calibration, is_rectified
from .conversion import to_rgb
from .decoding import ImageError
from .pixel_range import PixelRange
from .settings import ImageSettings
from .source import DEFAULT_FPS, Source, SourceError, Span
from .stamps import StampRule

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")


def image_topics(path: Path | str) -> list[str]:
    """The topics of a bag that hold a camera's images. Raises SourceError."""
    return [topic.name for topic in _of_cameras(_opened(Path(path)).topics)]


def bag_source(path: Path, topic: str, span: Span, settings: ImageSettings) -> Source:
    """Images of a bag; `topic` chooses them where there are several. Raises SourceError."""
    bag = _opened(path)
    chosen = _chosen(path, bag.topics, topic)
    count = sum(t.count for t in bag.topics if t.name == chosen)
    if not count:
        raise SourceError(f"{path}: topic {chosen} holds no message")
    seconds = (bag.end_ns - bag.start_ns) / 1e9
    fps = (count - 1) / seconds if count > 1 and seconds > 0 else DEFAULT_FPS
    types = {t.name: t.type for t in bag.topics}
    stamped = _has_stamps(bag, chosen)
    reading = _Reading(path, bag, chosen, _info_topic(chosen), types, stamped, span, settings)
    notes = [] if stamped else [f"{path}: no image on {chosen} has a stamp; times are those of the recorder"]
    others = [t.name for t in _of_cameras(bag.topics) if t.name != chosen]
    if others and not topic:
        notes.append(f"{path}: {chosen} is read, which alone has a camera_info; with --topic: {', '.join(others)}")
    return Source(str(path), fps, span.share(count, fps), reading.frames, notes=tuple(notes))


@dataclass(frozen=True)
class _Found:
    """An image message, before its stamp is judged. recorded_ns: time of recording."""

    where: str
    index: int
    message: Any
    recorded_ns: int
    camera: CameraCalibration | None


@dataclass(frozen=True)
class _Reading:
    """What is read from a bag, and how. stamped: by the images' stamps, never by two clocks in one recording."""

    path: Path
    bag: Bag
    topic: str
    info_topic: str
    types: dict[str, str]
    stamped: bool
    span: Span
    settings: ImageSettings

    def frames(self, on_damage: Callable[[str], None]) -> Iterator[Frame]:
        rule: StampRule[_Found] = StampRule(self.settings.late_s)
        rectified = is_rectified(self.topic)
        pixel_range = PixelRange(self.settings.mono16_range)
        for found in self._images(on_damage):
            stamp = found.message.header.stamp
            stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec if self.stamped else found.recorded_ns
            taken, dropped = rule.offer(stamp_ns, found)
            for one in dropped:
                self._tell(one.item, str(one), rule, on_damage)
            for image, stamp_ns, elapsed_ns in taken:
                if self.span.behind(elapsed_ns):
                    return
                if self.span.before(elapsed_ns):
                    continue
                try:
                    pixels = to_rgb(image.message, self.settings.max_megapixels, pixel_range, stamp_ns)
                except ImageError as error:
                    on_damage(f"{image.where}: {error}")
                    continue
                height, width = pixels.shape[:2]
                camera = image.camera.of_image(width, height, rectified) if image.camera else None
                yield Frame(
                    pixels, stamp_ns, image.index, image.message.header.frame_id, camera, recorded_ns=image.recorded_ns
                )
        for one in rule.flush():
            self._tell(one.item, str(one), rule, on_damage)

    def _tell(self, image: _Found, why: str, rule: StampRule[_Found], on_damage: Callable[[str], None]) -> None:
        if not self.span.before(rule.elapsed_ns):
            on_damage(f"{image.where}: {why}; left out")

    def _images(self, on_damage: Callable[[str], None]) -> Iterator[_Found]:
        decode, unreadable = self.bag.decoder(), unreadable_errors()
        camera: CameraCalibration | None = None
        index = -1
        for name, recorded_ns, raw in self.bag.messages((self.topic, self.info_topic), on_damage):
            index += name == self.topic
            where = f"{self.path}, {name}" + (f", message {index}" if name == self.topic else "")
            try:
                message = decode(raw, self.types[name])
                if name == self.info_topic:
                    camera = calibration(message)
                    continue
            except unreadable as error:
                on_damage(f"{where}: not readable as {self.types[name]} ({str(error) or type(error).__name__})")
                continue
            yield _Found(where, index, message, recorded_ns, camera)


def _opened(path: Path) -> Bag:
    try:
        return open_bag(path)
    except (BagError, OSError) as error:
        raise SourceError(f"{path} is not a readable bag: {error}") from None


def _info_topic(topic: str) -> str:
    return topic.removesuffix("/compressed").rsplit("/", 1)[0] + "/camera_info"


def _of_cameras(topics: Sequence[Topic]) -> list[Topic]:
    """Topics with images; where there are others, without those of a depth camera, those that this package and other
    nodes of REP-155 make of a camera's images, and compressed ones that are there uncompressed too."""
    images = [topic for topic in topics if topic.type in IMAGE_TYPES]
    names = {topic.name for topic in images}
    cameras = [
        topic
        for topic in images
        if not topic.name.startswith("/humans/")
        and not topic.name.removesuffix("/compressed").endswith("/annotated")
        and "depth" not in topic.name.lower()
        and (not topic.name.endswith("/compressed") or topic.name.removesuffix("/compressed") not in names)
    ]
    return cameras or images


def _chosen(path: Path, topics: Sequence[Topic], wanted: str) -> str:
    """The topic that is asked for; else the only one, or the only one of a camera that has a camera_info beside it."""
    images = [topic for topic in topics if topic.type in IMAGE_TYPES]
    if wanted and wanted in {topic.name for topic in images}:
        return wanted
    cameras = _of_cameras(topics)
    if not wanted and len(cameras) > 1:
        infos = {topic.name for topic in topics if topic.type == "sensor_msgs/msg/CameraInfo"}
        with_info = [topic for topic in cameras if _info_topic(topic.name) in infos]
        cameras = with_info if len(with_info) == 1 else cameras
    if not wanted and len(cameras) == 1:
        return cameras[0].name
    if not images:
        there = ", ".join(sorted({topic.type for topic in topics})) or "nothing"
        raise SourceError(f"{path}: a topic with images is expected; the bag holds {there}")
    expected = f"topic {wanted} with images" if wanted else "one topic with images (choose with --topic)"
    named = [topic for topic in topics if topic.name == wanted]
    listed = ", ".join(str(topic) for topic in ([*named, *images] if wanted else cameras))
    raise SourceError(f"{path}: {expected} is expected; the bag holds {listed}")


def _has_stamps(bag: Bag, topic: str) -> bool:
    """Whether any image has a stamp that is not 0; usually the first or second has."""
    # The stamp's eight bytes stand behind CDR's head, and in ROS 1 behind a counter of the same length.
    return any(any(raw[4:12]) for _, _, raw in bag.messages((topic,), lambda _: None))
