# SPDX-License-Identifier: Apache-2.0
"""MediaPipe's full-range face detector as an ONNX graph, made from face_detection_full_range_sparse.tflite.

A plain convolutional network: depthwise and pointwise products with sums, reduced to 12 x 12 cells and back to 48 x 48.
Two thirds of its weights are zero and stored sparse; here they are dense (tflite/sparse_tensors.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..tflite.graph_builder import GraphBuilder
from ..tflite.reader import TfliteError, TfliteModel, TfliteOperation, read_tflite
from ..tflite.tflite_graph import UNPACKED, TfliteGraph
from .boxes import CELLS, SIDE, VALUES

INPUT, BOXES, LOGITS = "views", "boxes", "logits"
RELU = 1
"""The activation's code in TensorFlow's schema; 0 is none."""


def convert_detector(source: bytes) -> bytes:
    """The network as an ONNX graph: views (n, 192, 192, 3) uint8, RGB -> boxes (n, 16, 48, 48) in pixels of the input
    from the middle of each cell, and logits (n, 1, 48, 48) of a face.

    Raises TfliteError when the file is damaged or not this network.
    """
    model = read_tflite(source)
    given = [model.tensors[tensor].shape for tensor in model.inputs]
    answered = [model.tensors[tensor].shape for tensor in model.outputs]
    cells = CELLS * CELLS
    if given != [(1, SIDE, SIDE, 3)] or answered != [(1, cells, VALUES), (1, cells, 1)]:
        raise TfliteError(f"it takes {given} and gives {answered}; not the full-range face detector")
    return _DetectorConverter(model).convert()


class _DetectorConverter(TfliteGraph):
    """Features are (n, channels, height, width) here, and (1, height, width, channels) in the file."""

    def __init__(self, model: TfliteModel) -> None:
        super().__init__(model)
        self._graph = GraphBuilder()
        self._names: dict[int, str] = {}  # what holds a tensor of the file
        self._ends: dict[int, str] = {}  # names of the last operations' outputs

    def convert(self) -> bytes:
        graph, constant = self._graph, self._graph.constant
        (given,) = self._model.inputs
        # -1..1; the borders that the first convolution adds are 0 on that scale.
        centred = graph.add("Sub", [graph.picture(INPUT), constant(127.5)])
        self._names[given] = graph.add("Mul", [centred, constant(1 / 127.5)])
        for end, name in zip(self._model.outputs, (BOXES, LOGITS), strict=True):
            maker = self._makers[end]
            if maker.name != "RESHAPE" or np.prod(self._shape(maker.inputs[0])) != np.prod(self._shape(end)):
                raise TfliteError(f"output {self._model.tensors[end].name} comes from {maker.name}, not from RESHAPE")
            self._ends[maker.inputs[0]] = name
        for operation in self._model.operations:
            if operation.name not in (*UNPACKED, "RESHAPE"):
                step = _OPERATIONS.get(operation.name)
                if step is None:
                    raise TfliteError(f"operation {operation.name} is not known to the converter")
                self._names[operation.outputs[0]] = step(self, operation)
        ends = {BOXES: (VALUES, CELLS, CELLS), LOGITS: (1, CELLS, CELLS)}
        return graph.finish("face detector", "views_n", {INPUT: (SIDE, SIDE, 3)}, ends)

    def _option(self, operation: TfliteOperation, field: int, form: str, default: int = 0) -> int:
        if operation.options is None:
            raise TfliteError(f"{operation.name} has no options")
        return int(operation.options.number(field, form, default))

    def _activated(self, operation: TfliteOperation, value: str, code: int) -> str:
        if code not in (0, RELU):
            raise TfliteError(f"{operation.name} with activation {code} is not known to the converter")
        return self._graph.add("Relu", [value]) if code == RELU else value

    def pad(self, operation: TfliteOperation) -> str:
        """Nothing: the convolution that follows has the border."""
        return self._names[operation.inputs[0]]

    def conv(self, operation: TfliteOperation) -> str:
        depthwise = operation.name == "DEPTHWISE_CONV_2D"
        activation, dilation = (4, 5) if depthwise else (3, 4)
        if any(self._option(operation, dilation + axis, "i", 1) != 1 for axis in (0, 1)):
            raise TfliteError(f"{operation.name} with dilation is not known to the converter")
        stride = (self._option(operation, 2, "i", 1), self._option(operation, 1, "i", 1))
        # (out, height, width, in) or (1, height, width, channels)
        kernel = self._value(operation.inputs[1]).transpose((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
        value = self._graph.add(
            "Conv",
            [
                self._names[operation.inputs[0]],
                self._graph.constant(kernel),
                self._graph.constant(self._value(operation.inputs[2])),
            ],
            kernel_shape=list(kernel.shape[2:]),
            group=len(kernel) if depthwise else 1,
            strides=list(stride),
            pads=self._border(operation, kernel.shape[2:], stride),
        )
        return self._activated(operation, value, self._option(operation, activation, "b"))

    def _border(self, operation: TfliteOperation, kernel: tuple[int, ...], stride: tuple[int, ...]) -> list[int]:
        """The convolution's own padding and that of a PAD before it: top, left, bottom, right."""
        own = self._pads(operation, kernel, stride)
        maker = self._makers.get(operation.inputs[0])
        if maker is None or maker.name != "PAD":
            return own
        amount: NDArray[Any] = self._value(maker.inputs[1])
        if amount.shape != (4, 2) or amount[[0, 3]].any() or (amount < 0).any():
            raise TfliteError("PAD of anything but rows and columns is not known to the converter")
        (top, bottom), (left, right) = amount[1:3].tolist()
        return [one + other for one, other in zip(own, (top, left, bottom, right), strict=True)]

    def add(self, operation: TfliteOperation) -> str:
        value = self._graph.add("Add", [self._names[tensor] for tensor in operation.inputs])
        return self._activated(operation, value, self._option(operation, 0, "b"))

    def resize(self, operation: TfliteOperation) -> str:
        if self._option(operation, 2, "b") or not self._option(operation, 3, "b"):
            raise TfliteError("RESIZE_BILINEAR but of pixels' middles is not known to the converter")
        given, wanted = self._shape(operation.inputs[0]), self._shape(operation.outputs[0])
        scales = np.array([1.0, 1.0, wanted[1] / given[1], wanted[2] / given[2]])
        return self._graph.add(
            "Resize",
            [self._names[operation.inputs[0]], "", self._graph.constant(scales)],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )

    def depth_to_space(self, operation: TfliteOperation) -> str:
        """Not padded values: the last operation before an output."""
        block = self._option(operation, 0, "i")
        name = self._ends.get(operation.outputs[0], "")
        return self._graph.add("DepthToSpace", [self._names[operation.inputs[0]]], name, blocksize=block, mode="DCR")


_OPERATIONS: dict[str, Callable[[_DetectorConverter, TfliteOperation], str]] = {
    "PAD": _DetectorConverter.pad,
    "CONV_2D": _DetectorConverter.conv,
    "DEPTHWISE_CONV_2D": _DetectorConverter.conv,
    "ADD": _DetectorConverter.add,
    "RESIZE_BILINEAR": _DetectorConverter.resize,
    "DEPTH_TO_SPACE": _DetectorConverter.depth_to_space,
}
