# SPDX-License-Identifier: Apache-2.0
"""What the landmark network makes of pictures: features and registered points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ...face_model.ict import IctFaces
from ...inference import InferenceSettings
from ...keypoints import Registration
from ...npz import open_npz
from ...tracking.conversion.model_cache import tracker_models
from ...tracking.onnx_networks import open_detector, open_landmarks
from ...tracking.pose import PoseEstimator
from ...tracking.regions import Landmarks, Square, presence
from ...tracking.visibility import visibility
from ...tracking.visibility_head import VisibilityHead
from ...types import FloatArray, ImageArray

BATCH = 8
_BORDERS = ((0.5, cv2.BORDER_REPLICATE), (0.25, cv2.BORDER_CONSTANT), (1.0, cv2.BORDER_CONSTANT), (0.0, 0))
"""Shares of the picture that are put around it until a face is found: the detector loses faces that fill a crop."""

View = tuple[int, ImageArray, FloatArray]
"""Number of what is shown, picture, and the square of the face in it."""


@dataclass(frozen=True)
class FeatureRows:
    """Of n views of faces.

    features: (n, d) float16. points: (n, 1404) float16, registered. shown: (n,), number of what each view shows.
    visible: (n, 3), brows, eyes, lower face, 0..1. size_px: (n,), of the face in the picture. presence: (n,) 0..1.
    """

    features: NDArray[np.float16]
    points: NDArray[np.float16]
    shown: NDArray[np.int64]
    visible: FloatArray
    size_px: FloatArray
    presence: FloatArray

    def save(self, path: Path) -> None:
        """As npz. Raises OSError."""
        np.savez(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> FeatureRows:
        """Raises OSError, or ValueError when the file is none of these."""
        with open_npz(path) as file:
            return cls(**{field.name: file[field.name] for field in fields(cls)})

    @classmethod
    def joined(cls, parts: Sequence[FeatureRows]) -> FeatureRows:
        """One after the other."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def where(self, kept: NDArray[np.bool_]) -> FeatureRows:
        """Some of them."""
        return FeatureRows(*(getattr(self, field.name)[kept] for field in fields(self)))

    def __len__(self) -> int:
        return len(self.shown)


class FaceReader:
    """Finds the face of a picture and reads features off it, on one thread.

    learnt_visibility: whether models/visibility tells what is hidden, as in the tracker, or contrast.
    Raises ModelError or ImportError when the landmark network cannot be had.
    """

    def __init__(self, learnt_visibility: bool = True) -> None:
        models, inference = tracker_models(""), InferenceSettings(backend="onnxruntime")
        self._network = open_landmarks(models.landmarks, inference)[0]
        self._detector = open_detector(models.detector, inference)
        self._registration = Registration()
        self._poses = PoseEstimator(IctFaces.load())
        self._visibility_head = VisibilityHead.load_for(self.landmark_network) if learnt_visibility else None

    @property
    def landmark_network(self) -> str:
        """sha256 of the landmark network's file."""
        return str(self._network.session.model.card["source_sha256"])

    def find(self, image: ImageArray) -> FloatArray | None:
        """The square (4,) in which a tracker would look at the likeliest face, in pixels; None: no face."""
        for share, border in _BORDERS:
            edge = int(share * max(image.shape[:2]))
            framed = cv2.copyMakeBorder(image, edge, edge, edge, edge, border, value=(127, 127, 127))
            wide = np.asarray(framed, np.uint8)
            height, width = wide.shape[:2]
            whole = Square(width / 2, height / 2, max(width, height))
            detections = self._detector.find(wide, [whole], 0.5)
            if not detections:
                continue
            square = max(detections, key=lambda d: d.score * d.width).square
            for _ in range(2):
                row = np.array([(square.x, square.y, square.side, square.angle)], np.float32)
                square = Landmarks(self._network.locate(wide, row)[0][0], 1.0).square
            return np.array((square.x - edge, square.y - edge, square.side, square.angle), np.float32)
        return None

    def mesh(self, image: ImageArray, square: FloatArray) -> FloatArray:
        """(478, 3): the landmarks in a square (4,), in pixels."""
        return self.mesh_and_presence(image, square)[0]

    def mesh_and_presence(self, image: ImageArray, square: FloatArray) -> tuple[FloatArray, float]:
        """The landmarks in a square (4,), and how surely they lie on a face, 0..1."""
        meshes, logits, _ = self._network.locate(image, np.asarray(square, np.float32)[None])
        return meshes[0], presence(float(logits[0]))

    def read(self, views: Iterable[View]) -> FeatureRows:
        """Of all views, in their order."""
        return FeatureRows.joined([self._read(batch) for batch in _batches(views)])

    def _read(self, batch: Sequence[View]) -> FeatureRows:
        meshes, logits, features, visible = [], [], [], []
        for _, image, square in batch:
            mesh, logit, feature = self._network.locate(image, np.asarray(square, np.float32)[None])
            landmarks = [Landmarks(mesh[0], presence(float(logit[0])), features=feature[0])]
            columns = np.ascontiguousarray(mesh.transpose(0, 2, 1))
            seen = visibility(image, landmarks, columns, self._poses.poses(columns, None), self._visibility_head)[0]
            visible.append((seen.brows, seen.eyes, seen.lower_face))
            meshes.append(mesh[0])
            logits.append(presence(float(logit[0])))
            features.append(feature[0].astype(np.float16))
        points = [one.dense for one in self._registration.register(meshes)]
        return FeatureRows(
            np.stack(features),
            np.stack(points).reshape(len(batch), -1).astype(np.float16),
            np.array([number for number, _, _ in batch]),
            np.array(visible, np.float32),
            np.array([np.ptp(mesh[:, :2], axis=0).mean() for mesh in meshes], np.float32),
            np.array(logits, np.float32),
        )

    def close(self) -> None:
        """Frees the networks."""
        self._network.close()
        self._detector.close()


def _batches(views: Iterable[View]) -> Iterator[list[View]]:
    batch: list[View] = []
    for view in views:
        batch.append(view)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
