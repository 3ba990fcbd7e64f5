# SPDX-License-Identifier: Apache-2.0
"""Facial action units and expressions for social robots: camera in, face codes out.

The names below are imported when they are first used; `import facial_coding_ros` alone loads nothing heavy.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .image.sources import open_source
    from .pipeline import Pipeline, PipelineSettings
    from .recordings import CodedFrame, CodedRecording, code_image, code_recording
    from .types import ActionUnits, Expression, FaceCode, Frame

__all__ = [
    "ActionUnits",
    "CodedFrame",
    "CodedRecording",
    "Expression",
    "FaceCode",
    "Frame",
    "Pipeline",
    "PipelineSettings",
    "__version__",
    "code_image",
    "code_recording",
    "open_source",
]

__version__ = "0.1.0"  # setup.py reads it here; package.xml says the same

# Read when numpy is loaded. The matrices here are small: OpenBLAS's threads would wait for each other longer than they
# work (registration took five times as long beside other work), and take cores from the robot's other nodes.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Read when OpenCV is loaded. Its threads make the landmark network's input later by half, and use two cores for it.
os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
# Read when ONNX Runtime is loaded. It would report to its maker: names of graphs, sizes of batches (faces per frame)
# and an id of this machine, in a file of the user's cache and over the network.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

_MODULES = {
    "ActionUnits": "types",
    "CodedFrame": "recordings",
    "CodedRecording": "recordings",
    "Expression": "types",
    "FaceCode": "types",
    "Frame": "types",
    "Pipeline": "pipeline",
    "PipelineSettings": "pipeline",
    "code_image": "recordings",
    "code_recording": "recordings",
    "open_source": "image.sources",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
