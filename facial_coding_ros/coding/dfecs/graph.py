# SPDX-License-Identifier: Apache-2.0
"""The encoder as one ONNX graph of plain operations: unrolled ADMM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ...inference.node_names import name_nodes
from .sparse_codes import UnrolledAdmm

INPUT, OUTPUT = "motion", "codes"
OPSET = 13


def write_graph(admm: UnrolledAdmm, path: Path) -> None:
    """Writes the graph motion (n, d) float32 -> codes (n, k) float32, both in the units of the dictionary."""

    def constant(name: str, value: np.ndarray) -> onnx.TensorProto:
        return numpy_helper.from_array(np.asarray(value, np.float32), name)

    size, count = admm.project.shape
    nodes = [helper.make_node("Gemm", [INPUT, "project", "offset"], ["start"])]
    state = "start"
    for i in range(admm.steps):
        nodes += [
            # |s|, in the form that ONNX Runtime joins with the Gemm before it; half the time of Abs.
            helper.make_node("LeakyRelu", [state], [f"size_{i}"], alpha=-1.0),
            helper.make_node("Gemm", [f"size_{i}", "step", "start"], [f"state_{i}"]),
        ]
        state = f"state_{i}"
    nodes += [helper.make_node("Relu", [state], ["positive"]), helper.make_node("Mul", ["positive", "scale"], [OUTPUT])]
    graph = helper.make_graph(
        nodes,
        "dfecs_encoder",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["faces", size])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["faces", count])],
        [
            constant("project", admm.project),
            constant("offset", admm.offset),
            constant("step", admm.step),
            constant("scale", admm.scale),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="facial_coding_ros")
    model.ir_version = 8
    name_nodes(model)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
