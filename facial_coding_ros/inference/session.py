# SPDX-License-Identifier: Apache-2.0
"""What a model is to those who call it, whatever computes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..options import Settings, option
from ..types import FloatArray
from .model_files import ModelError, ModelFile

MOST_THREADS = 64


@dataclass(frozen=True)
class InferenceSettings(Settings):
    """What computes the models."""

    backend: str = option(
        "auto",
        "auto: TensorRT where it and a GPU are there, else ONNX Runtime, on a GPU where its CUDA provider is installed "
        "(onnxruntime-gpu); by name: that one, on the CPU, or an error",
        choices=("auto", "onnxruntime", "tensorrt", "cuda"),
    )
    threads: int = option(1, "threads of ONNX Runtime for each model", low=1, high=MOST_THREADS)
    precision: str = option(
        "fp32",
        "of TensorRT; fp16 is used only where its answers stay within the model's tolerance",
        choices=("fp32", "fp16"),
    )
    max_batch: int = option(8, "most faces in one batch, for TensorRT's engines", low=1, high=64)
    cache: str = option("", "folder of TensorRT's engines; empty: facial_coding/engines in the user's cache folder")


@dataclass(frozen=True)
class Tensor:
    """A named input or output, float32, or pixels, uint8, which only inputs are.

    shape: of one element of the batch. batch: fixed size of it, or None.
    """

    name: str
    shape: tuple[int, ...]
    batch: int | None = None
    pixels: bool = False

    @property
    def dtype(self) -> type[np.float32 | np.uint8]:
        return np.uint8 if self.pixels else np.float32

    def __str__(self) -> str:
        sizes = ", ".join(str(n) for n in (self.batch or "n", *self.shape))
        return f"{self.name} ({sizes})" + (" uint8" if self.pixels else "")


class Binding(Protocol):
    """A session's own arrays for one size of batch: fill `inputs`, `run`, read `outputs`; nothing is allocated.

    The next `run`, of this or another size of batch, overwrites inputs and outputs: copy what is to be kept.
    """

    inputs: dict[str, NDArray[Any]]
    outputs: dict[str, FloatArray]

    def run(self) -> None: ...


class Session(Protocol):
    """A model ready to run; one thread at a time.

    backend: what computes it and why, in words. max_batch: the largest size of batch; 0: any.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    backend: str
    model: ModelFile
    max_batch: int

    def bind(self, batch: int) -> Binding:
        """The arrays for this size of batch, made at the first call. Raises ValueError for a size it cannot take."""

    def run(self, inputs: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """Outputs (n, ...) by name, in arrays of their own; n may be 0, or more than max_batch."""

    def warm_up(self, *batches: int) -> None:
        """Makes everything ready for these sizes of batch, so that the first frame is as fast as the others.

        Raises ModelError when the GPU has no room for them and TensorRT was asked for by name.
        """

    def close(self) -> None:
        """Frees memory and threads; a second call does nothing."""


def fill_and_run(binding: Binding, inputs: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Outputs by name, in the binding's own arrays: the next run overwrites them."""
    for name, values in inputs.items():
        binding.inputs[name][...] = values
    binding.run()
    return binding.outputs


def run_bound(session: Session, inputs: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """`Session.run` by way of `Session.bind`. Raises ValueError when names, shapes or sizes do not fit."""
    batch = _size_of_batch(session, inputs)
    outputs = {tensor.name: np.empty((batch, *tensor.shape), np.float32) for tensor in session.outputs}
    most = session.max_batch or batch
    for start in range(0, batch, most or 1):
        end = min(start + most, batch)
        part = {name: array[start:end] for name, array in inputs.items()}
        for name, array in fill_and_run(session.bind(end - start), part).items():
            outputs[name][start:end] = array
    return outputs


def _size_of_batch(session: Session, inputs: Mapping[str, FloatArray]) -> int:
    if set(inputs) != {tensor.name for tensor in session.inputs}:
        raise ValueError(
            f"{session.model.name} takes {_words(session.inputs)}; given: {', '.join(inputs) or 'nothing'}."
        )
    for tensor in session.inputs:
        array = inputs[tensor.name]
        if array.shape[1:] != tensor.shape:
            raise ValueError(f"{session.model.name} takes {tensor}; given: {array.shape}.")
    sizes = {len(array) for array in inputs.values()}
    if len(sizes) != 1:
        raise ValueError(f"{session.model.name}: the inputs have different sizes of batch, {sorted(sizes)}.")
    return sizes.pop()


def check_form(model: ModelFile, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> None:
    """Raises ModelError when a graph's inputs and outputs are not those that its card lists."""
    for key, tensors in (("inputs", inputs), ("outputs", outputs)):
        listed = model.names(key)
        if listed is not None and set(listed) != {tensor.name for tensor in tensors}:
            raise ModelError(f"{model.path} has the {key} {_words(tensors)}; its card lists {', '.join(listed)}.")


def expect(
    session: Session,
    inputs: Mapping[str, tuple[int, ...]],
    outputs: Mapping[str, tuple[int, ...]],
    pixels: Sequence[str] = (),
) -> None:
    """What a caller needs of a model: shapes of one element by name, and which inputs are pixels.

    Raises ModelError saying what differs.
    """
    for key, wanted, found in (("takes", inputs, session.inputs), ("gives", outputs, session.outputs)):
        asked = tuple(Tensor(name, tuple(shape), pixels=name in pixels) for name, shape in wanted.items())
        if {(one.name, one.shape, one.pixels) for one in asked} != {(one.name, one.shape, one.pixels) for one in found}:
            raise ModelError(f"{session.model.path} {key} {_words(found)}; expected: {_words(asked)}.")


def _words(tensors: tuple[Tensor, ...]) -> str:
    return ", ".join(str(tensor) for tensor in tensors) or "nothing"
