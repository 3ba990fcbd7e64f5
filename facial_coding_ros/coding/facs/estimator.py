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
from .answers import assemble, unknown
from .confidence import Confidence, Views, doubt
from .settings import FacsSettings

MODEL = "facs.onnx"
_INPUTS = {"motion": (SURFACE_POINTS, 3), "doubt": (1,)}
_OUTPUTS = {"sides": (2, len(CODES)), "presence": (len(CODES),)}


class FacsEstimator:
    """The network of models/facs.onnx (see its card) and the doubt of its answers; all faces in one run."""

    def __init__(
        self, model: ModelFile, settings: FacsSettings | None = None, inference: InferenceSettings | None = None
    ) -> None:
        """Raises ModelError when the card is not that of a FACS model of this version."""
        if model.card.get("codes") != list(CODES):
            raise ModelError(f"{model.path} is for the action units {model.card.get('codes')}; expected {list(CODES)}.")
        reliability = model.card.get("reliability")  # 0..1, how far each unit can be told on a well seen face
        if not isinstance(reliability, list) or len(reliability) != len(CODES):
            raise ModelError(f"The card of {model.path} lacks the reliability of each of {len(CODES)} action units.")
        self.codes = CODES
        self.model = model
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
        session = open_session(self.model.path, self._inference)
        expect(session, _INPUTS, _OUTPUTS)
        return session

    def estimate(
        self, motions: Sequence[Motion], faces: Sequence[Face], neutrals: Sequence[Neutral]
    ) -> list[ActionUnits]:
        """Action units of each face; the three are in the same order."""
        if not motions:
            return []
        views = Views.of(faces)
        return self.units(self.session.run(self.given(motions, views)), views, neutrals)

    def given(self, motions: Sequence[Motion], views: Views) -> dict[str, FloatArray]:
        """What the network is given for these faces."""
        doubts = doubt(views.turn_deg, views.eye_distance_px)
        return {"motion": np.array([motion.dense for motion in motions], np.float32), "doubt": doubts[:, None]}

    def units(self, answers: Mapping[str, FloatArray], views: Views, neutrals: Sequence[Neutral]) -> list[ActionUnits]:
        """Action units of each face from what the network answers."""
        sides = answers["sides"]
        confidence = self._confidence(sides, views, neutrals, self.settings)
        return assemble(sides, confidence, answers["presence"].copy())

    def infer(self, motion: FloatArray, doubt: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Sides (n, 2, units), right first, and probability of presence (n, units).

        motion: (n, 468, 3) in eye distances. doubt: (n,), from 1, see confidence.doubt.
        """
        given = {"motion": np.asarray(motion, np.float32), "doubt": np.asarray(doubt, np.float32).reshape(-1, 1)}
        out = self.session.run(given)
        return out["sides"], out["presence"]

    def unknown(self, count: int) -> list[ActionUnits]:
        """Of faces without a neutral: intensity 0 and confidence 0."""
        return unknown(count)
