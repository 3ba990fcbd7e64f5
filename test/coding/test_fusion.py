# SPDX-License-Identifier: Apache-2.0
"""The fused coding graph against the single models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facial_coding_ros.cli import main
from facial_coding_ros.coding.coding_parts import coding_parts
from facial_coding_ros.coding.fusion import OUTPUTS, Part, fuse, is_current
from facial_coding_ros.inference import InferenceSettings, ModelError, ModelFile, open_session
from facial_coding_ros.inference.onnx_runtime import OnnxRuntimeSession
from facial_coding_ros.models import model_path, share_folder

from ..inference.test_session import write_card, write_model

ONNX_RUNTIME = InferenceSettings(backend="onnxruntime")


def test_shipped_models_as_one_graph(tmp_path: Path) -> None:
    """The command makes the very graph that is shipped; its outputs are those of models and formulas one by one."""
    parts = coding_parts()
    path = tmp_path / "coding.onnx"
    assert main(["export", "coding", "--out", str(path)]) == 0
    fused = open_session(path, ONNX_RUNTIME)
    shipped = model_path("coding.onnx")
    assert fused.model.card["parts"] == ModelFile.read(shipped).card["parts"]
    assert path.read_bytes() == shipped.read_bytes()
    assert is_current(fused.model, {part.model.name: part.model.sha256 for part in parts})
    values = fused.model.check_inputs({t.name: t.shape for t in fused.inputs}, 6)
    outputs, known = fused.run(values), dict(values)
    assert set(outputs) == set(OUTPUTS)
    for part in parts:
        alone = OnnxRuntimeSession(part.model)
        inputs = {t.name: known[part.inputs[t.name]] for t in alone.inputs}
        for name, expected in alone.run(inputs).items():
            known[f"{part.model.name}.{name}"] = expected
            if (found := outputs.get(f"{part.model.name}.{name}")) is not None:
                scale = max(1.0, float(np.abs(expected).max()))
                np.testing.assert_allclose(found, expected, atol=1e-6 * scale, rtol=0)


def test_inputs_are_shared_and_outputs_passed_on(tmp_path: Path) -> None:
    one, two = (ModelFile.read(write_model(tmp_path, name)) for name in ("one", "two"))
    assert fuse([Part(one), Part(two)], tmp_path / "both.onnx") <= 1e-6
    both = open_session(tmp_path / "both.onnx", ONNX_RUNTIME)
    assert [t.name for t in both.inputs] == ["x"]
    outputs = both.run({"x": np.ones((2, 3), np.float32)})
    assert outputs["one.y"].tolist() == outputs["two.y"].tolist() == [[3.5, 1.5]] * 2
    assert not is_current(both.model, {"one": one.sha256, "two": two.sha256}), "it lacks the inputs of CODING"


def test_an_output_may_differ_as_much_as_what_it_is_made_from(tmp_path: Path) -> None:
    import onnx

    loose = ModelFile.read(write_model(tmp_path, "loose", tolerance={"y": 0.01}))
    helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Relu", ["y"], ["end"])],
        "then",
        [helper.make_tensor_value_info("y", FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("end", FLOAT, ["n", 2])],
    )
    path = tmp_path / "then.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    write_card(path, inputs={"y": "(n, 2)"}, outputs={"end": "(n, 2)"}, tolerance=0.002)
    fuse([Part(loose), Part(ModelFile.read(path), {"y": "loose.y"})], tmp_path / "both.onnx")
    both = ModelFile.read(tmp_path / "both.onnx")
    allowed = {name: both.tolerance(name) for name in ("loose.y", "loose.doubled", "then.end")}
    assert allowed == {"loose.y": 0.01, "loose.doubled": 0.001, "then.end": 0.01}


def test_parts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    one, two = (ModelFile.read(write_model(tmp_path, name)) for name in ("one", "two"))
    with pytest.raises(ModelError, match=r"x \(n, 3\) does not fit one.y, which has shape \(2,\)"):
        fuse([Part(one), Part(two, {"x": "one.y"})], tmp_path / "both.onnx")
    with pytest.raises(ModelError, match=r"x comes from three\.y, which no earlier part gives"):
        fuse([Part(one), Part(two, {"x": "three.y"})], tmp_path / "both.onnx")
    assert not (tmp_path / "both.onnx").exists()


def test_the_command_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "coding", "--models", str(tmp_path)]) == 1
    assert "No file" in (said := capsys.readouterr().err) and "dfecs.onnx" in said
    assert main(["export", "coding", "--out", str(tmp_path / "coding.yaml")]) == 1
    assert "a name that ends in .onnx is expected" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert main(["export", "coding", "--out", str(tmp_path / "file" / "coding.onnx")]) == 1
    assert f"facial_coding export coding: {tmp_path / 'file'}: " in capsys.readouterr().err
    assert share_folder("models") != tmp_path
