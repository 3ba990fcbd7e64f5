# SPDX-License-Identifier: Apache-2.0
"""Expressions from action units: EMFACS's combinations as a soft score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
        against = [list(AGAINST[label].items()) for label in emotions]
        self._codes = tuple(
            sorted({u for _, units, _ in parts for u in units} | {u for one in against for u, _ in one})
        )
        column = {code: i for i, code in enumerate(self._codes)}
        self._one_sided = np.array([i for i, code in enumerate(self._codes) if code > ONE_SIDED])
        # (parts, widest), columns of the alternatives; the first is repeated where there are fewer.
        self._alternatives = _filled([[column[u] for u in units] for _, units, _ in parts])
        self._part = np.arange(len(parts))
        self._part_weight = np.zeros((len(parts), len(emotions)), np.float32)
        for i, (label, _, weight) in enumerate(parts):
            self._part_weight[i, emotions.index(label)] = weight
        # (emotions, widest), columns of what speaks against each, and by how much; what is repeated counts nothing.
        self._against = _filled([[column[u] for u, _ in one] for one in against])
        self._against_weight = np.zeros(self._against.shape, np.float32)
        for i, one in enumerate(against):
            self._against_weight[i, : len(one)] = [weight for _, weight in one]
        # Open lips and jaw are speech more often than an expression.
        self._activity = np.array([0.5 if c in (25, 26, 27) else 1.0 for c in self._codes], np.float32)
        self._layout: _Layout | None = None

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
        count = len(self._codes)
        chosen = self._alternatives[self._part, strength.take(self._alternatives, 1).argmax(2)]
        chosen += np.arange(0, len(aus) * count, count)[:, None]
        # Power mean of exponent 1/2: between "all parts" (geometric) and "enough of them" (arithmetic).
        evidence = np.square(np.sqrt(strength.take(chosen)) @ self._part_weight)
        evidence *= np.multiply.reduce(1 - strength.take(self._against, 1) * self._against_weight, 2)
        activity = np.maximum.reduce(strength * self._activity, 1)
        # Shares of neutral, of what is shown, and of what is shown and explained by none.
        total = 1 + np.add.reduce(evidence, 1) - activity * np.maximum.reduce(evidence, 1)
        np.maximum(total, 1e-6, out=total)
        shares = np.empty((len(aus), len(EXPRESSION_LABELS) + 1), np.float32)
        shares[:, 0] = (1 - activity) / total * (np.add.reduce(trust, 1) / count)
        np.multiply(evidence / total[:, None], trust.take(chosen) @ self._part_weight, out=shares[:, 1:-1])
        np.maximum(1 - np.add.reduce(shares[:, :-1], 1), 0, out=shares[:, -1])
        return shares

    def _columns(self, aus: Sequence[ActionUnits]) -> tuple[FloatArray, FloatArray]:
        """Strength 0..1 between FLOOR and FULL, and trust, both (n, codes of the rules).

        Trust is the root of the confidence: a label rests on several action units, and is surer than one of them.
        """
        if all(face.codes == aus[0].codes for face in aus):
            both = self._gathered(aus)
        else:
            both = np.concatenate([self._gathered([face]) for face in aus], 1)
        both[1][np.isnan(both[0])] = 0
        both *= _SCALE
        both -= _SHIFT
        # Numbers for NaN too; np.clip takes several times as long for these few.
        np.fmin(np.fmax(both, 0, out=both), 1, out=both)
        return both[0], np.sqrt(both[1])

    def _gathered(self, aus: Sequence[ActionUnits]) -> FloatArray:
        """(2, n, codes of the rules): intensity and confidence, of faces whose action units have the same codes."""
        codes = aus[0].codes
        if self._layout is None or self._layout.codes != codes:
            place = {code: i for i, code in enumerate(codes)}
            columns = np.array([place.get(code % ONE_SIDED, 0) for code in self._codes])
            absent = np.array([i for i, code in enumerate(self._codes) if code % ONE_SIDED not in place], np.intp)
            self._layout = _Layout(codes, columns, absent, columns[self._one_sided])
        layout = self._layout
        both = np.array([[f.intensity for f in aus], [f.confidence for f in aus]], np.float32).take(layout.columns, 2)
        left, right = np.array([[f.left for f in aus], [f.right for f in aus]], np.float32).take(layout.one_sided, 2)
        both[0][:, self._one_sided] = np.abs(left - right)
        if len(layout.absent):
            both[0][:, layout.absent] = np.nan
        return both


_SCALE = np.array([1 / (FULL - FLOOR), 1], np.float32).reshape(2, 1, 1)
_SHIFT = np.array([FLOOR / (FULL - FLOOR), 0], np.float32).reshape(2, 1, 1)
"""From intensity and confidence to strength and trust."""


@dataclass(frozen=True)
class _Layout:
    """Where the codes of the rules stand in action units of these codes.

    absent: places of codes of the rules that are not there. one_sided: columns of those of which the sides count.
    """

    codes: tuple[int, ...]
    columns: NDArray[np.intp]
    absent: NDArray[np.intp]
    one_sided: NDArray[np.intp]


def _filled(rows: Sequence[Sequence[int]]) -> NDArray[np.intp]:
    """Rows of one length, each filled with its first."""
    widest = max(map(len, rows))
    return np.array([[*row, *[row[0]] * (widest - len(row))] for row in rows])


def shares_of(expressions: Sequence[Expression]) -> NDArray[np.float32]:
    """(n, 9): the shares of EXPRESSION_LABELS, then of unsure."""
    rows = [[*e.probability, e.unsure] for e in expressions]
    return np.array(rows, np.float32).reshape(-1, len(EXPRESSION_LABELS) + 1)
