# SPDX-License-Identifier: Apache-2.0
"""A model as a TensorRT engine on the GPU."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray
from .gpu import Gpu, GpuError
from .model_files import ModelError, ModelFile
from .onnx_runtime import OnnxRuntimeSession
from .session import Binding, Tensor, check_form, run_bound
from .tensorrt_library import TensorRtError, TensorRtLibrary

_log = logging.getLogger(__name__)


class TensorRtSession:
    """Session of TensorRT. Each size of batch has its own context, pinned arrays and captured CUDA graph. On a GPU that
    shares the host's memory nothing is copied.

    reference: takes over, with one warning, when the GPU fails while running; without it GpuError is raised.
    Raises TensorRtError when the engine is damaged or of another GPU, GpuError when there is no memory, ModelError when
    it is not its card's.
    """

    def __init__(
        self,
        model: ModelFile,
        library: TensorRtLibrary,
        gpu: Gpu,
        plan: bytes,
        backend: str,
        compiled: bytes = b"",
    ) -> None:
        self.model = model.without_graph()
        self.backend = backend
        self.max_batch = 0
        self.reference: OnnxRuntimeSession | None = None
        self._library, self._gpu, self._compiled = library, gpu, compiled
        self._engine, self._runtime = library.load(plan)
        self.inputs, self.outputs = self._tensors()
        check_form(model, self.inputs, self.outputs)
        self._bindings: dict[int, _GpuBinding] = {}

    def bind(self, batch: int) -> Binding:
        if self._engine is None:
            raise ValueError(f"The session of {self.model.name} is closed.")
        if batch not in self._bindings:
            if not 1 <= batch <= self.max_batch or any(t.batch not in (None, batch) for t in self.inputs):
                raise ValueError(
                    f"{self.model.name} takes {', '.join(map(str, self.inputs))}, up to {self.max_batch} at once; "
                    f"not a batch of {batch}."
                )
            if self.reference is not None and self.backend == self.reference.backend:
                return self.reference.bind(batch)
            try:
                self._bindings[batch] = _GpuBinding(self, self._library, self._gpu, self._engine, batch)
            except (GpuError, TensorRtError) as error:
                if isinstance(error, TensorRtError) and not self._bindings:
                    raise  # the engine itself is no good
                return self.stand_in(batch, error)
        return self._bindings[batch]

    def run(self, inputs: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        return run_bound(self, inputs)

    def warm_up(self, *batches: int) -> None:
        for batch in batches or (1,):
            try:
                for _ in range(3):  # plainly, captured, replayed
                    self.bind(batch).run()
            except (GpuError, TensorRtError) as error:
                if isinstance(error, TensorRtError) and not self._bindings:
                    raise
                raise ModelError(f"{self.model.path} cannot be made ready for {batch} faces: {error}") from None

    def compiled(self) -> bytes:
        """What TensorRT-RTX compiled so far, to be given to the next session; empty with TensorRT."""
        caches = [binding.cache for binding in self._bindings.values() if binding.cache is not None]
        return bytes(caches[-1].serialize()) if caches else b""

    def stand_in(self, batch: int, reason: GpuError | TensorRtError) -> Binding:
        """The reference's arrays for this batch, because the GPU failed. Raises `reason` when there is none."""
        if self.reference is None:
            raise reason
        if self.backend != self.reference.backend:
            _log.warning("%s: the GPU fails (%s); from now on %s", self.model.name, reason, self.reference.backend)
            self.backend = self.reference.backend
        return self.reference.bind(batch)

    def close(self) -> None:
        for binding in self._bindings.values():
            binding.close()
        self._bindings.clear()
        self._engine = self._runtime = None
        with contextlib.suppress(GpuError):
            self._gpu.close()

    def make_context(self) -> tuple[Any, Any]:
        return self._library.context(self._engine, self._compiled)

    def _tensors(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        trt, engine = self._library.module, self._engine
        inputs, outputs = [], []
        for i in range(engine.num_io_tensors):
            name = engine.get_tensor_name(i)
            first, *rest = tuple(engine.get_tensor_shape(name))
            kind, given = engine.get_tensor_dtype(name), engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
            if kind != trt.float32 and not (given and kind == trt.uint8):
                raise ModelError(f"{self.model.path}: {name} is {kind}; float32 is expected, or of inputs uint8.")
            tensor = Tensor(name, tuple(rest), None if first == -1 else first, kind == trt.uint8)
            if given:
                inputs.append(tensor)
                most = first if first != -1 else engine.get_tensor_profile_shape(name, 0)[2][0]
                self.max_batch = max(self.max_batch, int(most))
            else:
                outputs.append(tensor)
        return tuple(inputs), tuple(outputs)


ALIGNMENT = 256
"""Of the addresses that TensorRT takes, in bytes."""


class _GpuBinding:
    """Pinned arrays and the way through the engine for one size of batch.

    A GPU that shares the host's memory works in these arrays; others have copies of them.
    """

    def __init__(self, session: TensorRtSession, library: TensorRtLibrary, gpu: Gpu, engine: Any, batch: int) -> None:
        self._session, self._gpu, self._batch = session, gpu, batch
        self._capture = not library.rtx  # TensorRT-RTX captures by itself
        self._runs = 0
        self._graph: Any = None
        self._spare: Binding | None = None
        self._context, self.cache = session.make_context()
        self.inputs = {t.name: gpu.pinned((batch, *t.shape), t.dtype) for t in session.inputs}
        for name, array in self.inputs.items():
            if not self._context.set_input_shape(name, array.shape):
                raise TensorRtError(f"the engine of {session.model.name} refuses {name} of shape {array.shape}")
        self.outputs: dict[str, FloatArray] = {
            t.name: gpu.pinned(tuple(self._context.get_tensor_shape(t.name)), np.float32) for t in session.outputs
        }
        self._copies: dict[str, int] = {}
        try:
            for name, array in {**self.inputs, **self.outputs}.items():
                if not self._context.set_tensor_address(name, self._place_of(name, array)):
                    raise TensorRtError(f"the engine of {session.model.name} refuses the address of {name}")
        except (GpuError, TensorRtError):
            self.close()
            raise

    def _place_of(self, name: str, array: NDArray[Any]) -> int:
        """Address at which the GPU finds an array: that of the array itself, or of its copy."""
        if self._gpu.shares_memory and (address := self._gpu.address_of(array)) % ALIGNMENT == 0:
            return address
        self._copies[name] = self._gpu.allocate(array.nbytes)
        return self._copies[name]

    def run(self) -> None:
        if self._spare is None:
            try:
                self._run_on_gpu()
                return
            except GpuError as error:
                self._spare = self._session.stand_in(self._batch, error)
        for name, array in self.inputs.items():
            self._spare.inputs[name][...] = array
        self._spare.run()
        for name, array in self.outputs.items():
            array[...] = self._spare.outputs[name]

    def close(self) -> None:
        with contextlib.suppress(GpuError):  # after a failure of the GPU nothing can be freed any more
            if self._graph is not None:
                self._gpu.free_graph(self._graph)
            for address in self._copies.values():
                self._gpu.free(address)
        self._copies = {}
        self._graph = self._context = self.cache = None

    def _run_on_gpu(self) -> None:
        if self._graph is not None:
            self._gpu.launch(self._graph)
        elif self._capture and self._runs == 1:
            # The first run has set everything up that a capture may not.
            try:
                self._graph = self._gpu.capture(self._enqueue)
                self._gpu.launch(self._graph)
            except GpuError as error:
                _log.info("%s runs without a CUDA graph: %s", self._session.model.name, error)
                self._capture = False
                self._enqueue()
        else:
            self._enqueue()
        self._gpu.wait()
        self._runs = min(self._runs + 1, 2)

    def _enqueue(self) -> None:
        for name, array in self.inputs.items():
            if name in self._copies:
                self._gpu.upload(self._copies[name], array)
        if not self._context.execute_async_v3(self._gpu.stream):
            raise GpuError(f"{self._session.model.name}: TensorRT could not be started")
        for name, array in self.outputs.items():
            if name in self._copies:
                self._gpu.download(array, self._copies[name])
