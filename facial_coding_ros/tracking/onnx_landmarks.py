"""Landmarks by the converted network, in ONNX Runtime or TensorRT; detections by MediaPipe."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..inference import InferenceSettings
from ..types import FloatArray, ImageArray
from .landmark_network.model_cache import load_landmark_networks
from .mediapipe_graph import MediaPipeGraph, presence, sensible
from .regions import Box, Detection, Landmarks, Square


class OnnxLandmarks:
    """Detections and landmarks of one image, as MediaPipeGraph gives them; keeps nothing from image to image.

    inference: what computes the network; max_batch is the most faces of one batch. workers: networks of ONNX Runtime
    side by side, that share the faces; TensorRT takes all in one. Raises ImportError when MediaPipe is missing or has
    no Python graphs, ModelError when its network cannot be converted or is not equal to MediaPipe's.
    """

    detects_always = False
    shape_spread = 1.0

    def __init__(
        self, inference: InferenceSettings | None = None, *, detection_score: float = 0.5, workers: int = 1
    ) -> None:
        self._networks = load_landmark_networks(inference, workers=workers)
        self.landmark_network = str(self._networks[0].session.model.card["source_sha256"])
        self._detector = MediaPipeGraph(detection_score=detection_score, workers=0)
        # One more than further networks: the detector works beside them.
        self._helpers = ThreadPoolExecutor(len(self._networks), "landmarks")

    @property
    def backend(self) -> str:
        several = f"; {len(self._networks)} of it side by side" if len(self._networks) > 1 else ""
        return f"MediaPipe's network by {self._networks[0].backend}{several}"

    def process(
        self, image: ImageArray, squares: Sequence[Square], detect: bool, parts: Sequence[Box] = ()
    ) -> tuple[list[Landmarks | None], list[Detection]]:
        """Landmarks in each square, and the faces the detector finds in the image and in parts of it, side by side.

        image: (height, width, 3) uint8, RGB. A square that has no sense (empty or far outside) gives None.
        """
        height, width = image.shape[:2]
        found: list[Landmarks | None] = [None] * len(squares)
        used = [i for i, square in enumerate(squares) if sensible(square, width, height)]
        detecting = self._helpers.submit(self._detector.process, image, [], detect, parts) if detect or parts else None
        if used:
            rows = np.array([(s.x, s.y, s.side, s.angle) for s in (squares[i] for i in used)], np.float32)
            meshes, logits, features = self._locate(image, rows)
            several = Landmarks.several(meshes, [presence(logit) for logit in logits.tolist()], features)
            for i, landmarks in zip(used, several, strict=True):
                found[i] = landmarks
        return found, detecting.result()[1] if detecting else []

    def _locate(self, image: ImageArray, squares: FloatArray) -> tuple[FloatArray, ...]:
        """Each network its share of the faces, the first one here."""
        shares = np.array_split(squares, min(len(self._networks), len(squares)))
        further = [
            self._helpers.submit(network.locate, image, share)
            for network, share in zip(self._networks[1:], shares[1:], strict=False)
        ]
        first = self._networks[0].locate(image, shares[0])
        if not further:
            return first
        return tuple(map(np.concatenate, zip(first, *(job.result() for job in further), strict=True)))

    def close(self) -> None:
        """Frees the networks and ends the detector; the object is of no use afterwards."""
        self._helpers.shutdown()
        for network in self._networks:
            network.close()
        self._detector.close()
