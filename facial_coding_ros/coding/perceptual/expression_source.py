# SPDX-License-Identifier: Apache-2.0
"""The expression source that uses the perceptual latent only."""

from __future__ import annotations

from collections.abc import Mapping

from ...inference import InferenceSettings
from ...types import Expression, FloatArray
from ..coding_graph import Coder
from ..formula import Formula
from ..frame_faces import FrameFaces
from ..protocols import ExpressionEvidence
from ..registries import EXPRESSION_SOURCES
from ..settings import CodingSettings
from .coder import PerceptualCoder


@EXPRESSION_SOURCES.register("latent")
class LatentExpressions:
    """protocols.ExpressionSource by the classifier of latents. A face without a neutral is unsure."""

    landmark_network = ""
    coders: Mapping[str, Coder | Formula] = {}

    def __init__(self, settings: CodingSettings, perceptual: PerceptualCoder, inference: InferenceSettings) -> None:
        self._perceptual = perceptual

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
        """From the latents, which the graph has classified."""
        faces = evidence.faces
        return self._perceptual.expressions(
            evidence.latents,
            faces.neutrals,
            [face.visibility.face for face in faces.faces],
            evidence.outputs.get("perceptual_expression"),
        )

    def configure(self, settings: CodingSettings) -> None:
        self._perceptual.settings = settings.expression
