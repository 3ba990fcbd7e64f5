# SPDX-License-Identifier: Apache-2.0
"""Outputs that need several frames: talking, blinks and closed eyes, gaze and attention."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..action_units import ACTION_UNITS
from ..types import UNSURE, ActionUnits, Expression, FaceCode
from .eye_closure import EyeClosure
from .gaze import gazes
from .gaze_attention import Attention, AttentionSettings
from .visual_speech import VisualSpeech

MOUTH_IN_SPEECH = frozenset(
    unit.code for unit in ACTION_UNITS if unit.region == "lower_face" and unit.code not in (9, 12)
)
"""Action units whose confidence falls while somebody talks: the mouth takes their shapes without any being meant."""
UNITS_LOSE, EXPRESSIONS_LOSE = 0.5, 0.4
"""Share of the confidence of mouth units, and of an expression's labels, that surely talking takes."""
_TALKS_FROM = 0.5


class TemporalStage:
    """Completes the face codes of a frame from those before it. All in image time; bounded memory."""

    def __init__(self, settings: AttentionSettings | None = None) -> None:
        self._closure = EyeClosure()
        self._speech = VisualSpeech()
        self._attention = Attention(settings)
        self._voices: dict[str, float] = {}

    def configure(self, settings: AttentionSettings) -> None:
        """Takes over settings that may change while running."""
        self._attention.settings = settings

    def place_robot_face(self, position_m: tuple[float, float, float] | None) -> None:
        """Where the robot's face is in the camera's optical frame; None: where the settings say."""
        self._attention.measured_m = position_m

    def hear(self, talking: dict[str, float]) -> None:
        """Takes who is heard to talk, 0..1 by person or face id. Overrides visual speech until the next call."""
        self._voices = dict(talking)

    def update(self, codes: Sequence[FaceCode], stamp_ns: int) -> tuple[FaceCode, ...]:
        """The face codes of a frame, completed."""
        keys = [code.face.subject_key for code in codes]
        closed = [
            self._closure.update(key, code.face, code.aus, stamp_ns) for key, code in zip(keys, codes, strict=True)
        ]
        looks = gazes([code.face for code in codes], [shut for _, shut in closed])
        completed = []
        for key, code, (aus, _), gaze in zip(keys, codes, closed, looks, strict=True):
            attention = self._attention.update(key, code.face, gaze, stamp_ns)
            talking = self._speech.update(key, code.face, stamp_ns, _parted(code.aus))
            talking = self._voices.get(key, self._voices.get(code.face.face_id, talking))
            completed.append(
                replace(
                    code,
                    aus=_mouth_less_trusted(aus, talking),
                    expression=_expression_less_trusted(code.expression, talking),
                    gaze=gaze,
                    attention=attention,
                    talking=talking,
                )
            )
        return tuple(completed)


def _parted(aus: ActionUnits) -> float:
    """AU25; NaN where it is not known."""
    at = aus.codes.index(25) if 25 in aus.codes else None
    return float(aus.intensity[at]) if at is not None and aus.confidence[at] > 0 else math.nan


def _spoken(talking: float) -> float:
    """0 up to a probability of one half, 1 at 1."""
    return 0.0 if math.isnan(talking) else max((talking - _TALKS_FROM) / (1 - _TALKS_FROM), 0.0)


def _mouth_less_trusted(aus: ActionUnits, talking: float) -> ActionUnits:
    spoken = _spoken(talking)
    if spoken == 0.0:
        return aus
    factors = np.array([1 - UNITS_LOSE * spoken * (code in MOUTH_IN_SPEECH) for code in aus.codes], np.float32)
    return replace(aus, confidence=aus.confidence * factors)


def _expression_less_trusted(expression: Expression, talking: float) -> Expression:
    """Labels give a share to `unsure`; the label itself stays unless that makes another one the largest."""
    spoken = _spoken(talking)
    if spoken == 0.0 or not len(expression.probability):
        return expression
    kept = 1 - EXPRESSIONS_LOSE * spoken
    shares = expression.probability * np.float32(kept)
    unsure = 1 - float(shares.sum())
    most = float(shares.max())
    if expression.label in expression.labels and most < unsure:
        return replace(expression, probability=shares, unsure=unsure, label=UNSURE, confidence=unsure)
    confidence = unsure if expression.label == UNSURE else most
    return replace(expression, probability=shares, unsure=unsure, confidence=confidence)
