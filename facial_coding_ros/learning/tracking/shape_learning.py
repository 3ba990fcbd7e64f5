# SPDX-License-Identifier: Apache-2.0
"""Which proportions of a face say who it is: learnt from people seen through the tracker, and judged on others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from ...tracking.shape import DIRECTIONS, DISTANCE_PER_DEGREE, NO_TURN_DEG
from ...types import FloatArray

MAIN_DIRECTIONS = 300
"""Of all views: what is beyond them is noise of single points."""
RIDGE = 1e-4
OWN_VIEWS = 0.97
"""Share of a person's views that are to lie within 1 of the mean of the others."""


@dataclass(frozen=True)
class ShapeViews:
    """Frontal meshes (n, 1404) in the axes and size of the mean face, yaw and pitch (n, 2) in degrees, and whose they
    are, (n,)."""

    points: FloatArray
    angles_deg: FloatArray
    person: NDArray[np.int64]

    def of(self, people: NDArray[np.int64]) -> ShapeViews:
        rows = np.isin(self.person, people)
        return ShapeViews(self.points[rows], self.angles_deg[rows], self.person[rows])


def fit_shape(views: ShapeViews) -> tuple[FloatArray, FloatArray]:
    """mean (1404,) and directions (1404, DIRECTIONS) of models/shape.

    Fisher's linear discriminants (Annals of Eugenics 7, 1936) of people, within the main directions of all views; one
    scale, so that OWN_VIEWS of a person's views lie within 1 of the mean of the others.
    """
    mean = views.points.mean(0)
    centred = (views.points - mean).astype(np.float64)
    # Fewer where few views could not say how each direction varies.
    main = np.linalg.eigh(centred.T @ centred)[1][:, -min(MAIN_DIRECTIONS, max(DIRECTIONS, len(centred) // 10)) :]
    seen = centred @ main
    people, rows = np.unique(views.person, return_inverse=True)
    means = np.array([seen[rows == number].mean(0) for number in range(len(people))])
    within = seen - means[rows]
    spread = within.T @ within / len(seen)
    ridge = RIDGE * np.trace(spread) / len(spread) * np.eye(len(spread))
    ratios, vectors = eigh(np.cov(means.T), spread + ridge)
    directions = main @ vectors[:, np.argsort(-ratios)[:DIRECTIONS]]
    own, _ = distances(centred @ directions, views, others=0)
    return mean.astype(np.float32), (directions / np.quantile(own, OWN_VIEWS)).astype(np.float32)


def distances(shapes: FloatArray, views: ShapeViews, others: int, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Unlikeness of each view to the mean of the same person's other views, and of one view of each person to the means
    of `others` other people."""
    rng = np.random.default_rng(seed)
    rows_of = {int(person): np.flatnonzero(views.person == person) for person in np.unique(views.person)}
    own, foreign = [], []
    means = {person: (shapes[rows].mean(0), views.angles_deg[rows].mean(0)) for person, rows in rows_of.items()}
    for person, rows in rows_of.items():
        for row in rows.tolist():
            rest = rows[rows != row]
            if not len(rest):
                continue
            own.append(_unlike(shapes, views, row, shapes[rest].mean(0), views.angles_deg[rest].mean(0)))
        strangers = [other for other in rows_of if other != person]
        for other in rng.choice(strangers, min(others, len(strangers)), replace=False):
            foreign.append(_unlike(shapes, views, int(rng.choice(rows)), *means[int(other)]))
    return np.array(own), np.array(foreign)


def _unlike(shapes: FloatArray, views: ShapeViews, row: int, mean: FloatArray, angles_deg: FloatArray) -> float:
    """As ShapeMemory.unlikeness."""
    apart = float(np.linalg.norm(views.angles_deg[row] - angles_deg))
    return float(np.linalg.norm(shapes[row] - mean)) / (1 + DISTANCE_PER_DEGREE * max(apart - NO_TURN_DEG, 0.0))
