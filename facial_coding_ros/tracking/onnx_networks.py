# SPDX-License-Identifier: Apache-2.0
"""Detector and landmark network in ONNX Runtime or TensorRT: the tracker's own, on every processor."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from ..inference import InferenceSettings, ModelFile, open_session
from ..inference.onnx_runtime import on_processor
from ..niceness import yield_to_others
from ..types import FloatArray, ImageArray
from .conversion.model_cache import TrackerModels
from .detector.network import DetectorNetwork, pictures_of
from .landmark_network.network import LandmarkNetwork
from .regions import Detection, Landmarks, Square, presence, sensible

MOST_VIEWS = 16
"""Of one batch of the detector: all views of a frame, with tiles too."""
MOST_FACES = 2
"""Of one batch of the landmark network on a processor: four take 5 % less for each face, and 7 MiB more."""
FIRST_VIEWS = 7
"""Of the first image, without tiles; see `FaceSearch.views`."""


class OnnxNetworks:
    """Detections and landmarks of one image; keeps nothing from image to image.

    models: see `tracker_models`. inference: what computes them; max_batch is the most faces of one batch. workers:
    landmark networks of ONNX Runtime side by side, that share the faces; TensorRT takes all in one. Raises ModelError
    when a network cannot be opened.
    """

    detects_always = False
    turned_views = True
    shape_spread = 1.0

    def __init__(
        self,
        models: TrackerModels,
        inference: InferenceSettings | None = None,
        *,
        detection_score: float = 0.5,
        workers: int = 1,
    ) -> None:
        inference = inference or InferenceSettings()
        self._detector = open_detector(models.detector, inference)
        self._landmarks = open_landmarks(models.landmarks, inference, workers)
        self.landmark_network = str(models.landmarks.card.get("source_sha256", ""))
        self._detection_score = detection_score
        # One more than further networks: the detector works beside them.
        self._helpers = ThreadPoolExecutor(len(self._landmarks), "tracking")
        self._searching = ThreadPoolExecutor(1, "search", yield_to_others)

    @property
    def backend(self) -> str:
        several = f"; {len(self._landmarks)} of it side by side" if len(self._landmarks) > 1 else ""
        return f"MediaPipe's networks by {self._landmarks[0].backend}{several}"

    def process(
        self, image: ImageArray, squares: Sequence[Square], views: Sequence[Square] = ()
    ) -> tuple[list[Landmarks | None], list[Detection]]:
        """Landmarks in each square, and the faces that the detector finds in each view, side by side.

        image: (height, width, 3) uint8, RGB. A square that has no sense (empty or far outside) gives None.
        """
        height, width = image.shape[:2]
        found: list[Landmarks | None] = [None] * len(squares)
        used = [i for i, square in enumerate(squares) if sensible(square, width, height)]
        detecting = (
            self._helpers.submit(self._detector.find, image, views, self._detection_score) if views and used else None
        )
        detections = self._detector.find(image, views, self._detection_score) if views and not used else []
        if used:
            meshes, logits, features = self._locate(image, np.array([squares[i].row for i in used], np.float32))
            several = Landmarks.several(meshes, [presence(logit) for logit in logits.tolist()], features)
            for i, landmarks in zip(used, several, strict=True):
                found[i] = landmarks
        return found, detecting.result() if detecting else detections

    def begin_search(self, image: ImageArray, views: Sequence[Square]) -> Future[list[Detection]]:
        """Faces in each view, looked for in a thread that is idle otherwise; the image may change meanwhile.

        Wait for the answer before anything else is asked of the detector.
        """
        return self._searching.submit(self._detector.find_in, pictures_of(views, image), views, self._detection_score)

    def _locate(self, image: ImageArray, squares: FloatArray) -> tuple[FloatArray, ...]:
        """Each network its share of the faces, the first one here."""
        shares = np.array_split(squares, min(len(self._landmarks), len(squares)))
        further = [
            self._helpers.submit(network.locate, image, share)
            for network, share in zip(self._landmarks[1:], shares[1:], strict=False)
        ]
        first = self._landmarks[0].locate(image, shares[0])
        if not further:
            return first
        return tuple(map(np.concatenate, zip(first, *(job.result() for job in further), strict=True)))

    def close(self) -> None:
        """Frees the networks; the object is of no use afterwards."""
        self._searching.shutdown()
        self._helpers.shutdown()
        self._detector.close()
        for network in self._landmarks:
            network.close()


def open_detector(model: ModelFile, inference: InferenceSettings) -> DetectorNetwork:
    """Ready for as many views as there are without tiles.

    On a processor one view goes after the other: a batch takes as long, and 5 MiB more for each of its views.
    """
    session = open_session(model, inference)
    most = 1 if on_processor(session) else min(session.max_batch or MOST_VIEWS, MOST_VIEWS)
    session.warm_up(*range(1, min(most, FIRST_VIEWS) + 1))
    return DetectorNetwork(session, most)


def open_landmarks(model: ModelFile, inference: InferenceSettings, workers: int = 1) -> list[LandmarkNetwork]:
    """Ready for every size of batch. A GPU takes all faces in one batch and gets one network."""
    sessions = [open_session(model, inference)]
    most = inference.max_batch
    if on_processor(sessions[0]):
        sessions += [sessions[0].beside() for _ in range(workers - 1)]
        most = min(-(-most // workers), MOST_FACES)
    for session in sessions:
        session.warm_up(*range(1, most + 1))
    return [LandmarkNetwork(session, most) for session in sessions]
