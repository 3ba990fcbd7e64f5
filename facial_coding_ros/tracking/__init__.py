"""Detection, landmarks, and face identity over time.

tracker = make_tracker(TrackingSettings())
faces = tracker.track(frame)
"""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from ..types import Face, Frame, Region
from .settings import TrackingSettings, TrackingStatistics
from .visibility import visibility_codes

if TYPE_CHECKING:
    from ..inference import InferenceSettings
    from .tracker import LandmarkSource, Sighting

__all__ = ["Tracker", "TrackingSettings", "TrackingStatistics", "make_tracker", "visibility_codes"]

_log = logging.getLogger(__name__)


class Tracker(Protocol):
    """What the pipeline needs of a tracker; one thread at a time."""

    @property
    def statistics(self) -> TrackingStatistics: ...

    @property
    def backend(self) -> str:
        """What computes landmarks, in words."""

    @property
    def face_ids(self) -> tuple[str, ...]:
        """Ids of all announced faces that are not lost, also of those just out of sight."""

    def track(self, frame: Frame) -> tuple[Face, ...]:
        """The announced faces in sight, sorted by face_id; empty when there are none."""

    def follow(self, frame: Frame) -> tuple[Sighting, ...]:
        """The first half of `track`: all that the next frame needs. `faces` may run beside the next one's `follow`."""

    def faces(self, frame: Frame, sightings: Sequence[Sighting]) -> tuple[Face, ...]:
        """The second half of `track`, for what `follow` saw in the frame; frame after frame."""

    def track_regions(self, frame: Frame, regions: Mapping[str, Region]) -> tuple[Face, ...]:
        """Landmarks on the faces of another node: face_id -> its box."""

    def set_person(self, face_id: str, person_id: str) -> None:
        """Says whose face it is; a later word replaces an earlier one."""

    def clear_person(self, face_id: str) -> None:
        """Takes back whose face it is."""

    def configure(self, settings: TrackingSettings) -> None:
        """Applies the settings that may change while running."""

    def reset(self) -> None:
        """Forgets all tracks: a looping bag, a camera that restarts."""

    def close(self) -> None:
        """Frees the networks."""


def make_tracker(settings: TrackingSettings, inference: InferenceSettings | None = None) -> Tracker:
    """The tracker of the chosen backend.

    inference: what computes the landmark network where that is not MediaPipe's own graph.
    Raises ImportError when MediaPipe cannot be loaded, FileNotFoundError or ValueError with one line for a task file
    that is missing or no good, for settings that do not fit together, and for a landmark network that cannot be had.
    """
    if settings.backend == "tasks" and settings.landmark_backend == "onnx":
        raise ValueError("tracking.landmark_backend is 'onnx'; that needs tracking.backend 'mediapipe'")
    from ..face_model.ict import IctFaces
    from .pose import PoseEstimator
    from .shape import ShapeReader
    from .tasks import TaskLandmarker
    from .tracker import FaceTracker

    faces = IctFaces.load()
    pose = PoseEstimator(faces)
    source: LandmarkSource
    if settings.backend == "tasks":
        source = TaskLandmarker(
            settings.task_file, pose, faces=settings.max_faces, detection_score=settings.detection_score
        )
    else:
        source = _mediapipe_source(settings, inference)
    return FaceTracker(settings, source, pose, ShapeReader(pose, source.shape_spread))


def _mediapipe_source(settings: TrackingSettings, inference: InferenceSettings | None) -> LandmarkSource:
    from ..inference import InferenceSettings, ModelError, what_tensorrt_lacks
    from .mediapipe_graph import MediaPipeGraph

    inference = inference or InferenceSettings()
    lanes = settings.lanes or min(os.cpu_count() or 1, 4, settings.max_faces)
    backend = settings.landmark_backend
    if backend == "auto":
        # ONNX Runtime is the quicker one where that was measured; MediaPipe's own kernels are written for ARM first.
        measured = platform.machine().lower() in ("x86_64", "amd64")
        on_gpu = inference.backend != "onnxruntime" and not what_tensorrt_lacks()
        backend = "auto" if measured or on_gpu else "mediapipe"
    if backend != "mediapipe":
        from .onnx_landmarks import OnnxLandmarks

        try:
            return OnnxLandmarks(inference, detection_score=settings.detection_score, lanes=lanes)
        except ModelError as error:
            if backend == "onnx":
                raise
            _log.warning("MediaPipe's own graph computes the landmarks, which takes longer: %s", error)
    return MediaPipeGraph(detection_score=settings.detection_score, lanes=lanes)
