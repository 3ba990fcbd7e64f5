# SPDX-License-Identifier: Apache-2.0
"""Formulas: what is recorded as a graph is what numpy gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facial_coding_ros.coding.formula import Formula
from facial_coding_ros.inference.model_files import ModelFile
from facial_coding_ros.inference.onnx_runtime import OnnxRuntimeSession

pytest.importorskip("onnx", reason="graphs are written with it")


def session_of(formula: Formula) -> OnnxRuntimeSession:
    return OnnxRuntimeSession(ModelFile(Path(f"{formula.name}.onnx"), {}, formula.graph(), formula.sha256))


def everything(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    """One of each operation that has a node."""
    weights = np.arange(6, dtype=np.float32).reshape(3, 2)
    largest = x.take(np.array([[0, 1], [2, 0]]), 1).argmax(2).reshape(-1, 2, 1)
    chosen = np.take_along_axis(x.take(np.array([[0, 1], [2, 0]]), 1), largest, 2).reshape(-1, 2)
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    smooth = np.sqrt(np.exp(-np.absolute(x))) + np.log(np.maximum(np.minimum(x * x, 2.0), 0.5)) / (1 + norm)
    reduced = np.add.reduce(x, 1, keepdims=True) + np.maximum.reduce(y, 2) @ np.ones((2, 1), np.float32)
    products = np.multiply.reduce(1 - y, 1) - x.take(2, 1).reshape(-1, 1)
    turned = y.transpose(0, 2, 1).reshape(-1, 6)
    return chosen, smooth @ weights, np.concatenate((reduced, products, turned), 1), np.clip(x, 0.0, 1.0)


def test_a_graph_gives_what_numpy_gives() -> None:
    outputs = {"chosen": (2,), "smooth": (2,), "rest": (10,), "clipped": (3,)}
    formula = Formula("all", {"x": (3,), "y": (2, 3)}, outputs, everything)
    rng = np.random.default_rng(0)
    inputs = {name: rng.normal(size=(5, *shape)).astype(np.float32) for name, shape in formula.inputs.items()}
    found, expected = session_of(formula).run(inputs), formula.run(inputs)
    assert {name: values.shape[1:] for name, values in expected.items()} == outputs
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-5)


def test_what_has_no_node_is_refused() -> None:
    with pytest.raises(TypeError):
        Formula("sine", {"x": (3,)}, {"y": (3,)}, lambda x: (np.sin(x),)).graph()


def test_another_constant_is_another_formula() -> None:
    one, other = (
        Formula("scaled", {"x": (3,)}, {"y": (3,)}, lambda x, scale=scale: (x * scale,), [scale]) for scale in (2, 3)
    )
    assert one.sha256 != other.sha256
