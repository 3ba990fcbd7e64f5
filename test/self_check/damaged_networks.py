# SPDX-License-Identifier: Apache-2.0
"""Networks that are whole files, but see otherwise: what a wrong kernel of a processor does."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import yaml

from facial_coding_ros.tracking.conversion.model_cache import tracker_models, write_files


def less_sure_detector(folder: Path) -> Path:
    """The tracker's networks in this folder, with a detector whose scores are far too low."""
    import onnx

    models = tracker_models()
    graph = onnx.load_from_string(models.detector.graph)
    for node in graph.graph.node:
        if "logits" in node.output:
            node.output[0] = "true_logits"
            shift = onnx.numpy_helper.from_array(np.float32(-3), "shift")
            graph.graph.initializer.append(shift)
            graph.graph.node.append(onnx.helper.make_node("Add", ["true_logits", "shift"], ["logits"], "logits"))
            node.name = "true_logits"
            break
    files = {}
    for model, content in ((models.detector, graph.SerializeToString()), (models.landmarks, models.landmarks.graph)):
        card = {**model.card, "sha256": hashlib.sha256(content).hexdigest()}
        files |= {f"{model.name}.onnx": content, f"{model.name}.yaml": yaml.safe_dump(card).encode()}
    write_files(folder, files)
    return folder
