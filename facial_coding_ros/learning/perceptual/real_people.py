# SPDX-License-Identifier: Apache-2.0
"""Faces of real people beside their own neutral: labelled stills of people of whom there are several pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...coding.expression.labels import EXPRESSION_LABELS
from ...datasets.expression_set import ExpressionSet, Split, centred_and_scaled, lower_lids
from ...keypoints import SCHEMES
from ...types import FloatArray
from ..expression.appearance_training import FOLDS, KEPT_ASIDE
from ..expression.face_features import FaceReader
from ..expression.head_training import folds_of
from ..expression.stills import read_stills
from ..expression.views import ViewSet, still_views, undisturbed_stills
from ..motions.rendered import joined
from .triplets import Triplets, artificial_triplets

DEGREE = 4
"""Of every expression: how strong one is, stills do not say."""
MOST = 1000
"""Faces of a label that are learnt from: of neutral and happy pictures there are thousands."""
TOLD, TRIPLETS = 5, (8000, 1000)
"""Labels that triplets of real people are of, and how many triplets there are for training and validation."""
VALIDATION = 0
"""The fold of the people on whom weights are chosen and probabilities calibrated."""


def read_views(stills: Path, work: Path, say: Callable[[str], None]) -> ViewSet:
    """Undisturbed stills, from `work`, the folder of `facial_coding train expression`; what is not there is read.

    Raises UserError, or OSError when the folder cannot be written.
    """
    labelled = read_stills(stills)
    try:
        return undisturbed_stills(labelled, work)
    except FileNotFoundError:
        pass
    work.mkdir(parents=True, exist_ok=True)
    reader = FaceReader()
    try:
        views = still_views(labelled, reader, work, say)
    finally:
        reader.close()
    return views.where(views.which == 0)


def real_set(
    views: ViewSet,
    seed: int = 0,
    classes: tuple[str, ...] = EXPRESSION_LABELS,
    most: int | None = None,
    keypoints: str = "68",
) -> ExpressionSet:
    """Faces of people with a neutral of their own, of undisturbed stills.

    Half of a person's neutral pictures make the neutral, the others are faces. classes: the first of
    EXPRESSION_LABELS; others are left out. most: faces of a class. Raises ValueError when nobody has two pictures.
    """
    rng = np.random.default_rng(seed)
    scheme = SCHEMES[keypoints]
    points = scheme.from_mesh(views.rows.points.astype(np.float32).reshape(len(views.rows), -1, 3))
    points = centred_and_scaled(points, lower_lids(points, scheme))
    neutrals: list[FloatArray] = []
    faces: list[int] = []
    person: list[int] = []
    for name in np.unique(views.person):
        own = np.flatnonzero(views.person == name)
        resting = rng.permutation(own[views.label[own] == 0])
        reference = resting[: (len(resting) + 1) // 2]
        others = [row for row in own if row not in set(reference.tolist()) and views.label[row] < len(classes)]
        if not len(reference) or not others:
            continue
        faces += others
        person += [len(neutrals)] * len(others)
        neutrals.append(points[reference].mean(0))
    if not faces:
        raise ValueError("the stills hold nobody with a neutral picture and another one; labels.csv names the person")
    rows, owner = np.array(faces), np.array(person)
    label = views.label[rows]
    kept = np.concatenate([rng.permutation(np.flatnonzero(label == number))[:most] for number in range(len(classes))])
    return ExpressionSet(
        name="stills",
        keypoints=keypoints,
        points=points[rows[kept]],
        neutrals=np.stack(neutrals).astype(np.float32),
        person=owner[kept],
        ids=tuple(str(views.picture[row]) for row in rows[kept]),
        label=label[kept],
        degree=np.where(label[kept] > 0, DEGREE, 0),
        classes=classes,
    )


def live_people(views: ViewSet, keypoints: str = "68", seed: int = 0) -> Split:
    """Real people for the robot's model; test: those whom `train expression` keeps aside too, all their faces.

    Raises ValueError when a part would hold nobody.
    """
    fold = folds_of(views.person.tolist(), FOLDS, KEPT_ASIDE, seed)
    parts: tuple[tuple[NDArray[np.bool_], int | None], ...] = (
        (fold > VALIDATION, MOST), (fold == VALIDATION, MOST), (fold < 0, None),
    )  # fmt: skip
    return Split(*(real_set(views.where(rows), seed, most=most, keypoints=keypoints) for rows, most in parts))


def with_people(made: Split, people: Split) -> Split:
    """Real people beside made ones in training and validation; test: made faces only."""
    return Split(
        joined("live-training", made.training, people.training),
        joined("live-validation", made.validation, people.validation),
        made.test,
    )


def triplets_with_people(
    made: Split, of_made: Sequence[Triplets], people: Split, seed: int = 0
) -> tuple[Triplets, Triplets, Triplets]:
    """Triplets of `with_people`'s parts: those of made faces, then artificial ones of real people among themselves.

    Of the latter the labels are noisy, and only those of the first TOLD labels, of which there are enough. The test's
    are of made faces.
    """
    both = []
    for number, count in enumerate(TRIPLETS):
        real = people[number]
        enough = np.flatnonzero(np.bincount(real.label, minlength=TOLD)[:TOLD] > 1)
        rows = np.flatnonzero(np.isin(real.label, enough))
        label = np.searchsorted(enough, real.label[rows])
        few = replace(real.chosen(rows), classes=tuple(real.classes[i] for i in enough), label=label)
        own = artificial_triplets(few, max(count, len(few)), 3 * seed + number)
        faces = np.concatenate([of_made[number].faces, rows[own.faces] + len(made[number])])
        both.append(Triplets(faces, np.concatenate([of_made[number].weight, own.weight])))
    return both[0], both[1], of_made[2]
