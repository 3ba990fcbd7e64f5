# SPDX-License-Identifier: Apache-2.0
"""Late fusion of three cues to a face's expression: appearance, latent relative to the neutral, action units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...keypoints.learnt import load_arrays
from ...types import UNSURE, Expression, FloatArray, Neutral, NeutralState, Visibility
from ..formula import Formula
from .labels import EXPRESSION_LABELS, ExpressionSettings, expressions_of

MODEL = "expression_fusion"
LABELS = len(EXPRESSION_LABELS)
SHAPES: dict[str, tuple[int, ...]] = {
    "stranger_weight": (LABELS, LABELS),
    "stranger_bias": (LABELS,),
    "known_weight": (3 * LABELS + 1, LABELS),
    "known_bias": (LABELS,),
    "resting": (LABELS,),
    "doubt": (4,),
    "trust": (2,),
}
LEAST = 0.01
"""Shares of latent and action units count as at least this."""
FULL_SIZE_PX = 64.0
REST_HALF_S = 0.06
"""Seconds of rest, two frames, after which half of a person's own resting appearance is taken off."""
_STALE = 0.9
"""How far a neutral of long ago is trusted, over one of now."""


@dataclass(frozen=True)
class Witnesses:
    """The cues to the expressions of one frame's n faces, a row for each face.

    appearance: (n, 8) log-probabilities of the appearance head. rest, rest_s: (n, 8) and (n,), the same of each
    person's resting face, and the seconds they are learnt from. latent: (n, 8) probabilities, 0 without a neutral.
    aus: (n, 9) shares of the labels and of unsure. neutrals, visible: of each face; size_px: (n,), of the face in
    the image.
    """

    appearance: FloatArray
    rest: FloatArray
    rest_s: FloatArray
    latent: FloatArray
    aus: FloatArray
    neutrals: Sequence[Neutral]
    visible: Sequence[Visibility]
    size_px: Sequence[float]


@dataclass(frozen=True)
class ExpressionFusion:
    """Learnt weights; see models/expression_fusion.yaml.

    Without a neutral, a face is classified from its appearance a alone: softmax(a W + b). With one, from all three
    cues, as logarithms; that of the resting face is subtracted from the appearance. Confidence in the neutral blends
    the two. Small or hidden faces get softer distributions.

    resting: (8,), log-probabilities of a usual neutral face. doubt: (4,), how much softer (factors of the logits'
    temperature) with the share of brows, eyes and lower face that is hidden, and with smallness. trust: (2,), how far a
    neutral that is still learnt is trusted, over a ready one; standard error of a neutral, eye distances, that halves
    the trust.
    """

    stranger_weight: FloatArray
    stranger_bias: FloatArray
    known_weight: FloatArray
    known_bias: FloatArray
    resting: FloatArray
    doubt: FloatArray
    trust: FloatArray

    @classmethod
    def load(cls) -> ExpressionFusion:
        """The shipped one. Raises FileNotFoundError or ValueError when it cannot be used."""
        return cls(**load_arrays(MODEL, SHAPES))

    def probability(self, told: Witnesses) -> FloatArray:
        """(n, 8), rows add up to 1."""
        hidden = hidden_and_small(told.visible, told.size_px)
        return self.of_arrays(
            told.appearance, told.rest, told.rest_s[:, None], told.latent, told.aus, self.trusts(told.neutrals), hidden
        )[0]

    def of_arrays(
        self,
        appearance: FloatArray,
        rest: FloatArray,
        rest_s: FloatArray,
        latent: FloatArray,
        aus: FloatArray,
        trust: FloatArray,
        hidden: FloatArray,
    ) -> tuple[FloatArray]:
        """The same of what `Witnesses` hold as arrays, rest_s (n, 1); trust: (n, 1) `trusts`; hidden: (n, 4)
        `hidden_and_small`. The formula `witness_fusion`."""
        stranger = self.stranger_logits(appearance)
        known = self._known_inputs(appearance, rest, rest_s, latent, aus) @ self.known_weight + self.known_bias
        logits = stranger + trust * (known - stranger)
        return (softmax(logits / self._temperature(hidden)),)

    def formula(self) -> Formula:
        """`witness_fusion`: `of_arrays`."""
        labels, one = (LABELS,), (1,)
        arrays = [getattr(self, name) for name in SHAPES]
        return Formula(
            "witness_fusion",
            {
                "appearance": labels, "rest": labels, "rest_s": one, "latent": labels, "aus": (LABELS + 1,),
                "trust": one, "hidden": (4,),
            },
            {"probability": labels},
            self.of_arrays,
            [*arrays, LEAST, REST_HALF_S],
        )  # fmt: skip

    def logits(self, told: Witnesses) -> FloatArray:
        """(n, 8) before the temperature."""
        stranger = self.stranger_logits(told.appearance)
        known = self.known_inputs(told) @ self.known_weight + self.known_bias
        return stranger + self.trusts(told.neutrals) * (known - stranger)

    def stranger(self, appearance: FloatArray, visible: Sequence[Visibility], size_px: Sequence[float]) -> FloatArray:
        """(n, 8) from appearance (n, 8) alone, whatever is known of the neutral."""
        return softmax(self.stranger_logits(appearance) / self.temperature(visible, size_px)[:, None])

    def stranger_logits(self, appearance: FloatArray) -> FloatArray:
        """(n, 8) before the temperature."""
        return appearance @ self.stranger_weight + self.stranger_bias

    def known_inputs(self, told: Witnesses) -> FloatArray:
        """(n, 25): appearance without the person's own rest, latent, action units, as logarithms."""
        return self._known_inputs(told.appearance, told.rest, told.rest_s[:, None], told.latent, told.aus)

    def _known_inputs(
        self, appearance: FloatArray, rest: FloatArray, rest_s: FloatArray, latent: FloatArray, aus: FloatArray
    ) -> FloatArray:
        share = rest_s / (rest_s + REST_HALF_S)
        own = log_softmax(appearance - share * (rest - self.resting))
        return np.concatenate((own, np.log(np.maximum(np.concatenate((latent, aus), 1), LEAST))), 1)

    def trusts(self, neutrals: Sequence[Neutral]) -> FloatArray:
        """(n, 1), `trust_of` each."""
        return np.array([[self.trust_of(neutral)] for neutral in neutrals], np.float32).reshape(-1, 1)

    def trust_of(self, neutral: Neutral) -> float:
        """0..1: how far what is told against a neutral is believed."""
        if neutral.state is NeutralState.NONE or neutral.registered is None:
            return 0.0
        learning, error = self.trust.tolist()
        by_state = 1.0
        if neutral.state is not NeutralState.READY:
            by_state = learning if neutral.state is NeutralState.LEARNING else _STALE
        return float(by_state / (1.0 + (neutral.uncertainty / error) ** ERROR_POWER))

    def temperature(self, visible: Sequence[Visibility], size_px: Sequence[float]) -> FloatArray:
        """(n,), 1 for a large face of which all is seen."""
        return self._temperature(hidden_and_small(visible, size_px))[:, 0]

    def _temperature(self, hidden: FloatArray) -> FloatArray:
        """(n, 1)."""
        return np.exp(np.maximum(hidden @ self.doubt.reshape(4, 1), 0.0))


def hidden_and_small(visible: Sequence[Visibility], size_px: Sequence[float]) -> FloatArray:
    """(n, 4): share of brows, eyes and lower face that is hidden, logarithm of how much too small the face is."""
    rows = [
        (1 - seen.brows, 1 - seen.eyes, 1 - seen.lower_face, math.log(max(FULL_SIZE_PX / max(size, 1.0), 1.0)))
        for seen, size in zip(visible, size_px, strict=True)
    ]
    return np.array(rows, np.float32).reshape(-1, 4)


ERROR_POWER = 4
"""Trust in a neutral falls with its error to this power."""
NEUTRAL_LESS, HAPPY_LESS, SAME_LESS = 0.15, 0.05, 0.25
"""How much less probability is asked for neutral and happy, and for the label of the frame before. Faces that are told
happy are so more often than those that are told another expression at the same probability."""
LABEL_LESS = np.array([NEUTRAL_LESS, HAPPY_LESS, *[0.0] * (LABELS - 2)], np.float32)


def told_of(
    probability: FloatArray,
    visible: Sequence[Visibility],
    settings: ExpressionSettings,
    affect: FloatArray,
    before: Sequence[str] = (),
) -> list[Expression]:
    """Expressions of calibrated probabilities (n, 8); what is not visible at all is unsure.

    affect: (n, 2). before: each face's label in the frame before, where there was one.
    """
    shares = told_shares(probability, visible)
    told = expressions_of(shares, 1 - np.add.reduce(shares, 1), 0.0, affect)
    for i, one in enumerate(told):
        same = SAME_LESS if len(before) and one.label == before[i] else 0.0
        if one.label == UNSURE:
            continue
        least = settings.fused_unsure_below - max(same, _LESS[one.label])
        if one.confidence < least:
            told[i] = replace(one, label=UNSURE, confidence=1 - one.confidence)
    return told


_LESS = dict(zip(EXPRESSION_LABELS, LABEL_LESS.tolist(), strict=True))
SEEN = 0.3
"""Visibility of a face from which its probabilities are taken as they are."""
BROWS_TELL, EYES_TELL, LOWER_FACE_TELLS = 0.15, 0.1, 0.6
"""Share of the probabilities that goes to `unsure` where a part is hidden and the others are seen. Behind a mask the
appearance head takes resting faces for happy ones."""


def told_shares(probability: FloatArray, visible: Sequence[Visibility]) -> FloatArray:
    """Probabilities (n, 8) without what is unsure because parts of the face are hidden."""
    seen = [[min(max(one.face, 0.0) / SEEN, 1.0) * _told_by_the_rest(one)] for one in visible]
    return np.asarray(probability * np.array(seen, np.float32), np.float32)


def _told_by_the_rest(seen: Visibility) -> float:
    best = max(seen.brows, seen.eyes, seen.lower_face, 1e-6)
    share = 1.0
    for part, tells in ((seen.brows, BROWS_TELL), (seen.eyes, EYES_TELL), (seen.lower_face, LOWER_FACE_TELLS)):
        share *= 1 - tells * (1 - max(part, 0.0) / best)
    return share


def softmax(logits: FloatArray) -> FloatArray:
    """Of the last axis."""
    powers = np.exp(logits - np.maximum.reduce(logits, -1, keepdims=True))
    return powers / np.add.reduce(powers, -1, keepdims=True)


def log_softmax(logits: FloatArray) -> FloatArray:
    """Of the last axis."""
    lowered = logits - np.maximum.reduce(logits, -1, keepdims=True)
    return lowered - np.log(np.add.reduce(np.exp(lowered), -1, keepdims=True))
