# SPDX-License-Identifier: Apache-2.0
"""ONNX graphs, node by node."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

OPSET, IR_VERSION = 17, 8


class GraphBuilder:
    """Nodes and constants of one graph. Raises ImportError where onnx is missing."""

    def __init__(self) -> None:
        import onnx

        self._onnx = onnx
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._pictures: list[str] = []

    def add(self, kind: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """A node with one output; the output's name."""
        output = output or f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def constant(self, value: NDArray[Any] | float) -> str:
        """Of whole numbers as int64, else as float32; equal ones are kept once."""
        array = np.asarray(value)
        array = np.ascontiguousarray(array, np.int64 if array.dtype.kind == "i" else np.float32).reshape(array.shape)
        name = "c_" + hashlib.sha256(repr((array.shape, array.dtype)).encode() + array.tobytes()).hexdigest()[:16]
        self._constants[name] = self._onnx.numpy_helper.from_array(array, name)
        return name

    def reshape(self, value: str, *shape: int) -> str:
        """shape: as ONNX takes it, -1 for what is left."""
        return self.add("Reshape", [value, self.constant(np.array(shape, np.int64))])

    def gather(self, value: str, indices: NDArray[Any], output: str = "") -> str:
        """Along axis 1, the first after the batch."""
        return self.add("Gather", [value, self.constant(indices.astype(np.int64))], output, axis=1)

    def picture(self, name: str) -> str:
        """An input of pixels as they lie in an image, (n, height, width, 3) uint8, as (n, 3, height, width) numbers."""
        self._pictures.append(name)
        numbers = self.add("Cast", [name], to=self._onnx.TensorProto.FLOAT)
        return self.add("Transpose", [numbers], perm=[0, 3, 1, 2])

    def finish(
        self, name: str, batch: str, inputs: Mapping[str, Sequence[int]], outputs: Mapping[str, Sequence[int]]
    ) -> bytes:
        """The graph as a file, checked. inputs, outputs: their shapes after the batch's size; float32, but for what
        `picture` was called with."""
        helper, kinds = self._onnx.helper, self._onnx.TensorProto
        kind = {name: kinds.UINT8 if name in self._pictures else kinds.FLOAT for name in (*inputs, *outputs)}
        input_infos, output_infos = (
            [helper.make_tensor_value_info(key, kind[key], [batch, *shape]) for key, shape in ends.items()]
            for ends in (inputs, outputs)
        )
        graph = helper.make_graph(self._nodes, name, input_infos, output_infos, list(self._constants.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        self._onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))
