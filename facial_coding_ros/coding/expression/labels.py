# SPDX-License-Identifier: Apache-2.0
"""Labels, settings, and how a distribution becomes an Expression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...options import Settings, option
from ...types import UNSURE, Expression
from ..registries import EXPRESSION_SOURCES

EXPRESSION_LABELS = ("neutral", "happy", "sad", "angry", "surprised", "disgusted", "scared", "contempt")
BASIC_LABELS = EXPRESSION_LABELS[:-1]
"""Neutral and the six basic emotions, as posed sets have them."""

# Valence and arousal of the labels at full strength: our choice, each in its place on Russell's circumplex.
CIRCUMPLEX = np.array(
    [
        (0.0, 0.0),
        (0.8, 0.5),
        (-0.65, -0.3),
        (-0.55, 0.65),
        (0.15, 0.75),
        (-0.6, 0.35),
        (-0.65, 0.7),
        (-0.4, 0.1),
    ],
    dtype=np.float32,
)
_VALENCE, _AROUSAL = CIRCUMPLEX.T.tolist()


@dataclass(frozen=True)
class ExpressionSettings(Settings):
    source: str = option(
        "fused",
        "what expressions are read from: fused: all of the following; appearance: one image, learnt from real faces; "
        "latent: the perceptual embedding against the neutral, learnt from real and made faces; aus: the action units "
        "(EMFACS rules), learnt from made faces only",
        choices=EXPRESSION_SOURCES.names,
    )
    appearance_model: str = option(
        "",
        "file of a published network that is the appearance witness instead of the shipped head: "
        "emotion-ferplus-8.onnx or OpenCV Zoo's facial_expression_recognition_mobilefacenet; empty: the shipped head",
    )
    unsure_below: float = option(
        0.4, "share under which the likeliest label is not taken and the face is unsure", low=0.0, high=1.0, live=True
    )
    fused_unsure_below: float = option(
        0.65,
        "the same for sources fused and appearance, whose probabilities are calibrated on real faces; for happy 0.05 "
        "less, for neutral 0.15 less, and for the label that a face had in the frame before 0.25 less",
        low=0.0,
        high=1.0,
        live=True,
    )
    unsure_margin: float = option(
        0.3,
        "lead of the likeliest label of the latent over the second from which nothing is unsure; without a lead all is",
        low=0.0,
        high=1.0,
        live=True,
    )
    dwell_s: float = option(
        0.3, "how long a label must hold before the expression topic takes it, seconds", low=0.0, high=5.0, live=True
    )
    latent_filter: str = option(
        "one_euro",
        "how latents are steadied over time: one_euro: the slower the face, the more; none",
        choices=("one_euro", "none"),
    )


def expressions_of(
    probability: ArrayLike, unsure: ArrayLike, unsure_below: float, affect: ArrayLike | None = None
) -> list[Expression]:
    """Expressions of shares (n, 8) of EXPRESSION_LABELS and of `unsure` (n,); each row adds up to 1 with its unsure.

    What is unsure pulls valence and arousal towards 0, so both are always filled. affect: (n, 2), a second reading of
    them, taken to the half, as far as the face is neither unsure nor neutral.
    """
    shares = np.asarray(probability, np.float32)
    unsure_shares = np.asarray(unsure, np.float32).tolist()
    readings = [None] * len(unsure_shares) if affect is None else np.asarray(affect, np.float32).tolist()
    # Eight numbers a face: plain Python is quicker than numpy.
    return [
        Expression(
            EXPRESSION_LABELS,
            row,
            unsure_share,
            *_label(own, unsure_share, unsure_below),
            *_affect(own, unsure_share, reading),
        )
        for row, own, unsure_share, reading in zip(shares, shares.tolist(), unsure_shares, readings, strict=True)
    ]


def _label(shares: Sequence[float], unsure_share: float, unsure_below: float) -> tuple[str, float]:
    """The likeliest label, or `unsure`, and its share."""
    most = max(shares)
    return (
        (EXPRESSION_LABELS[shares.index(most)], most)
        if most >= max(unsure_share, unsure_below)
        else (UNSURE, unsure_share)
    )


def _affect(shares: Sequence[float], unsure_share: float, reading: Sequence[float] | None) -> tuple[float, float]:
    """Valence and arousal."""
    valence = sum(share * own for share, own in zip(shares, _VALENCE, strict=True))
    arousal = sum(share * own for share, own in zip(shares, _AROUSAL, strict=True))
    if reading is not None:
        moved = 1 - unsure_share - shares[0]
        valence, arousal = (valence + moved * reading[0]) / 2, (arousal + moved * reading[1]) / 2
    return min(max(valence, -1.0), 1.0), min(max(arousal, -1.0), 1.0)


def expression_of(probability: ArrayLike, unsure: float, unsure_below: float) -> Expression:
    """`expressions_of` for one face: shares (8,)."""
    return expressions_of(np.asarray(probability)[None], [unsure], unsure_below)[0]
