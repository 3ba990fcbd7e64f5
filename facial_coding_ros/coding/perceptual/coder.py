# SPDX-License-Identifier: Apache-2.0
"""Live: registered faces and their neutrals to latents and expressions, all faces of a frame in one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...inference import InferenceSettings, ModelFile, Session, expect, open_session
from ...inference.session import fill_and_run
from ...keypoints import RegistrationSettings
from ...models import model_path
from ...types import Expression, FloatArray, Neutral, NeutralState, Registered
from ..expression.labels import EXPRESSION_LABELS, ExpressionSettings, expressions_of
from ..formula import Formula
from ..frame_faces import FrameFaces
from ..rows import scatter
from .card import INPUTS, LATENT, OUTPUTS, check_classifier, check_encoder
from .latent_filter import FilterInputs, OneEuro

ENCODER, CLASSIFIER = "perceptual_m2.onnx", "perceptual_expression.onnx"

_TRUST_OF_STATE = [0.0] * len(NeutralState)
_TRUST_OF_STATE[NeutralState.LEARNING] = 0.8
_TRUST_OF_STATE[NeutralState.READY] = 1.0
_TRUST_OF_STATE[NeutralState.STALE] = 0.9


class ExpressionClassifier:
    """Latent to probabilities of the labels, and valence and arousal."""

    def __init__(self, model: ModelFile, inference: InferenceSettings | None = None) -> None:
        self.model = model.without_graph()
        self._inference = inference

    @cached_property
    def session(self) -> Session:
        return open_session(self.model, self._inference)

    def run(self, latents: FloatArray) -> Mapping[str, FloatArray]:
        """Of latents (n, d), n > 0: (n, labels) and (n, 2); the next call may overwrite them."""
        session, inputs = self.session, {LATENT: latents}
        if session.max_batch and len(latents) > session.max_batch:
            return session.run(inputs)
        return fill_and_run(session.bind(len(latents)), inputs)


class PerceptualCoder:
    """The shipped M2 encoder and expression classifier, or other files of the same form with their cards.

    registration: how the pipeline registers. Raises ValueError or FileNotFoundError, naming
    the file and what differs, when one is damaged, foreign, or made for other keypoints, another order or neutral.
    """

    def __init__(
        self,
        settings: ExpressionSettings | None = None,
        encoder: Path | None = None,
        classifier: Path | None = None,
        registration: RegistrationSettings | None = None,
        inference: InferenceSettings | None = None,
    ) -> None:
        self.settings = settings or ExpressionSettings()
        self.model = ModelFile.read(encoder or model_path(ENCODER)).without_graph()
        self.classifier = ExpressionClassifier(ModelFile.read(classifier or model_path(CLASSIFIER)), inference)
        card = self.model.card
        scheme = check_encoder(self.model.path, card, registration or RegistrationSettings())
        check_classifier(self.classifier.model.path, self.classifier.model.card, card, EXPRESSION_LABELS)
        self._inference = inference
        self._points_of_model = scheme.count
        # Points are means of mesh points: the same number of each, so that gathering and adding gives all.
        rows = [np.flatnonzero(row) for row in scheme.mesh_weights]
        repeats = int(np.lcm.reduce([len(row) for row in rows]))
        self._gather = np.stack([np.tile(row, repeats // len(row)) for row in rows], 1)
        self.dimensions = int(card["latent_dimensions"])
        self._filter = OneEuro() if self.settings.latent_filter == "one_euro" else None

    @property
    def filters(self) -> bool:
        """Whether latents are filtered over time; then the classifier runs by itself, on the filtered ones."""
        return self._filter is not None

    def estimate(
        self,
        registered: Sequence[Registered],
        neutrals: Sequence[Neutral],
        subject_keys: Sequence[str] = (),
        stamp_ns: int = 0,
        trust: Sequence[float] = (),
    ) -> tuple[FloatArray, list[Expression]]:
        """Latents (n, dimensions) and expressions of the faces of one frame, in their order.

        A face without a neutral has a latent of NaN and is unsure. subject_keys (Face.subject_key) and stamp_ns: of the
        same faces; with them, latents are filtered over time. trust: 0..1 for each face, from pose, size and
        visibility; what is not trusted goes to `unsure`.
        """
        known = [i for i, neutral in enumerate(neutrals) if neutral.registered is not None]
        if not known:
            latents = np.full((len(neutrals), self.dimensions), np.nan, np.float32)
        else:
            resting = [neutral.registered for neutral in neutrals if neutral.registered is not None]
            own = self.session.run(self.inputs([registered[i] for i in known], resting))[LATENT]
            if self._filter is not None and subject_keys:
                own = self._filter.update([subject_keys[i] for i in known], own, stamp_ns)
            latents = scatter(own, known, len(neutrals))
        return latents, self.expressions(latents, neutrals, trust)

    @cached_property
    def session(self) -> Session:
        """The encoder by itself. Raises ModelError when it is of another form."""
        session = open_session(self.model, self._inference)
        expect(session, dict.fromkeys(INPUTS, (self._points_of_model, 3)), {LATENT: (self.dimensions,)})
        return session

    def inputs(self, registered: Sequence[Registered], resting: Sequence[Registered]) -> dict[str, FloatArray]:
        """Inputs of the encoder for faces and their neutrals."""
        points = self._points([*registered, *resting])
        return dict(zip(INPUTS, (points[: len(registered)], points[len(registered) :]), strict=True))

    @property
    def gather(self) -> NDArray[np.intp]:
        """(k, points): mesh points whose mean each keypoint of the model is."""
        return self._gather

    def filter_formula(self) -> Formula:
        """`latent_filter`, of fusion.CODING; without a filter each face always begins, which leaves latents alone."""
        return (self._filter or OneEuro()).formula("latent_filter", self.dimensions)

    def graph_inputs(self, faces: FrameFaces) -> dict[str, FloatArray]:
        """What the filter takes in the joined graph."""
        if self._filter is None:
            so_far = FilterInputs.none(len(faces), self.dimensions)
        else:
            keys = [face.subject_key for face in faces.faces]
            so_far = self._filter.so_far(keys, self.dimensions, faces.frame.stamp_ns)
        return {f"latent_{name}": values for name, values in vars(so_far).items()}

    def latents(self, outputs: Mapping[str, Mapping[str, FloatArray]], faces: FrameFaces) -> FloatArray:
        """Latents (n, dimensions), filtered where a filter is set; NaN for faces that have no neutral.

        outputs: of the joined graph, which its next run may overwrite.
        """
        told = outputs["latent_filter"]
        filtered = told["filtered"].copy()
        if self._filter is not None and faces.known:
            speed = told["new_speed"].copy()
            keys = [faces.faces[i].subject_key for i in faces.known]
            known = list(faces.known)
            self._filter.keep(keys, filtered[known], speed[known], faces.frame.stamp_ns)
        if len(faces.known) < len(faces):
            filtered[[i not in faces.known for i in range(len(faces))]] = np.nan
        return filtered

    def expressions(
        self,
        latents: FloatArray,
        neutrals: Sequence[Neutral],
        trust: Sequence[float] = (),
        classified: Mapping[str, FloatArray] | None = None,
    ) -> list[Expression]:
        """Expressions of faces from their latents (n, dimensions); a row of NaN, without a neutral, is unsure.

        trust: as in `estimate`. classified: the classifier's outputs for all faces, where they are known already.
        """
        known = [i for i, neutral in enumerate(neutrals) if neutral.registered is not None]
        if not known:
            shares = np.zeros((len(neutrals), len(EXPRESSION_LABELS)), np.float32)
            return expressions_of(shares, np.ones(len(neutrals)), self.settings.unsure_below)
        if classified is None:
            classified = self.classifier.run(latents if len(known) == len(neutrals) else latents[known])
        elif len(known) < len(neutrals):
            classified = {name: classified[name][known] for name in OUTPUTS}
        shares, affect = (scatter(classified[name], known, len(neutrals), 0.0) for name in OUTPUTS)
        trusted = [_TRUST_OF_STATE[neutral.state] for neutral in neutrals]
        if len(trust):
            trusted = [of_state * min(max(own, 0.0), 1.0) for of_state, own in zip(trusted, trust, strict=True)]
        leads = lead(shares, self.settings.unsure_margin)
        shares *= np.array([[own * share] for own, share in zip(trusted, leads, strict=True)], np.float32)
        unsure = [max(0.0, 1 - sum(row)) for row in shares.tolist()]
        return expressions_of(shares, unsure, self.settings.unsure_below, affect)

    def _points(self, registered: Sequence[Registered]) -> FloatArray:
        """Keypoints (n, k, 3) of the model's scheme."""
        meshes = np.array([face.dense for face in registered], np.float32)
        points = meshes.take(self._gather[0], axis=1)
        for indices in self._gather[1:]:
            points += meshes.take(indices, axis=1)
        return points / np.float32(len(self._gather))

    def forget(self, subject_key: str) -> None:
        """Drops what is held of a face."""
        if self._filter is not None:
            self._filter.forget(subject_key)


def lead(shares: FloatArray, margin: float) -> list[float]:
    """0..1 for each row: how clearly the likeliest label leads over the second, 1 from `margin` on."""
    if margin <= 0:
        return [1.0] * len(shares)
    two = [sorted(row)[-2:] for row in shares.tolist()]
    return [min(1.0, (first - second) / margin) for second, first in two]
