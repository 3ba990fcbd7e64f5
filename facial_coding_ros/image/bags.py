# SPDX-License-Identifier: Apache-2.0
"""Bags as topics and raw messages; what is damaged is read as far as it goes, and said.

rosbags reads whole bags of ROS 2 and of ROS 1. A bag that was cut short has no index (MCAP) or missing pages (SQLite):
then its files are read from front to back, and so are whole ones with channels that rosbags does not know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .conversion import natural_key
from .salvage import PACKED, Tell, broken_errors, salvaged

_ROS1 = ".bag"
_STORED = (".mcap", ".db3")
_METADATA = "metadata.yaml"
_METADATA_KEY = b"rosbag2_bagfile_information"
Message = tuple[str, int, bytes]
"""Topic, time of recording in ns, serialised message."""


class BagError(Exception):
    """A bag of which nothing can be read."""


@dataclass(frozen=True)
class Topic:
    """A topic of a bag; count: its messages, as far as known."""

    name: str
    type: str
    count: int

    def __str__(self) -> str:
        return f"{self.name} ({self.type}, {self.count} messages)"


@dataclass(frozen=True)
class Bag:
    """A bag that can be read from its start again and again.

    start_ns, end_ns: of recording. damage: why it is not whole, empty when it is. ros1: of ROS 1.
    """

    path: Path
    topics: tuple[Topic, ...]
    start_ns: int
    end_ns: int
    damage: str
    _open: Callable[[Collection[str], Tell], Iterator[Message]]
    ros1: bool = False

    def messages(self, topics: Collection[str], on_damage: Tell) -> Iterator[Message]:
        """Messages of these topics in the order of recording. What cannot be read is told to `on_damage`."""
        if self.damage:
            on_damage(self.damage)
        return self._open(topics, on_damage)

    def decoder(self) -> Callable[[bytes, str], Any]:
        """Makes messages of the common types of their bytes. Raises what `unreadable_errors` lists."""
        from rosbags.typesys import Stores, get_typestore

        # Images and camera_info look the same in every distribution of ROS 2.
        if self.ros1:
            return get_typestore(Stores.ROS1_NOETIC).deserialize_ros1
        return get_typestore(Stores.LATEST).deserialize_cdr


def unreadable_errors() -> tuple[type[Exception], ...]:
    """What a decoder raises for bytes that are not of the type."""
    from rosbags.serde import SerdeError

    return (SerdeError, *broken_errors())


def is_bag_file(path: Path) -> bool:
    """By its name: a storage file of ROS 2, also one packed as a whole, or a bag of ROS 1; no hidden file."""
    name = path.name.lower()
    if name.startswith("."):  # macOS leaves files named ._ beside others
        return False
    return name.removesuffix(PACKED).endswith(_STORED) or name.endswith(_ROS1)


def is_bag(path: Path) -> bool:
    """A bag's folder, also one that its recorder left without metadata.yaml, or one of its files."""
    if not path.is_dir():
        return is_bag_file(path)
    metadata = path / _METADATA
    if metadata.is_file():
        with metadata.open("rb") as file:
            if _METADATA_KEY in file.read(4096):
                return True
    return bool(_files(path))


def open_bag(path: Path) -> Bag:
    """Raises BagError when nothing can be read from it."""
    if path.suffix.lower() == _ROS1:
        return _ros1_bag(path)
    try:
        bag = _indexed_bag(path)
        if bag.topics:
            return bag
        reason = "its index has no topics"
    except broken_errors() as error:
        reason = str(error) or type(error).__name__
    files = _files(path) if path.is_dir() else [path]
    counts: Counter[tuple[str, str]] = Counter()
    start_ns, end_ns = 2**63 - 1, 0
    notes: list[str] = []
    for topic, kind, recorded_ns, _ in salvaged(files, notes.append):
        counts[topic, kind] += 1
        start_ns, end_ns = min(start_ns, recorded_ns), max(end_ns, recorded_ns + 1)
    if not counts:
        raise BagError("; ".join([reason, *notes[:2]]))
    topics = _summed((topic, kind, count) for (topic, kind), count in counts.items())
    # Without a fault, rosbags only knows less than the bag holds. Of SQLite files alone it cannot be seen whether their
    # recorder was ended.
    ended = path.is_dir() and not (path / _METADATA).is_file() and any(".db3" in file.name for file in files)
    damage = "" if not notes and not ended else f"{path} is not whole ({reason}); read as far as it goes"
    return Bag(path, topics, start_ns, end_ns, damage, partial(_salvaged_messages, files))


def _indexed_bag(path: Path) -> Bag:
    from rosbags.rosbag2 import Reader

    with Reader(path) as reader:
        topics = _summed((c.topic, c.msgtype, c.msgcount) for c in reader.connections)
        return Bag(path, topics, reader.start_time, reader.end_time, "", partial(_whole, path, topics))


def _ros1_bag(path: Path) -> Bag:
    from rosbags.rosbag1 import Reader

    try:
        with Reader(path) as reader:
            topics = _summed((c.topic, c.msgtype, c.msgcount) for c in reader.connections)
            return Bag(path, topics, reader.start_time, reader.end_time, "", partial(_whole_ros1, path), ros1=True)
    except broken_errors() as error:
        why = str(error) or type(error).__name__
        raise BagError(f"a bag of ROS 1 without a good index ({why}); `rosbag reindex` makes one") from None


def _files(folder: Path) -> list[Path]:
    """Storage files in the order of recording. Of one that was being packed when its recorder ended, the plain one."""
    files = [f for f in folder.iterdir() if is_bag_file(f) and f.suffix.lower() != _ROS1]
    plain = {f.name for f in files if f.suffix != PACKED}
    return sorted((f for f in files if f.name.removesuffix(PACKED) not in plain or f.name in plain), key=_in_order)


def _in_order(file: Path) -> list[tuple[int, str]]:
    return natural_key(file.name)


def _summed(entries: Any) -> tuple[Topic, ...]:
    # A topic recorded from several publishers has a connection each.
    counts: Counter[tuple[str, str]] = Counter()
    for topic, kind, count in entries:
        counts[topic, kind] += count
    return tuple(Topic(topic, kind, count) for (topic, kind), count in counts.items())


def _whole(path: Path, stated: tuple[Topic, ...], topics: Collection[str], on_damage: Tell) -> Iterator[Message]:
    from rosbags.rosbag2 import Reader

    last_ns = -1
    read: Counter[str] = Counter()
    try:
        with Reader(path) as reader:
            used = [c for c in reader.connections if c.topic in topics]
            for connection, recorded_ns, raw in reader.messages(connections=used) if used else ():
                last_ns = max(last_ns, recorded_ns)
                read[connection.topic] += 1
                yield connection.topic, recorded_ns, bytes(raw)
        missing = [one for one in stated if one.name in topics and read[one.name] < one.count]
        for one in missing:
            on_damage(f"{path} is damaged: {read[one.name]} of the {one.count} messages of {one.name} were found")
        if not missing or read:
            return
    except broken_errors() as error:
        at = f"after {last_ns / 1e9:.3f} s" if last_ns >= 0 else "at its start"
        on_damage(f"{path} is damaged {at} ({error or type(error).__name__}); what is readable behind it is used")
    files = _files(path) if path.is_dir() else [path]
    for topic, recorded_ns, raw in _salvaged_messages(files, topics, on_damage):
        if recorded_ns > last_ns:
            yield topic, recorded_ns, raw


def _whole_ros1(path: Path, topics: Collection[str], on_damage: Tell) -> Iterator[Message]:
    from rosbags.rosbag1 import Reader

    last_ns = 0
    try:
        with Reader(path) as reader:
            used = [c for c in reader.connections if c.topic in topics]
            for connection, recorded_ns, raw in reader.messages(connections=used) if used else ():
                last_ns = recorded_ns
                yield connection.topic, recorded_ns, bytes(raw)
    except broken_errors() as error:
        on_damage(f"{path} is damaged after {last_ns / 1e9:.3f} s ({error or type(error).__name__}); the rest is lost")


def _salvaged_messages(files: list[Path], topics: Collection[str], on_damage: Tell) -> Iterator[Message]:
    for topic, _, recorded_ns, raw in salvaged(files, on_damage):
        if topic in topics:
            yield topic, recorded_ns, raw
