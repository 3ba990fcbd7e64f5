# SPDX-License-Identifier: Apache-2.0
"""The detector and the landmark network of MediaPipe's wheel in one graph of our own.

Why not mediapipe.solutions.face_mesh: its short-range detector is blind for faces narrower than an eighth of the image
and runs on each frame when fewer faces are present than asked for, and faces go through the network one by one. Here
the full-range detector runs when it is called for, and faces share a few networks ("workers") that work side by side.

Used of MediaPipe, 0.10.14 to 0.10.21: CalculatorGraph, packet_creator, packet_getter and the calculators of its own
face graphs. 1.x has no Python graphs: use the landmark backend "tasks" there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from ..types import MESH_POINTS, SURFACE_POINTS, FloatArray, ImageArray
from .mediapipe_library import load_mediapipe, with_absolute_paths
from .regions import Detection, Landmarks, Square, presence, sensible

Box = tuple[int, int, int, int]
"""xmin, ymin, xmax, ymax of a part of an image, in pixels."""
INPUT_SIDE = 192
PARTS = ("mesh", "lips", "left_eye", "right_eye", "left_iris", "right_iris")
"""Outputs of the landmark network, in its order; after them comes the presence of a face."""

_DETECTOR = """
input_stream: "detector_image"
output_stream: "detections"
node {{
  calculator: "FaceDetectionFullRangeCpu"
  input_stream: "IMAGE:detector_image"
  output_stream: "DETECTIONS:detections"
  node_options {{ [type.googleapis.com/mediapipe.FaceDetectionOptions] {{ min_score_thresh: {score} }} }}
}}
node {{ calculator: "TfLiteCustomOpResolverCalculator" output_side_packet: "OP_RESOLVER:operations" }}
"""
_WORKER = """
input_stream: "image_{worker}"
input_stream: "square_{worker}"
node {{
  calculator: "ImageToTensorCalculator"
  input_stream: "IMAGE:image_{worker}"
  input_stream: "NORM_RECT:square_{worker}"
  output_stream: "TENSORS:input_{worker}"
  options {{ [mediapipe.ImageToTensorCalculatorOptions.ext] {{
    output_tensor_width: 192 output_tensor_height: 192 output_tensor_float_range {{ min: 0 max: 1 }} }} }}
}}
node {{
  calculator: "InferenceCalculator"
  input_side_packet: "OP_RESOLVER:operations"
  input_stream: "TENSORS:input_{worker}"
  output_stream: "TENSORS:output_{worker}"
  options {{ [mediapipe.InferenceCalculatorOptions.ext] {{
    model_path: "mediapipe/modules/face_landmark/face_landmark_with_attention.tflite" delegate {{ xnnpack {{ }} }} }} }}
}}
node {{
  calculator: "SplitTensorVectorCalculator"
  input_stream: "output_{worker}"
  {tensors}
  options {{ [mediapipe.SplitVectorCalculatorOptions.ext] {{ {ranges} }} }}
}}
"""
_FLOATS = """
node {{
  calculator: "TensorsToFloatsCalculator"
  input_stream: "TENSORS:tensor_{name}_{worker}"
  output_stream: "FLOATS:{name}_{worker}"
}}
"""
_TOGETHER = """
output_stream: "all_{worker}"
node {{ calculator: "ConcatenateFloatVectorCalculator" {inputs} output_stream: "all_{worker}" }}
"""
_REFINEMENT = """
input_stream: "image"
input_stream: "square"
input_side_packet: "with_attention"
output_stream: "landmarks"
node {
  calculator: "FaceLandmarkCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:square"
  input_side_packet: "WITH_ATTENTION:with_attention"
  output_stream: "LANDMARKS:landmarks"
}
"""


def _graph_text(workers: int, detection_score: float) -> str:
    names = (*PARTS, "presence")
    text = _DETECTOR.format(score=detection_score)
    for worker in range(workers):
        tensors = " ".join(f'output_stream: "tensor_{name}_{worker}"' for name in names)
        ranges = " ".join(f"ranges {{ begin: {i} end: {i + 1} }}" for i in range(len(names)))
        text += _WORKER.format(worker=worker, tensors=tensors, ranges=ranges)
        text += "".join(_FLOATS.format(name=name, worker=worker) for name in names)
        # One packet for each face: each goes to Python through a callback that waits for the interpreter.
        text += _TOGETHER.format(worker=worker, inputs=" ".join(f'input_stream: "{name}_{worker}"' for name in names))
    return text


class MediaPipeGraph:
    """Detections and landmarks of one image; keeps nothing from image to image.

    detection_score: least score of a detection. workers: landmark networks side by side; with 0 only the detector
    works. Raises ImportError when MediaPipe is missing or has no Python graphs.
    """

    detects_always = False
    turned_views = False
    landmark_network = ""
    shape_spread = 1.0
    backend = "MediaPipe on the CPU"

    def __init__(self, *, detection_score: float = 0.5, workers: int = 2) -> None:
        try:
            mediapipe = load_mediapipe()
            from google.protobuf import text_format
            from mediapipe.calculators.core import split_vector_calculator_pb2  # noqa: F401  known to the text below
            from mediapipe.framework import calculator_pb2
            from mediapipe.framework.formats import rect_pb2
            from mediapipe.python import packet_creator, packet_getter, solution_base  # noqa: F401  calculator options
            from mediapipe.python._framework_bindings import calculator_graph
        except ImportError as error:
            raise ImportError(
                f"MediaPipe's graphs cannot be loaded ({error}); install 'mediapipe>=0.10.14,<=0.10.21', or set "
                "backend to 'tasks' with a task_file."
            ) from error
        self._create, self._get, self._rect = packet_creator, packet_getter, rect_pb2.NormalizedRect
        self._image_format = mediapipe.ImageFormat.SRGB
        self._order, self._irises, self._iris_depth = _order_of_mesh(*refinement_maps())
        self._workers = workers
        self._time = 0
        self._packets: dict[str, list[Any]] = {}
        config = text_format.Parse(_graph_text(workers, detection_score), calculator_pb2.CalculatorGraphConfig())
        self._graph = calculator_graph.CalculatorGraph(graph_config=with_absolute_paths(config))
        for stream in config.output_stream:
            self._graph.observe_output_stream(stream, self._receive, False)
        self._graph.start_run({})
        self._open = True

    def _receive(self, stream: str, packet: Any) -> None:
        self._packets.setdefault(stream, []).append(packet)

    def process(
        self, image: ImageArray, squares: Sequence[Square], views: Sequence[Square] = ()
    ) -> tuple[list[Landmarks | None], list[Detection]]:
        """Landmarks in each square, and the faces the detector finds in each view, all in one pass.

        image: (height, width, 3) uint8, RGB. A square that has no sense (empty or far outside) gives None. A view is
        an upright square; what of it lies outside of the image is black. Raises ValueError for turned ones.
        """
        height, width = image.shape[:2]
        packet = self._image_packet(image)
        self._packets = {}
        shown: dict[int, Box] = {}
        for view in views:
            if view == Square.around(width, height):
                shown[self._detector(packet)] = (0, 0, width, height)
                continue
            xmin, ymin, side = round(view.x - view.side / 2), round(view.y - view.side / 2), round(view.side)
            if view.angle:
                raise ValueError(f"MediaPipe's detector is shown upright squares, not {view}")
            xmax, ymax = xmin + side, ymin + side
            part = image[max(ymin, 0) : min(ymax, height), max(xmin, 0) : min(xmax, width)]
            border = (max(-ymin, 0), max(ymax - height, 0), max(-xmin, 0), max(xmax - width, 0))
            if any(border):
                part = cv2.copyMakeBorder(part, *border, cv2.BORDER_CONSTANT)  # type: ignore[assignment]
            shown[self._detector(self._image_packet(part))] = (xmin, ymin, xmax, ymax)
        used = [i for i, square in enumerate(squares) if sensible(square, width, height)]
        for turn, index in enumerate(used):
            worker = turn % self._workers
            self._time += worker == 0
            square = squares[index]
            rect = self._rect(
                x_center=square.x / width,
                y_center=square.y / height,
                width=square.side / width,
                height=square.side / height,
                rotation=square.angle,
            )
            self._graph.add_packet_to_input_stream(f"image_{worker}", packet.at(self._time))
            self._graph.add_packet_to_input_stream(f"square_{worker}", self._create.create_proto(rect).at(self._time))
        self._graph.wait_until_idle()
        found: list[Landmarks | None] = [None] * len(squares)
        for turn, index in enumerate(used):
            found[index] = self._landmarks(turn % self._workers, turn // self._workers, squares[index])
        detections = self._detections(shown)
        self._packets = {}
        return found, detections

    def _detector(self, packet: Any) -> int:
        """Hands an image to the detector; the time under which its answer comes, if it finds anybody."""
        self._time += 1
        self._graph.add_packet_to_input_stream("detector_image", packet.at(self._time))
        return self._time

    def close(self) -> None:
        """Ends the graph's threads; the object is of no use afterwards."""
        if self._open:
            self._open = False
            self._graph.close()
            # The graph holds a method of this object, out of sight of Python's garbage collector.
            self._graph = None

    def _image_packet(self, image: ImageArray) -> Any:
        # Never by reference: MediaPipe drops it in threads of its own, without Python's lock, and the process dies.
        return self._create.create_image_frame(np.ascontiguousarray(image), image_format=self._image_format, copy=True)

    def _detections(self, views: Mapping[int, Box]) -> list[Detection]:
        """In pixels of the whole image. views: what the detector was shown, by time."""
        found = []
        for packet in self._packets.get("detections", []):
            x, y, xmax, ymax = views[packet.timestamp.value]
            width, height = xmax - x, ymax - y
            for detection in self._get.get_proto_list(packet):
                location = detection.location_data
                box, points = location.relative_bounding_box, location.relative_keypoints
                eyes = np.array([[x + point.x * width, y + point.y * height] for point in points[:2]], np.float32)
                found.append(
                    Detection(
                        x + box.xmin * width,
                        y + box.ymin * height,
                        box.width * width,
                        box.height * height,
                        float(detection.score[0]),
                        eyes,
                        view_side=float(max(width, height)),
                    )
                )
        return found

    def _landmarks(self, worker: int, turn: int, square: Square) -> Landmarks | None:
        packets = self._packets.get(f"all_{worker}", [])
        if turn >= len(packets):
            return None
        values = np.array(self._get.get_float_list(packets[turn]), np.float32)
        mesh = values[self._order]
        depths = values[self._iris_depth]
        mesh[self._irises, 2] = np.add.reduce(depths, 1, keepdims=True) / depths.shape[1]
        return Landmarks(_to_image(mesh, square), presence(float(values[-1])))


def _to_image(mesh: FloatArray, square: Square) -> FloatArray:
    """From pixels of the network's input to pixels of the image."""
    scale, half = square.side / INPUT_SIDE, INPUT_SIDE / 2
    cos, sin = scale * math.cos(square.angle), scale * math.sin(square.angle)
    turn = np.array(((cos, sin, 0), (-sin, cos, 0), (0, 0, scale)), np.float32)
    shift = np.array((square.x - (cos - sin) * half, square.y - (sin + cos) * half, 0), np.float32)
    return mesh @ turn + shift


def _order_of_mesh(
    maps: Sequence[np.ndarray], iris_depth: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each number of a mesh stands among the network's, (478, 3); points of the two irises (2, 5); and the
    depths whose means are theirs, (2, n)."""
    order = np.zeros((MESH_POINTS, 3), np.intp)
    order[:SURFACE_POINTS] = np.arange(3 * SURFACE_POINTS).reshape(-1, 3)
    start = 3 * SURFACE_POINTS
    for part in maps:
        order[part, :2] = start + np.arange(2 * len(part)).reshape(-1, 2)
        start += 2 * len(part)
    return order, np.stack(maps[-2:]), 3 * np.stack(iris_depth) + 2


def refinement_maps() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Which mesh points each refined part replaces, and whose depth the irises take; from MediaPipe's own graph."""
    load_mediapipe()
    from google.protobuf import text_format
    from mediapipe.calculators.util import landmarks_refinement_calculator_pb2
    from mediapipe.framework import calculator_pb2
    from mediapipe.python._framework_bindings import validated_graph_config

    graph = validated_graph_config.ValidatedGraphConfig()
    graph.initialize(graph_config=text_format.Parse(_REFINEMENT, calculator_pb2.CalculatorGraphConfig()))
    config = calculator_pb2.CalculatorGraphConfig.FromString(graph.binary_config)
    node = next(node for node in config.node if node.calculator == "LandmarksRefinementCalculator")
    kind = landmarks_refinement_calculator_pb2.LandmarksRefinementCalculatorOptions
    options = node.options.Extensions[kind.ext]
    parts = options.refinement[1:]
    maps = [np.array(part.indexes_mapping) for part in parts]
    depth = [np.array(part.z_refinement.assign_average.indexes_for_average) for part in parts[-2:]]
    return maps, depth
