# SPDX-License-Identifier: Apache-2.0
"""Face codes back from a table's columns, as far as a table holds them: no mesh, no neutral, no position."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import (
    ActionUnits,
    Expression,
    Face,
    FaceCode,
    FloatArray,
    Gaze,
    HeadPose,
    NeutralState,
    Region,
    Visibility,
)

_NO_MESH = np.empty((0, 3), np.float32)
_NO_ROTATION = np.full((3, 3), np.nan, np.float32)


class TableCodes:
    """Face codes of the rows of a table.

    columns: name -> (R,), as in face_codes.csv; a number that the table lacks is NaN, a text empty.
    """

    def __init__(self, columns: Mapping[str, NDArray[Any]]) -> None:
        self._columns = columns
        self._codes = tuple(int(name[2:]) for name in columns if name.startswith("au") and name[2:].isdigit())
        self._labels = tuple(name[2:] for name in columns if name.startswith("p_"))
        self._units = {suffix: self._block([f"au{au:02d}{suffix}" for au in self._codes]) for suffix in _UNIT_COLUMNS}
        self._shares = self._block([f"p_{label}" for label in self._labels])
        self._dfecs = self._block([name for name in columns if name.startswith("dfecs_")])
        self._latent = self._block([name for name in columns if name.startswith("latent_")])

    def _block(self, names: Sequence[str]) -> FloatArray:
        """(R, names)."""
        rows = len(next(iter(self._columns.values()))) if self._columns else 0
        unknown = np.full(rows, np.nan, np.float32)
        stacked = [np.asarray(self._columns.get(name, unknown), np.float32) for name in names]
        return np.stack(stacked, axis=1) if stacked else np.empty((rows, 0), np.float32)

    def _number(self, name: str, row: int, otherwise: float = math.nan) -> float:
        return float(self._columns[name][row]) if name in self._columns else otherwise

    def _text(self, name: str, row: int) -> str:
        return str(self._columns[name][row]) if name in self._columns else ""

    def code(self, row: int) -> FaceCode:
        """The face code of one row."""
        visibility = self._number("visibility", row)
        yaw, pitch, roll = (self._number(f"{angle}_deg", row) for angle in ("yaw", "pitch", "roll"))
        face = Face(
            self._text("face_id", row),
            _NO_MESH,
            Region(*(self._number(f"roi_{edge}", row) for edge in ("xmin", "ymin", "xmax", "ymax"))),
            HeadPose(yaw, pitch, roll, _NO_ROTATION),
            Visibility(visibility, visibility, visibility, visibility),
            self._text("person_id", row),
        )
        expression = Expression(
            self._labels,
            self._shares[row],
            max(1.0 - float(self._shares[row].sum()), 0.0),
            self._text("expression", row),
            *(self._number(name, row) for name in ("expression_confidence", "valence", "arousal")),
        )
        return FaceCode(
            face,
            NeutralState[(self._text("neutral_state", row) or "none").upper()],
            float("nan"),
            ActionUnits(self._codes, *(self._units[suffix][row] for suffix in _UNIT_COLUMNS)),
            expression,
            self._dfecs[row],
            self._latent[row],
            gaze=Gaze(
                self._number("gaze_yaw_deg", row),
                self._number("gaze_pitch_deg", row),
                self._number("gaze_confidence", row, 0.0),
            ),
            attention=self._number("attention", row),
            talking=self._number("talking", row),
        )

    def frames(self, at: NDArray[np.int64], count: int) -> Iterator[list[FaceCode]]:
        """The codes of each of `count` frames. at: (R,) the row's frame, rising."""
        edges = np.searchsorted(at, np.arange(count + 1))
        for begin, end in itertools.pairwise(edges):
            yield [self.code(row) for row in range(begin, end)]


_UNIT_COLUMNS = ("", "_confidence", "_left", "_right", "_presence")
"""In the order of the fields of types.ActionUnits."""
