"""ROS 2 bags as topics and raw messages; what is damaged is read as far as it goes, and said.

rosbags reads whole bags. A bag that was cut short has no index (MCAP) or missing pages (SQLite): then its files are
read from front to back.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from .conversion import natural_key

BAG_SUFFIXES = frozenset({".mcap", ".db3"})
Message = tuple[str, int, bytes]
"""Topic, time of recording in ns, serialised message."""

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_MCAP_MAGIC = b"\x89MCAP0\r\n"
_FAR = 1 << 20
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK = 0x03, 0x04, 0x05, 0x06


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

    start_ns, end_ns: of recording. damage: why it is not whole, empty when it is.
    """

    path: Path
    topics: tuple[Topic, ...]
    start_ns: int
    end_ns: int
    damage: str
    _open: Callable[[Collection[str], Callable[[str], None]], Iterator[Message]]

    def messages(self, topics: Collection[str], on_damage: Callable[[str], None]) -> Iterator[Message]:
        """Messages of these topics in the order of recording. What cannot be read is told to `on_damage`."""
        if self.damage:
            on_damage(self.damage)
        return self._open(topics, on_damage)


def is_bag(path: Path) -> bool:
    """A bag's folder, also one that its recorder left without metadata.yaml, or one of its files."""
    if path.is_dir():
        return (path / "metadata.yaml").is_file() or bool(_files(path))
    return path.suffix in BAG_SUFFIXES


def open_bag(path: Path) -> Bag:
    """Raises BagError when nothing can be read from it."""
    from rosbags.rosbag2 import Reader

    try:
        with Reader(path) as reader:
            topics = _summed((c.topic, c.msgtype, c.msgcount) for c in reader.connections)
            return Bag(path, topics, reader.start_time, reader.end_time, "", partial(_whole, path))
    except _broken() as error:
        reason = str(error) or type(error).__name__
    files = _files(path) if path.is_dir() else [path]
    counts: dict[tuple[str, str], int] = {}
    start_ns, end_ns = 2**63 - 1, 0
    notes: list[str] = []
    for topic, kind, recorded_ns, _ in _salvaged(files, notes.append):
        counts[topic, kind] = counts.get((topic, kind), 0) + 1
        start_ns, end_ns = min(start_ns, recorded_ns), max(end_ns, recorded_ns + 1)
    if not counts:
        raise BagError("; ".join([reason, *notes[:2]]))
    topics = _summed((topic, kind, count) for (topic, kind), count in counts.items())
    damage = f"{path} is not whole ({reason}); read as far as it goes"
    return Bag(path, topics, start_ns, end_ns, damage, partial(_salvaged_messages, files))


def _broken() -> tuple[type[Exception], ...]:
    """What rosbags lets through when the bytes are not what their format says."""
    import apsw
    from rosbags.rosbag2 import ReaderError
    from rosbags.rosbag2.storage_mcap import zstd

    # TypeError: ord() of the nothing behind a file's end. RuntimeError: LZ4 frames.
    mangled = (EOFError, KeyError, OSError, RuntimeError, TypeError, ValueError)
    return (ReaderError, *mangled, struct.error, sqlite3.Error, apsw.Error, zstd.ZstdError)


def _files(folder: Path) -> list[Path]:
    return sorted((f for f in folder.iterdir() if f.suffix in BAG_SUFFIXES), key=lambda f: natural_key(f.name))


def _summed(entries: Any) -> tuple[Topic, ...]:
    # A topic recorded from several publishers has a connection each.
    counts: dict[tuple[str, str], int] = {}
    for topic, kind, count in entries:
        counts[topic, kind] = counts.get((topic, kind), 0) + count
    return tuple(Topic(topic, kind, count) for (topic, kind), count in counts.items())


def _whole(path: Path, topics: Collection[str], on_damage: Callable[[str], None]) -> Iterator[Message]:
    from rosbags.rosbag2 import Reader

    last_ns = -1
    try:
        with Reader(path) as reader:
            used = [c for c in reader.connections if c.topic in topics]
            for connection, recorded_ns, raw in reader.messages(connections=used) if used else ():
                last_ns = max(last_ns, recorded_ns)
                yield connection.topic, recorded_ns, bytes(raw)
        return
    except _broken() as error:
        at = f"after {last_ns / 1e9:.3f} s" if last_ns >= 0 else "at its start"
        on_damage(f"{path} is damaged {at} ({error or type(error).__name__}); what is readable behind it is used")
    files = _files(path) if path.is_dir() else [path]
    for topic, recorded_ns, raw in _salvaged_messages(files, topics, on_damage):
        if recorded_ns > last_ns:
            yield topic, recorded_ns, raw


def _salvaged_messages(
    files: list[Path], topics: Collection[str], on_damage: Callable[[str], None]
) -> Iterator[Message]:
    for topic, _, recorded_ns, raw in _salvaged(files, on_damage):
        if topic in topics:
            yield topic, recorded_ns, raw


def _salvaged(files: list[Path], on_damage: Callable[[str], None]) -> Iterator[tuple[str, str, int, bytes]]:
    """Topic, type, time and bytes of every message that can be read, front to back."""
    for file in files:
        for topic, kind, recorded_ns, raw in (_mcap if file.suffix == ".mcap" else _sqlite)(file, on_damage):
            yield topic, kind, recorded_ns, _unpacked(raw)


def _unpacked(raw: bytes) -> bytes:
    """CDR starts with 00 0x; a bag whose messages are compressed one by one has zstd's mark instead."""
    if not raw.startswith(_ZSTD_MAGIC):
        return raw
    from rosbags.rosbag2.storage_mcap import zstd

    return bytes(zstd.decompress(raw))


def _sqlite(file: Path, on_damage: Callable[[str], None]) -> Iterator[tuple[str, str, int, bytes]]:
    """Rows in the order of writing; behind a page that is missing, further and further on until some can be read."""
    connection = sqlite3.connect(f"file:{file}?immutable=1", uri=True)
    count = last = skip = 0
    try:
        # As sqlite3's own .recover does: else a file shorter than its header says is refused as a whole.
        connection.execute("PRAGMA writable_schema=ON")
        names = {key: (name, kind) for key, name, kind in connection.execute("SELECT id, name, type FROM topics")}
        query = "SELECT id, topic_id, timestamp, data FROM messages WHERE id > ? ORDER BY id"
        while skip < _FAR:
            try:
                for number, key, recorded_ns, data in connection.execute(query, (last + skip,)):
                    last, skip = number, 0
                    if key in names:
                        yield *names[key], recorded_ns, data
                        count += 1
                break
            except sqlite3.DatabaseError as error:
                if not skip:
                    on_damage(f"{file} ends or is damaged after {count} messages: {error}")
                skip = max(2 * skip, 1)
    except sqlite3.Error as error:
        on_damage(f"{file} cannot be read: {error}")
    finally:
        connection.close()


def _mcap(file: Path, on_damage: Callable[[str], None]) -> Iterator[tuple[str, str, int, bytes]]:
    """Follows the MCAP specification's records; the rest of a cut file, and chunks that are damaged, are left out."""
    from rosbags.rosbag2.storage_mcap import decompress

    schemas: dict[int, str] = {}
    channels: dict[int, tuple[str, str]] = {}
    size = file.stat().st_size

    def records(stream: Any, end: int) -> Iterator[tuple[int, bytes]]:
        while stream.tell() + 9 <= end:
            at = stream.tell()
            kind, length = struct.unpack("<BQ", stream.read(9))
            if at + 9 + length > end:
                on_damage(f"{file} ends inside a record that starts at byte {at}")
                return
            yield kind, stream.read(length)

    def messages(kind: int, body: bytes) -> Iterator[tuple[str, str, int, bytes]]:
        if kind == _SCHEMA:
            length = struct.unpack_from("<I", body, 2)[0]
            schemas[struct.unpack_from("<H", body)[0]] = body[6 : 6 + length].decode()
        elif kind == _CHANNEL:
            key, schema, length = struct.unpack_from("<HHI", body)
            channels[key] = (body[8 : 8 + length].decode(), schemas.get(schema, ""))
        elif kind == _MESSAGE:
            key, _, recorded_ns, _ = struct.unpack_from("<HIQQ", body)
            if key in channels:
                yield *channels[key], recorded_ns, body[22:]
        elif kind == _CHUNK:
            _, _, unpacked, crc, length = struct.unpack_from("<QQQII", body)
            compression = body[32 : 32 + length].decode()
            packed = struct.unpack_from("<Q", body, 32 + length)[0]
            content = decompress(body[40 + length : 40 + length + packed], compression, unpacked, crc)
            for inner, record in records(BytesIO(content), len(content)):
                yield from messages(inner, record)

    with file.open("rb") as stream:
        if stream.read(len(_MCAP_MAGIC)) != _MCAP_MAGIC:
            return
        for kind, body in records(stream, size):
            try:
                yield from messages(kind, body)
            except _broken() as error:
                at = stream.tell() - len(body)
                on_damage(f"{file}: the record at byte {at} is damaged ({error or type(error).__name__}); left out")
