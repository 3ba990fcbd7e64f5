"""Landmarks by the converted network, all faces in one batch, in ONNX Runtime or TensorRT; detections by MediaPipe."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..inference import InferenceSettings
from ..inference.landmarks import LandmarkNetwork
from ..types import ImageArray
from .mediapipe_graph import MediaPipeGraph, presence, sensible
from .regions import Box, Detection, Landmarks, Square


class OnnxLandmarks:
    """Detections and landmarks of one image, as MediaPipeGraph gives them; keeps nothing from image to image.

    inference: what computes the network; max_batch is the most faces of one batch. Raises ImportError when MediaPipe is
    missing or has no Python graphs, ModelError when its network cannot be converted or is not equal to MediaPipe's.
    """

    detects_always = False

    def __init__(self, inference: InferenceSettings | None = None, *, detection_score: float = 0.5) -> None:
        self._network = LandmarkNetwork.load(inference)
        self._detector = MediaPipeGraph(detection_score=detection_score, lanes=0)

    @property
    def backend(self) -> str:
        return f"MediaPipe's network by {self._network.backend}"

    def process(
        self, image: ImageArray, squares: Sequence[Square], detect: bool, parts: Sequence[Box] = ()
    ) -> tuple[list[Landmarks | None], list[Detection]]:
        """Landmarks in each square, and the faces the detector finds in the image and in parts of it.

        image: (height, width, 3) uint8, RGB. A square that has no sense (empty or far outside) gives None.
        """
        height, width = image.shape[:2]
        found: list[Landmarks | None] = [None] * len(squares)
        used = [i for i, square in enumerate(squares) if sensible(square, width, height)]
        if used:
            rows = np.array([(s.x, s.y, s.side, s.angle) for s in (squares[i] for i in used)], np.float32)
            meshes, logits = self._network.locate(image, rows)
            for i, mesh, logit in zip(used, meshes, logits.tolist(), strict=True):
                found[i] = Landmarks(mesh, presence(logit))
        return found, self._detector.process(image, [], detect, parts)[1] if detect or parts else []

    def close(self) -> None:
        """Frees the network and ends the detector; the object is of no use afterwards."""
        self._network.close()
        self._detector.close()
