# SPDX-License-Identifier: Apache-2.0
"""A graph in half precision: this is FP16 to both TensorRT libraries, as their networks take types from the graph."""

from __future__ import annotations

from typing import Any

from .model_files import ModelError, one_line
from .node_names import name_nodes

SINGLE = "single/"
"""Nodes whose names begin with this stay in single precision."""


def to_half(graph: bytes, name: str) -> bytes:
    """The same ONNX graph with float16 inside and float32 inputs and outputs.

    Nodes named `SINGLE`... stay in float32, and so do projections of inputs (MatMul): these are coordinates, and what
    is told from them is their small differences.

    Raises ModelError when the `onnx` package is missing or an operation cannot be converted.
    """
    try:
        import onnx
        from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16
    except ImportError as error:
        raise ModelError(f"half precision of {name} needs the onnx package: {one_line(error)}") from None
    try:
        # Min and Max are on the list for the sake of ONNX Runtime's CPU; a GPU has them.
        kept = [kind for kind in DEFAULT_OP_BLOCK_LIST if kind not in ("Min", "Max")]
        model = onnx.load_from_string(graph)
        for node in model.graph.node:
            node.name = node.name or node.output[0]
        single = [node.name for node in model.graph.node if node.name.startswith(SINGLE)] + _projections(model.graph)
        half = convert_float_to_float16(model, keep_io_types=True, op_block_list=kept, node_block_list=single)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ModelError(f"{name} cannot be converted to half precision: {one_line(error)}") from None
    if single:
        _without_detours(half.graph, onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
        name_nodes(half)
    return bytes(half.SerializeToString())


_STRAIGHT = ("Reshape", "Transpose", "Gather", "Mul", "Add", "Sub", "MatMul")


def _projections(graph: Any) -> list[str]:
    """Names of the matrix products that inputs reach, at most sorted or in sums and differences, and of what brings
    them there."""
    constants = {tensor.name for tensor in graph.initializer}
    unchanged, names = {tensor.name for tensor in graph.input}, []
    for node in graph.node:
        of_inputs = unchanged.intersection(node.input) and unchanged.union(constants).issuperset(node.input)
        if of_inputs and node.op_type in _STRAIGHT:
            names.append(node.name)
            if node.op_type != "MatMul":
                unchanged.update(node.output)
    return names


def _without_detours(graph: Any, single: int, half: int) -> None:
    """What is cast to half precision only to be cast back stays as it was; the converter casts around each node that is
    to stay in single precision."""
    casts = {node.output[0]: node for node in graph.node if node.op_type == "Cast"}
    to = {name: node.attribute[0].i for name, node in casts.items()}
    straight = {}
    for name, node in casts.items():
        before = casts.get(node.input[0])
        if to[name] == single and before is not None and to[before.output[0]] == half:
            straight[name] = before.input[0]
    outputs = {output.name for output in graph.output}
    for node in graph.node:
        node.input[:] = [straight.get(name, name) for name in node.input]
    kept, seen = [], set()
    used = outputs.union(*(node.input for node in graph.node))
    for node in graph.node:
        if node.op_type == "Cast" and (node.output[0] in seen or node.output[0] not in used):
            continue
        seen.add(node.output[0])
        kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)
