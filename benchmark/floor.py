# SPDX-License-Identifier: Apache-2.0
"""Below what time nobody can go: the networks' multiply-adds at the rate of this core's largest matrix products.

standalone/env python -m benchmark floor

Detector, landmark network and the heads for one face, in float32 on one core. Reading weights, shrinking images and
all else come on top.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime as ort

from facial_coding_ros.inference import InferenceSettings, ModelFile
from facial_coding_ros.inference.onnx_runtime import OnnxRuntimeSession
from facial_coding_ros.learning.au_networks.cost import count_gmac
from facial_coding_ros.models import model_path
from facial_coding_ros.tracking.conversion.model_cache import tracker_models
from facial_coding_ros.tracking.settings import TrackingSettings

SIDE = 512
"""Of the matrices, in numbers: large enough for the core's peak, and done before another process has its turn."""
HEADS = ("coding.onnx", "appearance.onnx", "appearance_geometry.onnx")
RATE_HZ = 30.0
PEAK_S = 0.6
"""Seconds in which the fastest of many runs is looked for."""


@dataclass(frozen=True)
class Network:
    """gmac: 1e9 multiply-adds for one face or view. a_frame: runs in a frame of one face. ms: of the fastest run."""

    gmac: float
    a_frame: float
    ms: float


@dataclass(frozen=True)
class Floor:
    """gmac_per_s: of the fastest matrix product on one core."""

    gmac_per_s: float
    networks: Mapping[str, Network]

    @property
    def ms(self) -> float:
        """Of a frame of one face, below which no arithmetic gets."""
        return 1e3 * sum(one.gmac * one.a_frame for one in self.networks.values()) / self.gmac_per_s

    @property
    def networks_ms(self) -> float:
        """What the networks take of a frame when they run alone, the caches theirs."""
        return sum(one.ms * one.a_frame for one in self.networks.values())


def peak_gmac_per_s(side: int = SIDE, seconds: float = PEAK_S) -> float:
    """1e9 multiply-adds a second of one core: the fastest of many products of two square float32 matrices.

    By NumPy's library and by ONNX Runtime's, as neither is the quicker on every processor.
    """
    a, b = (np.random.default_rng(seed).random((side, side), np.float32) for seed in (0, 1))
    out = np.empty_like(a)
    session = _product_session(side)
    by_runtime = session.io_binding()
    for name, array in (("a", a), ("b", b)):
        by_runtime.bind_input(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
    by_runtime.bind_output("c", "cpu", 0, np.float32, out.shape, out.ctypes.data)
    ways = (lambda: np.matmul(a, b, out=out), lambda: session.run_with_iobinding(by_runtime))
    return side**3 / min(_fastest_s(way, seconds) for way in ways) / 1e9


def _product_session(side: int) -> ort.InferenceSession:
    kind = onnx.TensorProto.FLOAT
    a, b, c = (onnx.helper.make_tensor_value_info(name, kind, [side, side]) for name in "abc")
    graph = onnx.helper.make_graph([onnx.helper.make_node("MatMul", ["a", "b"], ["c"])], "product", [a, b], [c])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _fastest_s(call: Callable[[], object], seconds: float) -> float:
    took, end = [], time.perf_counter() + seconds
    while not took or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        took.append(time.perf_counter() - start)
    return min(took)


def fastest_ms(model: ModelFile, seconds: float = PEAK_S) -> float:
    """Of one run for one face, one thread."""
    session = OnnxRuntimeSession(model, InferenceSettings().threads)
    took = _fastest_s(session.bind(1).run, seconds)
    session.close()
    return 1e3 * took


def measure() -> Floor:
    """Of this machine and the networks that are installed."""
    networks = tracker_models()
    searches = TrackingSettings().detection_rate_hz / RATE_HZ
    models = [(networks.detector, searches), (networks.landmarks, 1.0)]
    models += [(ModelFile.read(model_path(name)), 1.0) for name in HEADS]
    return Floor(
        peak_gmac_per_s(),
        {model.name: Network(count_gmac(model.graph), a_frame, fastest_ms(model)) for model, a_frame in models},
    )


def table(floor: Floor) -> str:
    """As Markdown."""
    rows = [
        "| network | million multiply-adds | runs a frame | at the core's peak (ms) | alone, fastest run (ms) |",
        "|---|---|---|---|---|",
    ]
    for name, one in floor.networks.items():
        at_peak = 1e3 * one.gmac / floor.gmac_per_s
        rows.append(f"| {name} | {1e3 * one.gmac:.2f} | {one.a_frame:.2g} | {at_peak:.3f} | {one.ms:.3f} |")
    rows.append(f"| a frame of one face | | | {floor.ms:.2f} | {floor.networks_ms:.2f} |")
    peak = f"{floor.gmac_per_s:.0f} thousand million multiply-adds a second"
    rows += ["", f"Peak of one core, matrix products of {SIDE} x {SIDE}: {peak}."]
    return "\n".join(rows)


def main() -> int:
    print(table(measure()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
