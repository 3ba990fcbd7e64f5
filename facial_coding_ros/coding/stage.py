# SPDX-License-Identifier: Apache-2.0
"""The coding stage: all coders of a frame, behind one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import numpy as np

from ..inference import InferenceSettings
from ..types import CodeForm, Face, FaceCode, FloatArray, Frame, Neutral, Registered
from .coding_graph import Coder, CodingGraph
from .dfecs import DfecsEncoder
from .expression import EXPRESSION_LABELS
from .frame_faces import FrameFaces
from .perceptual.coder import PerceptualCoder
from .protocols import ActionUnitEstimator, ExpressionEvidence, ExpressionSource
from .registries import ACTION_UNIT_ESTIMATORS, EXPRESSION_SOURCES
from .rows import scatter
from .settings import CodingSettings

DFECS, LATENT, CLASSIFIER = "dfecs", "perceptual_m2", "perceptual_expression"
"""Names of models in fusion.CODING."""


class CodingStage:
    """Registered faces and their neutrals -> face codes, all faces of a frame in one batch.

    Parameters
    ----------
    settings, inference
        Which estimators and models, and what computes them.
    background : bool
        A slow image network runs in a thread of its own.

    Raises
    ------
    ValueError, FileNotFoundError
        A model or a setting cannot be used (ModelError is a ValueError).
    """

    def __init__(self, settings: CodingSettings, inference: InferenceSettings, background: bool = False) -> None:
        with ExitStack() as undo:  # what was made before something fails is closed
            self.estimator: ActionUnitEstimator = ACTION_UNIT_ESTIMATORS.create(
                settings.facs.source, settings, inference, background
            )
            undo.callback(self.estimator.close)
            self.dfecs = DfecsEncoder.load(settings.dfecs, inference)
            self.perceptual = PerceptualCoder(
                settings.expression, registration=settings.registration, inference=inference
            )
            self.source: ExpressionSource = EXPRESSION_SOURCES.create(
                settings.expression.source, settings, self.perceptual, inference
            )
            undo.callback(self.source.close)
            self.coders: dict[str, Coder] = {
                DFECS: self.dfecs,
                LATENT: self.perceptual,
                CLASSIFIER: self.perceptual.classifier,
                **self.estimator.coders,
            }
            # The classifier takes filtered latents where there is a filter, which the graph does not have.
            self._graph = CodingGraph(self.coders, inference, (CLASSIFIER,) if self.perceptual.filters else ())
            undo.callback(self._graph.close)
            self._graph.warm_up(*range(1, inference.max_batch + 1))
            undo.pop_all()
        self.form = CodeForm(self.estimator.codes, EXPRESSION_LABELS, len(self.dfecs.names), self.perceptual.dimensions)

    @property
    def needs(self) -> frozenset[str]:
        """What the action-unit estimator needs of a face; see protocols."""
        return self.estimator.needs

    @property
    def backend(self) -> str:
        """What computes the models, in words."""
        return "; ".join(part for part in (self._graph.backend, self.estimator.backend) if part)

    def code(
        self, frame: Frame, faces: Sequence[Face], registered: Sequence[Registered], neutrals: Sequence[Neutral]
    ) -> tuple[FaceCode, ...]:
        """Face codes of the faces of one frame, in their order; (n,) each.

        What needs a neutral is NaN, unsure or of confidence 0 for a face that has none.
        """
        of_frame = FrameFaces(frame, faces, registered, neutrals)
        outputs = self._graph.run(self._inputs(of_frame)) if of_frame.known else {}
        units = self.estimator.estimate(of_frame, outputs)
        dfecs = self._of_all(
            of_frame, self.dfecs.codes(outputs[DFECS]) if of_frame.known else None, len(self.dfecs.names)
        )
        known_latents = self.perceptual.latents(outputs[LATENT], of_frame) if of_frame.known else None
        latents = self._of_all(of_frame, known_latents, self.perceptual.dimensions)
        expressions = self.source.estimate(ExpressionEvidence(of_frame, latents, units.current, outputs))
        return tuple(
            FaceCode(face, neutral.state, neutral.uncertainty, own, expression, codes, latent, age_s)
            for face, neutral, own, expression, codes, latent, age_s in zip(
                faces, neutrals, units.units, expressions, dfecs, latents, units.ages_s, strict=True
            )
        )

    def _inputs(self, faces: FrameFaces) -> dict[str, Mapping[str, FloatArray]]:
        """Of the graph, by model."""
        inputs: dict[str, Mapping[str, FloatArray]] = {
            DFECS: self.dfecs.inputs(faces.motions),
            LATENT: self.perceptual.inputs(faces.known_registered, faces.resting),
            **self.estimator.inputs(faces),
        }
        if not self.perceptual.filters:
            inputs[CLASSIFIER] = {}  # the latent, which the graph has
        return inputs

    @staticmethod
    def _of_all(faces: FrameFaces, known: FloatArray | None, width: int) -> FloatArray:
        """(n, width): rows of the faces that have a neutral at their places, NaN in the others."""
        if known is None:
            return np.full((len(faces), width), np.nan, np.float32)
        return scatter(known, faces.known, len(faces))

    @property
    def landmark_network(self) -> str:
        """sha256 of the landmark network's file whose features expressions are told from; empty: none are needed."""
        return self.source.landmark_network

    def adopt(self, face_id: str, person_id: str) -> None:
        """A face turns out to be a person, whose history goes on."""
        self.source.adopt(face_id, person_id)

    def configure(self, settings: CodingSettings) -> None:
        """Applies the settings that may change while running."""
        self.estimator.configure(settings)
        self.perceptual.settings = settings.expression
        self.source.configure(settings)

    def close(self) -> None:
        """Frees the models; a second call does nothing."""
        self.source.close()
        self.estimator.close()
        self._graph.close()
