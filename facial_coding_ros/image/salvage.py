# SPDX-License-Identifier: Apache-2.0
"""The files of a bag from front to back, without their index: all messages that can be read."""

from __future__ import annotations

import shutil
import sqlite3
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

Tell = Callable[[str], None]
Found = tuple[str, str, int, bytes]
"""Topic, type, time of recording in ns, serialised message."""

PACKED = ".zstd"
"""Second suffix of a file that its recorder packed as a whole."""
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_MCAP_MAGIC = b"\x89MCAP0\r\n"
_FAR = 1 << 20
_MOST_UNPACKED = 1 << 30
"""Bytes of a chunk or message; recorders make chunks of a few MiB."""
_FOOTER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK = 0x02, 0x03, 0x04, 0x05, 0x06


def broken_errors() -> tuple[type[Exception], ...]:
    """What rosbags lets through when the bytes are not what their format says."""
    import apsw
    from rosbags.rosbag1 import ReaderError as Reader1Error
    from rosbags.rosbag2 import ReaderError
    from rosbags.rosbag2.storage_mcap import zstd

    # TypeError: ord() of the nothing behind a file's end. RuntimeError: LZ4 frames, YAML that refers to itself.
    mangled = (AssertionError, AttributeError, EOFError, LookupError, OSError, RuntimeError, TypeError, ValueError)
    claimed = (MemoryError, OverflowError)  # lengths that nobody can have
    return (Reader1Error, ReaderError, *mangled, *claimed, struct.error, sqlite3.Error, apsw.Error, zstd.ZstdError)


def salvaged(files: list[Path], on_damage: Tell) -> Iterator[Found]:
    """Every message that can be read, front to back."""
    for file in files:
        with _unpacked_file(file, on_damage) as plain:
            read = _mcap if plain.suffix == ".mcap" else _sqlite
            for topic, kind, recorded_ns, raw in read(plain, file, on_damage):
                try:
                    yield topic, kind, recorded_ns, _unpacked(raw)
                except broken_errors() as error:
                    on_damage(f"{file}: a message of {topic} cannot be unpacked ({error or type(error).__name__})")


@contextmanager
def _unpacked_file(file: Path, on_damage: Tell) -> Iterator[Path]:
    """A file that is packed as a whole, unpacked beside the system's temporary files for as long as the block."""
    if file.suffix != PACKED:
        yield file
        return
    from rosbags.rosbag2.storage_mcap import zstd

    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / file.stem
        try:
            with zstd.open(file, "rb") as packed, plain.open("wb") as target:
                shutil.copyfileobj(packed, target)
        except (EOFError, zstd.ZstdError) as error:
            on_damage(f"{file} is damaged or cut short ({error or type(error).__name__}); read as far as it goes")
        yield plain


def _unpacked(raw: bytes) -> bytes:
    """CDR starts with 00 0x; a bag whose messages are compressed one by one has zstd's mark instead."""
    if not raw.startswith(_ZSTD_MAGIC):
        return raw
    from rosbags.rosbag2.storage_mcap import zstd

    if (zstd.get_frame_info(raw).decompressed_size or 0) > _MOST_UNPACKED:
        raise ValueError("it claims more than 1 GiB")
    return bytes(zstd.decompress(raw))


def _sqlite(plain: Path, file: Path, on_damage: Tell) -> Iterator[Found]:
    """Rows in the order of writing; behind a page that is missing, further and further on until some can be read."""
    connection = sqlite3.connect(f"{plain.absolute().as_uri()}?immutable=1", uri=True)
    connection.text_factory = lambda data: data.decode(errors="replace")
    count = last = skip = 0
    try:
        # As sqlite3's own .recover does: else a file shorter than its header says is refused as a whole.
        connection.execute("PRAGMA writable_schema=ON")
        names = {key: (name, kind) for key, name, kind in connection.execute("SELECT id, name, type FROM topics")}
        query = "SELECT id, topic_id, timestamp, data FROM messages WHERE id > ? ORDER BY id"
        while skip < _FAR:
            try:
                for number, key, recorded_ns, data in connection.execute(query, (last + skip,)):
                    if number <= last:
                        raise sqlite3.DatabaseError("its rows are not in order")
                    last, skip = number, 0
                    if key in names and isinstance(recorded_ns, int) and isinstance(data, bytes):
                        yield *names[key], recorded_ns, data
                        count += 1
                break
            except (sqlite3.DatabaseError, OverflowError) as error:
                if not skip:
                    on_damage(f"{file} ends or is damaged after {count} messages: {error}")
                skip = max(2 * skip, 1)
    except (sqlite3.Error, ValueError, TypeError) as error:
        on_damage(f"{file} cannot be read: {error}")
    finally:
        connection.close()


def _mcap(plain: Path, file: Path, on_damage: Tell) -> Iterator[Found]:
    """Follows the MCAP specification's records; the rest of a cut file, and chunks that are damaged, are left out."""
    from rosbags.rosbag2.storage_mcap import decompress

    schemas: dict[int, str] = {}
    channels: dict[int, tuple[str, str]] = {}
    size = plain.stat().st_size
    ended = False

    def records(stream: Any, end: int) -> Iterator[tuple[int, bytes]]:
        nonlocal ended
        while stream.tell() + 9 <= end:
            at = stream.tell()
            kind, length = struct.unpack("<BQ", stream.read(9))
            if at + 9 + length > end:
                on_damage(f"{file} ends inside a record that starts at byte {at}")
                ended = True
                return
            ended |= kind == _FOOTER
            yield kind, stream.read(length)

    def messages(kind: int, body: bytes) -> Iterator[Found]:
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
            if unpacked > _MOST_UNPACKED:
                raise ValueError(f"a chunk that claims {unpacked} bytes")
            compression = body[32 : 32 + length].decode()
            packed = struct.unpack_from("<Q", body, 32 + length)[0]
            content = decompress(body[40 + length : 40 + length + packed], compression, unpacked, crc)
            for inner, record in records(BytesIO(content), len(content)):
                yield from messages(inner, record)

    with plain.open("rb") as stream:
        if stream.read(len(_MCAP_MAGIC)) != _MCAP_MAGIC:
            on_damage(f"{file} does not begin as an MCAP file")
            return
        for kind, body in records(stream, size):
            try:
                yield from messages(kind, body)
            except broken_errors() as error:
                at = stream.tell() - len(body)
                on_damage(f"{file}: the record at byte {at} is damaged ({error or type(error).__name__}); left out")
        if not ended:
            on_damage(f"{file} has no end; its recorder was stopped before it had written all")
