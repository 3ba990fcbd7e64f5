"""Labels, settings, and how a distribution becomes an Expression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...options import Settings, option
from ...types import UNSURE, Expression

EXPRESSION_LABELS = ("neutral", "happy", "sad", "angry", "surprised", "disgusted", "scared", "contempt")

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


@dataclass(frozen=True)
class ExpressionSettings(Settings):
    source: str = option(
        "latent",
        "what expressions are told from: the perceptual latent, or the action units (EMFACS rules)",
        choices=("latent", "aus"),
    )
    unsure_below: float = option(
        0.45, "share under which the likeliest label is not taken and the face is unsure", low=0.0, high=1.0, live=True
    )
    dwell_s: float = option(
        0.3, "how long a label must hold before the expression topic takes it, seconds", low=0.0, high=5.0, live=True
    )


def expression_of(probability: ArrayLike, unsure: float, unsure_below: float) -> Expression:
    """An Expression of shares (8,) of EXPRESSION_LABELS and of `unsure`; they must add up to 1.

    What is unsure pulls valence and arousal towards 0, so both are always filled.
    """
    shares = np.asarray(probability, np.float32)
    best = int(np.argmax(shares))
    valence, arousal = (shares @ CIRCUMPLEX).tolist()
    sure = shares[best] >= max(unsure_below, unsure)
    return Expression(
        labels=EXPRESSION_LABELS,
        probability=shares,
        unsure=float(unsure),
        label=EXPRESSION_LABELS[best] if sure else UNSURE,
        confidence=float(shares[best]) if sure else float(unsure),
        valence=valence,
        arousal=arousal,
    )
