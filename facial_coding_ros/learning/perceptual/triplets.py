# SPDX-License-Identifier: Apache-2.0
"""Triplets: which of two faces looks more like a reference."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...datasets.expression_set import ExpressionSet
from ...types import FloatArray

COLUMNS = ("reference", "closer", "farther", "votes")
CONFIDENCE_LEVELS = (5, 3, 1)
"""Possible differences of five votes."""


@dataclass(frozen=True)
class Triplets:
    """faces: (t, 3) indices of reference, closer and farther face. weight: (t,), 1 for artificial ones."""

    faces: NDArray[np.int64]
    weight: FloatArray

    def __len__(self) -> int:
        return len(self.faces)


def artificial_triplets(faces: ExpressionSet, count: int, seed: int = 0) -> Triplets:
    """`count` triplets by the paper's rules (section IV-B); every labelled face is the reference of one at least.

    - Expressions of the same class are closer than of different classes.
    - Within a class, the closer the degree, the closer the expression.
    - A neutral expression is closer than a different class.
    Where all others of a class are of the same degree, the second rule is passed over. Raises ValueError when `count`
    is less than the labelled faces, or a class has fewer than two faces.
    """
    neutral = faces.classes.index("neutral")
    labelled = np.flatnonzero(faces.label >= 0)
    if count < len(labelled):
        raise ValueError(
            f"{count} triplets cannot hold every one of {len(labelled)} faces as a reference; ask for more"
        )
    few = [name for i, name in enumerate(faces.classes) if (faces.label == i).sum() < 2]
    if few:
        raise ValueError(f"{faces.name}: two faces of every class are needed; fewer of: {', '.join(few)}")
    rng = np.random.default_rng(seed)
    by_class = [np.flatnonzero(faces.label == i) for i in range(len(faces.classes))]
    expressions = np.flatnonzero((faces.label != neutral) & (faces.label >= 0))
    references = np.concatenate([rng.permutation(labelled) for _ in range(-(-count // len(labelled)))])[:count]
    rows = np.empty((count, 3), np.int64)
    for row, reference in enumerate(references):
        label, rule = faces.label[reference], int(rng.integers(3))
        if label == neutral:
            rule = 0  # the other two are about expressions
        same = by_class[label][by_class[label] != reference]
        gap = abs(faces.degree[same] - faces.degree[reference])
        if rule == 1 and gap.min() < gap.max():
            first = rng.choice(same[gap < gap.max()])
            nearer = abs(faces.degree[first] - faces.degree[reference])
            rows[row] = reference, first, rng.choice(same[gap > nearer])
        elif rule == 2:
            other = expressions[faces.label[expressions] != label]
            rows[row] = reference, rng.choice(by_class[neutral]), rng.choice(other)
        else:
            other = rng.integers(len(faces.classes) - 1)
            other_class = by_class[other + (other >= label)]
            rows[row] = reference, rng.choice(same), rng.choice(other_class)
    return Triplets(rows, np.ones(count, np.float32))


def read_triplets(path: Path, faces: ExpressionSet) -> Triplets:
    """Triplets judged by people: CSV with the columns reference, closer, farther (ids of faces) and votes (5, 3 or 1).

    Triplets with a face that is not in this set are left out, so that one file serves training, validation and test.
    Raises ValueError naming the file and the line.
    """
    place = {name: i for i, name in enumerate(faces.ids)}
    rows, weight = [], []
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        lacking = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if lacking:
            raise ValueError(f"{path}: no column {', '.join(lacking)}; expected {', '.join(COLUMNS)}")
        for line in reader:
            where = f"{path}, line {reader.line_num}"
            try:
                votes = int(line["votes"])
            except (TypeError, ValueError):
                votes = 0
            if votes not in CONFIDENCE_LEVELS:
                raise ValueError(f"{where}: votes is {line['votes']!r}; expected the difference of 5 votes: 5, 3 or 1")
            names = [line[column] for column in COLUMNS[:3]]
            if len(set(names)) < 3:
                raise ValueError(f"{where}: the three faces must differ, found {', '.join(map(str, names))}")
            if all(name in place for name in names):
                rows.append([place[name] for name in names])
                weight.append(votes)
    if not rows:
        raise ValueError(f"{path}: none of its triplets has all three faces in {faces.name}")
    return Triplets(np.array(rows, np.int64), np.array(weight, np.float32))


def satisfied(latents: ArrayLike, triplets: Triplets) -> NDArray[np.bool_]:
    """(t,): whether the closer face is no farther from the reference than the other (eq. 12); latents (n, d)."""
    reference, closer, farther = (np.asarray(latents)[triplets.faces[:, i]] for i in range(3))
    near = np.linalg.norm(reference - closer, axis=1)
    return near <= np.linalg.norm(reference - farther, axis=1)


def satisfied_by_level(latents: ArrayLike, triplets: Triplets) -> dict[int, float]:
    """Share of satisfied triplets for each weight there is."""
    kept = satisfied(latents, triplets)
    return {int(w): float(kept[triplets.weight == w].mean()) for w in np.unique(triplets.weight)[::-1]}
