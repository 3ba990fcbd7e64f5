# SPDX-License-Identifier: Apache-2.0
"""What a converter asks of a TensorFlow Lite file's graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .reader import TfliteError, TfliteModel, TfliteOperation

UNPACKED = ("DENSIFY", "DEQUANTIZE")
"""Operations that only say how a constant is stored."""


class TfliteGraph:
    """Shapes, constants and makers of tensors, by the tensor's number; for converters to inherit from."""

    def __init__(self, model: TfliteModel) -> None:
        self._model = model
        self._makers = {output: operation for operation in model.operations for output in operation.outputs}

    def _shape(self, tensor: int) -> tuple[int, ...]:
        return self._model.tensors[tensor].shape

    def _value(self, tensor: int) -> NDArray[Any]:
        """A constant of the file; float32 where it is stored as float16, dense where it is stored sparse."""
        name = self._model.tensors[tensor].name
        while (maker := self._makers.get(tensor)) is not None and maker.name in UNPACKED:
            tensor = maker.inputs[0]
        constant = self._model.tensors[tensor].constant
        if constant is None:
            raise TfliteError(f"{name} is computed, where a constant is expected")
        return constant.astype(np.float32) if constant.dtype.kind == "f" else constant

    def _pads(self, operation: TfliteOperation, kernel: tuple[int, ...], stride: tuple[int, ...]) -> list[int]:
        """TensorFlow's padding: none, or as much as the output's size needs, the odd one behind."""
        given, wanted = self._shape(operation.inputs[0])[1:3], self._shape(operation.outputs[0])[1:3]
        total = [max((w - 1) * s + k - g, 0) for g, w, s, k in zip(given, wanted, stride, kernel, strict=True)]
        return [t // 2 for t in total] + [t - t // 2 for t in total]
