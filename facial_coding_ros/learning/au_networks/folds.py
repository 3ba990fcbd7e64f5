# SPDX-License-Identifier: Apache-2.0
"""Who is trained on and who is tested on: folds of subjects, the published ones where there are."""

from __future__ import annotations

from ...datasets.records import DatasetError
from ...datasets.registry import find
from .prepared import PreparedFaces

COUNT = 3


def folds_of(faces: PreparedFaces) -> tuple[tuple[str, ...], ...]:
    """Three folds of the subjects that are there: the published ones for BP4D and DISFA, else each third subject.

    Raises DatasetError when a subject belongs to no published fold, or a fold is empty.
    """
    subjects = sorted(set(faces.subjects.tolist()))
    dataset = find(faces.dataset)
    published = dataset.folds if dataset else ()
    if not published:
        folds = tuple(tuple(subjects[start::COUNT]) for start in range(COUNT))
    else:
        folds = tuple(tuple(subject for subject in fold if subject in subjects) for fold in published)
        strangers = sorted(set(subjects) - {subject for fold in published for subject in fold})
        if strangers:
            raise DatasetError(
                f"{faces.root}: {', '.join(strangers)} are in none of {faces.dataset}'s published folds."
            )
    if not all(folds):
        raise DatasetError(f"{faces.root}: its {len(subjects)} subjects do not fill three folds: {folds}.")
    return folds


def split(faces: PreparedFaces, fold: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Subjects to train on and to test on; fold 1, 2 or 3 is tested. Raises DatasetError."""
    folds = folds_of(faces)
    if not 1 <= fold <= COUNT:
        raise DatasetError(f"Fold {fold}; there are 1 to {COUNT}.")
    tested = folds[fold - 1]
    return tuple(subject for other in folds if other is not tested for subject in other), tested
