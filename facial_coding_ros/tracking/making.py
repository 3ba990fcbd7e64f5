# SPDX-License-Identifier: Apache-2.0
"""The tracker that the settings ask for, with its landmark backend."""

from __future__ import annotations

from ..face_model.ict import IctFaces
from ..inference import InferenceSettings
from . import backends  # noqa: F401  registers those that come with the package
from .interface import LandmarkSource, Tracker
from .pose import PoseEstimator
from .registries import LANDMARK_SOURCES
from .settings import TrackingSettings
from .shape import ShapeReader
from .tracker import FaceTracker
from .visibility_head import VisibilityHead


def make_tracker(settings: TrackingSettings, inference: InferenceSettings | None = None) -> Tracker:
    """The tracker with the landmark backend of `settings.landmark_backend`.

    inference: what computes the networks where that is not MediaPipe itself.
    Raises FileNotFoundError or ValueError with one line for a task file that is missing or no good, and for a network
    that cannot be had; ImportError when MediaPipe is to compute them and cannot be loaded.
    """
    pose = PoseEstimator(IctFaces.load())
    source: LandmarkSource = LANDMARK_SOURCES.create(
        settings.landmark_backend, settings, inference or InferenceSettings(), pose
    )
    head = VisibilityHead.load_for(source.landmark_network)
    return FaceTracker(settings, source, pose, ShapeReader(pose, source.shape_spread), head)
