# SPDX-License-Identifier: Apache-2.0
"""How many frames a video file holds by its own structure, to tell a damaged file from an odd one.

OpenCV states a number that is right for the simplest files only: an MP4 that was trimmed keeps frames which its edit
list leaves out, and a Matroska file states a length, from which a rate that varies gives a wrong number.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_DEEPEST = 8
"""Lists inside lists of an AVI file."""
_MOST_COMPARED = 10**8


class BrokenFileError(Exception):
    """A structure that does not hold together."""


def frames_held(path: Path) -> int | None:
    """Frames of the video track that a player shows; None for a kind of file that is not known here.

    Raises BrokenFileError when the file ends early or its structure does not hold together.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        head = file.read(12)
        try:
            if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
                return _mp4(file, size)
            if head[:4] == b"\x1a\x45\xdf\xa3":
                return _matroska(file, size)
            if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
                return _avi(file, size)
        except (struct.error, IndexError, OverflowError) as error:
            raise BrokenFileError(str(error)) from None
    return None


# -- MP4 and QuickTime: ISO/IEC 14496-12


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of each box."""
    at = start
    while at + 8 <= end:
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(8))
        body = at + 8
        if size == 1:
            size = struct.unpack(">Q", file.read(8))[0]
            body += 8
        after = end if size == 0 else at + size
        if after > end or after < body:
            raise BrokenFileError(f"box {kind!r} at byte {at} reaches beyond its file or parent")
        yield kind, body, after
        at = after


def _inside(file: BinaryIO, box: tuple[int, int], *way: bytes) -> tuple[int, int] | None:
    """Content of the first box down the way."""
    for wanted in way:
        found = next(((start, end) for kind, start, end in _boxes(file, *box) if kind == wanted), None)
        if found is None:
            return None
        box = found
    return box


def _content(file: BinaryIO, box: tuple[int, int]) -> bytes:
    file.seek(box[0])
    return file.read(box[1] - box[0])


def _mp4(file: BinaryIO, size: int) -> int | None:
    top = {kind: (start, end) for kind, start, end in _boxes(file, 0, size)}
    if b"moov" not in top:
        raise BrokenFileError("the index (moov) is missing")
    movie = top[b"moov"]
    if b"moof" in top:
        return None  # fragmented: the index holds no frames
    header = _inside(file, movie, b"mvhd")
    if header is None:
        raise BrokenFileError("the header (mvhd) is missing")
    movie_scale = _time_scale(_content(file, header))
    for kind, start, end in _boxes(file, *movie):
        handler = _inside(file, (start, end), b"mdia", b"hdlr") if kind == b"trak" else None
        if handler is not None and _content(file, handler)[8:12] == b"vide":
            return _shown(file, (start, end), movie_scale)
    return None


def _time_scale(header: bytes) -> int:
    """Ticks a second, of mvhd and mdhd alike."""
    return int(struct.unpack_from(">I", header, 20 if header[0] == 1 else 12)[0]) or 1


def _shown(file: BinaryIO, track: tuple[int, int], movie_scale: int) -> int | None:
    times = _presentation_times(file, track)
    media = _inside(file, track, b"mdia", b"mdhd")
    edits = _inside(file, track, b"edts", b"elst")
    if times is None or media is None:
        return None
    if edits is None:
        return len(times)
    scale = _time_scale(_content(file, media))
    table = _content(file, edits)
    wide = table[0] == 1
    shown: set[int] = set()
    (entries,) = struct.unpack_from(">I", table, 4)
    if entries * len(times) > _MOST_COMPARED:
        raise BrokenFileError("the edit list claims absurdly many parts")
    for number in range(entries):
        length, begin = struct.unpack_from(">Qq" if wide else ">Ii", table, 8 + number * (20 if wide else 12))
        if begin < 0:
            continue  # an empty edit: the track begins later
        end = begin + length * scale / movie_scale if length else float("inf")
        shown.update(i for i, time in enumerate(times) if begin <= time < end)
    return len(shown)


def _presentation_times(file: BinaryIO, track: tuple[int, int]) -> list[int] | None:
    """Of every sample, in ticks of the media."""
    samples = _inside(file, track, b"mdia", b"minf", b"stbl")
    if samples is None:
        return None
    durations = _inside(file, samples, b"stts")
    if durations is None:
        return None
    most = samples[1]  # no table has more entries than the file has bytes
    times: list[int] = []
    now = 0
    for count, step in _pairs(_content(file, durations), signed=False):
        if len(times) + count > most:
            raise BrokenFileError("the table of durations (stts) claims more frames than the file has bytes")
        times += [now + i * step for i in range(count)]
        now += count * step
    shifts = _inside(file, samples, b"ctts")
    if shifts is not None:
        at = 0
        for count, shift in _pairs(_content(file, shifts), signed=True):
            for i in range(at, min(at + count, len(times))):
                times[i] += shift
            at += count
    return times


def _pairs(table: bytes, signed: bool) -> Iterator[tuple[int, int]]:
    (count,) = struct.unpack_from(">I", table, 4)
    if 8 + 8 * count > len(table):
        raise BrokenFileError("a table claims more entries than it has")
    yield from struct.iter_unpack(">Ii" if signed else ">II", table[8 : 8 + 8 * count])


# -- Matroska and WebM: RFC 9559

_SEGMENT, _CLUSTER, _TRACKS, _TRACK = 0x18538067, 0x1F43B675, 0x1654AE6B, 0xAE
_TRACK_NUMBER, _TRACK_TYPE, _VIDEO = 0xD7, 0x83, 1
_SIMPLE_BLOCK, _BLOCK_GROUP, _BLOCK = 0xA3, 0xA0, 0xA1
_IN_SEGMENT = {_CLUSTER, _TRACKS, 0x114D9B74, 0x1549A966, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367, 0xEC, 0xBF}
_IN_CLUSTER = {_SIMPLE_BLOCK, _BLOCK_GROUP, 0xE7, 0xA7, 0xAB, 0xAF, 0x5854, 0xEC, 0xBF}


def _number(file: BinaryIO, keep_mark: bool) -> int:
    """An EBML number; -1 for a size that is not known."""
    first = file.read(1)
    if not first or not first[0]:
        raise BrokenFileError("an element's head is damaged")
    length = 9 - first[0].bit_length()
    rest = file.read(length - 1)
    if len(rest) != length - 1:
        raise BrokenFileError("the file ends inside an element's head")
    value = int.from_bytes(first + rest, "big")
    if keep_mark:
        return value
    value -= 1 << 7 * length
    return -1 if value == (1 << 7 * length) - 1 else value


def _elements(file: BinaryIO, start: int, end: int, known: set[int]) -> Iterator[tuple[int, int, int]]:
    """Id, start and end of each element. One of unknown size reaches to `end` and is walked by the caller."""
    at = start
    while at < end:
        file.seek(at)
        kind = _number(file, keep_mark=True)
        size = _number(file, keep_mark=False)
        body = file.tell()
        if known and kind not in known:
            raise BrokenFileError(f"an unknown element at byte {at}")
        after = end if size < 0 else body + size
        if after > end:
            raise BrokenFileError(f"the element at byte {at} reaches beyond the file")
        yield kind, body, after
        at = after


def _matroska(file: BinaryIO, size: int) -> int | None:
    video, frames = None, 0
    for kind, start, end in _elements(file, 0, size, set()):
        if kind != _SEGMENT:
            continue
        for part, part_start, part_end in _elements(file, start, end, _IN_SEGMENT):
            if part == _TRACKS:
                video = _video_track(file, part_start, part_end)
            elif part == _CLUSTER:
                if part_end == end == size and _unknown_size(file, part_start):
                    return None  # a live stream: its clusters state no size
                frames += _blocks(file, part_start, part_end, video)
    return frames if video is not None else None


def _unknown_size(file: BinaryIO, body: int) -> bool:
    file.seek(body - 8)
    return file.read(8) == b"\x01" + b"\xff" * 7 or _byte_before(file, body) == b"\xff"


def _byte_before(file: BinaryIO, at: int) -> bytes:
    file.seek(at - 1)
    return file.read(1)


def _value(file: BinaryIO, start: int, end: int) -> int:
    file.seek(start)
    return int.from_bytes(file.read(min(end - start, 8)), "big")


def _video_track(file: BinaryIO, start: int, end: int) -> int | None:
    for kind, track_start, track_end in _elements(file, start, end, set()):
        if kind == _TRACK:
            values = {k: _value(file, s, e) for k, s, e in _elements(file, track_start, track_end, set())}
            if values.get(_TRACK_TYPE) == _VIDEO:
                return values.get(_TRACK_NUMBER)
    return None


def _blocks(file: BinaryIO, start: int, end: int, video: int | None) -> int:
    frames = 0
    for kind, block_start, block_end in _elements(file, start, end, _IN_CLUSTER):
        if kind == _BLOCK_GROUP:
            inner = [(k, s, e) for k, s, e in _elements(file, block_start, block_end, set()) if k == _BLOCK]
        else:
            inner = [(kind, block_start, block_end)] if kind == _SIMPLE_BLOCK else []
        for _, at, _ in inner:
            file.seek(at)
            frames += _number(file, keep_mark=False) == video
    return frames


# -- AVI: RIFF lists of chunks; the video's are named ##dc (packed) or ##db (not), ## the number of the stream


def _avi(file: BinaryIO, size: int) -> int:
    frames = 0

    def walk(start: int, end: int, depth: int) -> None:
        nonlocal frames
        at = start
        while at + 8 <= end:
            file.seek(at)
            name, length = struct.unpack("<4sI", file.read(8))
            if not all(32 <= letter < 127 for letter in name):
                raise BrokenFileError(f"a damaged chunk at byte {at}")
            if at + 8 + length > end:
                raise BrokenFileError(f"the chunk at byte {at} reaches beyond the file")
            if name in (b"RIFF", b"LIST") and depth < _DEEPEST:
                walk(at + 12, at + 8 + length, depth + 1)
            elif name[:2].isdigit() and name[2:] in (b"dc", b"db") and length:
                frames += 1
            at += 8 + length + length % 2

    walk(0, size, 0)
    return frames
