# SPDX-License-Identifier: Apache-2.0
"""Labels as a CSV file of one's own, and OpenFace's output.

A header and a row for each labelled moment and person:

    recording   name of the recording; may be left out when there is one
    frame       number of the frame, whole, from 0; or stamp_ns, the image's stamp; or seconds (OpenFace: timestamp)
    person_id   who (also person, subject); may be left out when there is one
    au12        intensity 0 to 5, 9 or empty: unknown (also AU12_r)
    au12_c      presence 0 or 1, 9 or empty: unknown
    expression  a word such as happy or surprise; empty: unknown
    neutral     1 where the face is at rest, 0 where it is not
    xmin ymin xmax ymax   the face's box, 0..1 of the image
    x_0 .. y_67, X_0 .. Z_67   landmarks, OpenFace's names

A moment is labelled once for each person and recording.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray
from .labelled import LabelledSequence, expression_of, presence, sequence
from .records import UNKNOWN, DatasetError, Row, csv_rows

PRESENT_FROM = 2.0
UNCODED = 9
_PEOPLE = ("person_id", "person", "subject", "face_id")
_UNIT = re.compile(r"au0*(\d+)(_r|_c)?", re.IGNORECASE)
_MOST_FRAMES = 2**53  # as a float that is whole
_BOX = ("xmin", "ymin", "xmax", "ymax")
_TIMES = ("stamp_ns", "seconds", "timestamp", "frame")
# Of FACS: of the face, then of head and eyes.
_KNOWN = {*range(1, 47), *range(51, 59), *range(61, 70)}


def read(path: Path, fps: float = math.nan, present_from: float = PRESENT_FROM) -> Iterator[LabelledSequence]:
    """A record for each recording and person. Without times, `seconds` is frame / fps, NaN when fps is not known.

    `stamp_ns` becomes seconds on the stamps' own clock (`absolute`). Raises DatasetError naming file, line and column.
    """
    rows = csv_rows(path)
    header = [name.strip() for name in rows[0][1]] if rows else []
    lower = [name.lower() for name in header]
    time = next((name for name in _TIMES if name in lower), "")
    units = [(int(match[1]), match[2] or "", i) for i, name in enumerate(lower) if (match := _UNIT.fullmatch(name))]
    others = [name for name in ("expression", "neutral", *_BOX) if name in lower]
    if not time or not (units or others or _axes(header)):
        raise DatasetError(
            f"{path}: its columns are {', '.join(header[:8]) or 'none'}; frame, seconds or stamp_ns and labels such as "
            "au12, au12_c, expression or neutral are expected"
        )
    _check_header(f"{path}, line {rows[0][0]}", header)
    body = rows[1:]
    for number, row in body:
        if len(row) != len(header):
            raise DatasetError(f"{path}, line {number}: {len(row)} cells; the header has {len(header)}")
    who = next((lower.index(name) for name in _PEOPLE if name in lower), None)
    where = lower.index("recording") if "recording" in lower else None
    keys = [
        (row[where].strip() if where is not None else path.stem, row[who].strip() if who is not None else "")
        for _, row in body
    ]
    for key in dict.fromkeys(keys):
        chosen = [row for row, own in zip(body, keys, strict=True) if own == key]
        yield _one(path, key, header, chosen, time, units, fps, present_from)


def read_files(path: Path) -> Iterator[LabelledSequence]:
    """Of one file, or of all CSV files in a folder. Raises DatasetError."""
    files = [path] if path.is_file() else sorted(path.glob("*.csv"))
    for file in files:
        yield from read(file)


def read_openface(path: Path) -> Iterator[LabelledSequence]:
    """OpenFace's output; of one file or all in a folder. Raises DatasetError."""
    for labels in read_files(path):
        yield LabelledSequence(**{**vars(labels), "dataset": "openface_csv"})


def is_openface(path: Path) -> bool:
    """Whether the header is that of OpenFace's output."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        names = {name.strip() for name in file.readline().split(",")}
    return bool({"x_0", "X_0"} & names) or {"confidence", "success", "AU01_r"} <= names


def _check_header(where: str, header: Sequence[str]) -> None:
    """Raises DatasetError for a column that is there twice, under whichever spelling, and for a unit FACS has not."""
    seen: dict[str, str] = {}
    for name in header:
        key = name.lower()
        if match := _UNIT.fullmatch(name):
            if int(match[1]) not in _KNOWN:
                raise DatasetError(f"{where}, column {name}: FACS has no such action unit; leave it out or correct it")
            key = f"au{int(match[1])}{(match[2] or '_r').lower()}"
        elif key not in ("recording", "expression", "neutral", *_PEOPLE, *_TIMES, *_BOX):
            continue
        if key in seen:
            raise DatasetError(f"{where}: columns {seen[key]} and {name} are the same; leave one out")
        seen[key] = name


def _one(
    path: Path,
    key: tuple[str, str],
    header: Sequence[str],
    rows: Sequence[Row],
    time: str,
    units: Sequence[tuple[int, str, int]],
    fps: float,
    present_from: float,
) -> LabelledSequence:
    lower = [name.lower() for name in header]

    def column(name: str) -> FloatArray:
        return _numbers(path, rows, lower.index(name), name)

    number = column("frame") if "frame" in lower else np.full(len(rows), -1.0)
    if "frame" in lower:
        whole = np.isfinite(number) & (number >= 0) & (number <= _MOST_FRAMES) & (number == np.floor(number))
        _refuse(path, rows, lower.index("frame"), "frame", ~whole, "a whole number from 0")
    times = column(time)
    _refuse(path, rows, lower.index(time), time, ~np.isfinite(times), "a number")
    _once(path, key, rows, [lower.index(name) for name in dict.fromkeys((time, "frame")) if name in lower])
    scale = {"stamp_ns": 1e-9, "frame": 1 / fps}.get(time, 1.0)
    seconds = times * scale
    order = np.argsort(times, kind="stable")
    frames = number.astype(np.int64)  # OpenFace counts them from 1, and has times too
    aus = tuple(sorted({au for au, _, _ in units}))
    intensity = np.full((len(rows), len(aus)), np.nan, np.float32)
    present = np.full((len(rows), len(aus)), UNKNOWN, np.int8)
    for au, kind, at in units:
        values = _numbers(path, rows, at, header[at])
        if kind != "_c":
            _refuse(path, rows, at, header[at], (values < 0) | (values > 5), "0 to 5 or 9")
            intensity[:, aus.index(au)] = values
    stated = {au for au, kind, _ in units if kind == "_c"}
    for au, kind, at in units:
        if kind == "_c":
            values = _numbers(path, rows, at, header[at])
            _refuse(path, rows, at, header[at], _not_a_bit(values), "0, 1 or 9")
            present[:, aus.index(au)] = np.where(np.isfinite(values), np.nan_to_num(values), UNKNOWN)
        elif au not in stated:
            present[:, aus.index(au)] = presence(intensity[:, aus.index(au)], present_from)
    words = [row[lower.index("expression")] if "expression" in lower else "" for _, row in rows]
    labels = [expression_of(word, f"{path}, line {line}") for word, (line, _) in zip(words, rows, strict=True)]
    neutral = column("neutral") if "neutral" in lower else np.full(len(rows), np.nan)
    if "neutral" in lower:
        _refuse(path, rows, lower.index("neutral"), "neutral", _not_a_bit(neutral), "0, 1 or 9")
    region = np.stack([column(n) if n in lower else np.full(len(rows), np.nan) for n in _BOX], 1)
    _check_boxes(path, rows, lower, region)
    axes = _axes(header)
    points = None
    if axes:
        points = np.stack([np.stack([_numbers(path, rows, at, header[at]) for at in axis], 1) for axis in axes], 2)
        points = points[order].astype(np.float32)
    rest = np.where(np.isfinite(neutral), np.nan_to_num(neutral), UNKNOWN).astype(int)
    return sequence(
        "csv", key[1] or key[0], key[0], frames[order], seconds[order], aus, present[order], intensity[order],
        [labels[i] for i in order], rest[order].tolist(), region[order], points, absolute=time == "stamp_ns",
    )  # fmt: skip


def _axes(header: Sequence[str]) -> list[list[int]]:
    """Columns of x, y (and z) of 68 landmarks; those in three dimensions where there are any."""
    for letters in ("XYZ", "xy"):
        names = [[f"{letter}_{i}" for i in range(68)] for letter in letters]
        if all(name in header for axis in names for name in axis):
            return [[header.index(name) for name in axis] for axis in names]
    return []


def _numbers(path: Path, rows: Sequence[Row], at: int, name: str) -> FloatArray:
    """Numbers of a column; NaN where empty, and where an action unit, presence or neutral is 9."""
    coded = name.lower().startswith("au") or name.lower() == "neutral"
    values = []
    for number, row in rows:
        text = row[at].strip()
        try:
            value = float(text) if text else math.nan
        except ValueError:
            raise DatasetError(f"{path}, line {number}, column {name}: {text!r} is no number") from None
        values.append(math.nan if coded and value == UNCODED else value)
    return np.array(values, np.float64)


def _not_a_bit(values: FloatArray) -> NDArray[np.bool_]:
    return ~(np.isnan(values) | (values == 0) | (values == 1))


def _refuse(path: Path, rows: Sequence[Row], at: int, name: str, wrong: NDArray[np.bool_], expected: str) -> None:
    """Raises DatasetError for the first of the wrong cells of a column."""
    if wrong.any():
        number, row = rows[int(wrong.argmax())]
        raise DatasetError(
            f"{path}, line {number}, column {name}: {row[at].strip() or 'empty'}; {expected} is expected"
        )


def _once(path: Path, key: tuple[str, str], rows: Sequence[Row], columns: Sequence[int]) -> None:
    """Raises DatasetError for a moment that is labelled twice. A frame counts too where there is one: OpenFace gives
    all images of a folder the same time."""
    seen: dict[tuple[float, ...], int] = {}
    for number, row in rows:
        moment = tuple(float(row[at]) for at in columns)
        if moment in seen:
            raise DatasetError(
                f"{path}, line {number}: the moment of line {seen[moment]} again, of "
                f"{' in '.join(word for word in (key[1], key[0]) if word)}; leave one out, or tell people apart by a "
                "column person_id"
            )
        seen[moment] = number


def _check_boxes(path: Path, rows: Sequence[Row], lower: Sequence[str], region: FloatArray) -> None:
    for place, name in enumerate(_BOX):
        if name in lower:
            outside = (region[:, place] < 0) | (region[:, place] > 1)
            _refuse(path, rows, lower.index(name), name, outside, "0 to 1, as a share of the image,")
    for low, high in ((0, 2), (1, 3)):
        turned = region[:, low] >= region[:, high]
        if turned.any():
            number = rows[int(turned.argmax())][0]
            raise DatasetError(
                f"{path}, line {number}: {_BOX[low]} is not below {_BOX[high]}; the face's box is expected"
            )
