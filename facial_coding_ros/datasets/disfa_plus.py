# SPDX-License-Identifier: Apache-2.0
"""DISFA+: posed and spontaneous action units as images, with intensities.

<root>/Images/SN001/<trial>/000.jpg
<root>/Labels/SN001/<trial>/AU1.txt        also SN001/SN001/<trial>; lines "000.jpg 0", intensities 0 to 5
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .labelled import ImageFiles, LabelledSequence, presence, sequence
from .records import DatasetError, text_of

FPS = 20.0
PRESENT_FROM = 2.0
_UNIT = re.compile(r"AU(\d+)\.txt", re.IGNORECASE)


def read(root: Path) -> Iterator[LabelledSequence]:
    """Every trial, in order of subject. Raises DatasetError for another layout."""
    subjects = sorted(folder for folder in (root / "Labels").glob("SN[0-9]*") if folder.is_dir())
    if not subjects:
        raise DatasetError(f"No {root}/Labels/SN001 or the like; {root} is expected to be DISFA+'s folder")
    for folder in subjects:
        subject = folder.name
        inner = folder / subject
        for trial in sorted(t for t in (inner if inner.is_dir() else folder).iterdir() if t.is_dir()):
            yield _trial(root, subject, trial)


def _trial(root: Path, subject: str, trial: Path) -> LabelledSequence:
    files = {int(match[1]): path for path in trial.iterdir() if (match := _UNIT.fullmatch(path.name))}
    if not files:
        raise DatasetError(f"{trial} has no AU1.txt or the like")
    names: list[str] | None = None
    columns = []
    for au in sorted(files):
        rows = [_row(files[au], number, line) for number, line in _lines(files[au])]
        if names is not None and [name for name, _ in rows] != names:
            raise DatasetError(f"{files[au]} labels other images than the trial's other files ({len(rows)} lines)")
        names = [name for name, _ in rows]
        columns.append([value for _, value in rows])
    frames = [int(Path(name).stem) for name in names or []]
    intensity = np.array(columns, np.float32).T
    order = np.argsort(frames)
    pictures = {
        frame: root / "Images" / subject / trial.name / name for frame, name in zip(frames, names or (), strict=True)
    }
    rising = np.array(frames, np.int64)[order]
    return sequence(
        "disfa_plus", subject, f"{subject}_{trial.name}", rising, (rising - rising[:1]) / FPS, sorted(files),
        presence(intensity[order], PRESENT_FROM), intensity[order], images=ImageFiles(pictures),
    )  # fmt: skip


def _lines(path: Path) -> list[tuple[int, str]]:
    text = text_of(path).splitlines()
    return [(number, line) for number, line in enumerate(text, start=1) if line.strip()]


def _row(path: Path, number: int, line: str) -> tuple[str, float]:
    try:
        name, value = line.split()
        if not Path(name).stem.isdigit() or not 0 <= int(value) <= 5:
            raise ValueError
    except ValueError:
        raise DatasetError(f'{path}, line {number}: {line!r}; "000.jpg 0" with 0 to 5 is expected') from None
    return name, float(value)
