# SPDX-License-Identifier: Apache-2.0
"""Expression from one image: a head on features that the landmark network computes anyway. No neutral needed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ...inference import InferenceSettings, ModelError, ModelFile, Session, Tensor, expect, open_session
from ...keypoints import RegistrationSettings
from ...models import model_path
from ...types import SURFACE_POINTS, Face, FloatArray, Registered
from ..perceptual.card import dense_form
from .labels import EXPRESSION_LABELS

MODEL, GEOMETRY_MODEL = "appearance.onnx", "appearance_geometry.onnx"
FEATURES, POINTS = "features", "points"
LOGITS, AFFECT = "logits", "affect"


class AppearanceHead:
    """A head with its card: features and registered points of faces to log-probabilities of EXPRESSION_LABELS.

    With features from the converted landmark network models/appearance.onnx; where there are none, as with
    MediaPipe's own graph, the head on the points alone, models/appearance_geometry.onnx.

    Attributes
    ----------
    landmark_network : str
        sha256 of the file of the landmark network whose features it takes; empty for a head on the points alone.
    """

    def __init__(
        self,
        model: ModelFile,
        registration: RegistrationSettings | None = None,
        inference: InferenceSettings | None = None,
    ) -> None:
        """Raises ModelError when the head is for another order of labels or registration."""
        card = model.card
        if card.get("labels") != list(EXPRESSION_LABELS):
            raise ModelError(f"{model.path} tells {card.get('labels')}; expected: {list(EXPRESSION_LABELS)}.")
        form = dense_form(registration or RegistrationSettings())
        if card.get("dense_points") != form:
            raise ModelError(
                f"{model.path} was made for points that are {card.get('dense_points')}; here they are {form}."
            )
        self.landmark_network = str(card.get("landmark_source_sha256", ""))
        self.model = model.without_graph()
        self._inference = inference

    @cached_property
    def session(self) -> Session:
        """The head by itself, opened when first asked for. Raises ModelError when it is of another form."""
        session = open_session(self.model, self._inference)
        size = next((tensor.shape for tensor in session.inputs if tensor.name == FEATURES), (0,))
        shapes: dict[str, tuple[int, ...]] = {POINTS: (SURFACE_POINTS, 3)}
        if self.landmark_network:
            shapes[FEATURES] = size
        expect(session, shapes, {LOGITS: (len(EXPRESSION_LABELS),), AFFECT: (2,)})
        return session

    @classmethod
    def load(
        cls,
        name: str = MODEL,
        registration: RegistrationSettings | None = None,
        inference: InferenceSettings | None = None,
    ) -> AppearanceHead:
        """A shipped head. Raises FileNotFoundError when it is missing, ModelError when it does not fit."""
        return cls(ModelFile.read(model_path(name)), registration, inference)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What the head takes."""
        return self.session.inputs

    def tell(self, faces: Sequence[Face], registered: Sequence[Registered]) -> tuple[FloatArray, FloatArray]:
        """Log-probabilities (n, 8), and valence and arousal (n, 2), of the faces of a frame; n > 0."""
        session = self.session
        if session.max_batch and len(faces) > session.max_batch:
            told = session.run(self._given([face.features for face in faces], [one.dense for one in registered]))
            return told[LOGITS], told[AFFECT]
        binding = session.bind(len(faces))
        for to, one in zip(binding.inputs[POINTS], registered, strict=True):
            to[...] = one.dense
        if self.landmark_network:
            for to, face in zip(binding.inputs[FEATURES], faces, strict=True):
                to[...] = face.features
        binding.run()
        return binding.outputs[LOGITS].copy(), binding.outputs[AFFECT].copy()

    def logits(self, features: FloatArray, points: FloatArray) -> FloatArray:
        """Log-probabilities (n, 8) of features (n, d), which not all heads take, and points (n, 468, 3)."""
        return self.session.run(self._given(features, points))[LOGITS]

    def _given(self, features: Any, points: Any) -> dict[str, FloatArray]:
        given = {POINTS: np.asarray(points, np.float32)}
        if self.landmark_network:
            given[FEATURES] = np.asarray(features, np.float32)
        return given

    def close(self) -> None:
        if "session" in vars(self):
            self.session.close()
