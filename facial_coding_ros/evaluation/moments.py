# SPDX-License-Identifier: Apache-2.0
"""The moments in which a run was most wrong, and their pictures where somebody asks for them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..datasets.labelled import LEVELS
from ..image.sources import SourceError, open_source
from ..types import UNSURE
from .align import Aligned, region_of
from .runs import RunRecording

COUNT = 12
APART_S = 1.0
_SIDE_PX = 112


@dataclass(frozen=True)
class Moment:
    """error: 0..1. what: in words; au: the action unit it is about, 0 for an expression. row: of the recording's
    table. labels: what it was judged by."""

    labels: Aligned
    row: int
    error: float
    what: str
    au: int

    @property
    def recording(self) -> RunRecording:
        return self.labels.recording

    @property
    def person(self) -> str:
        return self.labels.labels.subject

    @property
    def frame(self) -> int:
        return int(self.recording.frame[self.recording.at[self.row]])

    @property
    def stamp_ns(self) -> int:
        return int(self.recording.stamp_ns[self.recording.at[self.row]])

    @property
    def seconds(self) -> float:
        return float(self.recording.seconds[self.recording.at[self.row]])


def worst_moments(aligned: Sequence[Aligned], count: int = COUNT) -> list[Moment]:
    """The largest errors first, at least APART_S apart in each recording and person."""
    every = sorted((moment for one in aligned for moment in _moments(one)), key=lambda moment: -moment.error)
    taken: list[Moment] = []
    for moment in every:
        near = any(
            other.recording is moment.recording
            and other.person == moment.person
            and abs(other.seconds - moment.seconds) < APART_S
            for other in taken
        )
        if not near and moment.error > 0:
            taken.append(moment)
        if len(taken) == count:
            break
    return taken


def _moments(one: Aligned) -> list[Moment]:
    """The worst thing about each label: a unit that is off, or a wrong expression."""
    seen = np.flatnonzero(one.row >= 0)
    errors = np.zeros(len(seen))
    words = np.full(len(seen), "", dtype=object)
    units = np.zeros(len(seen), int)
    rows = one.row[seen]
    for column, au in enumerate(one.labels.aus):
        if au not in one.recording.aus:
            continue
        said = one.recording.number(f"au{au:02d}")[rows]
        level = one.labels.intensity[seen, column] / LEVELS
        present = one.labels.present[seen, column]
        # Only coded as present: anything from 0.2 (A) on is right.
        below = np.where(present == 1, np.maximum(0.2 - said, 0), np.where(present == 0, np.maximum(said - 0.2, 0), 0))
        off = np.nan_to_num(np.where(np.isfinite(level), np.abs(level - said), below))
        for at in np.flatnonzero(off > errors):
            truth = f"{level[at]:.2f}" if np.isfinite(level[at]) else "there" if present[at] == 1 else "not there"
            errors[at], words[at], units[at] = off[at], f"AU{au} said {said[at]:.2f}, labelled {truth}", au
    labelled = one.labels.expression[seen]
    answer = one.recording.words("expression")[rows]
    stated = np.nan_to_num(one.recording.number("expression_confidence")[rows])
    # "unsure" is no answer, so no wrong one.
    wrong = np.where((labelled != "") & (answer != labelled) & (answer != UNSURE), stated, 0)
    for at in np.flatnonzero(wrong > errors):
        errors[at], words[at] = wrong[at], f"said {answer[at]} ({stated[at]:.0%}), labelled {labelled[at]}"
        units[at] = 0
    found = zip(rows, errors, words, units, strict=True)
    return [Moment(one, int(row), float(error), str(what), int(au)) for row, error, what, au in found]


def thumbnails(moments: Sequence[Moment]) -> dict[tuple[str, int], str]:
    """(recording's name, row) -> the face as a data URI; read from the recordings, where they still are."""
    pictures: dict[tuple[str, int], str] = {}
    for recording in {id(m.recording): m.recording for m in moments}.values():
        wanted = {m.frame: m.row for m in moments if m.recording is recording}
        source = str(recording.metadata.get("input", ""))
        if not source or not Path(source).exists():
            continue
        boxes = region_of(recording)
        try:
            for frame in open_source(source, str(recording.metadata.get("topic", ""))).frames(lambda _: None):
                if frame.index in wanted:
                    row = wanted.pop(frame.index)
                    pictures[recording.name, row] = _picture(frame.image, boxes[row])
                if not wanted:
                    break
        except SourceError:
            continue  # what the replay could read is gone now; the moment is listed without a picture
    return pictures


def _picture(image: np.ndarray, box: np.ndarray) -> str:
    height, width = image.shape[:2]
    margin = 0.15 * (box[2:] - box[:2])
    low = np.maximum((box[:2] - margin) * (width, height), 0).astype(int)
    high = np.ceil(np.minimum((box[2:] + margin) * (width, height), (width, height))).astype(int)
    crop = image[low[1] : max(high[1], low[1] + 1), low[0] : max(high[0], low[0] + 1)]
    scale = _SIDE_PX / max(crop.shape[:2])
    size = (max(round(crop.shape[1] * scale), 1), max(round(crop.shape[0] * scale), 1))
    small = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
    _, packed = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
    return "data:image/jpeg;base64," + base64.b64encode(packed.tobytes()).decode()
