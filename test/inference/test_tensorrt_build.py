# SPDX-License-Identifier: Apache-2.0
"""TensorRT-RTX itself, which builds engines for other GPUs without having one: every shipped graph and the image
networks' exports, in both precisions.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facial_coding_ros.cli import main
from facial_coding_ros.inference import ModelFile, open_session, what_tensorrt_lacks
from facial_coding_ros.inference.agreement import difference_between
from facial_coding_ros.inference.half import to_half
from facial_coding_ros.inference.onnx_runtime import OnnxRuntimeSession
from facial_coding_ros.inference.tensorrt_library import TensorRtError, TensorRtLibrary
from facial_coding_ros.models import share_folder

from .test_session import write_card, write_model

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not any(importlib.util.find_spec(name) for name in ("tensorrt_rtx", "tensorrt_rtx_bindings")),
        reason="TensorRT-RTX is not installed; `standalone/setup tensorrt`",
    ),
]
TARGETS = ("SM86", "SM89", "SM120")
SHIPPED = sorted(share_folder("models").glob("*.onnx"))
NETWORKS = {
    "me_graphau anfl": {"network": "me_graphau", "stage": 1, "backbone": "resnet18", "width": 16},
    "me_graphau mefl": {"network": "me_graphau", "stage": 2, "backbone": "resnet18", "width": 16},
    "jaa_net": {"network": "jaa_net", "width": 8},
    "e_net": {"network": "eac_net", "stage": 1, "width": 8},
    "c_net": {"network": "eac_net", "stage": 2, "width": 8},
}


def builds(graph: bytes, name: str) -> None:
    library = TensorRtLibrary.find()
    for precise in (graph, to_half(graph, name)):
        assert len(library.build(precise, name, 8, TARGETS)) > 10_000


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_graph_builds(path: Path) -> None:
    builds(ModelFile.read(path).graph, path.stem)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_half_precision_of_shipped_models_keeps_their_tolerance(path: Path) -> None:
    """What decides on a GPU whether half precision is used, by ONNX Runtime's arithmetic."""
    model = ModelFile.read(path)
    half = replace(model, graph=to_half(model.graph, model.name))
    assert difference_between(OnnxRuntimeSession(half), OnnxRuntimeSession(model), 8) <= 1


@pytest.mark.parametrize("name", NETWORKS)
def test_image_network_builds(name: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch exports the networks; `standalone/setup training`")
    from facial_coding_ros.au_networks.specs import DISFA_AUS, NetworkSpec
    from facial_coding_ros.learning.au_networks.export import export
    from facial_coding_ros.learning.au_networks.networks import build

    torch.manual_seed(0)
    path = tmp_path / "network.onnx"
    export(build(NetworkSpec(aus=DISFA_AUS, **NETWORKS[name])).eval(), path, {})  # type: ignore[arg-type]
    builds(ModelFile.read(path).graph, name)


def test_fused_coding_graph_builds(tmp_path: Path) -> None:
    from facial_coding_ros.coding.coding_parts import coding_parts
    from facial_coding_ros.coding.fusion import OUTPUTS, fuse

    fuse(coding_parts(), tmp_path / "coding.onnx", kept=OUTPUTS)
    builds((tmp_path / "coding.onnx").read_bytes(), "coding")


def test_converted_networks_of_the_tracker_build(tmp_path: Path) -> None:
    from facial_coding_ros.tracking.conversion.model_cache import made_models

    models = made_models(tmp_path)
    builds(models.detector.graph, "face_detector")
    builds(models.landmarks.graph, "face_landmarks")


def test_half_precision_keeps_inputs_and_outputs(tmp_path: Path) -> None:
    import onnx

    path = write_model(tmp_path)
    x = {"x": np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)}
    full = open_session(path).run(x)
    half = to_half(path.read_bytes(), "small")
    kinds = {tensor.data_type for tensor in onnx.load_from_string(half).graph.initializer}
    assert kinds == {onnx.TensorProto.FLOAT16}
    path.write_bytes(half)
    write_card(path)
    answers = open_session(path).run(x)
    assert answers["y"].dtype == np.float32
    np.testing.assert_allclose(answers["y"], full["y"], atol=1e-2)


def test_refused_operation_is_named(tmp_path: Path) -> None:
    import onnx

    helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Det", ["x"], ["y"], name="volume")],
        "refused",
        [helper.make_tensor_value_info("x", FLOAT, ["n", 3, 3])],
        [helper.make_tensor_value_info("y", FLOAT, ["n"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(TensorRtError, match=r"refuses volumes: Det \(volume\)"):
        TensorRtLibrary.find().build(model.SerializeToString(), "volumes", 8, TARGETS)


def test_truncated_graph_is_refused(tmp_path: Path) -> None:
    graph = write_model(tmp_path).read_bytes()[:-20]
    with pytest.raises(TensorRtError, match=r"refuses small: .*parse"):
        TensorRtLibrary.find().build(graph, "small", 8, TARGETS)


def test_gpus_that_tensorrt_rtx_does_not_know_are_named(tmp_path: Path) -> None:
    with pytest.raises(TensorRtError, match=r"SM75.*not for SM87"):
        TensorRtLibrary.find().build(write_model(tmp_path).read_bytes(), "small", 8, ("SM87",))
    if importlib.util.find_spec("tensorrt") is None:
        with pytest.raises(TensorRtError, match="has no SM87"):
            TensorRtLibrary.find(87)


def test_damaged_engine_is_an_error_with_a_reason(tmp_path: Path) -> None:
    library = TensorRtLibrary.find()
    plan = library.build(write_model(tmp_path).read_bytes(), "small", 8, TARGETS)
    with pytest.raises(TensorRtError, match=r"cannot load the engine: \w"):
        library.load(plan[: len(plan) // 2])


def test_command_builds_for_other_gpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_model(tmp_path)
    assert main(["engines", "build", str(path), "--target", "SM86", "--precision", "fp16"]) == 0
    assert "small, fp16, SM86: 0." in capsys.readouterr().out
    assert main(["engines", "build", str(path), "--target", "SM87"]) == 1
    assert "not for SM87" in capsys.readouterr().out


@pytest.mark.skipif(not what_tensorrt_lacks(), reason="there is a GPU here")
def test_command_says_what_building_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engines", "build", str(write_model(tmp_path)), "--cache", str(tmp_path / "cache")]) == 1
    assert "Engines are built on the GPU they are for" in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()
