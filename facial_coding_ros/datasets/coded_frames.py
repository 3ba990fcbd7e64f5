# SPDX-License-Identifier: Apache-2.0
"""Coded action units of one recording, frame by frame: a CSV of one's own, DISFA's label folder, BP4D's occurrence."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..action_units import CODES
from ..types import FloatArray
from . import bp4d, disfa
from .records import DatasetError

_COLUMN = re.compile(r"au_?0*(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class CodedFrames:
    """frames: (n,), as the release counts them. first_frame: number of the recording's first one.

    intensity: (n, len(codes)), 0..1, NaN where not coded. occurrence: only presence is coded.
    """

    frames: NDArray[np.int64]
    first_frame: int
    codes: tuple[int, ...]
    intensity: FloatArray
    occurrence: bool


def read_disfa(folder: Path) -> CodedFrames:
    """A folder SN0xx with SN0xx_au1.txt ...: intensities 0 to 5, frames from 1. Raises DatasetError."""
    found = sorted(int(p.stem.rsplit("au", 1)[1]) for p in folder.glob(f"{folder.name}_au*.txt"))
    codes = [code for code in found if code in CODES]
    if not codes:
        raise DatasetError(f"{folder} holds no {folder.name}_au1.txt or the like, as DISFA's label folders do.")
    frames, values = disfa.read_intensities(folder, codes)
    return CodedFrames(frames, 1, tuple(codes), (values / 5).astype(np.float32), False)


def is_bp4d(path: Path) -> bool:
    """Whether it is a CSV whose first column is called 0."""
    return path.is_file() and _header(path)[:1] == ["0"]


def read_bp4d(path: Path) -> CodedFrames:
    """BP4D's occurrence, frames as the images are numbered, from 1. Raises DatasetError."""
    codes = [int(cell) for cell in _header(path)[1:] if cell.isdigit() and int(cell) in CODES]
    frames, present = bp4d.read_occurrence(path, codes)
    seen = np.where(present == 1, 1.0, np.where(present == 0, 0.0, np.nan)).astype(np.float32)
    return CodedFrames(frames, 1, tuple(codes), seen, True)


def read_csv_columns(path: Path) -> CodedFrames:
    """A CSV with a column `frame` and columns like AU12 or au12, empty where not coded; frames from 0.

    Intensities are 0 to 5 if any is above 1, else 0 to 1. Raises DatasetError.
    """
    frames, named = read_columns(path)
    codes = [code for code in CODES if code in named]
    if not codes:
        raise DatasetError(f"{path}: no column of an action unit, like AU12, among {', '.join(_header(path)[:8])}.")
    amounts = np.stack([named[code] for code in codes], 1)
    scale = 5 if np.nanmax(amounts, initial=0) > 1 else 1
    return CodedFrames(frames, 0, tuple(codes), (amounts / scale).astype(np.float32), False)


def _header(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return [cell.strip() for cell in next(csv.reader(file), [])]


def read_columns(path: Path, person: str = "") -> tuple[NDArray[np.int64], dict[int, FloatArray]]:
    """Frames (n,) and the values (n,) of each action unit's column, NaN where empty, of a CSV with a column `frame`.

    person: only rows with that face_id or person_id; replay writes a row for each face. Raises DatasetError.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            names = reader.fieldnames or []
            if "frame" not in names:
                raise DatasetError(f"{path}: no column frame among {', '.join(names[:8]) or 'nothing'}.")
            rows = [
                r for r in reader if not person or person in (r.get("face_id"), r.get("person_id"), r.get("person"))
            ]
    except OSError as error:
        raise DatasetError(str(error)) from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not in UTF-8 (byte {error.start}); save it as UTF-8") from None
    except csv.Error as error:
        raise DatasetError(f"{path} is no CSV file: {error}") from None
    if not rows:
        raise DatasetError(f"{path}: no rows" + (f" of {person}." if person else "."))
    columns = {int(match[1]): name for name in names if (match := _COLUMN.fullmatch(name.strip()))}
    try:
        frames = np.array([int(float(r["frame"])) for r in rows], np.int64)
        values = {
            code: np.array([float(r[name]) if r[name].strip() else np.nan for r in rows], np.float32)
            for code, name in columns.items()
        }
    except (ValueError, AttributeError, TypeError, OverflowError) as error:
        raise DatasetError(f"{path}: a frame and numbers are expected in each row: {error}.") from error
    return frames, values
