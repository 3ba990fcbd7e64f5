# SPDX-License-Identifier: Apache-2.0
"""Published expression networks of others in place of the appearance head, for users who have their files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ...inference import ModelError, ModelFile
from ...inference.onnx_runtime import OnnxRuntimeSession
from ...types import Face, FloatArray, ImageArray
from .labels import EXPRESSION_LABELS

_MESH_FIVE = ((468,), (473,), (1,), (61,), (291,))
"""Mesh points of right and left pupil, tip of the nose, right and left corner of the mouth."""
_ARCFACE_FIVE = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
"""Where those five lie in 112 x 112 pixels for networks of ArcFace's alignment."""
_ABSENT = -12.0
"""Logit of a label that a network does not tell."""


@dataclass(frozen=True)
class PublishedForm:
    """What a published network takes and tells.

    shape: of its input, without the batch: (channels, height, width). labels: in its order. aligned: by ArcFace's five
    points, else the upright box around the mesh, `share` times as wide. mean, scale: (value - mean) * scale, of 0..255.
    """

    name: str
    source: str
    licence: str
    shape: tuple[int, int, int]
    labels: tuple[str, ...]
    aligned: bool
    share: float = 1.0
    mean: float = 0.0
    scale: float = 1.0


PUBLISHED = (
    PublishedForm(
        "emotion-ferplus-8",
        "github.com/onnx/models, validated/vision/body_analysis/emotion_ferplus",
        "MIT",
        (1, 64, 64),
        ("neutral", "happy", "surprised", "sad", "angry", "disgusted", "scared", "contempt"),
        aligned=False,
        share=1.1,
    ),
    PublishedForm(
        "facial_expression_recognition_mobilefacenet",
        "github.com/opencv/opencv_zoo, models/facial_expression_recognition",
        "Apache-2.0",
        (3, 112, 112),
        ("angry", "disgusted", "scared", "happy", "neutral", "sad", "surprised"),
        aligned=True,
        mean=127.5,
        scale=1 / 127.5,
    ),
)
"""Told apart by the shapes of input and output."""


class PublishedAppearance:
    """A network of PUBLISHED from its file, as AppearanceHead tells: logits of EXPRESSION_LABELS; no affect of its own.

    Raises
    ------
    ModelError
        The file is missing, no ONNX graph, or of a form that is not in PUBLISHED.
    """

    def __init__(self, path: Path) -> None:
        try:
            graph = path.expanduser().read_bytes()
        except OSError as error:
            raise ModelError(f"expression.appearance_model: {path} cannot be read ({error.strerror}).") from None
        digest = hashlib.sha256(graph).hexdigest()
        self._session = OnnxRuntimeSession(ModelFile(path, {"name": path.stem}, graph, digest))
        inputs, outputs = self._session.inputs, self._session.outputs
        form = None
        if len(inputs) == len(outputs) == 1:
            form = next(
                (one for one in PUBLISHED if one.shape == inputs[0].shape and (len(one.labels),) == outputs[0].shape),
                None,
            )
        if form is None:
            known = "; ".join(f"{one.name}: {one.shape} to {len(one.labels)}" for one in PUBLISHED)
            found = f"{', '.join(map(str, inputs))} to {', '.join(map(str, outputs))}"
            raise ModelError(f"expression.appearance_model: {path} takes and tells {found}; known are {known}.")
        self.form = form
        self._columns = [form.labels.index(label) if label in form.labels else -1 for label in EXPRESSION_LABELS]

    def tell(self, image: ImageArray, faces: Sequence[Face]) -> FloatArray:
        """Logits (n, 8) of faces in an image, (height, width, 3) RGB."""
        name, answer = self._session.inputs[0].name, self._session.outputs[0].name
        rows = []
        for face in faces:
            told = self._session.run({name: self._input(image, face)[None]})[answer][0]
            rows.append([told[column] if column >= 0 else _ABSENT for column in self._columns])
        return np.array(rows, np.float32).reshape(-1, len(EXPRESSION_LABELS))

    def _input(self, image: ImageArray, face: Face) -> FloatArray:
        channels, height, width = self.form.shape
        matrix = self._aligned(face, width) if self.form.aligned else self._upright(face, width)
        seen = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        planes = cv2.cvtColor(seen, cv2.COLOR_RGB2GRAY)[None] if channels == 1 else seen.transpose(2, 0, 1)
        return (planes.astype(np.float32) - np.float32(self.form.mean)) * np.float32(self.form.scale)

    def _upright(self, face: Face, side: int) -> NDArray[np.float64]:
        low, high = face.mesh[:, :2].min(0), face.mesh[:, :2].max(0)
        scale = side / (self.form.share * float((high - low).max()))
        shift = side / 2 - scale * (low + high) / 2
        return np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])

    def _aligned(self, face: Face, side: int) -> NDArray[np.float64]:
        points = np.array([face.mesh[list(group), :2].mean(0) for group in _MESH_FIVE], np.float32)
        matrix, _ = cv2.estimateAffinePartial2D(points, np.array(_ARCFACE_FIVE, np.float32), method=cv2.LMEDS)
        return np.asarray(np.eye(2, 3) * side / 112 if matrix is None else matrix, np.float64)

    def close(self) -> None:
        """Frees the network."""
        self._session.close()
