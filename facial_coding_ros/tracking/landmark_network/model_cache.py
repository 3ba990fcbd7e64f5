"""MediaPipe's landmark network, converted once on the user's machine, compared with MediaPipe's own graph, and kept."""

from __future__ import annotations

import hashlib
import logging
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...inference import InferenceSettings, open_session
from ...inference.engines import default_folder
from ...inference.model_files import ModelError, ModelFile, one_line, write_model
from ...inference.onnx_runtime import OnnxRuntimeSession
from ...models import share_folder
from ...types import MESH_POINTS, FloatArray, ImageArray
from ..mediapipe_library import load_mediapipe
from . import converter, graph_builder, refined_regions, tflite
from .converter import INPUT, MESH, PRESENCE, SIDE, convert_landmark_network
from .network import LandmarkNetwork, crop
from .tflite import TfliteError

_log = logging.getLogger(__name__)

NAME = "face_landmarks.onnx"
BOUND_PX, FACE_PX = 0.3, 190.0
"""Largest mean distance of a face's points to those of MediaPipe's own graph, on a face of this width."""
CLIP, CLIP_EVERY, CLIP_FRAMES = "two_people.mp4", 40, 3
"""Faces that both are compared on: of the demo clip."""
CONVERTER = (converter, refined_regions, graph_builder, tflite)
"""Modules whose text says what the converted network is."""
OTHERWISE = "or set tracking.landmark_backend to 'mediapipe'"


def load_landmark_networks(
    settings: InferenceSettings | None = None, folder: Path | None = None, workers: int = 1
) -> list[LandmarkNetwork]:
    """The network of the installed MediaPipe, ready for every size of batch.

    It is converted, and proven equal to MediaPipe's own graph, when this is done for the first time. folder: where
    the converted file is kept; else facial_coding/models in the user's cache folder. workers: networks that may work
    at the same time, on processors; a GPU takes all faces in one batch and gets one.
    Raises ModelError saying what is missing or what cannot be converted.
    """
    settings = settings or InferenceSettings()
    sessions = [open_session(converted_network(folder), settings)]
    if isinstance(sessions[0], OnnxRuntimeSession):
        sessions += [OnnxRuntimeSession(sessions[0].model, settings.threads) for _ in range(workers - 1)]
    most = settings.max_batch if len(sessions) == 1 else -(-settings.max_batch // workers)
    for session in sessions:
        session.warm_up(*range(1, most + 1))
    return [LandmarkNetwork(session, most) for session in sessions]


def converted_network(folder: Path | None = None) -> ModelFile:
    """The converted network of the installed MediaPipe, equal to MediaPipe's own graph within BOUND_PX.

    Converted and compared unless this was done before, from the same file by the same converter, and kept in the
    folder (facial_coding/models in the user's cache folder). Where it cannot be kept: a warning, and again at the next
    start. Raises ModelError saying what is missing, what cannot be converted, or how far the answers are apart.
    """
    path = (folder or default_folder().with_name("models")) / NAME
    source, maps, iris_depth = _mediapipe_parts()
    content = source.read_bytes()
    made_from = {
        "source_sha256": hashlib.sha256(content).hexdigest(),
        "converter_sha256": hashlib.sha256(b"".join(map(_code, CONVERTER))).hexdigest(),
    }
    try:
        kept = ModelFile.read(path)
        if made_from.items() <= kept.card.items():
            return kept
    except FileNotFoundError:
        pass
    except (OSError, ModelError) as error:
        _log.warning("%s; it is made anew.", one_line(error))
    _log.info("Converting MediaPipe's landmark network to %s; this is done once.", path)
    try:
        graph = convert_landmark_network(content, maps, iris_depth)
    except ImportError as error:
        raise ModelError(
            f"MediaPipe's landmark network is converted with the onnx package, and {one_line(error)}: install onnx, "
            f"{OTHERWISE}."
        ) from None
    except TfliteError as error:
        raise ModelError(f"{source} cannot be converted: {one_line(error)}; {OTHERWISE}.") from None
    model = ModelFile(path, _card(graph, made_from), graph, hashlib.sha256(graph).hexdigest())
    difference, faces = _difference_px(model)
    if not difference <= BOUND_PX:
        raise ModelError(
            f"The network converted from {source} differs from MediaPipe's own graph by {difference:.2g} px in the "
            f"mean of a face {FACE_PX:g} px wide; {BOUND_PX:g} is allowed; {OTHERWISE}."
        )
    model.card["largest_mean_difference_px"] = difference
    try:
        write_model(model, {INPUT: np.stack(faces).transpose(0, 3, 1, 2)})
    except OSError as error:
        _log.warning("%s cannot be kept (%s); it is converted again at the next start.", path, error)
    return model


def _mediapipe_parts() -> tuple[Path, list[NDArray[Any]], list[NDArray[Any]]]:
    try:
        from ..mediapipe_graph import refinement_maps

        mediapipe = load_mediapipe()
        maps, iris_depth = refinement_maps()
    except ImportError as error:
        raise ModelError(
            f"MediaPipe's wheel, 0.10.14 to 0.10.21, holds the landmark network, and {one_line(error)}."
        ) from None
    source = Path(mediapipe.__file__ or "").parent / "modules/face_landmark/face_landmark_with_attention.tflite"
    if not source.is_file():
        raise ModelError(f"MediaPipe {mediapipe.__version__} has no {source.name}; 0.10.14 to 0.10.21 have it.")
    return source, maps, iris_depth


def _code(module: Any) -> bytes:
    return Path(module.__file__).read_bytes()


def _card(graph: bytes, made_from: dict[str, str]) -> dict[str, Any]:
    return {
        "name": Path(NAME).stem,
        "kind": "face landmarks",
        "what": "MediaPipe's face landmark network with attention, converted on this machine from its wheel.",
        "licence": "Apache-2.0, as MediaPipe",
        **made_from,
        "inputs": {INPUT: f"(n, 3, {SIDE}, {SIDE}) float32, RGB 0..255, a turned square around each face"},
        "outputs": {
            MESH: f"(n, {MESH_POINTS}, 3) float32, pixels of the input",
            PRESENCE: "(n, 1) float32, logit of a face",
        },
        # In proportion to the input: half a pixel of 192 at the worst point.
        "tolerance": 2.5e-3,
        "sha256": hashlib.sha256(graph).hexdigest(),
    }


def _difference_px(model: ModelFile) -> tuple[float, list[ImageArray]]:
    """Largest mean distance of a face's points to MediaPipe's own graph, and what the network saw of the faces."""
    from ...image.sources import SourceError, open_source
    from ..mediapipe_graph import MediaPipeGraph

    try:
        clip = open_source(share_folder("demo") / CLIP)
    except (FileNotFoundError, SourceError) as error:
        raise ModelError(
            f"The converted network cannot be compared with MediaPipe's: {one_line(error)}; {OTHERWISE}."
        ) from None
    network, graph = LandmarkNetwork(OnnxRuntimeSession(model)), MediaPipeGraph(workers=1)
    apart: list[float] = []
    faces: list[ImageArray] = []
    try:
        for frame in islice(clip.frames(), 0, CLIP_EVERY * CLIP_FRAMES, CLIP_EVERY):
            squares = [detection.square for detection in graph.process(frame.image, [], True)[1]]
            rows = np.array([(s.x, s.y, s.side, s.angle) for s in squares], np.float32).reshape(-1, 4)
            theirs, _ = graph.process(frame.image, squares, False)
            for row, mesh, landmarks in zip(rows, network.locate(frame.image, rows)[0], theirs, strict=True):
                if landmarks is not None:
                    apart.append(_mean_distance(mesh, landmarks.mesh))
                    faces.append(crop(frame.image, row, np.empty((SIDE, SIDE, 3), np.uint8)))
    finally:
        graph.close()
        network.close()
    return max(apart, default=float("inf")), faces


def _mean_distance(mesh: FloatArray, reference: FloatArray) -> float:
    """In pixels of a face FACE_PX wide."""
    distances = np.linalg.norm(mesh[:, :2] - reference[:, :2], axis=1)
    return float(distances.mean() * FACE_PX / np.ptp(reference[:, 0]))
