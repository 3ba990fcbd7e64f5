"""Keypoints of files -> keypoint motions: any tracker's 68 points as CSV, and what the dataset readers share.

A CSV has a header and one row for each face and frame: `person`, optionally `time_s` and `neutral` (1: this frame shows
the resting face), then x0..x67 and y0..y67 in pixels, y down. OpenFace's names (x_0 .. y_67) are read too.
Without any `neutral`, a person's first frame is the neutral.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from ..keypoints import Registration, RegistrationSettings, conversion
from ..types import FloatArray
from .motions import MotionError, Motions, joined, kpm_of


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
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))
    header = [name.strip() for name in rows[0]] if rows else []
    columns = _columns(path, header)
    table: list[list[float]] = []
    for number, row in enumerate(rows[1:], start=2):
        try:
            table.append([float(row[i]) for i in columns])
        except (ValueError, IndexError):
            raise MotionError(f"{path}, line {number}: a number is expected in every keypoint column") from None
    if not table:
        raise MotionError(f"{path} holds no rows")
    points = np.array(table, np.float32).reshape(-1, 2, 68).transpose(0, 2, 1)
    people = _column(rows, header, "person", path.stem)
    times = np.array([float(t) for t in _column(rows, header, "time_s", "nan")])
    rest = np.array([float(v or 0) for v in _column(rows, header, "neutral", "0")]) > 0
    sets = []
    for one in dict.fromkeys(people):
        own = np.array([p == one for p in people])
        still = own & rest if (own & rest).any() else own & (np.cumsum(own) == 1)
        shown = own & ~still
        if shown.any():
            sets.append(motions_of_points(points[shown], points[still], one, f"{path.name}", time_s=times[shown]))
    if not sets:
        raise MotionError(f"{path}: every person has a resting frame only; frames with expressions are expected")
    return joined(sets)


def _columns(path: Path, header: Sequence[str]) -> list[int]:
    for pattern in ("{}{}", "{}_{}"):
        names = [pattern.format(axis, i) for axis in "xy" for i in range(68)]
        if set(names) <= set(header):
            return [header.index(name) for name in names]
    raise MotionError(f"{path}: columns are {', '.join(header[:6])} ...; x0..x67 and y0..y67 (pixels) are expected")


def _column(rows: Sequence[Sequence[str]], header: Sequence[str], name: str, default: str) -> list[str]:
    if name not in header:
        return [default] * (len(rows) - 1)
    at = header.index(name)
    return [row[at].strip() for row in rows[1:]]


def read_points(path: Path, count: int) -> FloatArray:
    """(count, 2) of a text file with one "x y" a line; some releases hold stray bytes, so latin-1.

    Raises MotionError naming the file and what was found.
    """
    rows = []
    for number, line in enumerate(path.read_text(encoding="latin-1").replace("\x80", " ").splitlines(), start=1):
        if line.strip():
            try:
                x, y = (float(cell) for cell in line.replace(",", " ").split())
            except ValueError:
                raise MotionError(f'{path}, line {number}: {line!r}; "x y" is expected') from None
            rows.append((x, y))
    if len(rows) != count:
        raise MotionError(f"{path} holds {len(rows)} points; {count} are expected")
    return np.array(rows, np.float32)
