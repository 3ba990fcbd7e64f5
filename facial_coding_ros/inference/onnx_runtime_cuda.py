# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime's own CUDA provider: for a GPU on a machine that has no Python modules of TensorRT."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from ..types import FloatArray
from .agreement import difference_between
from .model_files import ModelError, ModelFile, one_line
from .onnx_runtime import ERRORS, OnnxRuntimeSession
from .session import Binding, InferenceSettings

_log = logging.getLogger(__name__)

CUDA = "CUDAExecutionProvider"
_OPTIONS = {CUDA: {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}}
"""Products rounded to 10 bits would not be the same answers; a search over all algorithms takes seconds a shape."""


def what_cuda_lacks() -> str:
    """What keeps ONNX Runtime from using a GPU, as far as can be told without opening a model; empty: nothing."""
    if CUDA in ort.get_available_providers():
        return ""
    return f"ONNX Runtime {ort.__version__} has no CUDA provider; onnxruntime-gpu has, in place of onnxruntime"


def open_cuda(
    model: ModelFile, settings: InferenceSettings, reference: OnnxRuntimeSession, provider: str = CUDA
) -> CudaSession:
    """A session on the GPU that answers as ONNX Runtime on the CPU does.

    When the GPU fails later, the CPU takes over, unless CUDA was asked for by name.
    Raises ModelError when the provider cannot be used, or its answers differ by more than the model's card allows.
    """
    session = CudaSession(model, reference if settings.backend == "auto" else None, provider)
    try:
        difference = difference_between(session, reference, settings.max_batch)
    except ModelError:
        session.close()
        raise
    if not difference <= 1:
        session.close()
        raise ModelError(
            f"{model.path}: answers of the CUDA provider differ from those of the CPU by {difference:.3g} times what "
            "the model's card allows"
        )
    return session


class CudaSession(OnnxRuntimeSession):
    """Session on the GPU; arrays are the host's, ONNX Runtime copies them. reference: takes over when the GPU fails."""

    def __init__(self, model: ModelFile, reference: OnnxRuntimeSession | None, provider: str = CUDA) -> None:
        self.reference = reference
        super().__init__(model, provider=provider, provider_options=_OPTIONS.get(provider))
        self.backend = f"ONNX Runtime {ort.__version__}, {provider}"

    def _make_binding(self, session: ort.InferenceSession, batch: int) -> Binding:
        return _GuardedBinding(self, batch, super()._make_binding(session, batch))

    def stand_in(self, batch: int, error: Exception) -> Binding:
        """The reference's arrays for this batch, because the GPU failed. Raises ModelError when there is none."""
        if self.reference is None:
            raise ModelError(f"{self.model.path}: the GPU fails: {one_line(error)}") from None
        if self.backend != self.reference.backend:
            _log.warning(
                "%s: the GPU fails (%s); from now on %s", self.model.name, one_line(error), self.reference.backend
            )
            self.backend = self.reference.backend
        return self.reference.bind(batch)


class _GuardedBinding:
    """The arrays of one size of batch, and the reference's once the GPU has failed."""

    def __init__(self, session: CudaSession, batch: int, binding: Binding) -> None:
        self._session, self._batch, self._binding = session, batch, binding
        self.inputs: dict[str, NDArray[Any]] = binding.inputs
        self.outputs: dict[str, FloatArray] = binding.outputs
        self._spare: Any = None

    def run(self) -> None:
        if self._spare is None:
            try:
                self._binding.run()
                return
            except (*ERRORS, RuntimeError) as error:
                self._spare = self._session.stand_in(self._batch, error)
        for name, array in self.inputs.items():
            self._spare.inputs[name][...] = array
        self._spare.run()
        for name, array in self.outputs.items():
            np.copyto(array, self._spare.outputs[name])
