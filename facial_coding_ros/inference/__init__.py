# SPDX-License-Identifier: Apache-2.0
"""Models at work: one session interface, ONNX Runtime everywhere, TensorRT or CUDA where there is a GPU.

session = open_session(model_path("dfecs.onnx"), InferenceSettings())
codes = session.run({"motion": motions})["codes"]
"""

from __future__ import annotations

from .gpu import GpuError
from .memory import give_back_freed
from .model_files import ModelError, ModelFile
from .onnx_runtime_cuda import what_cuda_lacks
from .opening import open_session, what_tensorrt_lacks
from .session import Binding, InferenceSettings, Session, Tensor, expect

__all__ = [
    "Binding",
    "GpuError",
    "InferenceSettings",
    "ModelError",
    "ModelFile",
    "Session",
    "Tensor",
    "expect",
    "give_back_freed",
    "open_session",
    "what_cuda_lacks",
    "what_tensorrt_lacks",
]
