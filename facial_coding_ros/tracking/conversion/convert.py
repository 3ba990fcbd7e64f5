# SPDX-License-Identifier: Apache-2.0
"""Makes the tracker's networks from MediaPipe's wheel and compares them with MediaPipe's own answers."""

from __future__ import annotations

import hashlib
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ...inference import InferenceSettings
from ...inference.model_files import ModelError, ModelFile, one_line
from ...types import ImageArray
from ..detector import boxes, detector_graph
from ..detector.network import shown
from ..landmark_network import converter
from ..landmark_network.network import crop
from ..onnx_networks import OnnxNetworks
from ..reference_answers import ReferenceAnswers, check_detector, check_landmarks
from ..tflite.reader import TfliteError
from .model_cache import TrackerModels
from .networks import DETECTOR, LANDMARKS, MEDIAPIPE, OTHER_WAYS, ConvertedNetwork
from .wheel import wheel_folder, wheel_licence

LICENCE = {
    "licence": "Apache-2.0, https://www.apache.org/licenses/LICENSE-2.0",
    "copyright": "The MediaPipe Authors (Google LLC)",
    "source": "https://github.com/google-ai-edge/mediapipe",
}


def converted_files() -> dict[str, bytes]:
    """Both networks, equal to MediaPipe's stored answers, with their cards, check inputs and licence, by file name.

    Raises ModelError saying what is missing, what cannot be converted, or how far the answers are apart.
    """
    models = TrackerModels(_converted(DETECTOR), _converted(LANDMARKS))
    answers = ReferenceAnswers.load()
    networks = OnnxNetworks(models, InferenceSettings(backend="onnxruntime"))
    try:
        outcomes = [check_detector(networks, answers), check_landmarks(networks, answers)]
    finally:
        networks.close()
    files = {}
    # What the networks see of the stored pictures: on it backends are compared.
    views = [shown(answers.pictures[picture], view, _empty()) for picture, view in answers.views]
    faces = [crop(answers.pictures[picture], square.row, _empty()) for picture, square in answers.squares]
    seen = (
        {detector_graph.INPUT: np.stack(views)},
        {converter.INPUT: np.stack(faces)},
    )
    for model, outcome, inputs in zip((models.detector, models.landmarks), outcomes, seen, strict=True):
        if not outcome.good:
            raise ModelError(f"The {model.card['kind']} converted from MediaPipe's wheel is not right: {outcome.text}.")
        card = {**model.card, "compared_with": f"{answers.made_with}: {outcome.text}"}
        check_inputs = io.BytesIO()
        np.savez_compressed(check_inputs, **inputs)
        files[f"{model.name}.onnx"] = model.graph
        files[f"{model.name}.yaml"] = yaml.safe_dump(card, sort_keys=False, width=110).encode()
        files[f"{model.name}_check.npz"] = check_inputs.getvalue()
    if licence := wheel_licence():
        files["LICENSE.mediapipe"] = licence.encode()
    return files


def _converted(network: ConvertedNetwork) -> ModelFile:
    wheel = wheel_folder()
    source = wheel / network.source if wheel is not None else None
    if source is None or not source.is_file():
        missing = f"it has no {source.name}" if source is not None else "it is not installed"
        raise ModelError(f"The networks come from MediaPipe's wheel, {MEDIAPIPE}, and {missing}.")
    content = source.read_bytes()
    try:
        graph = network.convert(content)
    except ImportError as error:
        raise ModelError(
            f"MediaPipe's networks are converted with the packages onnx and mediapipe, and {one_line(error)}: install "
            f"them, or {OTHER_WAYS}."
        ) from None
    except TfliteError as error:
        raise ModelError(f"{source} cannot be converted: {one_line(error)}; {OTHER_WAYS}.") from None
    sha256 = hashlib.sha256(graph).hexdigest()
    card: dict[str, Any] = {
        "name": network.name,
        **network.card,
        **LICENCE,
        "source_file": network.source,
        **network.made_from(content),
        "sha256": sha256,
    }
    return ModelFile(Path(f"{network.name}.onnx"), card, graph, sha256)


def _empty() -> ImageArray:
    return np.empty((boxes.SIDE, boxes.SIDE, 3), np.uint8)


def main() -> int:
    """The files as .npz on the standard output, or one line of error; for a process of its own (model_cache)."""
    try:
        files = converted_files()
    except ModelError as error:
        print(error, file=sys.stderr)
        return 1
    content = io.BytesIO()
    arrays: dict[str, Any] = {name: np.frombuffer(value, np.uint8) for name, value in files.items()}
    np.savez(content, **arrays)
    sys.stdout.buffer.write(content.getvalue())
    return 0
