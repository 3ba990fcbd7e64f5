# SPDX-License-Identifier: Apache-2.0
"""How well faces were found and kept apart: CLEAR MOT (Bernardin and Stiefelhagen 2008) against labelled people."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from .align import LEAST_OVERLAP, NO_FACE, NO_FRAME, Aligned, overlap, region_of


@dataclass(frozen=True)
class PersonTrack:
    """Of one person in one recording: labelled moments, of them without a face (missed), changes of the face_id
    (switches), and different ids."""

    labelled: int
    missed: int
    switches: int
    ids: int


@dataclass(frozen=True)
class TrackScore:
    """by_person: in the order of the aligned labels. false_faces: faces of labelled moments that belong to nobody
    labelled; None where the labels have no boxes, and it cannot be known.
    """

    by_person: tuple[PersonTrack, ...]
    false_faces: int | None


def track_score(people: Sequence[Aligned]) -> TrackScore:
    """Of the labels of all people of one recording.

    With boxes, people and faces are matched in each frame by overlap (at least half), a match of the frame before being
    kept; without, by the alignment.
    """
    recording = people[0].recording
    ids = recording.words("face_id")
    boxed = all(np.isfinite(one.labels.region).all() for one in people)
    if not boxed:
        return TrackScore(
            tuple(_track([ids[r] if r >= 0 else "" for r in one.row if r != NO_FRAME]) for one in people), None
        )
    boxes = region_of(recording)
    starts = np.searchsorted(recording.at, np.arange(len(recording.frame) + 1))
    moments: dict[int, list[tuple[int, int]]] = {}
    for who, one in enumerate(people):
        for place, at in enumerate(one.frame):
            if at != NO_FRAME:
                moments.setdefault(int(at), []).append((who, place))
    seen: list[list[str]] = [[] for _ in people]
    last: dict[int, str] = {}
    false_faces = 0
    for at in sorted(moments):
        there = moments[at]
        rows = np.arange(starts[at], starts[at + 1])
        truth = np.stack([people[who].labels.region[place] for who, place in there])
        gain = np.where((shared := overlap(truth, boxes[rows])) >= LEAST_OVERLAP, shared, -1e3)
        for line, (who, _) in enumerate(there):
            kept = np.flatnonzero((ids[rows] == last.get(who, "")) & (gain[line] > 0))
            gain[line, kept] += 10  # a match of the frame before stays
        matched = {line: rows[c] for line, c in zip(*linear_sum_assignment(-gain), strict=True) if gain[line, c] > 0}
        false_faces += len(rows) - len(matched)
        for line, (who, _) in enumerate(there):
            face = str(ids[matched[line]]) if line in matched else ""
            seen[who].append(face)
            if face:
                last[who] = face
    return TrackScore(tuple(_track(one) for one in seen), false_faces)


def _track(faces: Sequence[str]) -> PersonTrack:
    found = [face for face in faces if face]
    switches = sum(a != b for a, b in itertools.pairwise(found))
    return PersonTrack(len(faces), len(faces) - len(found), switches, len(set(found)))


def coverage(one: Aligned) -> tuple[int, int, int]:
    """Labelled moments that have a face, that have a frame but no face, and that have no frame."""
    return int((one.row >= 0).sum()), int((one.row == NO_FACE).sum()), int((one.row == NO_FRAME).sum())
