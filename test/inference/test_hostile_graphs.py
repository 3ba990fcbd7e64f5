# SPDX-License-Identifier: Apache-2.0
"""Graphs that want more than they may: weights from elsewhere, endless loops, gigabytes, nothing but noise."""

from __future__ import annotations

import hashlib
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from facial_coding_ros.inference import InferenceSettings, ModelError, ModelFile, open_session
from facial_coding_ros.inference.memory import LEAST_ROOM, bounded_memory
from facial_coding_ros.models import share_folder

onnx = pytest.importorskip("onnx", reason="onnx makes the graphs of these tests; `standalone/setup training`")
helper, numpy_helper, FLOAT = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT
ONNX_RUNTIME = InferenceSettings(backend="onnxruntime")


def write_graph(folder: Path, nodes: list, weights: list, external: bool = False) -> Path:
    """x (n, 3) -> y; with its card, as one that was made on purpose has it."""
    graph = helper.make_graph(
        nodes,
        "hostile",
        [helper.make_tensor_value_info("x", FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", FLOAT, ["n", 1])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / "hostile.onnx"
    if external:
        onnx.save(model, str(path), save_as_external_data=True, location="weights.bin", size_threshold=0)
    else:
        path.write_bytes(model.SerializeToString())
    card = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    path.with_suffix(".yaml").write_text(yaml.safe_dump(card))
    return path


def test_weights_in_another_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = [numpy_helper.from_array(np.ones((3, 1), np.float32), "W")]
    path = write_graph(tmp_path, [helper.make_node("MatMul", ["x", "W"], ["y"])], weights, external=True)
    monkeypatch.chdir(tmp_path)  # where ONNX Runtime would look for them
    with pytest.raises(ModelError, match="'W' lie in another file, of which the card's sha256 says nothing"):
        ModelFile.read(path)


def test_weights_of_an_attribute_in_another_file_are_refused(tmp_path: Path) -> None:
    hidden = numpy_helper.from_array(np.ones((3, 1), np.float32), "hidden")
    onnx.external_data_helper.set_external_data(hidden, "weights.bin")
    hidden.ClearField("raw_data")
    nodes = [helper.make_node("Constant", [], ["W"], value=hidden), helper.make_node("MatMul", ["x", "W"], ["y"])]
    with pytest.raises(ModelError, match="'hidden' lie in another file"):
        ModelFile.read(write_graph(tmp_path, nodes, []))


def test_a_loop_without_end_is_refused(tmp_path: Path) -> None:
    body = helper.make_graph(
        [helper.make_node("Identity", ["going"], ["goes"])],
        "body",
        [
            helper.make_tensor_value_info("i", onnx.TensorProto.INT64, []),
            helper.make_tensor_value_info("going", onnx.TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("goes", onnx.TensorProto.BOOL, [])],
    )
    nodes = [
        helper.make_node("Loop", ["times", "going"], [], body=body),
        helper.make_node("ReduceSum", ["x"], ["y"], keepdims=1),
    ]
    weights = [numpy_helper.from_array(np.array(1 << 62), "times"), numpy_helper.from_array(np.array(True), "going")]
    with pytest.raises(ModelError, match="it holds a Loop, which could run without end"):
        ModelFile.read(write_graph(tmp_path, nodes, weights))


def test_a_graph_of_200_bytes_gets_no_gigabytes(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["c"]),
        helper.make_node("ReduceSum", ["c"], ["r"], keepdims=1),
        helper.make_node("ReduceSum", ["x"], ["q"], keepdims=1),
        helper.make_node("Add", ["q", "r"], ["y"]),
    ]
    path = write_graph(tmp_path, nodes, [numpy_helper.from_array(np.array([1 << 30]), "size")])
    assert path.stat().st_size < 300
    reading, writing = os.pipe()
    child = os.fork()  # the peak of memory is a process's own
    if child == 0:
        start = time.monotonic()
        try:
            open_session(path, ONNX_RUNTIME).warm_up(1)
            said = "opened"
        except ModelError as error:
            said = str(error)
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        os.write(writing, f"{peak_mib} {time.monotonic() - start:.1f} {said}".encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        peak, seconds, said = answer.read().split(" ", 2)
    os.waitpid(child, 0)
    before_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    assert "cannot be opened by ONNX Runtime" in said
    assert int(peak) < before_mib + (LEAST_ROOM >> 20) and float(seconds) < 20


@pytest.mark.parametrize("spoil", ["noise", "cut", "nested"])
def test_what_is_no_graph_is_refused_in_one_line(tmp_path: Path, spoil: str) -> None:
    content = (share_folder("models") / "dfecs.onnx").read_bytes()
    if spoil == "noise":
        content = np.random.default_rng(0).bytes(5000)
    elif spoil == "cut":
        content = content[: len(content) // 2]
    else:
        content = b""
        for _ in range(100):  # a graph in an attribute of a node of a graph ...
            for key in (0x32, 0x2A, 0x0A):
                size, length = len(content), b""
                while size > 127:
                    length, size = length + bytes([size & 127 | 128]), size >> 7
                content = bytes([key]) + length + bytes([size]) + content
        content = b"\x3a" + bytes([len(content) & 127 | 128, len(content) >> 7]) + content
    path = tmp_path / "spoilt.onnx"
    path.write_bytes(content)
    path.with_suffix(".yaml").write_text(yaml.safe_dump({"sha256": hashlib.sha256(content).hexdigest()}))
    with pytest.raises(ModelError, match="is refused: ") as refused:
        ModelFile.read(path)
    assert "\n" not in str(refused.value)


def test_the_bound_on_memory_ends_with_the_loading() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with bounded_memory(1000):
        assert resource.getrlimit(resource.RLIMIT_DATA)[0] != before[0] or sys.platform != "linux"
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
