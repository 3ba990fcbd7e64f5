# SPDX-License-Identifier: Apache-2.0
"""Arithmetic between the coding models: written once with numpy, run as it is or recorded as part of a graph."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..tracking.tflite.graph_builder import GraphBuilder
from ..types import FloatArray

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Formula:
    """A function of arrays (faces, ...) that keeps faces apart.

    function: takes arrays in the order of `inputs` and returns as many as there are `outputs`; made of what
    `RecordedArray` knows. inputs, outputs: shapes of one face by name. constants: all numbers that the function uses
    beside its inputs; by them a joined graph is known to be of this very formula. tolerance: of outputs, where another
    one than that of the models before it.
    """

    name: str
    inputs: Shapes
    outputs: Shapes
    function: Callable[..., tuple[Any, ...]]
    constants: Sequence[ArrayLike] = ()
    tolerance: Mapping[str, float] = field(default_factory=dict)

    def run(self, inputs: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """Outputs by name, for inputs by name, (faces, ...) each."""
        return dict(zip(self.outputs, self.function(*(inputs[name] for name in self.inputs)), strict=True))

    @cached_property
    def sha256(self) -> str:
        """Of names, shapes and constants."""
        digest = hashlib.sha256(repr((self.name, dict(self.inputs), dict(self.outputs))).encode())
        for constant in self.constants:
            array = np.asarray(constant, np.float64)
            digest.update(repr(array.shape).encode() + array.tobytes())
        return digest.hexdigest()

    def graph(self) -> bytes:
        """As an ONNX file. Raises ImportError where onnx is missing."""
        import onnx

        builder = GraphBuilder()
        given = (RecordedArray(builder, name, 1 + len(shape)) for name, shape in self.inputs.items())
        names = {}
        for name, result in zip(self.outputs, self.function(*given), strict=True):
            names[result.name] = builder.add("Identity", [result.name], name)
        model = onnx.load_from_string(builder.finish(self.name, "faces", self.inputs, self.outputs))
        # A node that only renames costs as much as one that works.
        working = [node for node in model.graph.node if node.op_type != "Identity"]
        for node in working:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]
        del model.graph.node[:]
        model.graph.node.extend(working)
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))


class RecordedArray(np.lib.mixins.NDArrayOperatorsMixin):
    """Stands for an array while what is done to it is written down as nodes of a graph.

    Its first axis are the faces, whose number is open: functions use -1 for it. Raises TypeError for what has no node.
    """

    def __init__(self, builder: GraphBuilder, name: str, ndim: int) -> None:
        self._builder, self.name, self.ndim = builder, name, ndim

    def _new(self, kind: str, inputs: Sequence[str], ndim: int, **attributes: Any) -> RecordedArray:
        return RecordedArray(self._builder, self._builder.add(kind, inputs, **attributes), ndim)

    def _name_of(self, value: Any) -> str:
        return value.name if isinstance(value, RecordedArray) else self._builder.constant(np.asarray(value, np.float32))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Any:
        if method == "reduce" and ufunc in _REDUCTIONS:
            return self._reduced(ufunc, *inputs[1:], **settings)
        if method != "__call__" or ufunc not in _NODES or settings:
            return NotImplemented
        ndim = max(value.ndim if isinstance(value, RecordedArray) else np.ndim(value) for value in inputs)
        return self._new(_NODES[ufunc], [self._name_of(value) for value in inputs], ndim)

    def _reduced(self, ufunc: np.ufunc, axis: int, keepdims: bool = False) -> RecordedArray:
        ndim = self.ndim if keepdims else self.ndim - 1
        axes = [axis % self.ndim]
        if ufunc is np.add:  # takes its axes as an input since opset 13
            inputs = [self.name, self._builder.constant(np.array(axes, np.int64))]
            return self._new("ReduceSum", inputs, ndim, keepdims=int(keepdims))
        return self._new(_REDUCTIONS[ufunc], [self.name], ndim, axes=axes, keepdims=int(keepdims))

    def __array_function__(self, function: Any, types: Any, given: Any, settings: Any) -> Any:
        if function is np.concatenate:
            arrays, axis = given
            names = [self._name_of(array) for array in arrays]
            return self._new("Concat", names, max(array.ndim for array in arrays), axis=axis)
        if function is np.clip:
            value, low, high = given
            return self._new("Clip", [value.name, self._name_of(low), self._name_of(high)], value.ndim)
        if function is np.linalg.norm and set(settings) == {"axis", "keepdims"}:
            axes, keepdims = [settings["axis"] % self.ndim], settings["keepdims"]
            return self._new("ReduceL2", [given[0].name], self.ndim, axes=axes, keepdims=int(keepdims))
        if function is np.take_along_axis:
            values, indices, axis = given
            return self._new("GatherElements", [values.name, indices.name], values.ndim, axis=axis)
        return NotImplemented

    def take(self, indices: NDArray[Any] | int, axis: int) -> RecordedArray:
        """As numpy's."""
        places = self._builder.constant(np.asarray(indices, np.int64))
        return self._new("Gather", [self.name, places], self.ndim - 1 + np.ndim(indices), axis=axis)

    def argmax(self, axis: int) -> RecordedArray:
        """As numpy's."""
        return self._new("ArgMax", [self.name], self.ndim - 1, axis=axis, keepdims=0)

    def reshape(self, *shape: int) -> RecordedArray:
        """As numpy's; -1 for the faces."""
        return self._new("Reshape", [self.name, self._builder.constant(np.array(shape, np.int64))], len(shape))

    def transpose(self, *axes: int) -> RecordedArray:
        """As numpy's."""
        return self._new("Transpose", [self.name], self.ndim, perm=list(axes))


_NODES = {
    np.add: "Add",
    np.subtract: "Sub",
    np.multiply: "Mul",
    np.divide: "Div",
    np.matmul: "MatMul",
    np.maximum: "Max",
    np.minimum: "Min",
    np.absolute: "Abs",
    np.negative: "Neg",
    np.exp: "Exp",
    np.log: "Log",
    np.sqrt: "Sqrt",
}
_REDUCTIONS = {np.add: "ReduceSum", np.multiply: "ReduceProd", np.maximum: "ReduceMax"}
