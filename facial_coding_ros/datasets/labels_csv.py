"""Labels as a CSV file of one's own, and OpenFace's output.

A header and a row for each labelled moment and person:

    recording   name of the recording; may be left out when there is one
    frame       number of the frame, from 0; or stamp_ns, the image's stamp; or seconds (OpenFace: timestamp)
    person_id   who (also person, subject); may be left out when there is one
    au12        intensity 0 to 5, 9 or empty: unknown (also AU12_r)
    au12_c      presence 0 or 1, 9 or empty: unknown
    expression  a word such as happy or surprise; empty: unknown
    neutral     1 where the face is at rest, 0 where it is not
    xmin ymin xmax ymax   the face's box, 0..1 of the image
    x_0 .. y_67, X_0 .. Z_67   landmarks, OpenFace's names
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..types import FloatArray
from .labelled import LabelledSequence, expression_of, presence, sequence
from .records import UNKNOWN, DatasetError

PRESENT_FROM = 2.0
UNCODED = 9
_PEOPLE = ("person_id", "person", "subject", "face_id")
_UNIT = re.compile(r"au0*(\d+)(_r|_c)?", re.IGNORECASE)
_BOX = ("xmin", "ymin", "xmax", "ymax")
_TIMES = ("stamp_ns", "seconds", "timestamp", "frame")


def read(path: Path, fps: float = math.nan, present_from: float = PRESENT_FROM) -> Iterator[LabelledSequence]:
    """A record for each recording and person. Without times, `seconds` is frame / fps, NaN when fps is not known.

    `stamp_ns` becomes seconds on the stamps' own clock (`absolute`). Raises DatasetError naming file, line and column.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))
    header = [name.strip() for name in rows[0]] if rows else []
    lower = [name.lower() for name in header]
    time = next((name for name in _TIMES if name in lower), "")
    units = [(int(match[1]), match[2] or "", i) for i, name in enumerate(lower) if (match := _UNIT.fullmatch(name))]
    others = [name for name in ("expression", "neutral", *_BOX) if name in lower]
    if not time or not (units or others or _axes(header)):
        raise DatasetError(
            f"{path}: its columns are {', '.join(header[:8]) or 'none'}; frame, seconds or stamp_ns and labels such as "
            "au12, au12_c, expression or neutral are expected"
        )
    body = [row for row in rows[1:] if any(cell.strip() for cell in row)]
    for number, row in enumerate(body, start=2):
        if len(row) != len(header):
            raise DatasetError(f"{path}, line {number}: {len(row)} cells; the header has {len(header)}")
    who = next((lower.index(name) for name in _PEOPLE if name in lower), None)
    where = lower.index("recording") if "recording" in lower else None
    keys = [
        (row[where].strip() if where is not None else path.stem, row[who].strip() if who is not None else "")
        for row in body
    ]
    for key in dict.fromkeys(keys):
        chosen = [i for i, own in enumerate(keys) if own == key]
        yield _one(path, key, header, [(i + 2, body[i]) for i in chosen], time, units, fps, present_from)


def _one(
    path: Path,
    key: tuple[str, str],
    header: Sequence[str],
    rows: Sequence[tuple[int, Sequence[str]]],
    time: str,
    units: Sequence[tuple[int, str, int]],
    fps: float,
    present_from: float,
) -> LabelledSequence:
    lower = [name.lower() for name in header]

    def column(name: str) -> FloatArray:
        return _numbers(path, rows, lower.index(name), name)

    times = np.array([_whole(path, number, row[lower.index(time)], time) for number, row in rows])
    scale = {"stamp_ns": 1e-9, "frame": 1 / fps}.get(time, 1.0)
    seconds = times * scale
    order = np.argsort(times, kind="stable")
    # OpenFace counts frames from 1, and has both.
    frames = column("frame").astype(np.int64) if "frame" in lower else np.full(len(rows), -1)
    aus = tuple(sorted({au for au, _, _ in units}))
    intensity = np.full((len(rows), len(aus)), np.nan, np.float32)
    present = np.full((len(rows), len(aus)), UNKNOWN, np.int8)
    for au, kind, at in units:
        values = _numbers(path, rows, at, header[at])
        if kind != "_c":
            _within(path, rows, values, header[at], 5)
            intensity[:, aus.index(au)] = values
    stated = {au for au, kind, _ in units if kind == "_c"}
    for au, kind, at in units:
        if kind == "_c":
            values = _numbers(path, rows, at, header[at])
            _within(path, rows, values, header[at], 1)
            present[:, aus.index(au)] = np.where(np.isfinite(values), np.nan_to_num(values), UNKNOWN)
        elif au not in stated:
            present[:, aus.index(au)] = presence(intensity[:, aus.index(au)], present_from)
    words = [row[lower.index("expression")] if "expression" in lower else "" for _, row in rows]
    labels = [expression_of(w, f"{path}, line {number}") for w, (number, _) in zip(words, rows, strict=True)]
    neutral = column("neutral") if "neutral" in lower else np.full(len(rows), np.nan)
    region = np.stack([column(n) if n in lower else np.full(len(rows), np.nan) for n in _BOX], 1)
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


def _numbers(path: Path, rows: Sequence[tuple[int, Sequence[str]]], at: int, name: str) -> FloatArray:
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


def _whole(path: Path, number: int, text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DatasetError(f"{path}, line {number}, column {name}: {text!r} is no time") from None


def _within(path: Path, rows: Sequence[tuple[int, Sequence[str]]], values: FloatArray, name: str, highest: int) -> None:
    wrong = np.flatnonzero(~(np.isnan(values) | ((values >= 0) & (values <= highest))))
    if len(wrong):
        found = values[wrong[0]]
        raise DatasetError(
            f"{path}, line {rows[wrong[0]][0]}, column {name}: {found:g}; 0 to {highest} or 9 is expected"
        )
