# SPDX-License-Identifier: Apache-2.0
"""A linear head on standardised directions of features and points, as ONNX with its card."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...coding.expression.appearance import AFFECT, FEATURES, LOGITS, POINTS
from ...coding.expression.labels import CIRCUMPLEX, EXPRESSION_LABELS
from ...coding.perceptual.card import dense_form
from ...inference import ModelFile
from ...inference.model_files import write_model
from ...keypoints import RegistrationSettings
from ...tracking.tflite.graph_builder import GraphBuilder
from ...types import SURFACE_POINTS, FloatArray


@dataclass(frozen=True)
class LinearHead:
    """logits = features @ feature_weight + points @ point_weight + bias.

    feature_weight: (d, 8), with d 0 for a head on the points alone; point_weight: (1404, 8); bias: (8,).
    """

    feature_weight: FloatArray
    point_weight: FloatArray
    bias: FloatArray

    def logits(self, features: FloatArray, points: FloatArray) -> FloatArray:
        """(n, 8) of features (n, d) and registered points (n, 1404) or (n, 468, 3)."""
        flat = np.asarray(points, np.float32).reshape(len(points), -1)
        own = flat @ self.point_weight + self.bias
        if len(self.feature_weight):
            own = own + np.asarray(features, np.float32) @ self.feature_weight
        return np.asarray(own, np.float32)


def head_graph(head: LinearHead) -> bytes:
    """features (n, d) where d is not 0, points (n, 468, 3) -> logits (n, 8), affect (n, 2)."""
    graph, count = GraphBuilder(), len(head.feature_weight)
    flat = graph.reshape(POINTS, -1, 3 * SURFACE_POINTS)
    logits = graph.add("MatMul", [flat, graph.constant(head.point_weight)])
    if count:
        from_features = graph.add("MatMul", [FEATURES, graph.constant(head.feature_weight)])
        logits = graph.add("Add", [logits, from_features])
    logits = graph.add("Add", [logits, graph.constant(head.bias)])
    graph.add("LogSoftmax", [logits], LOGITS, axis=1)
    shares = graph.add("Exp", [LOGITS])
    graph.add("MatMul", [shares, graph.constant(CIRCUMPLEX)], AFFECT)
    inputs: dict[str, tuple[int, ...]] = {POINTS: (SURFACE_POINTS, 3)}
    if count:
        inputs = {FEATURES: (count,), **inputs}
    return graph.finish("appearance", "faces_n", inputs, {LOGITS: (len(EXPRESSION_LABELS),), AFFECT: (2,)})


def write_head(
    path: Path, head: LinearHead, card: Mapping[str, Any], landmark_sha256: str, check: Mapping[str, FloatArray]
) -> ModelFile:
    """The graph, its check inputs and its card. card: what it was learnt from, licence, metrics.

    landmark_sha256: of the landmark network's file; empty for a head on the points alone. Raises OSError.
    """
    graph, count = head_graph(head), len(head.feature_weight)
    inputs = {POINTS: f"(n, {SURFACE_POINTS}, 3) float32: types.Registered.dense"}
    made_for: dict[str, Any] = {"dense_points": dense_form(RegistrationSettings())}
    if count:
        inputs = {FEATURES: f"(n, {count}) float32: types.Face.features", **inputs}
        made_for["landmark_source_sha256"] = landmark_sha256
    content = {
        "name": path.stem,
        "kind": "expression from appearance",
        **card,
        **made_for,
        "labels": list(EXPRESSION_LABELS),
        "inputs": inputs,
        "outputs": {
            LOGITS: f"(n, {len(EXPRESSION_LABELS)}) float32, log-probabilities of labels, each as likely as another",
            AFFECT: "(n, 2) float32: valence and arousal, from the probabilities; their places are our choice",
        },
        # Half precision rounds the points to some ten-thousandths; of a probability it changes 0.0013 at the most.
        "tolerance": 5e-3 if count else 1e-2,
        "tolerance_why": "half precision moves logits by 0.003 to 0.01, a probability by 0.0013 at the most",
        "sha256": hashlib.sha256(graph).hexdigest(),
    }
    model = ModelFile(path, content, graph, str(content["sha256"]))
    write_model(model, check)
    return model
