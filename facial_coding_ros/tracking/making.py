"""The tracker that the settings ask for, with its backend."""

from __future__ import annotations

import os

from ..face_model.ict import IctFaces
from ..inference import InferenceSettings
from .interface import LandmarkSource, Tracker
from .pose import PoseEstimator
from .settings import TrackingSettings
from .shape import ShapeReader
from .tracker import FaceTracker


def make_tracker(settings: TrackingSettings, inference: InferenceSettings | None = None) -> Tracker:
    """The tracker of the chosen backend.

    inference: what computes the networks where that is not MediaPipe itself.
    Raises FileNotFoundError or ValueError with one line for a task file that is missing or no good, for settings that
    do not fit together, and for a network that cannot be had; ImportError when MediaPipe is to compute them and cannot
    be loaded.
    """
    if settings.backend == "tasks" and settings.landmark_backend == "mediapipe":
        raise ValueError("tracking.landmark_backend is 'mediapipe'; that needs tracking.backend 'mediapipe'")
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
    workers = settings.workers or min(os.cpu_count() or 1, 4, settings.max_faces)
    if settings.landmark_backend == "mediapipe":
        from .mediapipe_graph import MediaPipeGraph

        return MediaPipeGraph(detection_score=settings.detection_score, workers=workers)
    from .conversion.model_cache import tracker_models
    from .onnx_networks import OnnxNetworks

    models = tracker_models(settings.networks)
    return OnnxNetworks(models, inference, detection_score=settings.detection_score, workers=workers)
