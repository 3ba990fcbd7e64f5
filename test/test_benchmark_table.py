# SPDX-License-Identifier: Apache-2.0
"""The table of what everything costs, and the floor beside it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from facial_coding_ros.types import FloatArray

onnx = pytest.importorskip("onnx", reason="counts the networks' multiply-adds")
pytest.importorskip("mediapipe", reason="the reference of the benchmarks")

from benchmark import floor, table  # noqa: E402
from facial_coding_ros.learning.au_networks.cost import count_gmac  # noqa: E402

COST = {
    "median_ms": 2.0,
    "p99_ms": 3.0,
    "processor_ms": 2.1,
    "facemesh_median_ms": 1.6,
    "facemesh_p99_ms": 2.4,
    "facemesh_processor_ms": 1.7,
    "ratio": 1.25,
    "ratios": [1.25] * 20,
    "stages_ms": {"tracking": 1.5, "coding": 0.5},
}


@pytest.mark.parametrize("taken", ["FLOAT", "UINT8"])
def test_multiply_adds_are_those_counted_by_hand(taken: str) -> None:
    """A convolution of 3 to 8 channels at every second pixel, one of each channel alone, and a product."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        values: FloatArray = np.ones(shape, np.float32)
        return onnx.numpy_helper.from_array(values, name)

    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["x"], ["numbers"], to=kind),
            helper.make_node("Conv", ["numbers", "w1"], ["a"], strides=[2, 2], pads=[1, 1, 1, 1]),
            helper.make_node("Conv", ["a", "w2"], ["b"], group=8, pads=[2, 2, 2, 2]),
            helper.make_node("GlobalAveragePool", ["b"], ["c"]),
            helper.make_node("Flatten", ["c"], ["d"]),
            helper.make_node("Gemm", ["d", "w3"], ["y"], transB=1),
        ],
        "counted",
        [helper.make_tensor_value_info("x", onnx.TensorProto.DataType.Value(taken), ["n", 3, 16, 16])],
        [helper.make_tensor_value_info("y", kind, ["n", 5])],
        [weight("w1", 8, 3, 3, 3), weight("w2", 8, 1, 5, 5), weight("w3", 5, 8)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    by_hand = 8 * 8 * 8 * (3 * 9) + 8 * 8 * 8 * 25 + 5 * 8
    assert count_gmac(model.SerializeToString()) * 1e9 == pytest.approx(by_hand)


def test_the_floor_is_the_sum_of_the_networks_at_the_cores_peak() -> None:
    least = floor.Floor(100.0, {"detector": floor.Network(0.12, 1 / 15, 1.5), "landmarks": floor.Network(0.05, 1, 0.9)})
    assert least.ms == pytest.approx(0.08 + 0.5)
    assert least.networks_ms == pytest.approx(1.0)
    assert "| landmarks | 50.00 | 1 | 0.500 | 0.900 |" in floor.table(least)
    assert floor.peak_gmac_per_s(64, 0.05) > 0.1


def test_the_table_holds_what_was_measured_and_nothing_else() -> None:
    text = table.table({"frame": {"1": COST, "2": COST}, "floor": {"ms": 0.5, "networks_ms": 1.0, "gmac_per_s": 120.0}})
    header, _, one, *_ = text.splitlines()
    figures = dict(zip(*([cell.strip() for cell in line.strip("|").split("|")] for line in (header, one)), strict=True))
    assert (figures["median (ms)"], figures["p99 / median"], figures["times FaceMesh"]) == ("2.00", "1.50", "1.25")
    assert (figures["tracking"], figures["coding"]) == ("1.50", "0.50")
    assert "4.0 times the floor (25% of the core's peak is reached)" in text and "camera" not in text
    several = {"at_once": 2, "ratio": 1.95, "processor": 1.02}
    assert "| replay of 2 recordings at once | 1.95 times one" in table.table({"replay": {"several": several}})


def test_the_command_writes_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(floor, "measure", lambda: floor.Floor(80.0, {"landmarks": floor.Network(0.05, 1, 0.9)}))
    out = tmp_path / "result.json"
    assert table.main(["--only", "floor", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert found["floor"]["ms"] == 0.625 and "0.62 ms a frame" in capsys.readouterr().out
    assert not set(table.PARTS) - {"floor"} & set(found) and found["machine"]
    with pytest.raises(SystemExit):
        table.main(["--only", "floors", "--out", str(out)])
    assert "'floors' is none of frame, floor" in capsys.readouterr().err
