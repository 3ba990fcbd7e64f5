# SPDX-License-Identifier: Apache-2.0
"""Keypoint motion -> intensities of FACS action units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from ...action_units import CODES
from ...inference import InferenceSettings, ModelError, ModelFile, Session, expect, open_session
from ...models import model_path
from ...types import SURFACE_POINTS, ActionUnits, Face, FloatArray, Motion, Neutral
from ..formula import Formula
from .confidence import Confidence, Views, noise_scale
from .outputs import MEAN, STRONGER, assemble, stronger_side, unknown
from .settings import FacsSettings

MODEL = "facs.onnx"
_INPUTS = {"motion": (SURFACE_POINTS, 3), "noise_scale": (1,)}
_OUTPUTS = {"sides": (2, len(CODES)), "presence": (len(CODES),)}


class FacsEstimator:
    """The network of models/facs.onnx (see its card) and the confidence in its outputs; all faces in one run."""

    def __init__(
        self, model: ModelFile, settings: FacsSettings | None = None, inference: InferenceSettings | None = None
    ) -> None:
        """Raises ModelError when the card is not that of a FACS model of this version."""
        if model.card.get("codes") != list(CODES):
            raise ModelError(f"{model.path} is for the action units {model.card.get('codes')}; expected {list(CODES)}.")
        reliability = model.card.get("reliability")  # 0..1, how far each unit can be estimated on a well seen face
        if not isinstance(reliability, list) or len(reliability) != len(CODES):
            raise ModelError(f"The card of {model.path} lacks the reliability of each of {len(CODES)} action units.")
        self.codes = CODES
        self.model = model.without_graph()
        self.settings = settings or FacsSettings()
        self._confidence = Confidence(reliability)
        self._inference = inference

    @classmethod
    def load(
        cls,
        path: Path | None = None,
        settings: FacsSettings | None = None,
        inference: InferenceSettings | None = None,
    ) -> FacsEstimator:
        """The shipped model or another file with its card (.yaml) beside it.

        Raises FileNotFoundError when one is missing, ModelError when they do not fit together or to this version.
        """
        return cls(ModelFile.read(path or model_path(MODEL)), settings, inference)

    @cached_property
    def session(self) -> Session:
        """The network by itself. Raises ModelError when it is of another form."""
        session = open_session(self.model, self._inference)
        expect(session, _INPUTS, _OUTPUTS)
        return session

    def estimate(
        self, motions: Sequence[Motion], faces: Sequence[Face], neutrals: Sequence[Neutral]
    ) -> list[ActionUnits]:
        """Action units of each face; the three are in the same order."""
        if not motions:
            return []
        views = Views.of(faces)
        return self.units(self.session.run(self.inputs(motions, views)), views, neutrals)

    def inputs(self, motions: Sequence[Motion], views: Views) -> dict[str, FloatArray]:
        """Inputs of the network for these faces."""
        noise_scales = noise_scale(views.turn_deg, views.eye_distance_px)
        return {
            "motion": np.array([motion.dense for motion in motions], np.float32),
            "noise_scale": noise_scales[:, None],
        }

    def units(self, outputs: Mapping[str, FloatArray], views: Views, neutrals: Sequence[Neutral]) -> list[ActionUnits]:
        """Action units of each face from the outputs of the network."""
        sides = outputs["sides"]
        confidence = self._confidence(sides, views, neutrals, self.settings)
        return assemble(sides, confidence, outputs["presence"].copy())

    def factors(self, views: Views, neutrals: Sequence[Neutral]) -> FloatArray:
        """(n, 3), what `formula` takes of faces; see `Confidence.factors`."""
        return self._confidence.factors(views, neutrals, self.settings)

    def formula(self) -> Formula:
        """`units`: the network's sides (2, units) and factors (3,) -> intensity and confidence (units,)."""

        def units(sides: FloatArray, factors: FloatArray) -> tuple[FloatArray, FloatArray]:
            return stronger_side(sides), self._confidence.by_factors(sides, factors)

        one = (len(CODES),)
        return Formula(
            "units",
            {"sides": (2, *one), "factors": (3,)},
            {"intensity": one, "confidence": one},
            units,
            [self._confidence.shares, STRONGER, MEAN, CODES],
        )

    def infer(self, motion: FloatArray, noise_scale: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Sides (n, 2, units), right first, and probability of presence (n, units).

        motion: (n, 468, 3) in eye distances. noise_scale: (n,), from 1, see confidence.noise_scale.
        """
        inputs = {
            "motion": np.asarray(motion, np.float32),
            "noise_scale": np.asarray(noise_scale, np.float32).reshape(-1, 1),
        }
        out = self.session.run(inputs)
        return out["sides"], out["presence"]

    def unknown(self, count: int) -> list[ActionUnits]:
        """Of faces without a neutral: intensity 0 and confidence 0."""
        return unknown(count)
