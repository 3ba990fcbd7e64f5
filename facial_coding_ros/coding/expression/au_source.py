# SPDX-License-Identifier: Apache-2.0
"""The expression source that uses action units only."""

from __future__ import annotations

from collections.abc import Mapping

from ...inference import InferenceSettings
from ...types import Expression, FloatArray
from ..coding_graph import Coder
from ..formula import Formula
from ..frame_faces import FrameFaces
from ..perceptual.coder import PerceptualCoder
from ..protocols import ExpressionEvidence
from ..registries import EXPRESSION_SOURCES
from ..settings import CodingSettings
from .au_rules import AuExpression


@EXPRESSION_SOURCES.register("aus")
class ActionUnitExpressions:
    """protocols.ExpressionSource by EMFACS's combinations."""

    landmark_network = ""
    coders: Mapping[str, Coder | Formula] = {}

    def __init__(self, settings: CodingSettings, perceptual: PerceptualCoder, inference: InferenceSettings) -> None:
        self._rules = AuExpression(settings.expression)

    def adopt(self, face_id: str, person_id: str) -> None:
        """Nothing is learnt of a face."""

    def forget(self, subject_key: str) -> None:
        """Nothing is learnt of a face."""

    def inputs(self, faces: FrameFaces) -> dict[str, FloatArray]:
        """None."""
        return {}

    def close(self) -> None:
        """Nothing runs outside the coding graph."""

    def estimate(self, evidence: ExpressionEvidence) -> list[Expression]:
        """From the action units of this frame."""
        return self._rules.estimate(evidence.action_units)

    def configure(self, settings: CodingSettings) -> None:
        self._rules.settings = settings.expression
