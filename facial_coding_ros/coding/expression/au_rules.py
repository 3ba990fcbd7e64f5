# SPDX-License-Identifier: Apache-2.0
"""Expressions from action units: EMFACS's combinations as a soft score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...types import ActionUnits, Expression, FloatArray
from ..formula import Formula
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
        if all(face.codes == aus[0].codes for face in aus):
            shown, sure = self._gathered(aus)
        else:
            shown, sure = np.concatenate([self._gathered([face]) for face in aus], 1)
        unknown = np.isnan(shown)
        return self.shares_of(np.where(unknown, 0, shown), np.clip(np.where(unknown, 0, sure), 0, 1))

    def shares_of(self, shown: FloatArray, sure: FloatArray) -> FloatArray:
        """The same of intensity and confidence of the rules' codes, (n, codes) each. In the formula `au_rules`."""
        strength = np.clip(shown * (1 / (FULL - FLOOR)) - FLOOR / (FULL - FLOOR), 0.0, 1.0)
        # A label rests on several action units, and is surer than one of them.
        trust = np.sqrt(sure)
        count, parts = len(self._codes), len(self._alternatives)
        alternatives = strength.take(self._alternatives, 1)
        best = alternatives.argmax(2).reshape(-1, parts, 1)
        best_trust = np.take_along_axis(trust.take(self._alternatives, 1), best, 2).reshape(-1, parts)
        # Power mean of exponent 1/2: between "all parts" (geometric) and "enough of them" (arithmetic).
        root = np.sqrt(np.maximum.reduce(alternatives, 2)) @ self._part_weight
        against = np.multiply.reduce(1 - strength.take(self._against, 1) * self._against_weight, 2)
        evidence = root * root * against
        activity = np.maximum.reduce(strength * self._activity, 1, keepdims=True)
        # Shares of neutral, of what is shown, and of what is shown and explained by none.
        all_of_it = evidence @ np.ones((len(EXPRESSION_LABELS) - 1, 1), np.float32)
        total = 1 + all_of_it - activity * np.maximum.reduce(evidence, 1, keepdims=True)
        neutral = (1 - activity) * (trust @ np.full((count, 1), 1 / count, np.float32))
        labels = np.concatenate((neutral, evidence * (best_trust @ self._part_weight)), 1) / total
        unsure = np.maximum(1 - np.add.reduce(labels, 1, keepdims=True), 0.0)
        return np.concatenate((labels, unsure), 1)

    def formula(self, codes: tuple[int, ...]) -> Formula:
        """`au_rules`: intensity, confidence, right and left side of action units of these codes -> shares (9,)."""
        layout = self._layout_of(codes)
        if len(layout.absent):
            raise ValueError(f"the rules need action units that {codes} lack")
        one_sided = np.zeros(len(self._codes), np.intp)
        one_sided[self._one_sided] = len(codes)
        places = layout.columns + one_sided

        def shares(intensity: FloatArray, confidence: FloatArray, sides: FloatArray) -> tuple[FloatArray]:
            apart = np.absolute(sides.take(0, 1) - sides.take(1, 1))
            shown = np.concatenate((intensity, apart), 1).take(places, 1)
            return (self.shares_of(shown, confidence.take(layout.columns, 1)),)

        units = (len(codes),)
        return Formula(
            "au_rules",
            {"intensity": units, "confidence": units, "sides": (2, *units)},
            {"shares": (len(EXPRESSION_LABELS) + 1,)},
            shares,
            [codes, self._codes, FLOOR, FULL, self._alternatives, self._part_weight, self._against,
             self._against_weight, self._activity],
        )  # fmt: skip

    def _layout_of(self, codes: tuple[int, ...]) -> _Layout:
        if self._layout is None or self._layout.codes != codes:
            place = {code: i for i, code in enumerate(codes)}
            columns = np.array([place.get(code % ONE_SIDED, 0) for code in self._codes])
            absent = np.array([i for i, code in enumerate(self._codes) if code % ONE_SIDED not in place], np.intp)
            self._layout = _Layout(codes, columns, absent, columns[self._one_sided])
        return self._layout

    def _gathered(self, aus: Sequence[ActionUnits]) -> FloatArray:
        """(2, n, codes of the rules): intensity and confidence, of faces whose action units have the same codes."""
        layout = self._layout_of(aus[0].codes)
        both = np.array([[f.intensity for f in aus], [f.confidence for f in aus]], np.float32).take(layout.columns, 2)
        left, right = np.array([[f.left for f in aus], [f.right for f in aus]], np.float32).take(layout.one_sided, 2)
        both[0][:, self._one_sided] = np.abs(left - right)
        if len(layout.absent):
            both[0][:, layout.absent] = np.nan
        return both


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
