# SPDX-License-Identifier: Apache-2.0
"""CK+: sequences from rest to a posed expression, with action units and the expression of the last frame.

<root>/cohn-kanade-images/S005/001/S005_001_00000011.png
<root>/FACS/S005/001/S005_001_00000011_facs.txt           lines "AU intensity", intensity 0: present, not scored
<root>/Emotion/S005/001/S005_001_00000011_emotion.txt     0 to 7, for a part of the sequences
<root>/Landmarks/S005/001/S005_001_00000011_landmarks.txt  68 lines "x y"
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .labelled import ImageFiles, LabelledSequence, rows_of_numbers, sequence
from .records import UNKNOWN, DatasetError

FPS = 30.0
EMOTIONS = ("neutral", "angry", "contempt", "disgusted", "scared", "happy", "sad", "surprised")


def read(root: Path) -> Iterator[LabelledSequence]:
    """Every sequence with FACS codes: its first frame, at rest, and its last one.

    Raises DatasetError for another layout.
    """
    codes = sorted((root / "FACS").glob("S[0-9]*/[0-9]*/*_facs.txt"))
    if not codes:
        raise DatasetError(
            f"No {root}/FACS/S005/001/S005_001_00000011_facs.txt or the like; {root} is expected to be CK+'s folder"
        )
    tables = {path: rows_of_numbers(path, 2, '"AU intensity"') for path in codes}
    aus = tuple(sorted({int(au) for table in tables.values() for au in table[:, 0]}))
    for path, table in tables.items():
        yield _sequence(root, path, table, aus)


def _sequence(root: Path, path: Path, table: np.ndarray, aus: tuple[int, ...]) -> LabelledSequence:
    subject, session = path.parts[-3:-1]
    last = _frame(path)
    images = {_frame(p): p for p in (root / "cohn-kanade-images" / subject / session).glob("*.png")}
    first = min([*images, 1])
    frames = [first, last] if last > first else [last]
    present = np.zeros((len(frames), len(aus)), np.int8)
    intensity = np.zeros((len(frames), len(aus)), np.float32)
    for au, level in table:
        present[-1, aus.index(int(au))] = 1
        # The release writes 0 where the coder gave no intensity.
        intensity[-1, aus.index(int(au))] = level if level > 0 else np.nan
    emotion = _emotion(root / "Emotion" / subject / session)
    at_rest = len(frames) > 1
    landmarks = [_landmarks(root, subject, session, frame) for frame in frames]
    return sequence(
        "ck_plus", subject, f"{subject}_{session}", frames, (np.array(frames) - first) / FPS, aus, present, intensity,
        expression=(["neutral"] if at_rest else []) + [emotion],
        neutral=([1] if at_rest else []) + [0 if len(table) else UNKNOWN],
        points=np.stack([p for p in landmarks if p is not None]) if all(p is not None for p in landmarks) else None,
        images=ImageFiles(images),
    )  # fmt: skip


def _frame(path: Path) -> int:
    number = path.stem.split("_")[2] if path.stem.count("_") >= 2 else ""
    if not number.isdigit():
        raise DatasetError(f"{path}: a name such as S005_001_00000011 is expected")
    return int(number)


def _emotion(folder: Path) -> str:
    for path in sorted(folder.glob("*_emotion.txt")):
        numbers = rows_of_numbers(path, 1, "a number from 0 to 7")[:, 0]
        if len(numbers) != 1 or numbers[0] not in range(len(EMOTIONS)):
            found = ", ".join(f"{number:g}" for number in numbers) or "nothing"
            raise DatasetError(f"{path}: {found}; one number from 0 to 7 is expected")
        return EMOTIONS[int(numbers[0])]
    return ""


def _landmarks(root: Path, subject: str, session: str, frame: int) -> np.ndarray | None:
    folder = root / "Landmarks" / subject / session
    path = folder / f"{subject}_{session}_{frame:08d}_landmarks.txt"
    if not path.is_file():
        return None
    points = rows_of_numbers(path, 2, '"x y"')
    if len(points) != 68:
        raise DatasetError(f"{path} holds {len(points)} points; 68 are expected")
    return points.astype(np.float32)
