"""Coded action units of a recording, frame by frame: an own CSV, DISFA's label folder or BP4D's occurrence file."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...action_units import CODES
from ...datasets import bp4d, disfa
from ...types import FloatArray

_COLUMN = re.compile(r"au_?0*(\d+)", re.IGNORECASE)


class FacsLabelError(ValueError):
    """Labels or codes that cannot be read; the text says which, what was found and what was expected."""


@dataclass(frozen=True)
class Labels:
    """frames: (n,), as replay counts them, from 0. intensity: (n, len(codes)), 0..1, NaN where not coded.

    occurrence: only presence is coded.
    """

    frames: NDArray[np.int64]
    codes: tuple[int, ...]
    intensity: FloatArray
    occurrence: bool


def read_labels(path: Path, first_frame: int | None = None) -> Labels:
    """Labels of one recording. Raises FacsLabelError.

    A folder SN0xx with SN0xx_au1.txt ...: DISFA, intensities 0 to 5, frames from 1. A CSV whose first column is called
    0: BP4D's occurrence, frames as the images are numbered, from 1. Another CSV: a column `frame` and columns like AU12
    or au12, empty where not coded, 0 to 5 if any is above 1, else 0 to 1; frames from 0. first_frame: number of the
    recording's first frame in the labels, where it differs.
    """
    try:
        if path.is_dir():
            found = sorted(int(p.stem.rsplit("au", 1)[1]) for p in path.glob(f"{path.name}_au*.txt"))
            codes = [code for code in found if code in CODES]
            if not codes:
                raise FacsLabelError(f"{path} holds no {path.name}_au1.txt or the like, as DISFA's label folders do.")
            frames, values = disfa.read_intensities(path, codes)
            return Labels(
                frames - (1 if first_frame is None else first_frame),
                tuple(codes),
                (values / 5).astype(np.float32),
                False,
            )
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = [cell.strip() for cell in next(csv.reader(file), [])]
        if header[:1] == ["0"]:
            codes = [int(cell) for cell in header[1:] if cell.isdigit() and int(cell) in CODES]
            frames, present = bp4d.read_occurrence(path, codes)
            seen = np.where(present == 1, 1.0, np.where(present == 0, 0.0, np.nan)).astype(np.float32)
            return Labels(frames - (1 if first_frame is None else first_frame), tuple(codes), seen, True)
    except (OSError, bp4d.DatasetError) as error:
        raise FacsLabelError(str(error)) from error
    frames, named = read_columns(path)
    codes = [code for code in CODES if code in named]
    if not codes:
        raise FacsLabelError(f"{path}: no column of an action unit, like AU12, among {', '.join(header[:8])}.")
    amounts = np.stack([named[code] for code in codes], 1)
    scale = 5 if np.nanmax(amounts, initial=0) > 1 else 1
    return Labels(frames - (first_frame or 0), tuple(codes), (amounts / scale).astype(np.float32), False)


def read_columns(path: Path, person: str = "") -> tuple[NDArray[np.int64], dict[int, FloatArray]]:
    """Frames (n,) and the values (n,) of each action unit's column, NaN where empty, of a CSV with a column `frame`.

    person: only rows with that face_id or person_id; replay writes a row for each face. Raises FacsLabelError.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            names = reader.fieldnames or []
            if "frame" not in names:
                raise FacsLabelError(f"{path}: no column frame among {', '.join(names[:8]) or 'nothing'}.")
            rows = [
                r for r in reader if not person or person in (r.get("face_id"), r.get("person_id"), r.get("person"))
            ]
    except OSError as error:
        raise FacsLabelError(str(error)) from error
    if not rows:
        raise FacsLabelError(f"{path}: no rows" + (f" of {person}." if person else "."))
    columns = {int(match[1]): name for name in names if (match := _COLUMN.fullmatch(name.strip()))}
    try:
        frames = np.array([int(float(r["frame"])) for r in rows], np.int64)
        values = {
            code: np.array([float(r[name]) if r[name].strip() else np.nan for r in rows], np.float32)
            for code, name in columns.items()
        }
    except (ValueError, AttributeError, TypeError) as error:
        raise FacsLabelError(f"{path}: a frame and numbers are expected in each row: {error}.") from error
    return frames, values


def matched(labels: Labels, codes_csv: Path, person: str = "") -> tuple[FloatArray, FloatArray, tuple[int, ...]]:
    """Truth and estimate (n, units) of the frames that both have, and the units' codes. Raises FacsLabelError.

    codes_csv: face_codes.csv of replay; several faces in it need `person`.
    """
    frames, named = read_columns(codes_csv, person)
    if len(np.unique(frames)) != len(frames):
        raise FacsLabelError(f"{codes_csv} holds several faces in a frame; say which by its face_id or person_id.")
    codes = tuple(code for code in labels.codes if code in named)
    common, at_label, at_code = np.intersect1d(labels.frames, frames, return_indices=True)
    if not len(common) or not codes:
        raise FacsLabelError(
            f"{codes_csv} and the labels share {len(common)} frames and {len(codes)} action units "
            f"(labels: frames {labels.frames.min()} to {labels.frames.max()}, AU {list(labels.codes)})."
        )
    truth = labels.intensity[at_label][:, [labels.codes.index(code) for code in codes]]
    return truth, np.stack([named[code][at_code] for code in codes], 1), codes
