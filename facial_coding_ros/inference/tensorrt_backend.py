# SPDX-License-Identifier: Apache-2.0
"""From a model to a checked TensorRT session: engine from the cache or built, compared, or refused."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from .agreement import difference_between
from .engines import Engine, EngineCache, EngineKey
from .gpu import Gpu
from .half import to_half
from .model_files import ModelError, ModelFile
from .onnx_runtime import OnnxRuntimeSession
from .session import InferenceSettings
from .tensorrt_library import TensorRtError, TensorRtLibrary
from .tensorrt_session import TensorRtSession

_log = logging.getLogger(__name__)


def open_tensorrt(model: ModelFile, settings: InferenceSettings, reference: OnnxRuntimeSession) -> TensorRtSession:
    """A session whose engine answers as ONNX Runtime does; fp16 that does not falls back to fp32.

    When the GPU fails later, ONNX Runtime takes over, unless TensorRT was asked for by name.
    Raises GpuError or TensorRtError when there is no GPU or library, or no engine that may be used.
    """
    gpu = Gpu()
    tools = EngineTools(TensorRtLibrary.find(gpu.capability), gpu, EngineCache(settings.cache))
    refused: list[str] = []
    for precision in ("fp16", "fp32") if settings.precision == "fp16" else ("fp32",):
        try:
            session = tools.open(model, precision, settings.max_batch, reference, "; ".join(refused))
        except (TensorRtError, ModelError) as error:
            refused.append(str(error))
            if precision == "fp16":  # of the last one the caller tells
                _log.warning("%s: %s; it runs in fp32 if that can be had.", model.name, error)
        else:
            if settings.backend == "auto":
                session.reference = reference
            return session
    raise TensorRtError("; ".join(refused))


class EngineRefusedError(TensorRtError):
    """An engine whose answers differ too much."""


@dataclass(frozen=True)
class EngineTools:
    """What engines are built with, on, and kept in."""

    library: TensorRtLibrary
    gpu: Gpu
    cache: EngineCache

    def key(self, model: ModelFile, precision: str, max_batch: int) -> EngineKey:
        return EngineKey(model.name, model.sha256, str(self.library), str(self.gpu), precision, max_batch)

    def open(
        self, model: ModelFile, precision: str, max_batch: int, reference: OnnxRuntimeSession, why: str = ""
    ) -> TensorRtSession:
        """Raises EngineRefusedError, TensorRtError, GpuError, or ModelError when there is no half precision of it."""
        key = self.key(model, precision, max_batch)
        engine = self.cache.load(key)
        if engine is not None and not engine.refused:
            try:
                return self._ready(model, engine, why)
            except TensorRtError as error:
                _log.warning("The stored engine of %s cannot be used (%s); it is built anew.", key, error)
                self.cache.discard(key)
                engine = None
        if engine is None:
            with self.cache.one_builder():
                # Another process may have built it meanwhile.
                engine = self.cache.load(key) or self._build(model, key, reference)
        if engine.refused:
            raise EngineRefusedError(engine.refused)
        return self._ready(model, engine, why)

    def _ready(self, model: ModelFile, engine: Engine, why: str) -> TensorRtSession:
        session = self.session(model, engine, why)
        try:
            session.warm_up(1)
        except (ModelError, TensorRtError):
            session.close()
            raise
        self.cache.store_compiled(engine.key, session.compiled())
        return session

    def session(self, model: ModelFile, engine: Engine, why: str = "") -> TensorRtSession:
        """A session of an engine, unchecked."""
        backend = f"{self.library}, {engine.key.precision}, on {self.gpu}"
        backend += ", without copies" if self.gpu.shares_memory else ""
        backend += f" ({why})" if why else ""
        compiled = self.cache.compiled(engine.key)
        return TensorRtSession(model, self.library, Gpu(), engine.plan, backend, compiled)

    def _build(self, model: ModelFile, key: EngineKey, reference: OnnxRuntimeSession) -> Engine:
        start = time.monotonic()
        _log.info("Building the engine of %s; this is done once.", key)
        graph = to_half(model.graph, model.name) if key.precision == "fp16" else model.graph
        plan = self.library.build(graph, model.name, key.max_batch)
        built = Engine(key, plan, 0.0, str(model.path.resolve()))
        session = self.session(model, built)
        try:
            difference = difference_between(session, reference, key.max_batch)
        finally:
            session.close()
        refused = ""
        if not difference <= 1:
            refused = (
                f"the {key.precision} engine of {self.library} differs from ONNX Runtime by {difference:.3g} times "
                "what the model's card allows"
            )
        engine = Engine(key, b"" if refused else plan, difference, built.source, refused)
        self.cache.store(engine)
        _log.info("Engine of %s: %.1f s, %.1f MB.", model.name, time.monotonic() - start, len(plan) / 1e6)
        return engine
