# SPDX-License-Identifier: Apache-2.0
"""BP4D-Spontaneous: the 2-D images and the occurrence of action units.

<root>/Sequences(2D+3D)/F001/F001/T1/0001.jpg   also without the doubled subject, also 001.jpg
<root>/AUCoding/AU_OCC/F001_T1.csv              header 0,1,2,4,...: frame, then action units; 0, 1 or 9 (not coded)
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..image.decoding import read_picture
from ..types import ImageArray
from .labelled import LabelledSequence, rows_of_numbers, sequence
from .records import UNKNOWN, AuSequence, DatasetError, Labels, text_of

FPS = 25.0
INTENSITY_AUS = (6, 10, 12, 14, 17)
CODES = {"0": 0, "1": 1, "9": UNKNOWN}
UNCODED = 9

FOLDS: tuple[tuple[str, ...], ...] = tuple(
    tuple(line.split())
    for line in (
        "F001 F002 F008 F009 F010 F016 F018 F023 M001 M004 M007 M008 M012 M014",
        "F003 F005 F011 F013 F020 F022 M002 M005 M010 M011 M013 M016 M017 M018",
        "F004 F006 F007 F012 F014 F015 F017 F019 F021 M003 M006 M009 M015",
    )
)
"""The subjects of the three published folds, in JAA-Net's order; ME-GraphAU tests on the same three, last one first."""


def read_sequences(root: Path | str, aus: Sequence[int]) -> Iterator[AuSequence]:
    """The recordings in order of subject and task, with the occurrence of `aus`.

    Raises DatasetError when the folder has no AU coding, and for a label file with other columns or values.
    """
    root = Path(root)
    for path in _occurrence_files(root):
        subject, task = path.stem.split("_")
        frames, present = read_occurrence(path, aus)
        images = _image_folder(root, subject, task)
        yield AuSequence("bp4d", subject, f"{subject}_{task}", frames, tuple(aus), present, FPS, images)


def read_recordings(root: Path) -> Iterator[LabelledSequence]:
    """The recordings with the presence of all coded units, and intensities where there are. Raises DatasetError."""
    aus = coded_units(root)
    for units in read_sequences(root, aus):
        intensity = np.full(units.present.shape, np.nan, np.float32)
        for au in set(INTENSITY_AUS) & set(aus):
            path = root / "AUCoding" / "AU_INT" / f"AU{au:02d}" / f"{units.name}_AU{au:02d}.csv"
            if path.is_file():
                table = {int(f): v for f, v in rows_of_numbers(path, 2, "frame,intensity")}
                values = np.array([table.get(int(frame), np.nan) for frame in units.frames])
                intensity[:, aus.index(au)] = np.where(values == UNCODED, np.nan, values)
        yield sequence(
            "bp4d", units.subject, units.name, units.frames, (units.frames - 1) / FPS, aus, units.present,
            intensity, images=units.images,
        )  # fmt: skip


def coded_units(root: Path) -> tuple[int, ...]:
    """The action units whose occurrence the first recording's file has. Raises DatasetError when there are none."""
    path = _occurrence_files(root)[0]
    header = text_of(path).split("\n", 1)[0].split(",")
    aus = tuple(int(cell) for cell in header[1:] if cell.strip().isdigit())
    if not aus:
        raise DatasetError(f"{path}, line 1: {','.join(header)!r}; 0 (the frame) and action units are expected.")
    return aus


def _occurrence_files(root: Path) -> list[Path]:
    folder = root / "AUCoding" / "AU_OCC"
    files = sorted(folder.glob("[FM][0-9][0-9][0-9]_T[0-9]*.csv"))
    if not files:
        raise DatasetError(f"No {folder}/F001_T1.csv or the like; {root} is expected to be BP4D's folder.")
    return files


def read_occurrence(path: Path, aus: Sequence[int]) -> tuple[np.ndarray, Labels]:
    """Frames (n,) and labels (n, len(aus)) of one AU_OCC file."""
    rows = [row for row in csv.reader(text_of(path).splitlines()) if row]
    header = [cell.strip() for cell in rows[0]] if rows else []
    missing = [au for au in aus if str(au) not in header[1:]]
    if not header or header[0] != "0" or missing:
        raise DatasetError(
            f"{path}: its columns are {','.join(header[:8])} ...; 0 (the frame) and AU {list(aus)} are expected"
            + (f", AU {missing} are missing." if missing else ".")
        )
    columns = [header.index(str(au), 1) for au in aus]
    frames, present = [], []
    for number, row in enumerate(rows[1:], start=2):
        try:
            frames.append(int(row[0]))
            present.append([CODES[row[column].strip()] for column in columns])
        except (ValueError, KeyError, IndexError):
            raise DatasetError(
                f"{path}, line {number}: {','.join(row[:8])} ...; a frame and 0, 1 or 9 for each AU are expected."
            ) from None
    table = np.array(present, np.int8).reshape(-1, len(columns))
    order = np.argsort(np.array(frames, np.int64), kind="stable")
    return np.array(frames, np.int64)[order], table[order]


class _Images:
    """Images of one task by frame number, whatever zeros pad it."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def __call__(self, frames: Sequence[int]) -> Iterator[ImageArray | None]:
        there = {}
        if self.folder is not None:
            there = {int(path.stem): path for path in self.folder.glob("*.jpg") if path.stem.isdigit()}
        for frame in frames:
            yield read_picture(there[frame]) if frame in there else None


def _image_folder(root: Path, subject: str, task: str) -> _Images:
    bases = (root / "Sequences(2D+3D)", root / "Sequences", root)
    for base in bases:
        for folder in (base / subject / subject / task, base / subject / task):
            if folder.is_dir():
                return _Images(folder)
    return _Images(None)
