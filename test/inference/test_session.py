# SPDX-License-Identifier: Apache-2.0
"""Sessions over model files: ONNX Runtime's answers, and every kind of file that must be refused."""

from __future__ import annotations

import hashlib
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import yaml

from facial_coding_ros.inference import InferenceSettings, ModelError, ModelFile, expect, open_session
from facial_coding_ros.inference.onnx_runtime import OnnxRuntimeSession

onnx = pytest.importorskip("onnx", reason="onnx makes the graphs of these tests; `standalone/setup training`")
ONNX_RUNTIME = InferenceSettings(backend="onnxruntime")


def write_model(folder: Path, name: str = "small", opset: int = 17, batch: int | str = "n", **card: object) -> Path:
    """y = relu(x W + b), doubled = y + y; x (n, 3), y (n, 2)."""
    helper, numpy_helper, FLOAT = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "W", "b"], ["h"]),
            helper.make_node("Relu", ["h"], ["y"]),
            helper.make_node("Add", ["y", "y"], ["doubled"]),
        ],
        name,
        [helper.make_tensor_value_info("x", FLOAT, [batch, 3])],
        [
            helper.make_tensor_value_info("y", FLOAT, [batch, 2]),
            helper.make_tensor_value_info("doubled", FLOAT, [batch, 2]),
        ],
        [
            numpy_helper.from_array(np.array([[1, -1], [2, 0], [0, 3]], np.float32), "W"),
            numpy_helper.from_array(np.array([0.5, -0.5], np.float32), "b"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    path = folder / f"{name}.onnx"
    path.write_bytes(model.SerializeToString())
    write_card(path, **card)
    return path


def write_card(path: Path, **card: object) -> None:
    content = {
        "inputs": {"x": "(n, 3)"},
        "outputs": {"y": "(n, 2)", "doubled": "(n, 2)"},
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        **card,
    }
    path.with_suffix(".yaml").write_text(yaml.safe_dump(content))


def test_pixels_are_an_input_of_their_own_kind(tmp_path: Path) -> None:
    helper, kinds = onnx.helper, onnx.TensorProto

    def write(name: str, given: int, answered: int) -> Path:
        graph = helper.make_graph(
            [helper.make_node("Cast", ["x"], ["y"], to=answered)],
            name,
            [helper.make_tensor_value_info("x", given, ["n", 2, 2, 3])],
            [helper.make_tensor_value_info("y", answered, ["n", 2, 2, 3])],
        )
        path = tmp_path / f"{name}.onnx"
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        path.write_bytes(model.SerializeToString())
        write_card(path, inputs={"x": ""}, outputs={"y": ""})
        return path

    session = open_session(write("pixels", kinds.UINT8, kinds.FLOAT), ONNX_RUNTIME)
    (tensor,) = session.inputs
    assert str(tensor) == "x (n, 2, 2, 3) uint8" and session.bind(2).inputs["x"].dtype == np.uint8
    x = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3) * 10
    np.testing.assert_array_equal(session.run({"x": x})["y"], x.astype(np.float32))
    expect(session, {"x": (2, 2, 3)}, {"y": (2, 2, 3)}, pixels=["x"])
    with pytest.raises(ModelError, match=r"takes x \(n, 2, 2, 3\) uint8; expected: x \(n, 2, 2, 3\)\."):
        expect(session, {"x": (2, 2, 3)}, {"y": (2, 2, 3)})
    noise = session.model.check_inputs({"x": (2, 2, 3)}, 50, ["x"])["x"]
    assert noise.max() > 250 and (noise == np.floor(noise)).all()
    with pytest.raises(ModelError, match=r"y is a tensor\(uint8\); inputs and outputs are float32"):
        open_session(write("backwards", kinds.FLOAT, kinds.UINT8), ONNX_RUNTIME)


def test_a_graph_that_was_let_go_is_read_again_from_the_same_file_only(tmp_path: Path) -> None:
    path = write_model(tmp_path)
    model = ModelFile.read(path).without_graph()
    x = {"x": np.ones((1, 3), np.float32)}
    session = open_session(model, ONNX_RUNTIME)
    assert not model.graph and not session.model.graph and session.run(x)["y"].tolist() == [[3.5, 1.5]]
    write_model(tmp_path, opset=18)
    with pytest.raises(ModelError, match=r"small\.onnx is no longer the file that was read"):
        open_session(model, ONNX_RUNTIME)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        open_session(model, ONNX_RUNTIME)


@pytest.mark.parametrize("batch", [0, 1, 5])
def test_answers_of_any_batch(tmp_path: Path, batch: int) -> None:
    session = open_session(write_model(tmp_path), ONNX_RUNTIME)
    x = np.random.default_rng(0).normal(size=(batch, 3)).astype(np.float32)
    answers = session.run({"x": x})
    expected = np.maximum(x @ np.array([[1, -1], [2, 0], [0, 3]]) + [0.5, -0.5], 0)
    assert answers["y"].shape == (batch, 2) and answers["y"].dtype == np.float32
    np.testing.assert_allclose(answers["y"], expected, atol=1e-6)
    np.testing.assert_allclose(answers["doubled"], 2 * expected, atol=1e-6)


def test_one_network_for_two_threads_and_one_memory_for_all_batches(tmp_path: Path) -> None:
    first = OnnxRuntimeSession(ModelFile.read(write_model(tmp_path)))
    second = first.beside()
    first.warm_up(1, 2, 4)
    assert all(np.shares_memory(first.bind(4).inputs["x"], first.bind(batch).inputs["x"]) for batch in (1, 2))
    assert not np.shares_memory(first.bind(2).inputs["x"], second.bind(2).inputs["x"])
    rng = np.random.default_rng(1)
    xs = [rng.normal(size=(2, 3)).astype(np.float32) for _ in range(400)]
    alone = [first.run({"x": x})["y"] for x in xs]
    with ThreadPoolExecutor(2) as pool:
        halves = pool.map(lambda s, x: [s.run({"x": one})["y"] for one in x], (first, second), (xs[:200], xs[200:]))
        np.testing.assert_array_equal(np.concatenate([np.array(half) for half in halves]), alone)
    first.close()
    np.testing.assert_array_equal(second.run({"x": xs[0]})["y"], alone[0])
    with pytest.raises(ValueError, match="closed"):
        first.bind(1)


def test_answers_stay_when_the_next_batch_runs(tmp_path: Path) -> None:
    session = open_session(write_model(tmp_path), ONNX_RUNTIME)
    first = session.run({"x": np.ones((1, 3), np.float32)})["y"]
    session.run({"x": np.full((1, 3), 9, np.float32)})
    assert first.tolist() == [[3.5, 1.5]]


def test_no_array_is_allocated_after_warm_up(tmp_path: Path) -> None:
    batch = 512
    session = open_session(write_model(tmp_path), ONNX_RUNTIME)
    session.warm_up(1, batch)
    binding = session.bind(batch)
    x = np.ones((batch, 3), np.float32)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(10):
            binding.inputs["x"][...] = x
            binding.run()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < binding.outputs["y"].nbytes  # Python's own small change, less than the smallest array
    assert binding.outputs["y"][-1].tolist() == [3.5, 1.5]


def test_wrong_inputs_are_named(tmp_path: Path) -> None:
    session = open_session(write_model(tmp_path), ONNX_RUNTIME)
    with pytest.raises(ValueError, match=r"takes x \(n, 3\); given: z"):
        session.run({"z": np.ones((1, 3), np.float32)})
    with pytest.raises(ValueError, match=r"takes x \(n, 3\); given: \(1, 4\)"):
        session.run({"x": np.ones((1, 4), np.float32)})


def test_a_graph_of_fixed_batch_takes_only_that(tmp_path: Path) -> None:
    session = open_session(write_model(tmp_path, batch=2), ONNX_RUNTIME)
    assert session.run({"x": np.ones((2, 3), np.float32)})["y"].shape == (2, 2)
    with pytest.raises(ValueError, match="not a batch of 3"):
        session.run({"x": np.ones((3, 3), np.float32)})


def test_close_is_final(tmp_path: Path) -> None:
    session = open_session(write_model(tmp_path), ONNX_RUNTIME)
    session.close()
    session.close()
    with pytest.raises(ValueError, match="closed"):
        session.run({"x": np.ones((1, 3), np.float32)})


def refused(path: Path, words: str) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        open_session(path, ONNX_RUNTIME)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_other_hash_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    refused(path, "damaged or not the file that small.yaml describes")


def test_truncated_graph_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    write_card(path)
    refused(path, "it is no ONNX file, or cut off")


def test_opset_too_new_is_refused(tmp_path: Path) -> None:
    refused(write_model(tmp_path, opset=99), "(?i)opset")


def test_other_input_names_are_refused(tmp_path: Path) -> None:
    refused(write_model(tmp_path, inputs={"motion": "(n, 3)"}), r"has the inputs x \(n, 3\); its card lists motion")


def test_half_precision_inputs_are_refused(tmp_path: Path) -> None:
    helper, FLOAT16 = onnx.helper, onnx.TensorProto.FLOAT16
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "half",
        [helper.make_tensor_value_info("x", FLOAT16, ["n", 3])],
        [helper.make_tensor_value_info("y", FLOAT16, ["n", 3])],
    )
    path = tmp_path / "half.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    write_card(path, outputs={"y": "(n, 3)"})
    refused(path, "float32")


def test_missing_card_says_what_a_model_is(tmp_path: Path) -> None:
    path = write_model(tmp_path)
    path.with_suffix(".yaml").unlink()
    with pytest.raises(FileNotFoundError, match=r"small.yaml.*NAME.onnx with its card"):
        open_session(path)


def test_expected_form(tmp_path: Path) -> None:
    session = open_session(write_model(tmp_path), ONNX_RUNTIME)
    expect(session, {"x": (3,)}, {"y": (2,), "doubled": (2,)})
    with pytest.raises(ModelError, match=r"takes x \(n, 3\); expected: motion \(n, 136\)"):
        expect(session, {"motion": (136,)}, {"y": (2,), "doubled": (2,)})


def test_tolerance_and_check_inputs(tmp_path: Path) -> None:
    path = write_model(tmp_path, tolerance=0.01)
    model = ModelFile.read(path)
    assert model.tolerance("y") == 0.01
    noise = model.check_inputs({"x": (3,)}, 4)["x"]
    assert noise.shape == (4, 3) and np.array_equal(noise, model.check_inputs({"x": (3,)}, 4)["x"])
    np.savez(tmp_path / "small_check.npz", x=np.arange(6, dtype=np.float32).reshape(2, 3))
    assert model.check_inputs({"x": (3,)}, 3)["x"].tolist() == [[0, 1, 2], [3, 4, 5], [0, 1, 2]]
    np.savez(tmp_path / "small_check.npz", x=np.ones((2, 5), np.float32))
    with pytest.raises(ModelError, match=r"small_check.npz: x has shape \(2, 5\)"):
        model.check_inputs({"x": (3,)}, 3)
    whole = (tmp_path / "small_check.npz").read_bytes()
    (tmp_path / "small_check.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=r"small_check.npz is damaged"):
        model.check_inputs({"x": (3,)}, 3)
    with pytest.raises(ModelError, match="tolerance is -1"):
        ModelFile.read(write_model(tmp_path, tolerance=-1)).tolerance("y")
    by_output = ModelFile.read(write_model(tmp_path, tolerance={"y": 0.02}))
    assert (by_output.tolerance("y"), by_output.tolerance("doubled")) == (0.02, 0.001)
