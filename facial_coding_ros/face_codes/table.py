# SPDX-License-Identifier: Apache-2.0
"""Face codes as rows of a table: one row per face and frame, for replay and evaluation."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..types import CodeForm, FaceCode, FloatArray
from .whole_csv import WholeCsvWriter

FIXED_COLUMNS = (
    "frame",
    "stamp_ns",
    "face_id",
    "person_id",
    "neutral_state",
    "visibility",
    "yaw_deg",
    "pitch_deg",
    "roll_deg",
    "roi_xmin",
    "roi_ymin",
    "roi_xmax",
    "roi_ymax",
    "expression",
    "expression_confidence",
    "valence",
    "arousal",
    "talking",
    "gaze_yaw_deg",
    "gaze_pitch_deg",
    "gaze_confidence",
    "attention",
)


def columns(form: CodeForm) -> list[str]:
    """Names of the columns of face codes of this form."""
    names = list(FIXED_COLUMNS)
    names += [f"p_{label}" for label in form.labels]
    for au in form.aus:
        names += [f"au{au:02d}", f"au{au:02d}_confidence"]
    names += [f"dfecs_{i:02d}" for i in range(form.dfecs)]
    names += [f"latent_{i:02d}" for i in range(form.latent)]
    for au in form.aus:
        names += [f"au{au:02d}_left", f"au{au:02d}_right"]
    names += [f"au{au:02d}_presence" for au in form.aus]
    return names


WORDS = ("frame", "stamp_ns", "face_id", "person_id", "neutral_state", "expression")
"""Columns that are no floats, in the order of `words`."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BEFORE_EXPRESSION = FIXED_COLUMNS.index("expression") - WORDS.index("expression")


def as_text(word: str) -> str:
    """A name that others gave, so that a spreadsheet takes it for no formula: with an apostrophe before = + - @."""
    return "'" + word if word[:1] in _FORMULA else word


def words(index: int, stamp_ns: int, code: FaceCode) -> tuple[int, int, str, str, str, str]:
    """Values of the columns WORDS."""
    face = code.face
    state = code.neutral_state.name.lower()
    person_id = as_text(face.person_id)
    return index, stamp_ns, face.face_id, person_id, state, code.expression.label


def numbers(code: FaceCode) -> FloatArray:
    """Values of all other columns, in the order of `columns`, as the float32 that the messages carry: so live and
    replayed codes read the same."""
    face, pose, region, expression, aus = code.face, code.face.pose, code.face.region, code.expression, code.aus
    fixed = (
        face.visibility.face, pose.yaw_deg, pose.pitch_deg, pose.roll_deg, region.xmin, region.ymin, region.xmax,
        region.ymax, expression.confidence, expression.valence, expression.arousal, code.talking, code.gaze.yaw_deg,
        code.gaze.pitch_deg, code.gaze.confidence, code.attention,
    )  # fmt: skip
    presence = aus.presence if len(aus.presence) else np.full(len(aus.codes), np.nan, np.float32)
    pairs = [np.ravel((first, second), "F") for first, second in (
        (aus.intensity, aus.confidence), (aus.left, aus.right))]  # fmt: skip
    parts = (fixed, expression.probability, pairs[0], code.dfecs, code.latent, pairs[1], presence)
    return np.concatenate(parts, dtype=np.float32, casting="unsafe")


def row(index: int, stamp_ns: int, code: FaceCode) -> list[object]:
    """Values in the order of `columns`. Floats are written so that they read back to the same float32."""
    *first, expression = words(index, stamp_ns, code)
    values = numbers(code).tolist()
    texts = ("%.9g," * len(values) % tuple(values)).split(",")[:-1]  # one formatting for all is several times faster
    return [*first, *texts[:_BEFORE_EXPRESSION], expression, *texts[_BEFORE_EXPRESSION:]]


class TableWriter(WholeCsvWriter):
    """Writes face codes to a CSV file that appears, whole, when the writer is closed without an error."""

    def __init__(self, path: Path, form: CodeForm) -> None:
        super().__init__(path, columns(form))
        self.rows = 0

    def write(self, index: int, stamp_ns: int, codes: Iterable[FaceCode]) -> None:
        """Adds the rows of one frame. Raises ValueError when the face codes have another form than the table."""
        for code in codes:
            values = row(index, stamp_ns, code)
            if len(values) != len(self._columns):
                raise ValueError(f"face code of {len(values)} columns in a table of {len(self._columns)}")
            self._csv.writerow(values)
            self.rows += 1
