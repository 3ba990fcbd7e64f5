# SPDX-License-Identifier: Apache-2.0
"""MediaPipe's landmark network as an ONNX graph, made on the user's machine from the installed wheel.

face_landmark_with_attention.tflite: 478 points, eyes, irises and lips refined by looking again at features around
them. The three regions go through networks of the same form, and so do the five parts refined in them; here they go
side by side, as groups of channels of one: a third of the nodes, and with them of the time that each costs by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...types import MESH_POINTS, SURFACE_POINTS
from ..tflite.graph_builder import GraphBuilder
from ..tflite.reader import TfliteError, TfliteModel, TfliteOperation, read_tflite
from ..tflite.tflite_graph import UNPACKED, TfliteGraph
from .refined_regions import RefinedRegion, Regions

SIDE = 192
INPUT, MESH, PRESENCE, FEATURES = "faces", "mesh", "presence", "features"
FEATURE_PARTS = {"regions": (384, 4, 4), "surface": (128, 6, 6)}
"""What FEATURES holds, in this order, each flattened: both eyes' and the lips' regions where they were looked at again,
after their last common stage, a third of the channels each; and the surface at 12 x 12, means over 2 x 2.
"""
FEATURE_COUNT = sum(math.prod(shape) for shape in FEATURE_PARTS.values())
PARTS = ("mesh", "lips", "left_eye", "right_eye", "left_iris", "right_iris", "presence")
"""Outputs of the network, in its order."""

Siblings = Sequence[TfliteOperation]
"""Operations of one kind on tensors of one shape, that become one operation on groups of channels."""


def convert_landmark_network(source: bytes, maps: list[NDArray[Any]], iris_depth: list[NDArray[Any]]) -> bytes:
    """The network as an ONNX graph: faces (n, 192, 192, 3) uint8, RGB -> mesh (n, 478, 3) in pixels of the input,
    presence (n, 1), the logit of a face, and features (n, FEATURE_COUNT), what the network makes of the picture on its
    way (FEATURE_PARTS), for heads that tell more than points.

    maps: which mesh points lips, eyes and irises replace; iris_depth: the surface points whose mean depth the irises
    take. Raises TfliteError when the file is damaged or not this network.
    """
    model = read_tflite(source)
    shape = model.tensors[model.inputs[0]].shape
    if shape != (1, SIDE, SIDE, 3) or len(model.outputs) != len(PARTS):
        raise TfliteError(f"it takes {shape} and has {len(model.outputs)} outputs; not the landmark network")
    return _Converter(model).convert(maps, iris_depth)


class _Converter(TfliteGraph):
    """Features are (n, channels, height, width) here, and (1, height, width, channels) in the file."""

    def __init__(self, model: TfliteModel) -> None:
        super().__init__(model)
        self._graph = GraphBuilder()
        # What holds these tensors of the file, side by side as groups of channels.
        self._names: dict[tuple[int, ...], str] = {}

    def convert(self, maps: list[NDArray[Any]], iris_depth: list[NDArray[Any]]) -> bytes:
        graph, outputs = self._graph, self._model.outputs
        moves = [self._maker(self._source(output), "TransformLandmarks") for output in outputs[1:-1]]
        scaled = [self._maker(move.inputs[1], "MUL") for move in moves]
        matrices = [self._maker(multiply.inputs[0], "Landmarks2TransformMatrix") for multiply in scaled]
        transforms = list(dict.fromkeys(matrices))
        samples = [self._user(transform.outputs[0], "TransformTensorBilinear") for transform in transforms]
        sampled = tuple(sample.outputs[0] for sample in samples)
        surface, presence, seen = self._source(outputs[0]), self._source(outputs[-1]), samples[0].inputs[0]

        self._names[self._model.inputs] = graph.picture(INPUT)
        wide = ""
        for operation in self._steps((surface, presence, seen), self._model.inputs):
            self._step([operation])
            if operation.name == "ADD" and self._shape(operation.outputs[0])[1:] == (12, 12, 128):
                wide = self._names[operation.outputs]

        flat = graph.reshape(self._names[surface,], -1, 3 * SURFACE_POINTS)
        boxes = [_region(transform, sample) for transform, sample in zip(transforms, samples, strict=True)]
        regions = Regions(graph, self._points(flat, transforms), boxes)
        rows, columns, channels = self._shape(seen)[1:]
        features = regions.sample(self._names[seen,], channels, rows, columns)
        self._names[sampled] = self._blocked(features, channels * len(transforms))
        heads = tuple(move.inputs[0] for move in moves)
        ends = tuple(self._source(head) for head in heads)
        shared: tuple[int, ...] = ()
        for siblings in zip(*(self._steps((end,), sampled) for end in ends), strict=True):
            once = list(dict.fromkeys(siblings))
            self._step(once)
            if len(once) == len(transforms):
                shared = tuple(operation.outputs[0] for operation in once)
        self._features(shared, wide)

        most = max(self._shape(head)[1] for head in heads)
        points = graph.reshape(self._names[ends], -1, len(heads), most, 2)
        scale = np.array([self._shift_scale(multiply) for multiply in scaled])
        moved = regions.move(points, [transforms.index(matrix) for matrix in matrices], scale)
        moved = graph.reshape(moved, -1, len(heads) * most * 2)
        return self._finish(flat, moved, most, self._names[presence,], maps, iris_depth)

    def _features(self, regions: tuple[int, ...], surface: str) -> None:
        """Writes FEATURES. regions: the regions' last tensors before their parts differ; surface: at 12 x 12."""
        rows, columns, channels = self._shape(regions[0])[1:] if regions else (0, 0, 0)
        if (len(regions) * channels, rows, columns) != FEATURE_PARTS["regions"] or not surface:
            raise TfliteError("it lacks the features that heads are made for; not the landmark network")
        graph = self._graph
        pooled = graph.add("AveragePool", [surface], kernel_shape=[2, 2], strides=[2, 2])
        parts = {"regions": self._names[regions], "surface": pooled}
        flat = [graph.reshape(parts[name], -1, math.prod(shape)) for name, shape in FEATURE_PARTS.items()]
        graph.add("Concat", flat, FEATURES, axis=1)

    def _finish(
        self,
        surface: str,
        refined: str,
        most: int,
        presence: str,
        maps: list[NDArray[Any]],
        iris_depth: list[NDArray[Any]],
    ) -> bytes:
        """Surface and refined parts, `most` points each, become one mesh by one gathering."""
        graph = self._graph
        depths = graph.add("ReduceMean", [graph.gather(surface, 3 * np.stack(iris_depth) + 2)], axes=[2], keepdims=0)
        values = graph.add("Concat", [surface, refined, depths], axis=1)
        picked = np.zeros((MESH_POINTS, 3), np.int64)
        picked[:SURFACE_POINTS] = np.arange(3 * SURFACE_POINTS).reshape(-1, 3)
        for number, part in enumerate(maps):
            first = 3 * SURFACE_POINTS + 2 * most * number
            picked[part, :2] = first + np.arange(2 * len(part)).reshape(-1, 2)
        for number, iris in enumerate(maps[-2:]):
            picked[iris, 2] = 3 * SURFACE_POINTS + 2 * most * len(maps) + number
        graph.gather(values, picked, MESH)
        graph.add("Reshape", [presence, graph.constant(np.array([0, 1]))], PRESENCE)
        inputs, outputs = {INPUT: (SIDE, SIDE, 3)}, {MESH: (MESH_POINTS, 3), PRESENCE: (1,), FEATURES: (FEATURE_COUNT,)}
        return graph.finish("face landmarks", "faces_n", inputs, outputs)

    # -- the file's graph

    def _maker(self, tensor: int, name: str) -> TfliteOperation:
        maker = self._makers.get(tensor)
        if maker is None or maker.name != name:
            raise TfliteError(f"{self._model.tensors[tensor].name} does not come from {name}, as is expected")
        return maker

    def _user(self, tensor: int, name: str) -> TfliteOperation:
        users = [o for o in self._model.operations if o.name == name and tensor in o.inputs]
        if len(users) != 1:
            raise TfliteError(f"{self._model.tensors[tensor].name} goes to {len(users)} {name}; one is expected")
        return users[0]

    def _source(self, tensor: int) -> int:
        """The tensor whose values this one has in another shape."""
        while (maker := self._makers[tensor]).name in ("RESHAPE", "STRIDED_SLICE"):
            found, wanted = self._shape(maker.inputs[0]), self._shape(tensor)
            if np.prod(found) != np.prod(wanted) or (len(found) == 4 and found[1:3] != (1, 1)):
                raise TfliteError(f"{maker.name} of {found} to {wanted} is not known to the converter")
            tensor = maker.inputs[0]
        return tensor

    def _steps(self, wanted: tuple[int, ...], inputs: tuple[int, ...]) -> list[TfliteOperation]:
        """Operations between the tensors, in the file's order."""
        needed: set[TfliteOperation] = set()
        open_ends = list(wanted)
        while open_ends:
            tensor = open_ends.pop()
            maker = self._makers.get(tensor)
            if tensor not in inputs and maker is not None and maker.name not in UNPACKED and maker not in needed:
                needed.add(maker)
                open_ends.extend(maker.inputs)
        return [operation for operation in self._model.operations if operation in needed]

    # -- operations, of siblings

    def _step(self, siblings: Siblings) -> None:
        names = {operation.name for operation in siblings}
        known = _OPERATIONS.get(siblings[0].name)
        if known is None or len(names) > 1:
            raise TfliteError(f"operation {' beside '.join(sorted(names))} is not known to the converter")
        self._names[tuple(operation.outputs[0] for operation in siblings)] = known(self, siblings)

    def _input(self, siblings: Siblings, number: int = 0) -> str:
        """What holds the inputs; a sibling may share its own with another."""
        wanted = tuple(operation.inputs[number] for operation in siblings)
        if wanted not in self._names:
            once = tuple(dict.fromkeys(wanted))
            channels = np.arange(self._shape(wanted[0])[3])
            picked = np.concatenate([once.index(tensor) * len(channels) + channels for tensor in wanted])
            self._names[wanted] = self._blocked(self._graph.gather(self._names[once], picked), len(picked))
        return self._names[wanted]

    def _blocked(self, features: str, channels: int) -> str:
        """Times 1: ONNX Runtime's blocked layout begins with a product, and the sums that follow are to have it."""
        return self._conv(features, np.ones((channels, 1, 1, 1)), group=channels)

    def _conv(self, data: str, kernel: NDArray[Any], bias: NDArray[Any] | None = None, **options: Any) -> str:
        """kernel: (out, in of a group, height, width)."""
        constants = [self._graph.constant(value) for value in (kernel, bias) if value is not None]
        return self._graph.add("Conv", [data, *constants], kernel_shape=list(kernel.shape[2:]), **options)

    def conv(self, siblings: Siblings) -> str:
        first = siblings[0]
        depthwise = first.name == "DEPTHWISE_CONV_2D"
        options = first.options
        if options is None or options.number(4 if depthwise else 3, "b"):
            raise TfliteError(f"{first.name} with an activation is not known to the converter")
        if any(options.number((5 if depthwise else 4) + i, "i", 1) != 1 for i in (0, 1)):
            raise TfliteError(f"{first.name} with dilation is not known to the converter")
        stride = (options.number(2, "i", 1), options.number(1, "i", 1))
        # (out, height, width, in) or (1, height, width, channels)
        order = (3, 0, 1, 2) if depthwise else (0, 3, 1, 2)
        kernels = [self._value(operation.inputs[1]).transpose(order) for operation in siblings]
        biases = [self._value(operation.inputs[2]) for operation in siblings]
        most = max(len(bias) for bias in biases)  # the last products differ: 80 points, 71, or 5
        kernel = np.concatenate([_filled(kernel, most) for kernel in kernels])
        if first.inputs[0] in self._model.inputs:
            kernel = kernel / np.float32(255)  # 0..255 instead of 0..1
        return self._conv(
            self._input(siblings),
            kernel,
            np.concatenate([_filled(bias, most) for bias in biases]),
            group=len(kernel) if depthwise else len(siblings),
            strides=list(stride),
            pads=self._pads(first, kernel.shape[2:], stride),
        )

    def pool(self, siblings: Siblings) -> str:
        options = siblings[0].options
        if options is None or options.number(5, "b"):
            raise TfliteError("MAX_POOL_2D with an activation is not known to the converter")
        stride = (options.number(2, "i"), options.number(1, "i"))
        kernel = (options.number(4, "i"), options.number(3, "i"))
        pads = self._pads(siblings[0], kernel, stride)
        return self._graph.add(
            "MaxPool", [self._input(siblings)], kernel_shape=list(kernel), strides=list(stride), pads=pads
        )

    def prelu(self, siblings: Siblings) -> str:
        """x + (1 - a) relu(-x), the factors as depthwise products.

        ONNX Runtime has a slow kernel for PRelu. In its blocked layout a product takes Relu, or a sum, along: this goes
        over the features twice.
        """
        x = self._input(siblings)
        slope = np.concatenate([self._value(operation.inputs[1]).reshape(-1, 1, 1, 1) for operation in siblings])
        negative = self._graph.add("Relu", [self._conv(x, np.full_like(slope, -1), group=len(slope))])
        return self._graph.add("Add", [self._conv(negative, 1 - slope, group=len(slope)), x])

    def pad(self, siblings: Siblings) -> str:
        amounts = {tuple(self._value(operation.inputs[1]).ravel().tolist()) for operation in siblings}
        (amount,) = amounts if len(amounts) == 1 else (None,)
        if amount is None or any(amount[:-1]):
            raise TfliteError("PAD of anything but further channels is not known to the converter")
        channels = self._shape(siblings[0].inputs[0])[3]
        # A product with a unit matrix: ONNX Runtime keeps its blocked layout over it, and not over Pad.
        unit = np.eye(channels + amount[-1], channels)[:, :, None, None]
        return self._conv(self._input(siblings), np.concatenate([unit] * len(siblings)), group=len(siblings))

    def add(self, siblings: Siblings) -> str:
        if siblings[0].options is not None and siblings[0].options.number(0, "b"):
            raise TfliteError("ADD with an activation is not known to the converter")
        return self._graph.add("Add", [self._input(siblings, 0), self._input(siblings, 1)])

    # -- regions

    def _points(self, surface: str, transforms: Siblings) -> str:
        """x and y of the surface (n, 468, 2), in pixels of the features."""
        factors = [self._value(self._maker(transform.inputs[0], "MUL").inputs[1]) for transform in transforms]
        if any(factor.shape != (1,) or factor != factors[0] for factor in factors):
            raise TfliteError("regions of different scales are not known to the converter")
        which = np.arange(3 * SURFACE_POINTS).reshape(-1, 3)[:, :2]
        return self._graph.add("Mul", [self._graph.gather(surface, which), self._graph.constant(factors[0])])

    def _shift_scale(self, operation: TfliteOperation) -> float:
        """The matrix between the pixels of the input instead of the features: only its shift is scaled."""
        scale = self._value(operation.inputs[1])[0]
        if not (scale[:2, :2] == 1).all() or scale[0, 3] != scale[1, 3]:
            raise TfliteError("MUL of a matrix in a way that is not known to the converter")
        return float(scale[0, 3])


def _filled(values: NDArray[Any], length: int) -> NDArray[Any]:
    return np.concatenate([values, np.zeros((length - len(values), *values.shape[1:]), values.dtype)])


def _region(transform: TfliteOperation, sample: TfliteOperation) -> RefinedRegion:
    from flatbuffers import flexbuffers

    box, grid = (dict(flexbuffers.Loads(operation.custom)) for operation in (transform, sample))
    return RefinedRegion(
        tuple(box["subset_idxs"]),
        (box["left_rotation_idx"], box["right_rotation_idx"]),
        float(box["target_rotation_radians"]),
        grid["output_width"],
        grid["output_height"],
        box["scale_x"],
        box["scale_y"],
    )


_OPERATIONS: dict[str, Callable[[_Converter, Siblings], str]] = {
    "CONV_2D": _Converter.conv,
    "DEPTHWISE_CONV_2D": _Converter.conv,
    "PRELU": _Converter.prelu,
    "ADD": _Converter.add,
    "MAX_POOL_2D": _Converter.pool,
    "PAD": _Converter.pad,
}
