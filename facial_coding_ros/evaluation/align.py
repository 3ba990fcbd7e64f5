# SPDX-License-Identifier: Apache-2.0
"""Which frame and which face a label is about: by stamp, within a tolerance, whatever the two frame rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..datasets.labelled import LabelledSequence
from ..types import FloatArray
from .runs import RunRecording

TOLERANCE_S = 0.025
LEAST_OVERLAP = 0.5
NO_FRAME, NO_FACE = -2, -1


class LabelError(ValueError):
    """Labels that do not belong to a recording; the text says why and what was expected."""


@dataclass(frozen=True)
class Aligned:
    """A person's labels beside what was said about the same moments.

    row: (n,) row of the recording's table, NO_FACE, or NO_FRAME where no frame is within the tolerance. frame: (n,)
    place of the frame, NO_FRAME.
    """

    labels: LabelledSequence
    recording: RunRecording
    frame: NDArray[np.int64]
    row: NDArray[np.int64]


def pair(
    labels: Sequence[LabelledSequence], run: Sequence[RunRecording]
) -> list[tuple[LabelledSequence, RunRecording]]:
    """Labels with their recordings, by name. Raises LabelError when none fits any.

    A name fits when it is the recording's, its file's or a part of it (SN001 of LeftVideoSN001_comp.avi); one recording
    in both needs no name.
    """
    pairs = []
    alone = len(run) == 1 and len({one.name for one in labels}) == 1
    for one in labels:
        fitting = [recording for recording in run if alone or _fits(one.name, recording.name)]
        exact = [
            recording for recording in fitting if Path(recording.name).stem == one.name or recording.name == one.name
        ]
        chosen = exact or fitting
        if len(chosen) > 1:
            names = ", ".join(recording.name for recording in chosen)
            raise LabelError(
                f"labels of {one.name} fit several recordings: {names}; name one in the column `recording`"
            )
        pairs += [(one, recording) for recording in chosen]
    if not pairs:
        labelled = _first(sorted({one.name for one in labels}))
        there = _first([recording.name for recording in run])
        raise LabelError(f"labels are of {labelled or 'nothing'}; the run has {there}: no name fits another")
    return pairs


def left_out(labels: Sequence[LabelledSequence], run: Sequence[RunRecording]) -> str:
    """In words, whose labels found no recording, and which there are; "" for none."""
    counts: dict[str, int] = {}
    for one in labels:
        counts[one.name] = counts.get(one.name, 0) + len(one)
    if not counts:
        return ""
    there = _first([recording.name for recording in run])
    return f"{sum(counts.values())} labels of {_first(list(counts))} are left out: the run has {there}"


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def _fits(name: str, recording: str) -> bool:
    stem = Path(recording).stem
    return name in (recording, stem) or Path(name).stem == stem or (len(name) > 2 and name in stem)


def places(labels: LabelledSequence, recording: RunRecording, tolerance_s: float = TOLERANCE_S) -> NDArray[np.int64]:
    """(n,) the recording's frame nearest in time, NO_FRAME where none is near enough; labels without times go by the
    frame's number.

    Raises LabelError when the labels are of another time than the recording.
    """
    if np.isnan(labels.seconds).any():
        at = np.searchsorted(recording.frame, labels.frames).clip(0, len(recording.frame) - 1)
        found = np.where(recording.frame[at] == labels.frames, at, NO_FRAME)
        span, what = (labels.frames.min(), labels.frames.max()), "frame {} to {}"
        there: tuple[object, object] = (recording.frame[0], recording.frame[-1])
    else:
        times = recording.stamp_ns / 1e9 if labels.absolute else recording.seconds
        # Seconds count from the recording's own beginning, also when only a part of it was replayed.
        begin = float((recording.metadata.get("range_s") or [0.0])[0] or 0.0)
        times = times if labels.absolute else times + begin
        found = nearest(times, labels.seconds, tolerance_s)
        span, what = (labels.seconds.min(), labels.seconds.max()), "{:.2f} to {:.2f} s"
        there = (times[0], times[-1])
    if (found == NO_FRAME).all():
        raise LabelError(
            f"labels of {labels.name} ({labels.subject}) are of {what.format(*span)}, recording {recording.name} of "
            f"{what.format(*there)}: labels of another recording?"
        )
    return found


def nearest(times: ArrayLike, wanted: ArrayLike, tolerance_s: float) -> NDArray[np.int64]:
    """Place of the nearest of `times` (rising) for each wanted time; NO_FRAME beyond the tolerance."""
    times, wanted = np.asarray(times, np.float64), np.asarray(wanted, np.float64)
    after = np.searchsorted(times, wanted).clip(0, len(times) - 1)
    before = (after - 1).clip(0)
    closest = np.where(np.abs(times[before] - wanted) <= np.abs(times[after] - wanted), before, after)
    # A stamp of 1.7e9 s is exact to 2e-7 s.
    return np.where(np.abs(times[closest] - wanted) <= tolerance_s + 1e-6, closest, NO_FRAME).astype(np.int64)


def align(labels: LabelledSequence, recording: RunRecording, tolerance_s: float = TOLERANCE_S) -> Aligned:
    """The face each label is about: the one at the labelled box where there is one; the one of that person_id or
    face_id; else the face that is largest over the whole recording. Raises LabelError."""
    frame = places(labels, recording, tolerance_s)
    ids, people = recording.words("face_id"), recording.words("person_id")
    starts = np.searchsorted(recording.at, np.arange(len(recording.frame) + 1))
    named = (ids == labels.subject) | (people == labels.subject)
    boxes = region_of(recording)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    total = {face: float(area[ids == face].sum()) for face in np.unique(ids)}
    row = np.full(len(labels), NO_FRAME, np.int64)
    for place, at in enumerate(frame):
        if at == NO_FRAME:
            continue
        rows = np.arange(starts[at], starts[at + 1])
        row[place] = NO_FACE
        if not len(rows):
            continue
        if np.isfinite(labels.region[place]).all():
            overlaps = overlap(boxes[rows], labels.region[place][None])[:, 0]
            if overlaps.max() >= LEAST_OVERLAP:
                row[place] = rows[int(overlaps.argmax())]
        elif named.any():
            if named[rows].any():
                row[place] = rows[int(named[rows].argmax())]
        else:
            row[place] = max(rows, key=lambda r: (total[ids[r]], area[r]))
    return Aligned(labels, recording, frame, row)


def region_of(recording: RunRecording) -> FloatArray:
    """(R, 4) boxes, 0..1."""
    names = ("roi_xmin", "roi_ymin", "roi_xmax", "roi_ymax")
    return np.stack([recording.number(name) for name in names], 1).astype(np.float32)


def overlap(a: FloatArray, b: FloatArray) -> FloatArray:
    """Intersection over union (len(a), len(b)) of boxes (n, 4)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inside = np.prod(np.maximum(high - low, 0), axis=2)
    size_a, size_b = (np.prod(x[:, 2:] - x[:, :2], axis=1) for x in (a, b))
    return (inside / np.maximum(size_a[:, None] + size_b[None] - inside, 1e-12)).astype(np.float32)
