# SPDX-License-Identifier: Apache-2.0
"""TensorRT 10 and 11 (`tensorrt`: Jetson, discrete GPUs) and TensorRT-RTX (`tensorrt_rtx`) behind the same few calls.

What differs, and is known only here:

- Compute capabilities: TensorRT builds for the GPU at hand. TensorRT-RTX knows SM75, 80, 86, 89, 120 and 121 and builds
  for any of them, also where there is no GPU.
- Types: both build strongly typed networks, so precision is what the ONNX graph says. TensorRT-RTX and TensorRT 11 know
  nothing else; TensorRT 10 has further flags, which are not used.
- Compiling: TensorRT chooses kernels when it builds. TensorRT-RTX compiles them when they first run; its runtime cache
  keeps them. It captures CUDA graphs by itself, where TensorRT's enqueue is captured by the caller.
- Errors: deserialize, parse and build return None or False; the reasons are in the log.
"""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .model_files import one_line

_log = logging.getLogger(__name__)

PACKAGES = ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings")
"""Where the Python modules are; the last is what the wheel of TensorRT-RTX's bindings holds by itself."""

WORKSPACE_BYTES = 1 << 30


class TensorRtError(RuntimeError):
    """TensorRT is missing or refuses something; the text says what and why."""


@dataclass(frozen=True)
class TensorRtLibrary:
    """One of the two libraries. rtx: it is TensorRT-RTX."""

    module: Any
    rtx: bool

    @classmethod
    def find(cls, capability: int | None = None) -> TensorRtLibrary:
        """The library for a GPU of this compute capability (87 for SM87); without one, TensorRT-RTX.

        Raises TensorRtError saying what is missing.
        """
        missing = []
        for package in PACKAGES:
            rtx = package.startswith("tensorrt_rtx")
            if capability is None and not rtx:
                continue
            try:
                module = importlib.import_module(package)
            except (ImportError, OSError, RuntimeError) as error:
                missing.append(one_line(error))
                continue
            library = cls(module, rtx)
            if not rtx and int(module.__version__.split(".")[0]) < 10:
                missing.append(f"TensorRT {module.__version__} is older than 10")
            elif rtx and capability is not None and f"SM{capability}" not in library.targets:
                missing.append(f"{library} has no SM{capability}, only {', '.join(library.targets)}")
            else:
                return library
        raise TensorRtError("; ".join(dict.fromkeys(missing)))

    def __str__(self) -> str:
        return f"{'TensorRT-RTX' if self.rtx else 'TensorRT'} {self.module.__version__}"

    @property
    def targets(self) -> tuple[str, ...]:
        """Compute capabilities it can build for by name: SM75 ...; empty where it builds only for the GPU at hand."""
        known = getattr(self.module, "ComputeCapability", None)
        return tuple(name for name in getattr(known, "__members__", ()) if name.startswith("SM")) if self.rtx else ()

    def build(self, graph: bytes, name: str, max_batch: int, targets: Sequence[str] = ()) -> bytes:
        """An engine of an ONNX graph for batches of 1 to max_batch. targets: "SM86" ...; none: the GPU at hand.

        Raises TensorRtError naming the refused operation, or what the builder said.
        """
        trt = self.module
        messages = _messages(trt)
        builder = trt.Builder(messages)
        network = builder.create_network(_strongly_typed(trt))
        parser = trt.OnnxParser(network, messages)
        if not parser.parse(graph):
            errors = [parser.get_error(i) for i in range(parser.num_errors)]
            raise TensorRtError(f"{self} refuses {name}: " + "; ".join(map(_parse_error, errors)))
        config = builder.create_builder_config()
        if hasattr(trt.BuilderFlag, "TF32"):  # products rounded to 10 bits would not be the same answers
            config.clear_flag(trt.BuilderFlag.TF32)
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
        config.progress_monitor = _progress(trt, name)
        if unknown := [target for target in targets if target not in self.targets]:
            there = ", ".join(self.targets) or "its own GPU"
            raise TensorRtError(f"{self} builds for {there}; not for {', '.join(unknown)}")
        if targets:
            config.num_compute_capabilities = len(targets)
        for index, target in enumerate(targets):
            config.set_compute_capability(getattr(trt.ComputeCapability, target), index)
        self._add_profile(builder, network, config, name, max_batch)
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise TensorRtError(f"{self} cannot build {name}: {messages.said()}")
        return bytes(plan)

    def _add_profile(self, builder: Any, network: Any, config: Any, name: str, max_batch: int) -> None:
        profile = builder.create_optimization_profile()
        for i in range(network.num_inputs):
            tensor = network.get_input(i)
            first, *rest = tuple(tensor.shape)
            if -1 in rest:
                raise TensorRtError(
                    f"{name}: input {tensor.name} has shape {tuple(tensor.shape)}; only the batch may vary"
                )
            if first == -1:
                profile.set_shape(tensor.name, (1, *rest), (min(2, max_batch), *rest), (max_batch, *rest))
        config.add_optimization_profile(profile)

    def load(self, plan: bytes) -> tuple[Any, Any]:
        """The engine of a plan, and the runtime that it needs.

        Raises TensorRtError when the plan is damaged, or of another GPU or version.
        """
        messages = _messages(self.module)
        runtime = self.module.Runtime(messages)
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise TensorRtError(f"{self} cannot load the engine: {messages.said()}")
        return engine, runtime

    def context(self, engine: Any, compiled: bytes = b"") -> tuple[Any, Any]:
        """A context to run an engine in, and TensorRT-RTX's runtime cache (None with TensorRT).

        compiled: what a runtime cache held earlier.
        """
        trt = self.module
        if not self.rtx:
            context, cache = engine.create_execution_context(), None
        else:
            config = engine.create_runtime_config()
            cache = config.create_runtime_cache()
            if compiled and not cache.deserialize(compiled):
                _log.info("%s does not take the stored runtime cache; kernels are compiled anew.", self)
            config.set_runtime_cache(cache)
            # Kernels for a size of batch are compiled in the warm-up, none in the first frames.
            config.dynamic_shapes_kernel_specialization_strategy = trt.DynamicShapesKernelSpecializationStrategy.EAGER
            config.cuda_graph_strategy = trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
            context = engine.create_execution_context(config)
        if context is None:
            raise TensorRtError(f"{self} has no memory for an execution context")
        return context, cache


def _strongly_typed(trt: Any) -> int:
    """The flag of networks whose precision is the graph's; TensorRT 11 knows no others, and will drop the flag."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _parse_error(error: Any) -> str:
    operator = f"{error.node_operator()} ({error.node_name()}): " if error.node_operator() else ""
    return operator + one_line(error.desc())


def _messages(trt: Any) -> Any:
    """A logger that keeps the last errors and warnings, as TensorRT returns none."""

    class Messages(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                self.errors = [*self.errors[-3:], one_line(message)]
            elif severity == trt.ILogger.WARNING:
                _log.debug("%s", one_line(message))

        def said(self) -> str:
            return "; ".join(self.errors) or "it gives no reason"

    return Messages()


def _progress(trt: Any, name: str, every_s: float = 5.0) -> Any:
    """Says how far a build is, at most every few seconds."""

    class Progress(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._steps: dict[str, int] = {}
            self._said = time.monotonic()

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            self._steps[phase] = steps

        def step_complete(self, phase: str, step: int) -> bool:
            if time.monotonic() - self._said >= every_s:
                self._said = time.monotonic()
                _log.info("Engine of %s: %s, step %d of %d", name, phase, step + 1, self._steps.get(phase, step + 1))
            return True

        def phase_finish(self, phase: str) -> None:
            self._steps.pop(phase, None)

    return Progress()
