# SPDX-License-Identifier: Apache-2.0
"""DISFA: the 66 landmarks of its release, as keypoint motions.

    <root>/Landmark_Points/SN001/tmp_frame_lm/SN001_0000_lm.mat    from 0, or l00001_lm.mat from 1; `pts` (66, 2)
    <root>/Error_LOG_Sheet.csv                                     lines "subject,start,end", frames from 1

Neutral: frame 3741 of every subject; SN004 and SN016 are left out (arXiv 2406.09017).
"""

from __future__ import annotations

import csv
import re
import zlib
from pathlib import Path

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from ..types import FloatArray
from .landmark_files import motions_of_points
from .motions import MotionError, Motions, joined
from .records import text_of

NEUTRAL_FRAME = 3741
LEFT_OUT = ("SN004", "SN016")
FPS = 20.0
_FROM_ZERO, _FROM_ONE = re.compile(r"SN\d+_(\d+)_lm\.mat"), re.compile(r"l(\d+)_lm\.mat")


def read_motions(root: Path, neutral_frame: int = NEUTRAL_FRAME) -> Motions:
    """All frames with landmarks but those of the error log, against the neutral frame of the subject.

    Raises MotionError when the folder is not DISFA's, a subject has no neutral frame, or a file is of another form.
    """
    faulty = _faulty_frames(root)
    sets = []
    for folder in sorted((root / "Landmark_Points").glob("SN[0-9][0-9][0-9]")):
        subject = folder.name
        if subject in LEFT_OUT:
            continue
        files = _frames(folder / "tmp_frame_lm")
        if neutral_frame not in files:
            raise MotionError(
                f"{folder}: there is no landmark file of frame {neutral_frame}, the neutral; the folder has "
                f"{len(files)} frames"
            )
        rest = _points(files[neutral_frame])
        kept = [f for f in sorted(files) if f != neutral_frame and f not in faulty.get(subject, set())]
        if kept:
            points = np.stack([_points(files[f]) for f in kept])
            times = (np.array(kept) - 1) / FPS
            sets.append(motions_of_points(points, rest[None], subject, "DISFA", "disfa66", times))
    if not sets:
        raise MotionError(f"No {root}/Landmark_Points/SN001 with landmarks; {root} is expected to be DISFA's folder")
    return joined(sets)


def _frames(folder: Path) -> dict[int, Path]:
    """Files by frame, counted from 1."""
    found = {}
    for path in folder.glob("*_lm.mat"):
        if match := _FROM_ZERO.fullmatch(path.name):
            found[int(match[1]) + 1] = path
        elif match := _FROM_ONE.fullmatch(path.name):
            found[int(match[1])] = path
    return found


def _points(path: Path) -> FloatArray:
    try:
        points = np.asarray(loadmat(path)["pts"], np.float32)
    except (KeyError, IndexError, ValueError, OSError, NotImplementedError, MatReadError, zlib.error) as error:
        raise MotionError(f"{path} cannot be read: {error}; a MATLAB file with pts (66, 2) is expected") from None
    if points.shape != (66, 2):
        raise MotionError(f"{path}: pts has shape {points.shape}; (66, 2) is expected")
    return points


def _faulty_frames(root: Path) -> dict[str, set[int]]:
    path = root / "Error_LOG_Sheet.csv"
    if not path.is_file():
        if (root / "Error_LOG_Sheet.xls").is_file():
            raise MotionError(f"{root}/Error_LOG_Sheet.xls: save it as {path.name}, lines subject,start,end, beside it")
        return {}
    faulty: dict[str, set[int]] = {}
    for row in csv.reader(text_of(path).splitlines()):
        cells = [cell.strip() for cell in row if cell.strip()]
        if not cells or not re.fullmatch(r"SN\d{3}", cells[0]):
            continue
        try:
            numbers = [int(float(cell)) for cell in cells[1:]]
            ranges = zip(numbers[::2], numbers[1::2], strict=True)
        except ValueError:
            raise MotionError(f"{path}: {','.join(row)}; subject,start,end is expected") from None
        for start, end in ranges:
            faulty.setdefault(cells[0], set()).update(range(start, end + 1))
    return faulty
