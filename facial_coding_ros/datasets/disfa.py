# SPDX-License-Identifier: Apache-2.0
"""DISFA: the left camera's videos and the intensities of action units.

    <root>/Videos_LeftCamera/LeftVideoSN001_comp.avi
    <root>/ActionUnit_Labels/SN001/SN001_au1.txt      lines "frame,intensity", frames from 1, intensities 0 to 5

An action unit is present from intensity 2 on, as in the published comparisons.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..types import ImageArray
from .labelled import LabelledSequence, sequence
from .records import AuSequence, DatasetError, text_of

FPS = 20.0
PRESENT_FROM = 2
ALL_AUS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)

FOLDS: tuple[tuple[str, ...], ...] = tuple(
    tuple(line.split())
    for line in (
        "SN001 SN002 SN009 SN010 SN016 SN026 SN027 SN030 SN032",
        "SN006 SN011 SN012 SN013 SN018 SN021 SN024 SN028 SN031",
        "SN003 SN004 SN005 SN007 SN008 SN017 SN023 SN025 SN029",
    )
)
"""The subjects of the three published folds, in JAA-Net's order; ME-GraphAU tests on the same three, last one first."""


def read_sequences(root: Path | str, aus: Sequence[int]) -> Iterator[AuSequence]:
    """The recordings in order of subject, with the occurrence of `aus`.

    Raises DatasetError when the folder has no labels, and for a label file of another form.
    """
    root = Path(root)
    folders = sorted(folder for folder in (root / "ActionUnit_Labels").glob("SN[0-9][0-9][0-9]") if folder.is_dir())
    if not folders:
        raise DatasetError(f"No {root}/ActionUnit_Labels/SN001 or the like; {root} is expected to be DISFA's folder.")
    for folder in folders:
        subject = folder.name
        frames, intensity = read_intensities(folder, aus)
        present = (intensity >= PRESENT_FROM).astype(np.int8)
        video = root / "Videos_LeftCamera" / f"LeftVideo{subject}_comp.avi"
        yield AuSequence("disfa", subject, subject, frames, tuple(aus), present, FPS, _Video(video))


def read_recordings(root: Path) -> Iterator[LabelledSequence]:
    """The recordings with the intensities of all coded action units. Raises DatasetError."""
    for units in read_sequences(root, ALL_AUS):
        _, intensity = read_intensities(root / "ActionUnit_Labels" / units.subject, ALL_AUS)
        yield sequence(
            "disfa", units.subject, units.name, units.frames, (units.frames - 1) / FPS, units.aus,
            units.present, intensity.astype(np.float32), images=units.images,
        )  # fmt: skip


def read_intensities(folder: Path, aus: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Frames (n,) and intensities (n, len(aus)), 0 to 5, of one subject's label folder."""
    columns = []
    frames: NDArray[np.int64] | None = None
    for au in aus:
        path = folder / f"{folder.name}_au{au}.txt"
        if not path.is_file():
            there = sorted(p.stem.rsplit("au", 1)[-1] for p in folder.glob("*_au*.txt"))
            raise DatasetError(f"No {path}; the folder has AU {', '.join(there) or 'nothing'}.")
        table = _read_table(path)
        if frames is not None and not np.array_equal(frames, table[:, 0]):
            raise DatasetError(f"{path} labels other frames than the subject's other files ({len(table)} lines).")
        frames = table[:, 0]
        columns.append(table[:, 1])
    if frames is None:
        raise DatasetError("No action units were asked for.")
    return frames, np.stack(columns, 1).astype(np.int8)


def _read_table(path: Path) -> NDArray[np.int64]:
    rows = []
    last = 0
    for number, line in enumerate(text_of(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            frame, intensity = (int(cell) for cell in line.split(","))
            if not 0 <= intensity <= 5:
                raise ValueError
        except ValueError:
            raise DatasetError(f"{path}, line {number}: {line!r}; frame,intensity with 0 to 5 is expected.") from None
        if frame <= last:
            raise DatasetError(
                f"{path}, line {number}: frame {frame} after {last}; frames from 1 on that rise are expected."
            )
        last = frame
        rows.append((frame, intensity))
    return np.array(rows, np.int64).reshape(-1, 2)


class _Video:
    """Images of a video by frame number from 1, read front to back."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, frames: Sequence[int]) -> Iterator[ImageArray | None]:
        capture = cv2.VideoCapture(str(self.path)) if self.path.is_file() else None
        position = 0
        try:
            for frame in frames:
                image = None
                while capture is not None and position < frame:
                    position += 1
                    if position < frame:
                        if not capture.grab():
                            capture = self._ended(capture)
                        continue
                    read, image = capture.read()
                    if not read:
                        capture = self._ended(capture)
                        image = None
                yield None if image is None else np.asarray(image[:, :, ::-1], np.uint8)
        finally:
            if capture is not None:
                capture.release()

    @staticmethod
    def _ended(capture: cv2.VideoCapture) -> None:
        capture.release()
