# SPDX-License-Identifier: Apache-2.0
"""What a data set of labelled recordings holds, read from end to end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .records import UNKNOWN, DatasetError
from .registry import read_recordings, recognise
from .registry import recordings as recording_readers


@dataclass(frozen=True)
class Contents:
    """What a data set holds. coded: frames in which an action unit was coded, by unit, and in how many it was there."""

    kind: str
    people: int
    recordings: int
    frames: int
    images: int
    coded: dict[int, tuple[int, int]]
    expressions: dict[str, int]
    neutral: int
    points: int


def check(path: Path, kind: str = "") -> Contents:
    """Reads everything, and the first image of each recording. Raises DatasetError at the first thing that is wrong."""
    kind = kind or recognise(path, recording_readers())
    people: set[str] = set()
    recordings: set[str] = set()
    frames = images = neutral = points = 0
    coded: dict[int, tuple[int, int]] = {}
    expressions: dict[str, int] = {}
    for one in read_recordings(path, kind):
        people.add(one.subject)
        recordings.add(one.name)
        frames += len(one)
        images += len(one) > 0 and next(iter(one.images(one.frames[:1].tolist()))) is not None
        neutral += int((one.neutral == 1).sum())
        points += 0 if one.points is None else len(one.points)
        for column, au in enumerate(one.aus):
            known, there = coded.get(au, (0, 0))
            present = one.present[:, column]
            coded[au] = (known + int((present != UNKNOWN).sum()), there + int((present == 1).sum()))
        for label in one.expression[one.expression != ""]:
            expressions[str(label)] = expressions.get(str(label), 0) + 1
    if not frames:
        raise DatasetError(f"{path}: no labelled frame")
    return Contents(kind, len(people), len(recordings), frames, images, coded, expressions, neutral, points)
