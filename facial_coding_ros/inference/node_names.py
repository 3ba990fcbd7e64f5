# SPDX-License-Identifier: Apache-2.0
"""Names for the nodes of an ONNX graph, each its own: older versions of ONNX Runtime refuse a graph without."""

from __future__ import annotations

from typing import Any


def name_nodes(model: Any) -> None:
    """Names every node of an onnx.ModelProto after its first output, whose name is the only one of its kind."""
    for node in model.graph.node:
        node.name = node.output[0]
