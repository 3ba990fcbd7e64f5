# SPDX-License-Identifier: Apache-2.0
"""Expressions from action units: EMFACS's combinations as a soft score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...types import ActionUnits, Expression, FloatArray
from .labels import EXPRESSION_LABELS, ExpressionSettings, expressions_of

ONE_SIDED = 100  # code of a pseudo action unit: 100 + AU is how much one side of the face does it more than the other

# Label -> (action units of which one is enough, weight) for each part of the expression; weights add up to 1.
# After EMFACS (Friesen & Ekman 1983) and Ekman, Friesen & Hager, FACS Investigator's Guide 2002, table 10-1.
PARTS: dict[str, tuple[tuple[tuple[int, ...], float], ...]] = {
    "happy": (((12,), 0.75), ((6, 7), 0.25)),
    "sad": (((1,), 0.3), ((4,), 0.2), ((15,), 0.4), ((17, 6), 0.1)),
    "angry": (((4,), 0.45), ((5, 7), 0.25), ((23, 24, 17), 0.3)),
    "surprised": (((1,), 0.3), ((2,), 0.3), ((5,), 0.2), ((26, 27, 25), 0.2)),
    "disgusted": (((9, 10), 0.8), ((15, 16, 17), 0.2)),
    "scared": (((1, 2), 0.25), ((4,), 0.2), ((5,), 0.2), ((20,), 0.25), ((25, 26, 27, 7), 0.1)),
    "contempt": (((ONE_SIDED + 12, ONE_SIDED + 14), 1.0),),
}

# Label -> action units that speak against it, and by how much at full strength.
AGAINST: dict[str, dict[int, float]] = {
    "happy": {15: 0.5, 20: 0.3},
    "sad": {12: 0.8, 2: 0.3, 9: 0.5},
    "angry": {12: 0.8, 1: 0.5, 2: 0.5, 15: 0.3},
    "surprised": {4: 0.9, 12: 0.4, 20: 0.5},
    "disgusted": {12: 0.8, 4: 0.2},
    "scared": {12: 0.8, 15: 0.3},
    "contempt": {6: 0.5, 1: 0.5, 9: 0.5},
}

FLOOR, FULL = 0.1, 0.5
"""Intensities from which an action unit counts at all (below trace) and counts fully (C)."""


class AuExpression:
    """The second opinion beside the perceptual latent, and what runs where there is no latent model."""

    def __init__(self, settings: ExpressionSettings | None = None) -> None:
        self.settings = settings or ExpressionSettings()
        emotions = EXPRESSION_LABELS[1:]
        parts = [(label, units, weight) for label in emotions for units, weight in PARTS[label]]
        against = [(label, unit, weight) for label in emotions for unit, weight in AGAINST[label].items()]
        self._codes = tuple(sorted({u for _, units, _ in parts for u in units} | {u for _, u, _ in against}))
        column = {code: i for i, code in enumerate(self._codes)}
        self._one_sided = np.array([code > ONE_SIDED for code in self._codes])
        widest = max(len(units) for _, units, _ in parts)
        # (parts, widest) columns of the alternatives; the first is repeated where there are fewer.
        self._alternatives = np.array(
            [[column[u] for u in (units + units[:1] * widest)[:widest]] for _, units, _ in parts]
        )
        self._part_weight = np.zeros((len(parts), len(emotions)), np.float32)
        for i, (label, _, weight) in enumerate(parts):
            self._part_weight[i, emotions.index(label)] = weight
        self._against = np.zeros((len(emotions), len(self._codes)), np.float32)
        for label, unit, weight in against:
            self._against[emotions.index(label), column[unit]] = weight
        # Open lips and jaw are speech more often than an expression.
        self._activity = np.array([0.5 if c in (25, 26, 27) else 1.0 for c in self._codes], np.float32)

    def estimate(self, aus: Sequence[ActionUnits]) -> list[Expression]:
        """Expressions of the faces of a frame, in their order.

        An action unit that is not estimated, or NaN, neither speaks for a label nor is trusted: its share of the
        confidence goes to `unsure`.
        """
        if not aus:
            return []
        shares = self.shares(aus)
        return expressions_of(shares[:, :-1], shares[:, -1], self.settings.unsure_below)

    def shares(self, aus: Sequence[ActionUnits]) -> FloatArray:
        """(n, 9), n > 0: the shares of EXPRESSION_LABELS, then of unsure, as `estimate` takes them."""
        strength, trust = self._columns(aus)
        alternatives = strength[:, self._alternatives]
        chosen = alternatives.argmax(axis=2, keepdims=True)
        part = np.take_along_axis(alternatives, chosen, 2)[:, :, 0]
        part_trust = np.take_along_axis(trust[:, self._alternatives], chosen, 2)[:, :, 0]
        # Power mean of exponent 1/2: between "all parts" (geometric) and "enough of them" (arithmetic).
        evidence = (np.sqrt(part) @ self._part_weight) ** 2
        evidence *= (1 - strength[:, None, :] * self._against).prod(axis=2)
        activity = (strength * self._activity).max(axis=1)
        trusted = np.concatenate([trust.mean(axis=1, keepdims=True), part_trust @ self._part_weight], axis=1)
        shares = np.concatenate([1 - activity[:, None], evidence], axis=1)
        unexplained = activity * (1 - evidence.max(axis=1))
        total = shares.sum(axis=1) + unexplained
        shares *= trusted / np.maximum(total, 1e-6)[:, None]
        unsure = np.maximum(0, 1 - shares.sum(axis=1, keepdims=True))
        return np.concatenate([shares, unsure], axis=1)

    def _columns(self, aus: Sequence[ActionUnits]) -> tuple[FloatArray, FloatArray]:
        """Strength 0..1 between FLOOR and FULL, and trust, both (n, codes of the rules).

        Trust is the root of the confidence: a label rests on several action units, and is surer than one of them.
        """
        intensity = np.zeros((len(aus), len(self._codes)), np.float32)
        trust = np.zeros_like(intensity)
        layouts: dict[tuple[int, ...], NDArray[np.intp]] = {}
        for row, face in enumerate(aus):
            if face.codes not in layouts:
                # For each code of the rules its place among the face's, or one past the end, where NaN is put.
                place = {code: i for i, code in enumerate(face.codes)}
                layouts[face.codes] = np.array([place.get(code % ONE_SIDED, len(place)) for code in self._codes])
            columns = layouts[face.codes]
            both = np.append(face.intensity, np.nan)[columns]
            both[self._one_sided] = np.abs(np.append(face.left - face.right, np.nan)[columns[self._one_sided]])
            intensity[row] = both
            trust[row] = np.where(np.isnan(both), 0, np.append(face.confidence, 0)[columns])
        # np.nan_to_num and np.clip take several times as long for these few numbers.
        for values in (intensity, trust):
            values[np.isnan(values)] = 0
        strength = np.minimum(np.maximum((intensity - FLOOR) / (FULL - FLOOR), 0), 1)
        return strength, np.sqrt(np.minimum(np.maximum(trust, 0), 1))


def shares_of(expressions: Sequence[Expression]) -> NDArray[np.float32]:
    """(n, 9): the shares of EXPRESSION_LABELS, then of unsure."""
    rows = [[*e.probability, e.unsure] for e in expressions]
    return np.array(rows, np.float32).reshape(-1, len(EXPRESSION_LABELS) + 1)
