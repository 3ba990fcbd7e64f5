# SPDX-License-Identifier: Apache-2.0
"""Backend for MediaPipe's Tasks API (0.10 and 1.x): a FaceLandmarker bundle of the user's, with its 52 blendshapes.

The landmarker detects and follows faces itself, with its short-range detector; identity, smoothing and all else are
ours, as with the other backend.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..types import MESH_POINTS, FloatArray, ImageArray
from .mediapipe_library import load_mediapipe
from .pose import PoseEstimator
from .regions import Detection, Landmarks, Square

WHERE = "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/latest/face_landmarker.task"
NO_FACE_RESIDUAL = 0.3
"""Meshes that lie further than this from a mean face (RMS, eye distances) are no faces; people's reach 0.15."""
FRAME_MS = 1
PRESENCE = 0.95
"""The landmarker keeps its own scores to itself."""
BLENDSHAPES = 52


class TaskLandmarker:
    """Landmarks of all faces in an image through a FaceLandmarker in VIDEO mode.

    Raises FileNotFoundError without the file, ValueError for one that is no FaceLandmarker bundle, ImportError without
    MediaPipe.
    """

    detects_always = True
    turned_views = False
    landmark_network = ""
    shape_spread = 1.6  # its network is a later one; on three recordings of four people
    backend = "MediaPipe Tasks on the CPU"

    def __init__(self, task_file: str, pose: PoseEstimator, *, faces: int, detection_score: float = 0.5) -> None:
        path = Path(task_file).expanduser()
        if not task_file or not path.is_file():
            what = f"task_file {task_file!r} does not exist" if task_file else "task_file is not set"
            raise FileNotFoundError(f"{what}; download {WHERE} and give its path.")
        try:
            with zipfile.ZipFile(path) as bundle:
                members = set(bundle.namelist())
        except (zipfile.BadZipFile, OSError) as error:
            raise ValueError(f"task_file {path} is no FaceLandmarker bundle ({error}); download {WHERE}.") from error
        missing = {"face_detector.tflite", "face_landmarks_detector.tflite"} - members
        if missing:
            raise ValueError(f"task_file {path} lacks {', '.join(sorted(missing))}; download {WHERE}.")
        try:
            mediapipe = load_mediapipe()
            from mediapipe.tasks.python import BaseOptions, vision
        except ImportError as error:
            raise ImportError(f"MediaPipe's Tasks cannot be loaded ({error}); install mediapipe.") from error
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(path)),
            running_mode=vision.RunningMode.VIDEO,
            num_faces=faces,
            min_face_detection_confidence=detection_score,
            output_face_blendshapes="face_blendshapes.tflite" in members,
        )
        try:
            self._landmarker = vision.FaceLandmarker.create_from_options(options)
        except (RuntimeError, ValueError) as error:
            line = str(error).splitlines()[0]
            raise ValueError(f"task_file {path} cannot be loaded ({line}); download {WHERE}.") from error
        self._image_of: Any = lambda image: mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image)
        self._path, self._pose = path, pose
        self._time_ms = 0
        self._image: ImageArray | None = None
        self._faces: list[Landmarks] = []
        self._open = True

    def process(
        self, image: ImageArray, squares: Sequence[Square], views: Sequence[Square] = ()
    ) -> tuple[list[Landmarks | None], list[Detection]]:
        """Each square's landmarks, and a detection for each face. An image is looked at once, however often asked,
        and as a whole, whatever the views.

        Raises ValueError when the bundle's points are no faces.
        """
        if image is not self._image:
            self._image, self._faces = image, self._landmarks(image)
        found: list[Landmarks | None] = []
        for square in squares:
            near = [(_distance(face.mesh, square), index) for index, face in enumerate(self._faces)]
            distance, index = min(near, default=(np.inf, 0))
            found.append(self._faces[index] if distance < 0.4 * square.side else None)
        return found, [_detection(face.mesh) for face in self._faces] if views else []

    def close(self) -> None:
        """Frees the landmarker."""
        if self._open:
            self._open = False
            self._landmarker.close()

    def _landmarks(self, image: ImageArray) -> list[Landmarks]:
        height, width = image.shape[:2]
        self._time_ms += FRAME_MS  # its own clock: it refuses stamps that do not rise, and those of a bag may fall
        try:
            result = self._landmarker.detect_for_video(self._image_of(np.ascontiguousarray(image)), self._time_ms)
        except RuntimeError as error:  # the networks in the bundle do not fit the graph around them
            line = str(error).splitlines()[-1].strip()
            raise ValueError(f"task_file {self._path} fails on an image ({line}); download {WHERE}.") from error
        faces = []
        for number, points in enumerate(result.face_landmarks):
            mesh = np.array([(p.x * width, p.y * height, p.z * width) for p in points], np.float32)
            if len(mesh) != MESH_POINTS or self._pose.residual(mesh) > NO_FACE_RESIDUAL:
                raise ValueError(
                    f"task_file {self._path} answers with points that are no face (a bundle put together from other "
                    f"files?); download {WHERE}."
                )
            shapes = None
            if result.face_blendshapes:
                shapes = np.array([one.score for one in result.face_blendshapes[number]], np.float32)[:BLENDSHAPES]
            faces.append(Landmarks(mesh, PRESENCE, blendshapes=shapes))
        return faces


def _distance(mesh: FloatArray, square: Square) -> float:
    x, y = (mesh[:, :2].min(axis=0) + mesh[:, :2].max(axis=0)) / 2
    return float(np.hypot(x - square.x, y - square.y))


def _detection(mesh: FloatArray) -> Detection:
    low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
    eyes = np.stack([mesh[468:473, :2].mean(axis=0), mesh[473:478, :2].mean(axis=0)])
    width, height = (float(v) for v in high - low)
    return Detection(float(low[0]), float(low[1]), width, height, PRESENCE, eyes)
