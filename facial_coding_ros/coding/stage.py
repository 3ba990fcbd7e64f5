# SPDX-License-Identifier: Apache-2.0
"""The coding stage: all coders of a frame, behind one call."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np

from ..inference import InferenceSettings
from ..types import CodeForm, Face, FaceCode, FloatArray, Frame, Neutral, Registered
from .coding_graph import Coder, CodingGraph
from .dfecs import DfecsEncoder
from .expression import EXPRESSION_LABELS
from .formula import Formula
from .frame_faces import FrameFaces
from .fusion import with_sources
from .motion_formula import motion_formula
from .opening_beside import OpeningBeside
from .output_settings import NO_EXPRESSION, NO_UNITS, OUTPUTS, Outputs
from .perceptual.coder import PerceptualCoder
from .protocols import ActionUnitEstimates, ActionUnitEstimator, ExpressionEvidence, ExpressionSource
from .registries import ACTION_UNIT_ESTIMATORS, EXPRESSION_SOURCES
from .settings import CodingSettings

MOTION, DFECS, LATENT, LATENT_FILTER, CLASSIFIER = (
    "motion", "dfecs", "perceptual_m2", "latent_filter", "perceptual_expression",
)  # fmt: skip
"""Parts of fusion.CODING."""


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
            self.coders: dict[str, Coder | Formula] = {
                MOTION: motion_formula(self.perceptual.gather),
                DFECS: self.dfecs,
                LATENT: self.perceptual,
                LATENT_FILTER: self.perceptual.filter_formula(),
                CLASSIFIER: self.perceptual.classifier,
                **self.estimator.coders,
                **self.source.coders,
            }
            self._allowed = settings.outputs.wanted
            self._inference = inference
            # Without expressions the whole graph would do work that nobody needs.
            self._graph = CodingGraph(self.coders, inference, joined="expression" in self._allowed)
            undo.callback(self._graph.close)
            self._graph.warm_up(*range(1, inference.max_batch + 1))
            undo.pop_all()
        self._few = OpeningBeside(self._graph_of_few)
        told = self._allowed
        self.form = CodeForm(
            self.estimator.codes if "facs" in told else (),
            EXPRESSION_LABELS if "expression" in told else (),
            len(self.dfecs.names) if "dfecs" in told else 0,
            self.perceptual.dimensions if "latent" in told else 0,
        )

    @property
    def needs(self) -> frozenset[str]:
        """What the action-unit estimator needs of a face; see protocols."""
        return self.estimator.needs

    @property
    def backend(self) -> str:
        """What computes the models, in words."""
        return "; ".join(part for part in (self._graph.backend, self.estimator.backend) if part)

    def code(
        self,
        frame: Frame,
        faces: Sequence[Face],
        registered: Sequence[Registered],
        neutrals: Sequence[Neutral],
        wanted: Outputs = OUTPUTS,
    ) -> tuple[FaceCode, ...]:
        """Face codes of the faces of one frame, in their order; (n,) each.

        What needs a neutral is NaN, unsure or of confidence 0 for a face that has none. What is not wanted, or was
        switched off, is empty.
        """
        wanted &= self._allowed
        of_frame = FrameFaces(frame, faces, registered, neutrals)
        outputs = self._graph_for(wanted).run(self.inputs(of_frame, wanted), self._parts(wanted))
        units = ActionUnitEstimates.of_this_frame([NO_UNITS] * len(faces))
        latents: FloatArray = np.empty((len(faces), 0), np.float32)
        dfecs, expressions = latents, [NO_EXPRESSION] * len(faces)
        if wanted & {"facs", "expression"}:
            units = self.estimator.estimate(of_frame, outputs)
        if "dfecs" in wanted:
            dfecs = outputs[DFECS]["codes"].copy()
            if len(of_frame.known) < len(faces):
                dfecs[[i not in of_frame.known for i in range(len(faces))]] = np.nan
        if wanted & {"latent", "expression"}:
            latents = self.perceptual.latents(outputs, of_frame)
        if "expression" in wanted:
            expressions = self.source.estimate(ExpressionEvidence(of_frame, latents, units.current, outputs))
        told = units.units if "facs" in wanted else [NO_UNITS] * len(faces)
        latents = latents if "latent" in wanted else latents[:, :0]
        return tuple(
            FaceCode(face, neutral.state, neutral.uncertainty, own, expression, codes, latent, age_s)
            for face, neutral, own, expression, codes, latent, age_s in zip(
                faces, neutrals, told, expressions, dfecs, latents, units.ages_s, strict=True
            )
        )

    def _graph_for(self, wanted: Outputs) -> CodingGraph:
        """The joined graph does all at once; for what is less than expressions parts by themselves are cheaper, from
        the frame on for which they are open."""
        if "expression" in wanted or not self._graph.does_more_than_wanted:
            return self._graph
        return self._few.graph() or self._graph

    def _graph_of_few(self) -> CodingGraph:
        """All but expressions, one call each."""
        parts = with_sources(self._parts(self._allowed - {"expression"}))
        graph = CodingGraph({name: self.coders[name] for name in parts}, self._inference, joined=False)
        graph.warm_up(*range(1, self._inference.max_batch + 1))
        return graph

    def _parts(self, wanted: Outputs) -> frozenset[str]:
        """Of the coding graph, what these outputs need."""
        parts = {DFECS} if "dfecs" in wanted else set()
        parts |= {LATENT_FILTER} if "latent" in wanted else set()
        parts |= set(self.estimator.coders) if "facs" in wanted else set()
        if "expression" in wanted:
            parts |= {LATENT_FILTER, CLASSIFIER, *self.estimator.coders, *self.source.coders}
        return frozenset(parts)

    def inputs(self, faces: FrameFaces, wanted: Outputs = OUTPUTS) -> dict[str, FloatArray]:
        """Of the coding graph: those of fusion.INPUTS that are there and needed."""
        inputs = faces.inputs()
        if wanted & {"facs", "expression"}:
            inputs |= self.estimator.inputs(faces)
        if wanted & {"latent", "expression"}:
            inputs |= self.perceptual.graph_inputs(faces)
        if "expression" in wanted:
            inputs |= self.source.inputs(faces)
        return inputs

    @property
    def landmark_network(self) -> str:
        """sha256 of the landmark network's file whose features expressions are told from; empty: none are needed."""
        return self.source.landmark_network

    def adopt(self, face_id: str, person_id: str) -> None:
        """A face turns out to be a person, whose history goes on."""
        self.source.adopt(face_id, person_id)

    def forget(self, subject_key: str) -> None:
        """Drops what was learnt of a face or person; nothing when there is none."""
        self.perceptual.forget(subject_key)
        self.source.forget(subject_key)

    def configure(self, settings: CodingSettings) -> None:
        """Applies the settings that may change while running."""
        self.estimator.configure(settings)
        self.perceptual.settings = settings.expression
        self.source.configure(settings)

    def close(self) -> None:
        """Frees the models; a second call does nothing."""
        self.source.close()
        self.estimator.close()
        self._few.close()
        self._graph.close()
