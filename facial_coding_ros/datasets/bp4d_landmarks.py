# SPDX-License-Identifier: Apache-2.0
"""BP4D-Spontaneous: the 49 two-dimensional landmarks of its release, as keypoint motions.

    <root>/2DFeatures/F001_T1.mat           HDF5 (MATLAB 7.3) or older: fit.pred, a 49 x 2 array for each frame, from 1
    <root>/AUCoding/AU_OCC/F001_T1.csv      occurrence of action units; says which frames are neutral

There are no jaw points: they become what the ICT model expects of the other points, so jaw motion is a guess here.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from ..types import FloatArray
from .bp4d import FPS
from .landmark_files import motions_of_points
from .motions import MotionError, Motions, joined

POINTS = 49


def read_motions(root: Path) -> Motions:
    """All frames with landmarks against the subject's neutral: the middle of its longest run of frames with the least
    action units (arXiv 2406.09017).

    Raises MotionError when the folder is not BP4D's, or for a file of another form.
    """
    files = sorted((root / "2DFeatures").glob("[FM][0-9][0-9][0-9]_T[0-9]*.mat"))
    if not files:
        raise MotionError(f"No {root}/2DFeatures/F001_T1.mat or the like; {root} is expected to be BP4D's folder")
    subjects: dict[str, list[Path]] = {}
    for file in files:
        subjects.setdefault(file.stem.split("_")[0], []).append(file)
    sets = []
    for subject, own in subjects.items():
        points = {file.stem: _points(file) for file in own}
        task, frame = _neutral(root, subject, points)
        rest = points[task][frame - 1]
        start = 0.0
        for found in points.values():
            seen = np.isfinite(found).all((1, 2)) & found.any((1, 2))
            times = start + np.arange(len(found)) / FPS
            start = float(times[-1]) + 1 / FPS if len(times) else start
            if seen.any():
                sets.append(
                    motions_of_points(found[seen], rest[None], subject, "BP4D (jaw guessed)", "bp4d49", times[seen])
                )
    return joined(sets)


def _neutral(root: Path, subject: str, points: dict[str, FloatArray]) -> tuple[str, int]:
    """Task and frame (from 1) of the neutral."""
    best: tuple[float, int, str, int] | None = None
    for task, found in points.items():
        path = root / "AUCoding" / "AU_OCC" / f"{task}.csv"
        if not path.is_file():
            continue
        frames, total = _au_sum(path)
        usable = np.array([1 <= f <= len(found) and bool(np.isfinite(found[f - 1]).all()) for f in frames])
        for start, end in _runs(frames, np.where(usable, total, np.inf)):
            candidate = (float(total[start]), -(end - start), task, int(frames[(start + end - 1) // 2]))
            best = candidate if best is None else min(best, candidate)
    if best is None:
        raise MotionError(f"{root}/AUCoding/AU_OCC has no coding of {subject}; it says which frames are neutral")
    return best[2], best[3]


def _runs(frames: np.ndarray, total: np.ndarray) -> list[tuple[int, int]]:
    """Stretches (start, end) of rows with consecutive frames and the least sum of the task."""
    if not np.isfinite(total).any():
        return []
    least = np.flatnonzero(total == total.min())
    breaks = np.flatnonzero((np.diff(least) != 1) | (np.diff(frames[least]) != 1)) + 1
    return [(int(run[0]), int(run[-1]) + 1) for run in np.split(least, breaks)]


def _au_sum(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Frames and the action units in each; infinite where none is coded."""
    try:
        table = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2, encoding="latin-1")
    except ValueError as error:
        raise MotionError(f"{path}: {error}; a header and rows of numbers are expected") from None
    # Of a frame without any code (9 is none) nothing says that its face is at rest.
    coded = np.isin(table[:, 1:], (0, 1)).any(1)
    return table[:, 0].astype(int), np.where(coded, (table[:, 1:] == 1).sum(1), np.inf)


def _points(path: Path) -> FloatArray:
    """(frames, 49, 2), NaN where a frame has none."""
    with path.open("rb") as file:
        head = file.read(128)
    # MATLAB 7.3 files are HDF5; their first line says so.
    is_hdf5 = b"MATLAB 7.3" in head or head.startswith(b"\x89HDF")
    cells = _hdf5_cells(path) if is_hdf5 else _matlab_cells(path)
    out = np.full((len(cells), POINTS, 2), np.nan, np.float32)
    for i, cell in enumerate(cells):
        if cell.shape == (2, POINTS):
            cell = cell.T
        if cell.shape == (POINTS, 2):
            # MATLAB counts pixels from 1.
            out[i] = cell - 1
        elif cell.size > 2:
            raise MotionError(f"{path}, frame {i + 1}: {cell.shape} points; (49, 2) is expected")
    return out


def _matlab_cells(path: Path) -> list[np.ndarray]:
    try:
        fit = loadmat(path, squeeze_me=False)["fit"]
        # A struct of one element: its field is the array of cells.
        return [np.asarray(cell, np.float64) for cell in fit["pred"].ravel()[0].ravel()]
    except (KeyError, IndexError, TypeError, ValueError, OSError, MatReadError, zlib.error) as error:
        raise MotionError(f"{path} cannot be read: {error}; fit.pred with 49 x 2 points a frame is expected") from None


def _hdf5_cells(path: Path) -> list[np.ndarray]:
    try:
        import h5py
    except ImportError:
        raise MotionError(f"{path} is HDF5 (MATLAB 7.3): install h5py to read it") from None
    try:
        with h5py.File(path) as file:
            return [np.asarray(file[cell], np.float64) for cell in np.asarray(file["fit/pred"]).ravel()]
    except (KeyError, TypeError, ValueError, OSError, RuntimeError) as error:
        raise MotionError(f"{path} cannot be read: {error}; fit/pred with 49 x 2 points a frame is expected") from None
