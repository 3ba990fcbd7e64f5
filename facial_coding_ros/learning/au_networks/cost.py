# SPDX-License-Identifier: Apache-2.0
"""What a network costs: parameters, multiply-adds, milliseconds in ONNX Runtime."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

_TYPES = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}


@dataclass(frozen=True)
class Cost:
    """gmac: 1e9 multiply-adds of convolutions and matrix products for one face. ms: batch size -> median milliseconds
    for each face. size_mb: of the file.
    """

    gmac: float
    ms: Mapping[int, float]
    size_mb: float


def count_gmac(graph: Path | str | bytes) -> float:
    """1e9 multiply-adds of Conv, Gemm and MatMul for a batch of one. graph: an ONNX file, or what it holds."""
    model = onnx.load_from_string(graph) if isinstance(graph, bytes) else onnx.load(str(graph))
    for value in model.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = 1
    known = _shapes_by_running(model)
    total = 0.0
    for node in model.graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul"):
            continue
        out, second = known[node.output[0]], known[node.input[1]]
        if node.op_type == "Conv":
            inner = float(np.prod(second[1:]))
        else:
            transposed = any(a.name == "transB" and a.i for a in node.attribute)
            inner = float(second[-1] if transposed else second[-2])
        total += float(np.prod(out)) * inner
    return total / 1e9


def _shapes_by_running(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Shapes of all tensors that products need, from one run: shape inference does not see through computed shapes."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    wanted = {
        name
        for node in model.graph.node
        if node.op_type in ("Conv", "Gemm", "MatMul")
        for name in (node.output[0], node.input[1])
        if name not in shapes
    }
    there = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(wanted - there))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    values = session.run(names, random_inputs(session, 1))
    return shapes | {name: np.shape(value) for name, value in zip(names, values, strict=True)}


def random_inputs(session: onnxruntime.InferenceSession, count: int) -> dict[str, NDArray[np.generic]]:
    """Values for every input, 10 to 200, with `count` faces; of its type, float32 or uint8."""
    rng = np.random.default_rng(0)
    return {
        value.name: rng.uniform(10, 200, (count, *value.shape[1:])).astype(_TYPES[value.type])
        for value in session.get_inputs()
    }


def open_session(path: Path | str, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def interleaved_ms(
    sessions: Mapping[str, onnxruntime.InferenceSession], batches: Sequence[int], rounds: int
) -> dict[str, dict[int, list[float]]]:
    """Milliseconds for each face of every round, by name and batch size; the networks take turns, so that a busy
    machine slows all of them.
    """
    inputs = {name: {count: random_inputs(session, count) for count in batches} for name, session in sessions.items()}
    times: dict[str, dict[int, list[float]]] = {name: {count: [] for count in batches} for name in sessions}
    for turn in range(rounds + 1):
        for count in batches:
            for name, session in sessions.items():
                start = time.perf_counter()
                session.run(None, inputs[name][count])
                if turn:  # the first round warms up
                    times[name][count].append(1e3 * (time.perf_counter() - start) / count)
    return times


def measure(path: Path | str, batches: Sequence[int] = (1, 2, 4), threads: int = 1, rounds: int = 5) -> Cost:
    """The cost of one exported network."""
    times = interleaved_ms({"": open_session(path, threads)}, batches, rounds)[""]
    medians = {count: statistics.median(values) for count, values in times.items()}
    return Cost(count_gmac(path), medians, Path(path).stat().st_size / 1e6)
