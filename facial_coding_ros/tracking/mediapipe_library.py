# SPDX-License-Identifier: Apache-2.0
"""MediaPipe as it is wanted on a robot: loaded without matplotlib, its networks read from its own folder only."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


def load_mediapipe() -> ModuleType:
    """The module `mediapipe`. Raises ImportError.

    It imports pyplot for drawing in 3-D, which nothing here does: that takes time and memory, writes a cache of fonts
    into the user's folder and reads matplotlibrc from the current one. Unless matplotlib is there already, an empty
    module stands in for it meanwhile.
    """
    # MediaPipe's native log begins when it is loaded; 2 leaves its errors. A value of the user's stays.
    os.environ.setdefault("GLOG_minloglevel", "2")
    names = ("matplotlib", "matplotlib.pyplot")
    absent = "mediapipe" not in sys.modules and not any(name in sys.modules for name in names)
    if absent:
        empty = [ModuleType(name) for name in names]
        empty[0].pyplot = empty[1]  # type: ignore[attr-defined]
        sys.modules.update(zip(names, empty, strict=True))
    try:
        import mediapipe
    finally:
        if absent:
            for name in names:
                del sys.modules[name]
    return mediapipe


def with_absolute_paths(config: Any) -> Any:
    """A graph with its subgraphs put in and its networks named by their full path, a CalculatorGraphConfig.

    A relative path MediaPipe seeks in the current folder first: a file there would take the network's place.
    """
    from mediapipe.calculators.tensor import inference_calculator_pb2
    from mediapipe.framework import calculator_pb2
    from mediapipe.python._framework_bindings import validated_graph_config

    graph = validated_graph_config.ValidatedGraphConfig()
    graph.initialize(graph_config=config)
    whole = calculator_pb2.CalculatorGraphConfig.FromString(graph.binary_config)
    folder = Path(load_mediapipe().__file__ or "").resolve().parents[1]
    Options = inference_calculator_pb2.InferenceCalculatorOptions
    for node in whole.node:
        if node.options.HasExtension(Options.ext):
            network = node.options.Extensions[Options.ext]
            network.model_path = str(folder / network.model_path)
        for packed in node.node_options:
            if packed.Is(Options.DESCRIPTOR):
                network = Options.FromString(packed.value)
                network.model_path = str(folder / network.model_path)
                packed.Pack(network)
    return whole
