"""Models at work: one session interface, ONNX Runtime everywhere, TensorRT where there is a GPU.

session = open_session(model_path("dfecs.onnx"), InferenceSettings())
codes = session.run({"motion": motions})["codes"]
"""

from __future__ import annotations

import logging
from pathlib import Path

from .model_files import ModelError, ModelFile
from .onnx_runtime import OnnxRuntimeSession
from .session import Binding, InferenceSettings, Session, Tensor, expect

__all__ = [
    "Binding",
    "InferenceSettings",
    "ModelError",
    "ModelFile",
    "Session",
    "Tensor",
    "expect",
    "open_session",
]

_log = logging.getLogger(__name__)


def open_session(path: Path | str, settings: InferenceSettings | None = None) -> Session:
    """The model NAME.onnx with its card NAME.yaml, checked and ready.

    Raises FileNotFoundError when a file is missing; ModelError when the file is damaged, foreign or refused.
    """
    settings = settings or InferenceSettings()
    model = ModelFile.read(path)
    session = OnnxRuntimeSession(model, settings.threads)
    _log.info("%s: %s", model.name, session.backend)
    return session
