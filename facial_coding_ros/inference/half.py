# SPDX-License-Identifier: Apache-2.0
"""A graph in half precision: this is FP16 to both TensorRT libraries, as their networks take types from the graph."""

from __future__ import annotations

from .model_files import ModelError, one_line


def to_half(graph: bytes, name: str) -> bytes:
    """The same ONNX graph with float16 inside and float32 inputs and outputs.

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
        half = convert_float_to_float16(onnx.load_from_string(graph), keep_io_types=True, op_block_list=kept)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ModelError(f"{name} cannot be converted to half precision: {one_line(error)}") from None
    return bytes(half.SerializeToString())
