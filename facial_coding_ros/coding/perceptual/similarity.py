# SPDX-License-Identifier: Apache-2.0
"""Moments of a recording that look like a given one, by the distance of their latents."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...types import FloatArray


@dataclass(frozen=True)
class Moments:
    """Faces of a recording in the order of the table. latent: (n, d), rows without one left out."""

    stamp_ns: NDArray[np.int64]
    frame: NDArray[np.int64]
    face_id: tuple[str, ...]
    expression: tuple[str, ...]
    latent: FloatArray

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(frozen=True)
class Match:
    """One moment: row of the table's moments, and how far its latent is from the one looked for."""

    row: int
    distance: float


def _rows(path: Path) -> tuple[list[tuple[int, int, str, str]], list[list[float]]]:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        names = reader.fieldnames or []
        latent = [name for name in names if name.startswith("latent_")]
        lacking = [name for name in ("stamp_ns", "frame", "face_id") if name not in names]
        if lacking:
            raise ValueError(f"{path} is no table of face codes: no column {', '.join(lacking)}")
        if not latent:
            raise ValueError(f"{path} has no columns latent_00 ...; it was made without a perceptual model")
        rows: list[tuple[int, int, str, str]] = []
        values: list[list[float]] = []
        for row in reader:
            try:
                value = [float(row[name]) for name in latent]
                kept = (
                    int(np.int64(row["stamp_ns"])),
                    int(np.int64(row["frame"])),
                    row["face_id"],
                    row.get("expression") or "",
                )
            except (TypeError, ValueError, OverflowError):
                raise ValueError(f"{path}, line {reader.line_num}: not a row of face codes") from None
            if np.isfinite(value).all():
                rows.append(kept)
                values.append(value)
    return rows, values


def read_moments(path: Path) -> Moments:
    """Of a replay's face codes. Raises ValueError when the table has no latents, OSError when it cannot be read."""
    try:
        rows, values = _rows(path)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not in UTF-8 (byte {error.start}): no table of face codes") from None
    except csv.Error as error:
        raise ValueError(f"{path} is no CSV file: {error}") from None
    if not rows:
        raise ValueError(f"{path} holds no face with a latent")
    stamp_ns, frame, face_id, expression = zip(*rows, strict=True)
    return Moments(
        stamp_ns=np.array(stamp_ns, np.int64),
        frame=np.array(frame, np.int64),
        face_id=tuple(face_id),
        expression=tuple(expression),
        latent=np.array(values, np.float32),
    )


def moment_at(moments: Moments, stamp_ns: int, face_id: str = "") -> int:
    """Row nearest in time, of one face where its id is given. Raises KeyError for a face that is not there."""
    rows = np.arange(len(moments))
    if face_id:
        rows = rows[np.array(moments.face_id) == face_id]
        if not len(rows):
            raise KeyError(face_id)
    return int(rows[abs(moments.stamp_ns[rows] - stamp_ns).argmin()])


def most_like(
    moments: Moments, latent: FloatArray, count: int, apart_ns: int, leave_out: int | None = None
) -> list[Match]:
    """The `count` moments nearest to a latent (d,), nearest first; of the same face at least `apart_ns` apart.

    leave_out: row of the moment looked for, left out with its surroundings.
    """
    distance = np.linalg.norm(moments.latent - latent, axis=1)
    faces = np.array(moments.face_id)
    free = np.ones(len(moments), bool)

    def close_to(row: int) -> NDArray[np.bool_]:
        return (faces == faces[row]) & (abs(moments.stamp_ns - moments.stamp_ns[row]) < apart_ns)

    if leave_out is not None:
        free &= ~close_to(leave_out)
        free[leave_out] = False
    found: list[Match] = []
    for row in np.argsort(distance, kind="stable"):
        if len(found) == count:
            break
        if free[row]:
            found.append(Match(int(row), float(distance[row])))
            free &= ~close_to(int(row))
            free[row] = False
    return found
