"""Face codes as rows of a table: one row per face and frame, for replay and evaluation."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import numpy as np

from ..types import CodeForm, FaceCode

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


def row(index: int, stamp_ns: int, code: FaceCode) -> list[object]:
    """Values in the order of `columns`. Floats are written so that they read back to the same float32."""
    face, pose, region, expression = code.face, code.face.pose, code.face.region, code.expression
    values: list[object] = [index, stamp_ns, face.face_id, face.person_id, code.neutral_state.name.lower()]
    values += [_text(v) for v in (face.visibility.face, pose.yaw_deg, pose.pitch_deg, pose.roll_deg)]
    values += [_text(v) for v in (region.xmin, region.ymin, region.xmax, region.ymax)]
    values.append(expression.label)
    values += [_text(v) for v in (expression.confidence, expression.valence, expression.arousal)]
    values += [_text(p) for p in expression.probability]
    for intensity, confidence in zip(code.aus.intensity, code.aus.confidence, strict=True):
        values += [_text(intensity), _text(confidence)]
    values += [_text(v) for v in code.dfecs]
    values += [_text(v) for v in code.latent]
    for left, right in zip(code.aus.left, code.aus.right, strict=True):
        values += [_text(left), _text(right)]
    presence = code.aus.presence if len(code.aus.presence) else [math.nan] * len(code.aus.codes)
    values += [_text(v) for v in presence]
    return values


def _text(value: float) -> str:
    # As float32, as the messages carry it, so that live and replayed codes read the same.
    return f"{np.float32(value):.9g}"


class TableWriter:
    """Writes face codes to a CSV file that appears, whole, when the writer is closed without an error."""

    def __init__(self, path: Path, form: CodeForm) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._columns = columns(form)
        self.rows = 0

    def __enter__(self) -> TableWriter:
        self._file = self._part.open("w", newline="")
        self._csv = csv.writer(self._file)
        self._csv.writerow(self._columns)
        return self

    def write(self, index: int, stamp_ns: int, codes: Iterable[FaceCode]) -> None:
        """Adds the rows of one frame. Raises ValueError when the face codes have another form than the table."""
        for code in codes:
            values = row(index, stamp_ns, code)
            if len(values) != len(self._columns):
                raise ValueError(f"face code of {len(values)} columns in a table of {len(self._columns)}")
            self._csv.writerow(values)
            self.rows += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        if kind is None:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)
