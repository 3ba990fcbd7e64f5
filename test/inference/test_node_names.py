# SPDX-License-Identifier: Apache-2.0
"""Shipped graphs load in the oldest ONNX Runtime that requirements-robot.txt allows, 1.20."""

from __future__ import annotations

from pathlib import Path

import pytest

from facial_coding_ros.models import share_folder

onnx = pytest.importorskip("onnx")
IR_VERSION, OPSET = 10, 21
"""The newest that ONNX Runtime 1.20 knows."""


@pytest.mark.parametrize("path", sorted(share_folder("models").glob("*.onnx")), ids=lambda path: path.stem)
def test_shipped_graphs_have_names_and_an_age_that_old_runtimes_know(path: Path) -> None:
    """1.20.1 refuses nodes without names once it joins several of them: 'two nodes with same node name'."""
    model = onnx.load(str(path))
    names = [node.name for node in model.graph.node]
    assert all(names) and len(set(names)) == len(names)
    assert model.ir_version <= IR_VERSION
    assert [(one.domain, one.version <= OPSET) for one in model.opset_import] == [("", True)]
