# SPDX-License-Identifier: Apache-2.0
"""Reads what is needed of a TensorFlow Lite file: tensors, constants, operations and their options.

The file is a FlatBuffer: tables whose fields are found through a table of offsets. Field numbers are those of
TensorFlow's schema.fbs, version 3.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .sparse_tensors import TreeLevel, densify

TYPES: dict[int, type[np.generic]] = {
    0: np.float32, 1: np.float16, 2: np.int32, 3: np.uint8, 4: np.int64, 6: np.bool_, 7: np.int16, 9: np.int8,
}  # fmt: skip
OPERATIONS = {
    0: "ADD", 1: "AVERAGE_POOL_2D", 2: "CONCATENATION", 3: "CONV_2D", 4: "DEPTHWISE_CONV_2D", 5: "DEPTH_TO_SPACE",
    6: "DEQUANTIZE", 9: "FULLY_CONNECTED", 14: "LOGISTIC", 17: "MAX_POOL_2D", 18: "MUL", 19: "RELU", 22: "RESHAPE",
    23: "RESIZE_BILINEAR", 32: "CUSTOM", 34: "PAD", 36: "GATHER", 39: "TRANSPOSE", 40: "MEAN", 41: "SUB",
    45: "STRIDED_SLICE", 49: "SPLIT", 54: "PRELU", 65: "SLICE", 67: "TRANSPOSE_CONV", 70: "EXPAND_DIMS",
    82: "REDUCE_MAX", 83: "PACK", 88: "UNPACK", 102: "SPLIT_V", 124: "DENSIFY",
}  # fmt: skip
INDICES: dict[int, type[np.generic]] = {1: np.int32, 2: np.uint16, 3: np.uint8}


class TfliteError(ValueError):
    """A file that is no TensorFlow Lite model, or a damaged one."""


class Table:
    """A table of the FlatBuffer. Fields that are not there have their default."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        (back,) = struct.unpack_from("<i", data, at)
        self._offsets = at - back
        (self._size,) = struct.unpack_from("<H", data, self._offsets)

    def number(self, field: int, form: str, default: int | float = 0) -> Any:
        """A scalar; form as in `struct`: b B h i I f ?."""
        at = self._field(field)
        return struct.unpack_from("<" + form, self._data, at)[0] if at else default

    def table(self, field: int) -> Table | None:
        at = self._field(field)
        return Table(self._data, self._follow(at)) if at else None

    def tables(self, field: int) -> list[Table]:
        start, count = self._vector(field)
        return [Table(self._data, self._follow(start + 4 * i)) for i in range(count)]

    def numbers(self, field: int, kind: type[np.generic] = np.int32) -> NDArray[Any]:
        """A vector of scalars, without a copy."""
        start, count = self._vector(field)
        return np.frombuffer(self._data, np.dtype(kind).newbyteorder("<"), count, start)

    def text(self, field: int) -> str:
        return self.numbers(field, np.uint8).tobytes().decode("utf-8", "replace")

    def _field(self, field: int) -> int:
        entry = 4 + 2 * field
        if entry >= self._size:
            return 0
        (offset,) = struct.unpack_from("<H", self._data, self._offsets + entry)
        return self._at + offset if offset else 0

    def _follow(self, at: int) -> int:
        return at + int(struct.unpack_from("<I", self._data, at)[0])

    def _vector(self, field: int) -> tuple[int, int]:
        at = self._field(field)
        if not at:
            return 0, 0
        start = self._follow(at)
        return start + 4, int(struct.unpack_from("<I", self._data, start)[0])


@dataclass(frozen=True)
class TfliteTensor:
    """constant: its values, dense also where the file keeps them sparse; None for what is computed."""

    name: str
    shape: tuple[int, ...]
    kind: type[np.generic]
    constant: NDArray[Any] | None


@dataclass(frozen=True)
class TfliteOperation:
    """name: of the schema, or a custom operation's own. inputs, outputs: indices of tensors, -1 for one left out.

    options: table of the built-in options; custom: bytes of a custom operation's.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None
    custom: bytes


@dataclass(frozen=True)
class TfliteModel:
    """The one graph of a file; inputs and outputs are indices of tensors."""

    tensors: tuple[TfliteTensor, ...]
    operations: tuple[TfliteOperation, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_tflite(data: bytes) -> TfliteModel:
    """Raises TfliteError when the bytes are no TensorFlow Lite model or are damaged."""
    if data[4:8] != b"TFL3":
        raise TfliteError("it is no TensorFlow Lite model: TFL3 is not its mark")
    try:
        return _read(data)
    except (struct.error, ValueError, IndexError, RecursionError) as error:
        raise TfliteError(f"it is damaged: {error}") from None


def _read(data: bytes) -> TfliteModel:
    root = Table(data, struct.unpack_from("<I", data)[0])
    codes = [_operation_name(code) for code in root.tables(1)]
    graphs, buffers = root.tables(2), root.tables(4)
    if len(graphs) != 1:
        raise TfliteError(f"it has {len(graphs)} graphs; one is expected")
    tensors = []
    for table in graphs[0].tables(0):
        code = table.number(1, "b")
        if code not in TYPES:
            raise TfliteError(f"tensor {table.text(3)} is of type {code}, which is not known here")
        kind, shape = TYPES[code], tuple(int(n) for n in table.numbers(0))
        content = buffers[table.number(2, "I")].numbers(0, np.uint8)
        constant = _constant(content.view(np.dtype(kind)), shape, table.table(6)) if len(content) else None
        tensors.append(TfliteTensor(table.text(3), shape, kind, constant))
    operations = [
        TfliteOperation(
            codes[table.number(0, "I")],
            tuple(int(n) for n in table.numbers(1)),
            tuple(int(n) for n in table.numbers(2)),
            table.table(4),
            table.numbers(5, np.uint8).tobytes(),
        )
        for table in graphs[0].tables(3)
    ]
    ends = (tuple(int(n) for n in graphs[0].numbers(field)) for field in (1, 2))
    return TfliteModel(tuple(tensors), tuple(operations), *ends)


def _constant(values: NDArray[Any], shape: tuple[int, ...], sparsity: Table | None) -> NDArray[Any]:
    if sparsity is None:
        return values.reshape(shape)
    levels = []
    for table in sparsity.tables(2):
        if table.number(0, "b"):
            segments, indices = (_indices(table, field) for field in (2, 4))
            levels.append(TreeLevel(0, segments, indices))
        else:
            levels.append(TreeLevel(table.number(1, "i")))
    order, block_map = (sparsity.numbers(field).tolist() for field in (0, 1))
    return densify(values, shape, levels, order, block_map)


def _indices(table: Table, field: int) -> NDArray[Any]:
    """Whole numbers of one of three widths: a union, whose kind stands before it."""
    kind, vector = table.number(field, "B"), table.table(field + 1)
    if kind not in INDICES or vector is None:
        raise ValueError(f"indices of a sparse tensor are of kind {kind}, which is not known here")
    return vector.numbers(0, INDICES[kind])


def _operation_name(code: Table) -> str:
    number = max(code.number(0, "b"), code.number(3, "i"))
    return code.text(1) if number == 32 else OPERATIONS.get(number, f"operation {number}")
