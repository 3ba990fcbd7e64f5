# SPDX-License-Identifier: Apache-2.0
"""Encoder and classifier as ONNX graphs of plain operators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from ...coding.perceptual.card import INPUTS, LATENT, OUTPUTS
from ...coding.perceptual.classifier import LinearExpressionClassifier
from ...datasets.expression_set import Lids
from .networks import PerceptualVae

OPSET, IR_VERSION = 17, 8

Shapes = dict[str, list[int | str]]


class _Graph:
    """Nodes and constants, each node named by its output."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def linear(self, value: str, layer: nn.Linear, output: str) -> str:
        weight = self.constant(output + ".weight", layer.weight.detach().cpu().numpy().T.astype(np.float32))
        bias = self.constant(output + ".bias", layer.bias.detach().cpu().numpy().astype(np.float32))
        return self.add("Gemm", [value, weight, bias], output)

    def save(self, path: Path, name: str, inputs: Shapes, outputs: Shapes) -> None:
        def info(shapes: Shapes) -> list[onnx.ValueInfoProto]:
            return [helper.make_tensor_value_info(key, TensorProto.FLOAT, shape) for key, shape in shapes.items()]

        graph = helper.make_graph(self._nodes, name, info(inputs), info(outputs), self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        path.write_bytes(model.SerializeToString(deterministic=True))


def export_encoder(model: PerceptualVae, lids: Lids, path: Path) -> None:
    """Frontal keypoints and neutral (n, k, 3) in any unit -> latent (n, d): the paper's preprocessing and mu(x, y).

    Preprocessing is (x - between the eyes) / eye distance - mean, so its linear parts are put into the first layer:
    only the division by the eye distance is left to do.
    """
    count = model.size // 3
    graph = _Graph()
    graph.constant("flat", np.array([-1, model.size], np.int64))
    right, left = (_mean_matrix(lid, count) for lid in lids)
    graph.constant("eye_axis", (left - right).astype(np.float32))
    centring = np.eye(model.size) - np.tile((right + left) / 2, (1, count))
    hidden = [layer for layer in model.encoder if isinstance(layer, nn.Linear)] or [model.mu]
    weight = hidden[0].weight.detach().cpu().numpy().T.astype(np.float64)
    bias = hidden[0].bias.detach().cpu().numpy().astype(np.float64)
    parts = []
    for place, (name, mean) in enumerate(zip(INPUTS, (model.mean_x, model.mean_y), strict=True)):
        if name == INPUTS[1] and not model.with_neutral:
            break
        own = weight[place * model.size : (place + 1) * model.size]
        bias = bias - mean.detach().cpu().numpy().astype(np.float64) @ own
        graph.constant(f"{name}.weight", (centring @ own).astype(np.float32))
        flat = graph.add("Reshape", [name, "flat"], f"{name}.flat")
        size = graph.add(
            "ReduceL2", [graph.add("MatMul", [flat, "eye_axis"], f"{name}.axis")], f"{name}.size", axes=[1]
        )
        product = graph.add("MatMul", [flat, f"{name}.weight"], f"{name}.product")
        parts.append(graph.add("Div", [product, size], f"{name}.scaled"))
    graph.constant("first.bias", bias.astype(np.float32))
    value = parts[0] if len(parts) == 1 else graph.add("Add", parts, "faces")
    value = graph.add("Add", [value, "first.bias"], LATENT if hidden[0] is model.mu else "hidden0")
    for number, layer in enumerate(hidden[1:], 1):
        value = graph.linear(graph.add("Elu", [value], f"{value}.elu"), layer, f"hidden{number}")
    if hidden[0] is not model.mu:
        graph.linear(graph.add("Elu", [value], f"{value}.elu"), model.mu, LATENT)
    inputs: Shapes = {name: ["faces_n", count, 3] for name in INPUTS}
    graph.save(path, "perceptual encoder", inputs, {LATENT: ["faces_n", model.latent]})


def export_classifier(classifier: LinearExpressionClassifier, path: Path) -> None:
    """Latent (n, d) -> calibrated probability (n, labels) and affect (n, 2): valence and arousal."""
    graph = _Graph()
    weight, bias = classifier.folded()
    graph.constant("weight", weight)
    graph.constant("bias", bias)
    graph.add("Gemm", [LATENT, "weight", "bias"], "logit")
    graph.add("Softmax", ["logit"], OUTPUTS[0], axis=1)
    graph.constant("affect.weight", classifier.affect_weight)
    graph.constant("affect.bias", classifier.affect_bias)
    graph.add("Gemm", [LATENT, "affect.weight", "affect.bias"], "affect.free")
    graph.constant("low", np.array(-1, np.float32))
    graph.constant("high", np.array(1, np.float32))
    graph.add("Clip", ["affect.free", "low", "high"], OUTPUTS[1])
    outputs: Shapes = {OUTPUTS[0]: ["faces_n", len(bias)], OUTPUTS[1]: ["faces_n", 2]}
    graph.save(path, "expression classifier", {LATENT: ["faces_n", len(weight)]}, outputs)


def _mean_matrix(points: tuple[int, ...], count: int) -> NDArray[np.float64]:
    """(3 k, 3): flat face @ matrix = mean of these points."""
    matrix = np.zeros((count, 3, 3))
    matrix[list(points)] = np.eye(3) / len(points)
    return matrix.reshape(3 * count, 3)
