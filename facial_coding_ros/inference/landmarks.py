"""Landmarks of all faces of an image in one batch, by the converted network, in either backend."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..types import MESH_POINTS, FloatArray, ImageArray
from .engines import default_folder
from .landmark_graph import INPUT, MESH, PRESENCE, SIDE, write_landmark_network
from .model_files import ModelError, ModelFile, one_line
from .session import InferenceSettings, Session, expect
from .tflite import TfliteError

NAME = "face_landmarks.onnx"


class LandmarkNetwork:
    """478 points and the presence of a face, for turned squares of an image. One thread at a time.

    max_faces: most faces of a batch; more go through in several.
    """

    def __init__(self, session: Session, max_faces: int = 8) -> None:
        """Raises ModelError when the session is of another model."""
        expect(session, {INPUT: (SIDE, SIDE, 3)}, {MESH: (MESH_POINTS, 3), PRESENCE: (1,)})
        self.session = session
        self._max_faces = max_faces
        self._crop = np.empty((SIDE, SIDE, 3), np.uint8)

    @classmethod
    def load(cls, settings: InferenceSettings | None = None, folder: Path | None = None) -> LandmarkNetwork:
        """The network of the installed MediaPipe, converted when this is done for the first time, and warmed up.

        folder: where the converted file is kept; else facial_coding/models in the user's cache folder.
        Raises ModelError saying what is missing or what cannot be converted.
        """
        from . import open_session

        settings = settings or InferenceSettings()
        network = cls(open_session(converted_network(folder), settings), settings.max_batch)
        network.session.warm_up(1)
        return network

    @property
    def backend(self) -> str:
        """What computes it and why."""
        return self.session.backend

    def locate(self, image: ImageArray, squares: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Meshes (n, 478, 3) in pixels of the image and presence (n,), the network's logit.

        image: (height, width, 3) uint8, RGB. squares: (n, 4): x and y of the centre, side, all in pixels, and angle in
        radians, clockwise as seen. Presence beyond 0 is MediaPipe's own bound.
        """
        meshes = np.empty((len(squares), MESH_POINTS, 3), np.float32)
        presence = np.empty(len(squares), np.float32)
        for start in range(0, len(squares), self._max_faces):
            part = squares[start : start + self._max_faces]
            binding = self.session.bind(len(part))
            for square, crop in zip(part, binding.inputs[INPUT], strict=True):
                matrix = square_to_image(square)
                # The inverse map: of each pixel of the crop its place in the image. Edges repeat, as in MediaPipe.
                cv2.warpAffine(
                    image,
                    matrix,
                    (SIDE, SIDE),
                    dst=self._crop,
                    flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                    borderMode=cv2.BORDER_REPLICATE,
                )
                np.copyto(crop, self._crop)
            binding.run()
            for index, square in enumerate(part, start):
                to_image(binding.outputs[MESH][index - start], square, meshes[index])
            presence[start : start + len(part)] = binding.outputs[PRESENCE][:, 0]
        return meshes, presence

    def close(self) -> None:
        """Frees the network; a second call does nothing."""
        self.session.close()


def square_to_image(square: Sequence[float] | FloatArray) -> NDArray[np.float64]:
    """(2, 3): pixels of the network's input to pixels of the image."""
    x, y, side, angle = (float(value) for value in square)
    scale, half = side / SIDE, SIDE / 2
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cos, -sin, x - half * (cos - sin)], [sin, cos, y - half * (sin + cos)]])


def to_image(mesh: FloatArray, square: FloatArray, out: FloatArray) -> None:
    """A mesh (478, 3) in pixels of the input, in pixels of the image; depth in the same unit."""
    matrix = square_to_image(square).astype(np.float32)
    np.matmul(mesh[:, :2], matrix[:, :2].T, out=out[:, :2])
    out[:, :2] += matrix[:, 2]
    np.multiply(mesh[:, 2], np.float32(square[2]) / SIDE, out=out[:, 2])


def converted_network(folder: Path | None = None) -> Path:
    """The converted network of the installed MediaPipe; converts it unless this was done before from the same file.

    Raises ModelError saying what is missing or what cannot be converted.
    """
    path = (folder or default_folder().with_name("models")) / NAME
    source, maps, iris_depth = _mediapipe_parts()
    wanted = hashlib.sha256(source.read_bytes()).hexdigest()
    try:
        if ModelFile.read(path).card.get("source_sha256") == wanted:
            return path
    except (FileNotFoundError, ModelError):
        pass  # never converted, or damaged: converted now
    try:
        write_landmark_network(source, path, maps, iris_depth)
    except ImportError as error:
        raise ModelError(
            f"MediaPipe's landmark network is converted with the onnx package, once: {one_line(error)}"
        ) from None
    except (TfliteError, OSError) as error:
        raise ModelError(f"{source} cannot be converted to {path}: {one_line(error)}") from None
    return path


def _mediapipe_parts() -> tuple[Path, list[NDArray[Any]], list[NDArray[Any]]]:
    try:
        import mediapipe

        from ..tracking.mediapipe_graph import _refinement_maps
    except ImportError as error:
        raise ModelError(f"MediaPipe's wheel holds the landmark network, and {one_line(error)}") from None
    source = Path(mediapipe.__file__).parent / "modules/face_landmark/face_landmark_with_attention.tflite"
    if not source.is_file():
        raise ModelError(f"MediaPipe {mediapipe.__version__} has no {source.name}; 0.10.14 to 0.10.21 have it.")
    return source, *_refinement_maps()
