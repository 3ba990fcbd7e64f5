"""MediaPipe's landmark network as an ONNX graph, made on the user's machine from the installed wheel.

face_landmark_with_attention.tflite: 478 points, eyes, irises and lips refined by looking again at features around
them. Its three operations of its own, as MediaPipe's mediapipe/util/tflite/operations computes them (version 2):

- Landmarks2TransformMatrix: the turned box around some points, as the matrix from an output grid into the features.
- TransformTensorBilinear: features at that grid; zero outside.
- TransformLandmarks: points of the grid back into the input.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import MESH_POINTS, SURFACE_POINTS
from .tflite import TfliteError, TfliteModel, TfliteOperation, read_tflite

OPSET, IR_VERSION = 17, 8
SIDE = 192
INPUT, MESH, PRESENCE = "faces", "mesh", "presence"
PARTS = ("mesh", "lips", "left_eye", "right_eye", "left_iris", "right_iris", "presence")
"""Outputs of the network, in its order."""


def convert_landmark_network(source: bytes, maps: list[NDArray[Any]], iris_depth: list[NDArray[Any]]) -> bytes:
    """The network as an ONNX graph: faces (n, 192, 192, 3) RGB 0..255 -> mesh (n, 478, 3) in pixels of the input, and
    presence (n, 1), the logit of a face.

    maps: which mesh points lips, eyes and irises replace; iris_depth: the surface points whose mean depth the irises
    take. Raises TfliteError when the file is damaged or not this network.
    """
    model = read_tflite(source)
    shape = model.tensors[model.inputs[0]].shape
    if shape != (1, SIDE, SIDE, 3) or len(model.outputs) != len(PARTS):
        raise TfliteError(f"it takes {shape} and has {len(model.outputs)} outputs; not the landmark network")
    converter = _Converter(model)
    converter.convert()
    return converter.finish(maps, iris_depth)


class _Converter:
    """Features are (n, channels, height, width) here, and (1, height, width, channels) in the file."""

    def __init__(self, model: TfliteModel) -> None:
        import onnx

        self._onnx = onnx
        self._model = model
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._values: dict[int, NDArray[Any]] = {}
        self._names: dict[int, str] = {}
        self._affine: dict[int, tuple[str, str]] = {}
        self._rows: dict[int, str] = {}
        self._count = 0

    def convert(self) -> None:
        turned = self.add("Transpose", [INPUT], perm=[0, 3, 1, 2])
        self._names[self._model.inputs[0]] = turned
        first = True
        for operation in self._model.operations:
            known = _OPERATIONS.get(operation.name)
            if known is None:
                raise TfliteError(f"operation {operation.name} is not known to the converter")
            if first and operation.name == "CONV_2D":
                # 0..255 instead of 0..1.
                weights = operation.inputs[1]
                self._values[weights] = self.value(weights) / np.float32(255)
                first = False
            known(self, operation)

    def finish(self, maps: list[NDArray[Any]], iris_depth: list[NDArray[Any]]) -> bytes:
        """Refined parts and surface become one mesh by one gathering."""
        helper, kind = self._onnx.helper, self._onnx.TensorProto.FLOAT
        ends = [self._names[i] for i in self._model.outputs]
        rows = [self.add("Reshape", [name, self.constant(np.array([0, -1], np.int64))]) for name in ends[:-1]]
        sizes = [3 * SURFACE_POINTS, *(2 * len(part) for part in maps)]
        starts = np.cumsum([0, *sizes])
        picked = np.zeros((MESH_POINTS, 3), np.int64)
        picked[:SURFACE_POINTS] = np.arange(3 * SURFACE_POINTS).reshape(-1, 3)
        for start, part in zip(starts[1:], maps, strict=False):
            picked[part, :2] = start + np.arange(2 * len(part)).reshape(-1, 2)
        for number, (iris, averaged) in enumerate(zip(maps[-2:], iris_depth, strict=True)):
            depths = self.add("Gather", [rows[0], self.constant(3 * averaged.astype(np.int64) + 2)], axis=1)
            rows.append(self.add("ReduceMean", [depths], axes=[1], keepdims=1))
            picked[iris, 2] = starts[-1] + number
        values = self.add("Concat", rows, axis=1)
        self.add("Gather", [values, self.constant(picked)], MESH, axis=1)
        self.add("Reshape", [ends[-1], self.constant(np.array([0, 1], np.int64))], PRESENCE)
        graph = helper.make_graph(
            self._nodes,
            "face landmarks",
            [helper.make_tensor_value_info(INPUT, kind, ["faces_n", SIDE, SIDE, 3])],
            [
                helper.make_tensor_value_info(MESH, kind, ["faces_n", MESH_POINTS, 3]),
                helper.make_tensor_value_info(PRESENCE, kind, ["faces_n", 1]),
            ],
            list(self._constants.values()),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        self._onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))

    def add(self, kind: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        self._count += 1
        output = output or f"{kind.lower()}_{self._count}"
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, value: NDArray[Any] | float) -> str:
        array = np.asarray(value)
        array = np.ascontiguousarray(array, np.int64 if array.dtype.kind == "i" else np.float32).reshape(array.shape)
        name = "c_" + hashlib.sha256(repr((array.shape, array.dtype)).encode() + array.tobytes()).hexdigest()[:16]
        self._constants[name] = self._onnx.numpy_helper.from_array(array, name)
        return name

    def value(self, tensor: int) -> NDArray[Any]:
        """A constant of the file, or one that was unpacked from float16."""
        if tensor in self._values:
            return self._values[tensor]
        constant = self._model.tensors[tensor].constant
        if constant is None:
            raise TfliteError(f"{self._model.tensors[tensor].name} is computed, where a constant is expected")
        return constant

    def shape(self, tensor: int) -> tuple[int, ...]:
        return self._model.tensors[tensor].shape

    def dequantize(self, operation: TfliteOperation) -> None:
        self._values[operation.outputs[0]] = self.value(operation.inputs[0]).astype(np.float32)

    def conv(self, operation: TfliteOperation) -> None:
        data, weights, bias = operation.inputs
        depthwise = operation.name == "DEPTHWISE_CONV_2D"
        # (out, height, width, in) or (1, height, width, channels)
        kernel = self.value(weights).transpose((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
        options = operation.options
        if options is None or options.number(4 if depthwise else 3, "b"):
            raise TfliteError(f"{operation.name} with an activation is not known to the converter")
        first_dilation = 5 if depthwise else 4
        if any(options.number(first_dilation + i, "i", 1) != 1 for i in (0, 1)):
            raise TfliteError(f"{operation.name} with dilation is not known to the converter")
        stride = (options.number(2, "i", 1), options.number(1, "i", 1))
        self._names[operation.outputs[0]] = self.add(
            "Conv",
            [self._names[data], self.constant(kernel), self.constant(self.value(bias))],
            group=len(kernel) if depthwise else 1,
            kernel_shape=list(kernel.shape[2:]),
            strides=list(stride),
            pads=self._pads(operation, kernel.shape[2:], stride),
        )

    def pool(self, operation: TfliteOperation) -> None:
        options = operation.options
        if options is None or options.number(5, "b"):
            raise TfliteError("MAX_POOL_2D with an activation is not known to the converter")
        stride = (options.number(2, "i"), options.number(1, "i"))
        kernel = (options.number(4, "i"), options.number(3, "i"))
        self._names[operation.outputs[0]] = self.add(
            "MaxPool",
            [self._names[operation.inputs[0]]],
            kernel_shape=list(kernel),
            strides=list(stride),
            pads=self._pads(operation, kernel, stride),
        )

    def _pads(self, operation: TfliteOperation, kernel: tuple[int, ...], stride: tuple[int, ...]) -> list[int]:
        """TensorFlow's padding: none, or as much as the output's size needs, the odd one behind."""
        given, wanted = self.shape(operation.inputs[0])[1:3], self.shape(operation.outputs[0])[1:3]
        total = [max((w - 1) * s + k - g, 0) for g, w, s, k in zip(given, wanted, stride, kernel, strict=True)]
        return [t // 2 for t in total] + [t - t // 2 for t in total]

    def prelu(self, operation: TfliteOperation) -> None:
        x = self._names[operation.inputs[0]]
        slope = self.value(operation.inputs[1]).reshape(-1, 1, 1)
        self._names[operation.outputs[0]] = prelu(self, x, slope)

    def pad(self, operation: TfliteOperation) -> None:
        before_after = self.value(operation.inputs[1])
        if before_after[:3].any() or before_after[3, 0]:
            raise TfliteError("PAD of anything but further channels is not known to the converter")
        channels, further = self.shape(operation.inputs[0])[3], int(before_after[3, 1])
        # A product with a unit matrix: ONNX Runtime keeps its blocked layout over it, and not over Pad.
        unit = np.eye(channels + further, channels)[:, :, None, None]
        self._names[operation.outputs[0]] = self.add(
            "Conv", [self._names[operation.inputs[0]], self.constant(unit)], kernel_shape=[1, 1]
        )

    def add_two(self, operation: TfliteOperation) -> None:
        if operation.options is not None and operation.options.number(0, "b"):
            raise TfliteError("ADD with an activation is not known to the converter")
        self._names[operation.outputs[0]] = self.add("Add", [self._names[i] for i in operation.inputs])

    def multiply(self, operation: TfliteOperation) -> None:
        data, factor = operation.inputs
        if data in self._affine:
            # The matrix between the pixels of the input instead of the features: only its shift is scaled.
            scale = self.value(factor)[0]
            if not (scale[:2, :2] == 1).all() or scale[0, 3] != scale[1, 3]:
                raise TfliteError("MUL of a matrix in a way that is not known to the converter")
            linear, shift = self._affine[data]
            self._affine[operation.outputs[0]] = (linear, self.add("Mul", [shift, self.constant(scale[0, 3])]))
            return
        self._names[operation.outputs[0]] = self.add("Mul", [self._names[data], self.constant(self.value(factor))])

    def reshape(self, operation: TfliteOperation) -> None:
        given, wanted = (self.shape(end[0]) for end in (operation.inputs, operation.outputs))
        if len(given) == 4 and given[1:3] != (1, 1):
            raise TfliteError(f"RESHAPE of {given} is not known to the converter")
        rest = wanted[-1:] if len(wanted) == 4 else wanted[1:]
        target = self.constant(np.array([-1, *rest], np.int64))
        self._names[operation.outputs[0]] = self.add("Reshape", [self._names[operation.inputs[0]], target])

    def whole_slice(self, operation: TfliteOperation) -> None:
        if self.shape(operation.inputs[0]) != self.shape(operation.outputs[0]):
            raise TfliteError("STRIDED_SLICE of a part is not known to the converter")
        self._names[operation.outputs[0]] = self._names[operation.inputs[0]]

    def matrix(self, operation: TfliteOperation) -> None:
        """(n, 2, 2) and (n, 2, 1): from the grid's coordinates to those of the points."""
        options = _options(operation)
        points = self.add("Slice", [self._names[operation.inputs[0]], *map(self.constant, _FIRST_TWO)])  # (n, 468, 2)
        ends = self.constant(np.array([options["left_rotation_idx"], options["right_rotation_idx"]]))
        pair = self.add("Gather", [points, ends], axis=1)
        step = self.add("MatMul", [self.constant(np.array([[-1.0, 1.0]])), pair])  # (n, 1, 2): left to right
        length = self.add("ReduceL2", [step], axes=[2], keepdims=1)
        # Eyes in one point only happen where there is no face.
        length = self.add("Max", [length, self.constant(1e-6)])
        along = self.add("Div", [step, length])  # cos, sin of the line's angle
        # turn = target - angle: the rows of R(turn) from (cos, sin) of the angle, linearly.
        target = float(options["target_rotation_radians"])
        c, s = np.cos(target), np.sin(target)
        # cos(turn) = c cos + s sin, sin(turn) = s cos - c sin; R = [[cos, -sin], [sin, cos]] as one row of four
        to_rotation = np.array([[c, -s, s, c], [s, c, -c, s]])
        rotation = self.add("MatMul", [along, self.constant(to_rotation)])
        rotation = self.add("Reshape", [rotation, self.constant(np.array([-1, 2, 2]))])
        subset = self.add("Gather", [points, self.constant(np.array(options["subset_idxs"]))], axis=1)
        back = self.add("Transpose", [rotation], perm=[0, 2, 1])
        turned = self.add("MatMul", [subset, back])  # rows (R p)^T = p^T R^T
        high = self.add("ReduceMax", [turned], axes=[1], keepdims=1)
        low = self.add("ReduceMin", [turned], axes=[1], keepdims=1)
        middle = self.add("Mul", [self.add("Add", [high, low]), self.constant(0.5)])
        centre = self.add("MatMul", [middle, rotation])  # R^-1 m as a row
        grid = np.array([options["output_width"], options["output_height"]], float)
        scale = np.array([options["scale_x"], options["scale_y"]]) / grid
        size = self.add("Mul", [self.add("Sub", [high, low]), self.constant(scale)])  # (n, 1, 2)
        linear = self.add("Mul", [back, size])  # R^-1 diag(size)
        corner = self.add("MatMul", [linear, self.constant(-grid[:, None] / 2)])
        shift = self.add("Add", [self.add("Reshape", [centre, self.constant(np.array([-1, 2, 1]))]), corner])
        self._affine[operation.outputs[0]] = (linear, shift)

    def sample(self, operation: TfliteOperation) -> None:
        options = _options(operation)
        data, matrix = operation.inputs
        linear, shift = self._affine[matrix]
        height, width = options["output_height"], options["output_width"]
        y, x = np.mgrid[0:height, 0:width]
        grid = np.stack([x.ravel() + 0.5, y.ravel() + 0.5])
        place = self.add("Add", [self.add("MatMul", [linear, self.constant(grid)]), shift])  # (n, 2, h w)
        # Centres of pixels at whole numbers.
        place = self.add("Sub", [place, self.constant(0.5)])
        rows, columns = self.shape(data)[1:3]
        last = np.array([columns - 1, rows - 1], float)[:, None]
        corner = self.add("Min", [self.add("Floor", [place]), self.constant(last - 1)])
        corner = self.add("Max", [corner, self.constant(0.0)])
        far = self.add("Sub", [place, corner])  # shares of the further pixel in x and y; beyond 0..1 is outside
        near = self.add("Sub", [self.constant(1.0), far])
        shares = self.add("Concat", [near, far], axis=1)  # (n, 4, h w): near x, near y, far x, far y
        lowest = self.add("ReduceMin", [shares], axes=[1], keepdims=1)
        inside = self.add("Cast", [self.add("GreaterOrEqual", [lowest, self.constant(0.0)])], to=1)
        in_x = self.add("Gather", [shares, self.constant(np.array([0, 2, 0, 2]))], axis=1)
        in_y = self.add("Gather", [shares, self.constant(np.array([1, 1, 3, 3]))], axis=1)
        weights = self.add("Mul", [self.add("Mul", [in_x, in_y]), inside])  # (n, 4, h w)
        # Whole numbers before they are multiplied: half precision counts only to 2048.
        whole = self.add("Mul", [self.add("Cast", [corner], to=7), self.constant(np.array([[1], [columns]]))])
        index = self.add("ReduceSum", [whole, self.constant(np.array([1]))], keepdims=1)  # (n, 1, h w)
        index = self.add("Add", [index, self.constant(np.array([[0], [1], [columns], [columns + 1]]))])
        spots = self.add("Reshape", [index, self.constant(np.array([-1, 4 * height * width, 1]))])
        seen = self.add("GatherND", [self._rows_of(data), spots], batch_dims=1)
        channels = self.shape(data)[3]
        seen = self.add("Reshape", [seen, self.constant(np.array([-1, 4, height * width, channels]))])
        spread = self.add("Reshape", [weights, self.constant(np.array([-1, 4, height * width, 1]))])
        mixed = self.add("ReduceSum", [self.add("Mul", [seen, spread]), self.constant(np.array([1]))], keepdims=0)
        turned = self.add("Transpose", [mixed], perm=[0, 2, 1])
        shape = self.constant(np.array([-1, channels, height, width]))
        self._names[operation.outputs[0]] = self.add("Reshape", [turned, shape])

    def _rows_of(self, data: int) -> str:
        """Features as (n, height width, channels), made once."""
        if data not in self._rows:
            _, rows, columns, channels = self.shape(data)
            turned = self.add("Transpose", [self._names[data]], perm=[0, 2, 3, 1])
            self._rows[data] = self.add("Reshape", [turned, self.constant(np.array([-1, rows * columns, channels]))])
        return self._rows[data]

    def move_points(self, operation: TfliteOperation) -> None:
        points, matrix = operation.inputs
        linear, shift = self._affine[matrix]
        turned = self.add("MatMul", [self._names[points], self.add("Transpose", [linear], perm=[0, 2, 1])])
        row = self.add("Reshape", [shift, self.constant(np.array([-1, 1, 2]))])
        self._names[operation.outputs[0]] = self.add("Add", [turned, row])


def prelu(converter: _Converter, x: str, slope: NDArray[Any]) -> str:
    """a x + (1 - a) relu(x), the factors as depthwise products.

    ONNX Runtime has fast kernels for these in its blocked layout, and a slow one for PRelu.
    """
    positive = converter.add("Relu", [x])
    scaled, rest = (
        converter.add("Conv", [value, converter.constant(factor[:, :, :, None])], group=len(slope), kernel_shape=[1, 1])
        for value, factor in ((x, slope), (positive, 1 - slope))
    )
    return converter.add("Add", [scaled, rest])


_FIRST_TWO = (np.array([0]), np.array([2]), np.array([2]))  # starts, ends, axes
_OPERATIONS: dict[str, Callable[[_Converter, TfliteOperation], None]] = {
    "DEQUANTIZE": _Converter.dequantize,
    "CONV_2D": _Converter.conv,
    "DEPTHWISE_CONV_2D": _Converter.conv,
    "PRELU": _Converter.prelu,
    "ADD": _Converter.add_two,
    "MAX_POOL_2D": _Converter.pool,
    "RESHAPE": _Converter.reshape,
    "PAD": _Converter.pad,
    "MUL": _Converter.multiply,
    "STRIDED_SLICE": _Converter.whole_slice,
    "Landmarks2TransformMatrix": _Converter.matrix,
    "TransformTensorBilinear": _Converter.sample,
    "TransformLandmarks": _Converter.move_points,
}


def _options(operation: TfliteOperation) -> dict[str, Any]:
    from flatbuffers import flexbuffers

    return dict(flexbuffers.Loads(operation.custom))
