# SPDX-License-Identifier: Apache-2.0
"""The landmark backends that come with the package. Each loads what it needs when it is made."""

from __future__ import annotations

import os

from ..inference import InferenceSettings
from .interface import LandmarkSource
from .pose import PoseEstimator
from .registries import LANDMARK_SOURCES
from .settings import TrackingSettings


@LANDMARK_SOURCES.register("onnx")
def onnx_networks(settings: TrackingSettings, inference: InferenceSettings, pose: PoseEstimator) -> LandmarkSource:
    """Detector and landmark network in ONNX Runtime or TensorRT. Raises ModelError when they cannot be had."""
    from .conversion.model_cache import tracker_models
    from .onnx_networks import OnnxNetworks

    models = tracker_models(settings.networks)
    return OnnxNetworks(models, inference, detection_score=settings.detection_score, workers=_workers(settings))


@LANDMARK_SOURCES.register("mediapipe")
def mediapipe_graph(settings: TrackingSettings, inference: InferenceSettings, pose: PoseEstimator) -> LandmarkSource:
    """MediaPipe's own graphs, to compare with. Raises ImportError without MediaPipe."""
    from .mediapipe_graph import MediaPipeGraph

    return MediaPipeGraph(detection_score=settings.detection_score, workers=_workers(settings))


@LANDMARK_SOURCES.register("tasks")
def mediapipe_tasks(settings: TrackingSettings, inference: InferenceSettings, pose: PoseEstimator) -> LandmarkSource:
    """MediaPipe Tasks' FaceLandmarker, which also gives blendshapes.

    Raises FileNotFoundError without its file, ValueError for another one, ImportError without MediaPipe.
    """
    from .tasks import TaskLandmarker

    return TaskLandmarker(settings.task_file, pose, faces=settings.max_faces, detection_score=settings.detection_score)


def _workers(settings: TrackingSettings) -> int:
    return settings.workers or min(os.cpu_count() or 1, 4, settings.max_faces)
