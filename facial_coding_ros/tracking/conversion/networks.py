# SPDX-License-Identifier: Apache-2.0
"""The two networks of the tracker: where MediaPipe keeps them, and what makes ONNX graphs of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ...types import MESH_POINTS
from ..detector import boxes, detector_graph
from ..landmark_network import converter, refined_regions
from ..tflite import graph_builder, reader, sparse_tensors, tflite_graph

MEDIAPIPE = "0.10.14 to 0.10.21"
"""Versions whose wheel has both files."""
OTHER_WAYS = (
    "run `facial_coding convert-tracker --out FOLDER` on a computer where MediaPipe can be installed, and set "
    "tracking.networks to a copy of that folder"
)
_SHARED = (graph_builder, reader, sparse_tensors, tflite_graph)


@dataclass(frozen=True)
class ConvertedNetwork:
    """A network of MediaPipe's wheel and what it becomes.

    name: of the ONNX file. source: the file, from the package's folder. convert: its bytes to those of the ONNX graph;
    may load MediaPipe and onnx. modules: their text says what the graph is. card: what it takes and gives.
    """

    name: str
    source: str
    convert: Callable[[bytes], bytes]
    modules: tuple[ModuleType, ...]
    card: dict[str, Any]

    def made_from(self, source: bytes | None) -> dict[str, str]:
        """The part of a card that says from what its network was made; source: None where the wheel is not there."""
        code = b"".join(Path(str(module.__file__)).read_bytes() for module in self.modules)
        made_from = {"converter_sha256": hashlib.sha256(code).hexdigest()}
        return made_from if source is None else {"source_sha256": hashlib.sha256(source).hexdigest(), **made_from}


def _convert_landmarks(source: bytes) -> bytes:
    from ..mediapipe_graph import refinement_maps

    return converter.convert_landmark_network(source, *refinement_maps())


DETECTOR = ConvertedNetwork(
    "face_detector",
    "modules/face_detection/face_detection_full_range_sparse.tflite",
    detector_graph.convert_detector,
    (detector_graph, boxes, *_SHARED),
    {
        "kind": "face detector",
        "what": "MediaPipe's full-range face detector: boxes and six points of the faces in a square of an image.",
        "inputs": {detector_graph.INPUT: f"(n, {boxes.SIDE}, {boxes.SIDE}, 3) uint8, RGB, squares, black outside"},
        "outputs": {
            detector_graph.BOXES: f"(n, {boxes.VALUES}, {boxes.CELLS}, {boxes.CELLS}) float32, pixels of the input "
            "from the middle of each cell: x, y, width, height, six points",
            detector_graph.LOGITS: f"(n, 1, {boxes.CELLS}, {boxes.CELLS}) float32, logit of a face",
        },
        # In proportion: a tenth of a pixel of a face across the input, 0.03 of a logit at the cells that matter.
        "tolerance": {detector_graph.BOXES: 2.5e-3, detector_graph.LOGITS: 2.5e-3},
        "changes": "Converted from TensorFlow Lite to ONNX: sparse float16 weights made dense float32, padding joined "
        "with the convolutions, outputs by rows and columns.",
    },
)
LANDMARKS = ConvertedNetwork(
    "face_landmarks",
    "modules/face_landmark/face_landmark_with_attention.tflite",
    _convert_landmarks,
    (converter, refined_regions, *_SHARED),
    {
        "kind": "face landmarks",
        "what": "MediaPipe's face landmark network with attention.",
        "inputs": {
            converter.INPUT: f"(n, {converter.SIDE}, {converter.SIDE}, 3) uint8, RGB, a turned square around each face"
        },
        "outputs": {
            converter.MESH: f"(n, {MESH_POINTS}, 3) float32, pixels of the input",
            converter.PRESENCE: "(n, 1) float32, logit of a face",
            converter.FEATURES: f"(n, {converter.FEATURE_COUNT}) float32, for heads; see converter.FEATURE_PARTS",
        },
        # In proportion to the input: half a pixel of 192 at the worst point.
        "tolerance": 2.5e-3,
        "changes": "Converted from TensorFlow Lite to ONNX: float16 weights made float32, regions and refined parts "
        "side by side as groups of channels, the refined points put into the mesh.",
    },
)
