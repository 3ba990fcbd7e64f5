"""The tracker that the settings ask for, with its backend."""

from __future__ import annotations

import logging
import os
import platform

from ..face_model.ict import IctFaces
from ..inference import InferenceSettings, ModelError, what_tensorrt_lacks
from .interface import LandmarkSource, Tracker
from .pose import PoseEstimator
from .settings import TrackingSettings
from .shape import ShapeReader
from .tracker import FaceTracker

_log = logging.getLogger(__name__)


def make_tracker(settings: TrackingSettings, inference: InferenceSettings | None = None) -> Tracker:
    """The tracker of the chosen backend.

    inference: what computes the landmark network where that is not MediaPipe's own graph.
    Raises ImportError when MediaPipe cannot be loaded, FileNotFoundError or ValueError with one line for a task file
    that is missing or no good, for settings that do not fit together, and for a landmark network that cannot be had.
    """
    if settings.backend == "tasks" and settings.landmark_backend == "onnx":
        raise ValueError("tracking.landmark_backend is 'onnx'; that needs tracking.backend 'mediapipe'")
    faces = IctFaces.load()
    pose = PoseEstimator(faces)
    source: LandmarkSource
    if settings.backend == "tasks":
        from .tasks import TaskLandmarker

        source = TaskLandmarker(
            settings.task_file, pose, faces=settings.max_faces, detection_score=settings.detection_score
        )
    else:
        source = _mediapipe_source(settings, inference)
    return FaceTracker(settings, source, pose, ShapeReader(pose, source.shape_spread))


def _mediapipe_source(settings: TrackingSettings, inference: InferenceSettings | None) -> LandmarkSource:
    from .mediapipe_graph import MediaPipeGraph

    inference = inference or InferenceSettings()
    workers = settings.workers or min(os.cpu_count() or 1, 4, settings.max_faces)
    backend = settings.landmark_backend
    if backend == "auto":
        # ONNX Runtime is the quicker one where that was measured; MediaPipe's own kernels are written for ARM first.
        measured = platform.machine().lower() in ("x86_64", "amd64")
        on_gpu = inference.backend != "onnxruntime" and not what_tensorrt_lacks()
        backend = "auto" if measured or on_gpu else "mediapipe"
    if backend != "mediapipe":
        from .onnx_landmarks import OnnxLandmarks

        try:
            return OnnxLandmarks(inference, detection_score=settings.detection_score, workers=workers)
        except ModelError as error:
            if backend == "onnx":
                raise
            _log.warning("MediaPipe's own graph computes the landmarks, which takes longer: %s", error)
    return MediaPipeGraph(detection_score=settings.detection_score, workers=workers)
