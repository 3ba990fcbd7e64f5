"""What a face expresses, from one image: a head on features that the landmark network has anyway. No neutral needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import UserError
from ...inference import InferenceSettings, ModelError, ModelFile, expect, open_session
from ...inference.session import fill_and_run
from ...keypoints import RegistrationSettings
from ...models import model_path
from ...types import SURFACE_POINTS, Face, FloatArray, Registered
from ..perceptual.model_files import dense_form
from .labels import EXPRESSION_LABELS

MODEL, GEOMETRY_MODEL = "appearance.onnx", "appearance_geometry.onnx"
FEATURES, POINTS = "features", "points"
LOGITS, AFFECT = "logits", "affect"


@dataclass(frozen=True)
class FeatureSource:
    """Whose features a tracker gives: file of the landmark network by its sha256, and size of a face's features.

    sha256 is empty where the landmarks come without features.
    """

    sha256: str = ""
    size: int = 0


class AppearanceHead:
    """A head with its card: features and registered points of faces to logits of EXPRESSION_LABELS.

    With features from the converted landmark network models/appearance.onnx; where there are none, as with
    MediaPipe's own graph, the head on the points alone, models/appearance_geometry.onnx.
    """

    def __init__(
        self,
        model: ModelFile,
        source: FeatureSource,
        registration: RegistrationSettings | None = None,
        inference: InferenceSettings | None = None,
    ) -> None:
        """Raises ModelError when the head is of another form, order of labels, registration or landmark network."""
        card = model.card
        if card.get("labels") != list(EXPRESSION_LABELS):
            raise ModelError(f"{model.path} tells {card.get('labels')}; expected: {list(EXPRESSION_LABELS)}.")
        form = dense_form(registration or RegistrationSettings())
        if card.get("dense_points") != form:
            raise ModelError(
                f"{model.path} was made for points that are {card.get('dense_points')}; here they are {form}."
            )
        made_for = card.get("landmark_source_sha256")
        self.uses_features = made_for is not None
        if self.uses_features and made_for != source.sha256:
            raise ModelError(
                f"{model.path} was made for the landmark network {str(made_for)[:12]}... ; the one in use is "
                f"{source.sha256[:12] or 'without features'}. Train it anew with `facial_coding train expression`."
            )
        self.model = model
        shapes: dict[str, tuple[int, ...]] = {POINTS: (SURFACE_POINTS, 3)}
        if self.uses_features:
            shapes[FEATURES] = (source.size,)
        self._session = open_session(model, inference)
        expect(self._session, shapes, {LOGITS: (len(EXPRESSION_LABELS),), AFFECT: (2,)})

    @classmethod
    def load(
        cls,
        source: FeatureSource,
        path: Path | None = None,
        registration: RegistrationSettings | None = None,
        inference: InferenceSettings | None = None,
    ) -> AppearanceHead:
        """The shipped head for that source, or another file with its card.

        Raises FileNotFoundError when it is missing, ModelError when it does not fit.
        """
        shipped = MODEL if source.sha256 else GEOMETRY_MODEL
        return cls(ModelFile.read(path or model_path(shipped)), source, registration, inference)

    @property
    def backend(self) -> str:
        """What computes it and why."""
        return self._session.backend

    def warm_up(self, *batches: int) -> None:
        """Makes everything ready for these numbers of faces."""
        self._session.warm_up(*batches)

    def tell(self, faces: Sequence[Face], registered: Sequence[Registered]) -> tuple[FloatArray, FloatArray]:
        """Logits (n, 8), and valence and arousal (n, 2), of the faces of a frame; n > 0."""
        given = {POINTS: np.array([one.dense for one in registered], np.float32)}
        if self.uses_features:
            features = [face.features for face in faces if face.features is not None]
            if len(features) != len(faces):
                raise UserError("a face has no features, which the appearance head needs")
            given[FEATURES] = np.array(features, np.float32)
        session = self._session
        if session.max_batch and len(faces) > session.max_batch:
            told = session.run(given)
        else:
            told = fill_and_run(session.bind(len(faces)), given)
        return told[LOGITS].copy(), told[AFFECT].copy()

    def close(self) -> None:
        self._session.close()
