# SPDX-License-Identifier: Apache-2.0
"""Which backend computes a model: TensorRT where it can be had, then ONNX Runtime on a GPU, then on the CPU."""

from __future__ import annotations

import logging
from pathlib import Path

from .gpu import Gpu, GpuError
from .model_files import ModelError, ModelFile
from .onnx_runtime import OnnxRuntimeSession
from .onnx_runtime_cuda import open_cuda, what_cuda_lacks
from .session import InferenceSettings, Session
from .tensorrt_backend import open_tensorrt
from .tensorrt_library import TensorRtError, TensorRtLibrary

_log = logging.getLogger(__name__)


def open_session(path: Path | str | ModelFile, settings: InferenceSettings | None = None) -> Session:
    """The model NAME.onnx with its card NAME.yaml, checked and ready; `Session.backend` says what computes it and why.

    path: of the ONNX file, or a model that is read already, with or without its graph.
    With TensorRT this may build an engine, which takes up to minutes: call it when configuring, never in a frame.
    Raises FileNotFoundError when a file is missing; ModelError when the file is damaged, foreign or refused, or when
    TensorRT was asked for by name and cannot be had. `Session.run` raises GpuError when the GPU fails and TensorRT was
    asked for by name; with `auto` ONNX Runtime takes over.
    """
    settings = settings or InferenceSettings()
    model = path.with_graph() if isinstance(path, ModelFile) else ModelFile.read(path)
    session = _open(model, settings)
    _log.info("%s: %s", model.name, session.backend)
    return session


def _open(model: ModelFile, settings: InferenceSettings) -> Session:
    if settings.backend == "onnxruntime":
        return OnnxRuntimeSession(model, settings.threads, "as asked for")
    missing = "" if settings.backend == "cuda" else what_tensorrt_lacks()
    if settings.backend == "auto" and missing and what_cuda_lacks():
        return OnnxRuntimeSession(model, settings.threads, f"no TensorRT: {missing}")
    # ONNX Runtime on the CPU is the reference that a GPU's answers are compared with, and the stand-in when it fails.
    reference = OnnxRuntimeSession(model, settings.threads)
    reasons = [f"no TensorRT: {missing}"] if missing else []
    if settings.backend == "tensorrt" or (settings.backend == "auto" and not missing):
        try:
            return open_tensorrt(model, settings, reference)
        except (GpuError, TensorRtError, ModelError) as error:  # the last: stored inputs that do not fit the model
            if settings.backend == "tensorrt":
                raise ModelError(f"{model.path} cannot run with TensorRT, which was asked for: {error}") from None
            _log.warning("%s: TensorRT cannot be used, ONNX Runtime takes over: %s", model.name, error)
            reasons.append(f"TensorRT failed: {error}")
    if settings.backend == "cuda" and (missing := what_cuda_lacks()):
        raise ModelError(f"{model.path} cannot run with CUDA, which was asked for: {missing}")
    if not what_cuda_lacks():
        try:
            return open_cuda(model, settings, reference)
        except ModelError as error:
            if settings.backend == "cuda":
                raise
            _log.warning("%s: CUDA cannot be used, the CPU takes over: %s", model.name, error)
            reasons.append(f"CUDA failed: {error}")
    return OnnxRuntimeSession(model, settings.threads, "; ".join(reasons))


def what_tensorrt_lacks() -> str:
    """What keeps this machine from running TensorRT; empty when nothing does."""
    try:
        TensorRtLibrary.find(Gpu().capability)
    except (GpuError, TensorRtError) as error:
        return str(error)
    return ""
