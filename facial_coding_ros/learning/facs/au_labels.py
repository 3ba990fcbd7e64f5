# SPDX-License-Identifier: Apache-2.0
"""Coded action units of a recording beside the face codes of a replay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ...datasets.coded_frames import CodedFrames, read_columns
from ...datasets.records import DatasetError
from ...datasets.registry import coded_recordings, recognise
from ...types import FloatArray


class FacsLabelError(ValueError):
    """Labels or codes that cannot be read; the text says which, what was found and what was expected."""


def read_labels(path: Path, first_frame: int | None = None) -> CodedFrames:
    """Labels of one recording, its frames counted from 0 as replay does. Raises FacsLabelError.

    first_frame: number of the recording's first frame in the labels, where it differs from the data set's own.
    """
    readers = coded_recordings()
    try:
        labels = readers[recognise(path, readers)].read(path)
    except (OSError, DatasetError) as error:
        raise FacsLabelError(str(error)) from error
    first = labels.first_frame if first_frame is None else first_frame
    return replace(labels, frames=labels.frames - first, first_frame=0)


def matched(labels: CodedFrames, codes_csv: Path, person: str = "") -> tuple[FloatArray, FloatArray, tuple[int, ...]]:
    """Truth and estimate (n, units) of the frames that both have, and the units' codes. Raises FacsLabelError.

    codes_csv: face_codes.csv of replay; several faces in it need `person`.
    """
    try:
        frames, named = read_columns(codes_csv, person)
    except DatasetError as error:
        raise FacsLabelError(str(error)) from None
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
