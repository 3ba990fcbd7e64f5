# SPDX-License-Identifier: Apache-2.0
"""Keypoints of files -> keypoint motions: any tracker's 68 points as CSV, and what the dataset readers share.

A CSV has a header and one row for each face and frame: `person`, optionally `time_s` and `neutral` (1: this frame shows
the resting face), then x0..x67 and y0..y67 in pixels, y down. Without any `neutral`, a person's first frame is the
neutral. OpenFace's files are read too: x_0 .. y_67, `timestamp`, `face_id` for the person; rows with `success` 0 are
left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from ..keypoints import Registration, RegistrationSettings, conversion
from ..types import FloatArray
from .motions import MotionError, Motions, joined, kpm_of
from .records import DatasetError, Row, csv_rows, text_of


def motions_of_points(
    points: ArrayLike,
    neutral: ArrayLike,
    person: str,
    source: str,
    scheme: str = "68",
    time_s: ArrayLike | None = None,
    registration: RegistrationSettings | None = None,
) -> Motions:
    """Motions of one person's keypoints (n, count, 2) against neutral ones (m, count, 2), in pixels.

    Points of another scheme become the 68 by keypoints.conversion. Raises MotionError for another shape or numbers
    that are not finite.
    """
    shown, rest = np.asarray(points, np.float32), np.asarray(neutral, np.float32)
    if scheme != "68":
        weights = conversion(scheme, "68").weights
        if shown.ndim != 3 or shown.shape[1] != weights.shape[1] or rest.shape[1:] != shown.shape[1:]:
            raise MotionError(
                f"{source}, {person}: points have shape {shown.shape}; (n, {weights.shape[1]}, 2) expected"
            )
        shown, rest = weights @ shown, weights @ rest
    if shown.ndim != 3 or shown.shape[1:] != (68, 2) or rest.shape[1:] != (68, 2) or not len(rest):
        raise MotionError(f"{source}, {person}: points have shape {shown.shape}; (n, 68, 2) and a neutral expected")
    if not (np.isfinite(shown).all() and np.isfinite(rest).all()):
        raise MotionError(f"{source}, {person}: keypoints are not finite")
    register = Registration(registration or RegistrationSettings())
    kpm = kpm_of(register.register_sparse(shown), register.register_sparse(rest).mean(0))
    times = np.full(len(kpm), np.nan) if time_s is None else np.asarray(time_s)
    return Motions(kpm, np.full(len(kpm), person), times.astype(np.float32), source)


def read_csv(path: Path) -> Motions:
    """Motions of a CSV of 68 keypoints. Raises MotionError naming the file, the line and what was expected."""
    header, rows = _rows(path)
    columns = _columns(path, header)
    people, times, rest, faces = [], [], [], []
    for number, row in rows:
        where = f"{path}, line {number}"
        if len(row) != len(header):
            raise MotionError(f"{where}: {len(row)} cells; the header has {len(header)}")
        cells = dict(zip(header, row, strict=True))
        if "success" in cells and _number(where, cells, "success") == 0:
            continue
        face = np.array([_number(where, cells, name) for name in columns], np.float32).reshape(2, 68).T
        if not np.ptp(face, axis=0).any():
            raise MotionError(f"{where}: all points are in one place; leave out frames without a face")
        still = _number(where, cells, "neutral") if cells.get("neutral", "").strip() else 0
        if still not in (0, 1):
            raise MotionError(f"{where}, column neutral: {still:g}; 0 or 1 is expected")
        time = next((name for name in ("time_s", "timestamp") if name in cells), None)
        # OpenFace counts the faces of each file from 0.
        face_id = f"{path.stem} {cells['face_id'].strip()}" if "face_id" in cells else path.stem
        people.append(cells["person"].strip() if "person" in cells else face_id)
        times.append(_number(where, cells, time) if time else np.nan)
        rest.append(still == 1)
        faces.append(face)
    if not faces:
        raise MotionError(f"{path} holds no rows with a face")
    points, seconds, resting = np.stack(faces), np.array(times), np.array(rest)
    sets = []
    for one in dict.fromkeys(people):
        own = np.array([p == one for p in people])
        neutral = own & resting if (own & resting).any() else own & (np.cumsum(own) == 1)
        shown = own & ~neutral
        # OpenFace gives all images of a folder the time 0.
        known = seconds[shown] if np.ptp(seconds[own]) > 0 else None
        if shown.any():
            sets.append(motions_of_points(points[shown], points[neutral], one, path.name, time_s=known))
    if not sets:
        raise MotionError(f"{path}: every person has a resting frame only; frames with expressions are expected")
    return joined(sets)


def _rows(path: Path) -> tuple[list[str], list[Row]]:
    """The names of the columns, and the other rows."""
    try:
        rows = csv_rows(path)
    except DatasetError as error:
        raise MotionError(str(error)) from None
    return [name.strip() for name in rows[0][1]] if rows else [], rows[1:]


def _columns(path: Path, header: Sequence[str]) -> list[str]:
    for pattern in ("{}{}", "{}_{}"):
        names = [pattern.format(axis, i) for axis in "xy" for i in range(68)]
        if set(names) <= set(header):
            return names
    raise MotionError(f"{path}: columns are {', '.join(header[:6])} ...; x0..x67 and y0..y67 (pixels) are expected")


def _number(where: str, cells: Mapping[str, str], name: str) -> float:
    try:
        value = float(cells[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise MotionError(f"{where}, column {name}: {cells[name].strip()!r}; a number is expected")
    return value


def read_points(path: Path, count: int) -> FloatArray:
    """(count, 2) of a text file with one "x y" a line.

    Raises MotionError naming the file and what was found.
    """
    rows = []
    for number, line in enumerate(text_of(path).replace("\x80", " ").splitlines(), start=1):
        if line.strip():
            try:
                x, y = (float(cell) for cell in line.replace(",", " ").split())
            except ValueError:
                raise MotionError(f'{path}, line {number}: {line!r}; "x y" is expected') from None
            rows.append((x, y))
    if len(rows) != count:
        raise MotionError(f"{path} holds {len(rows)} points; {count} are expected")
    return np.array(rows, np.float32)
