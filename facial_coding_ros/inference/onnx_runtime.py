# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime: on the CPU the default, and the reference that other backends are compared with."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from ..types import FloatArray
from .memory import bounded_memory
from .model_files import ModelError, ModelFile, one_line
from .session import Binding, Session, Tensor, check_form, run_bound

# For a process that had loaded it before this package said so in the environment: no reports from here on.
ort.disable_telemetry_events()

# They share no base class.
ERRORS = (
    ort_errors.EPFail,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoModel,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)


CPU = "CPUExecutionProvider"
_PIXELS = "tensor(uint8)"


def on_processor(session: Session) -> TypeGuard[OnnxRuntimeSession]:
    """Whether a processor computes it, not a GPU."""
    return isinstance(session, OnnxRuntimeSession) and session.provider == CPU


class OnnxRuntimeSession:
    """Session of ONNX Runtime, on the CPU unless another provider is named.

    model: without the bytes of the graph, which nobody needs any more.
    Raises ModelError when it refuses the graph, the graph is not its card's, or the provider cannot be loaded.
    """

    max_batch = 0

    def __init__(
        self,
        model: ModelFile,
        threads: int = 1,
        why: str = "",
        provider: str = CPU,
        provider_options: Mapping[str, str] | None = None,
    ) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that share a network of many small operations may wait busily within a run (asleep they make it slower
        # than one thread alone), and sleep between two frames: a robot's cores have other work.
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if threads > 1 else "0")
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.log_severity_level = 3
        self._session: ort.InferenceSession | None = None
        self.provider = provider
        self._graph_bytes = len(model.graph)
        self.model = model.without_graph()  # what was read is in the session now
        providers = [(provider, dict(provider_options or {})), *([CPU] if provider != CPU else [])]
        with self._bounded():
            session = ort.InferenceSession(model.graph, options, providers=providers)
            self.inputs = tuple(_tensor(node, model, pixels=True) for node in session.get_inputs())
            self.outputs = self._output_tensors(session)
        session._model_bytes = None  # kept for a fall-back to other providers, which is never asked for
        if session.get_providers()[0] != provider:
            raise ModelError(
                f"{model.path}: ONNX Runtime {ort.__version__} cannot load its {provider}; its log names the library "
                "that is missing (CUDA, cuDNN)"
            )
        self._session = session
        check_form(model, self.inputs, self.outputs)
        self.backend = f"ONNX Runtime {ort.__version__} on the CPU, {threads} thread{'s' if threads > 1 else ''}"
        if why:
            self.backend += f" ({why})"
        self._bindings: dict[int, Binding] = {}

    def bind(self, batch: int) -> Binding:
        if self._session is None:
            raise ValueError(f"The session of {self.model.name} is closed.")
        if batch not in self._bindings:
            if batch < 1 or any(t.batch not in (None, batch) for t in self.inputs):
                raise ValueError(f"{self.model.name} takes {', '.join(map(str, self.inputs))}; not a batch of {batch}.")
            self._bindings[batch] = self._make_binding(self._session, batch)
        return self._bindings[batch]

    def _make_binding(self, session: ort.InferenceSession, batch: int) -> Binding:
        # Smaller batches are the beginning of the largest one's arrays: half a MiB for each picture of a face.
        largest = self._bindings.get(max(self._bindings, default=0))
        arrays: list[dict[str, NDArray[Any]]] = [
            {
                tensor.name: shared[tensor.name][:batch]
                if len(shared.get(tensor.name, ())) >= batch
                else np.zeros((batch, *tensor.shape), tensor.dtype)
                for tensor in tensors
            }
            for tensors, shared in (
                (self.inputs, largest.inputs if largest else {}),
                (self.outputs, largest.outputs if largest else {}),
            )
        ]
        return _HostBinding(session, *arrays)

    def beside(self) -> OnnxRuntimeSession:
        """The same network with arrays of its own, for another thread at the same time; its weights are there once."""
        other = copy.copy(self)
        other._bindings = {}
        return other

    def run(self, inputs: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        return run_bound(self, inputs)

    def warm_up(self, *batches: int) -> None:
        with self._bounded():
            for batch in sorted(batches or (1,), reverse=True):
                self.bind(batch).run()

    def close(self) -> None:
        self._bindings.clear()
        self._session = None

    @contextlib.contextmanager
    def _bounded(self) -> Iterator[None]:
        """Bounds the memory that the graph may take, and says in one line what ONNX Runtime has against it."""
        try:
            # CUDA reserves far more addresses than it uses; the CPU's session of the same graph was bounded.
            bound = bounded_memory(self._graph_bytes) if self.provider == CPU else contextlib.nullcontext()
            with bound:
                yield
        except (*ERRORS, MemoryError, RuntimeError) as error:  # bound runs raise the last
            raise ModelError(
                f"{self.model.path} cannot be opened by ONNX Runtime {ort.__version__}: {one_line(error)}"
            ) from None

    def _output_tensors(self, session: ort.InferenceSession) -> tuple[Tensor, ...]:
        nodes = session.get_outputs()
        if all(isinstance(n, int) for node in nodes for n in node.shape[1:]):
            return tuple(_tensor(node, self.model) for node in nodes)
        # Some exporters leave sizes open that the operations fix.
        zeros = {t.name: np.zeros((t.batch or 1, *t.shape), t.dtype) for t in self.inputs}
        outputs = session.run(None, zeros)
        return tuple(Tensor(node.name, output.shape[1:]) for node, output in zip(nodes, outputs, strict=True))


class _HostBinding:
    def __init__(
        self, session: ort.InferenceSession, inputs: dict[str, NDArray[Any]], outputs: dict[str, FloatArray]
    ) -> None:
        self._session = session
        self._io = session.io_binding()
        self.inputs, self.outputs = inputs, outputs
        for name, array in self.inputs.items():
            self._io.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        for name, array in self.outputs.items():
            self._io.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)

    def run(self) -> None:
        self._session.run_with_iobinding(self._io)


def _tensor(node: Any, model: ModelFile, pixels: bool = False) -> Tensor:
    """pixels: whether these are allowed."""
    if node.type != "tensor(float)" and not (pixels and node.type == _PIXELS):
        raise ModelError(
            f"{model.path}: {node.name} is a {node.type}; inputs and outputs are float32, tensor(float), or inputs "
            "uint8."
        )
    if not node.shape or not all(isinstance(n, int) for n in node.shape[1:]):
        raise ModelError(f"{model.path}: {node.name} has shape {node.shape}; only the size of the batch may be open.")
    first = node.shape[0]
    batch = first if isinstance(first, int) else None
    return Tensor(node.name, tuple(node.shape[1:]), batch, node.type == _PIXELS)
