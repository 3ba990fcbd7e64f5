# SPDX-License-Identifier: Apache-2.0
"""The coding models in the pipeline: one graph where it was made from them, else one by one, with the same outputs."""

from __future__ import annotations

import hashlib
import shutil
import tracemalloc
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facial_coding_ros.coding import coding_graph
from facial_coding_ros.coding.coding_graph import CodingGraph
from facial_coding_ros.coding.dfecs import DfecsSettings
from facial_coding_ros.coding.expression import ExpressionSettings
from facial_coding_ros.coding.fusion import CODING, is_current
from facial_coding_ros.coding.perceptual.coder import PerceptualCoder
from facial_coding_ros.commands.export_coding import stored_inputs
from facial_coding_ros.image.sources import open_source
from facial_coding_ros.inference import ModelError, ModelFile
from facial_coding_ros.models import model_path, share_folder
from facial_coding_ros.pipeline import Pipeline, PipelineSettings
from facial_coding_ros.tracking import TrackingSettings
from facial_coding_ros.types import FaceCode

from ..conftest import CLIP

SETTINGS = PipelineSettings(tracking=TrackingSettings(id_seed=1))


def codes_of(pipeline: Pipeline, frames: int = 40) -> list[FaceCode]:
    try:
        return [code for frame in islice(open_source(CLIP).frames(), frames) for code in pipeline.process(frame)]
    finally:
        pipeline.close()


def test_the_shipped_graph_was_made_from_the_shipped_models() -> None:
    """After a model or a formula is changed: facial_coding export coding --out models/coding.onnx."""
    pipeline = Pipeline(SETTINGS)
    models = {name: getattr(part, "model", part) for name, part in pipeline.coding.coders.items()}
    made_from = {name: model.sha256 for name, model in models.items()}
    assert not any(model.graph for model in models.values() if isinstance(model, ModelFile)), "some MiB"
    pipeline.close()
    assert set(made_from) == set(CODING)
    assert is_current(ModelFile.read(model_path("coding.onnx")), made_from)


@pytest.mark.slow
def test_a_model_of_ones_own_runs_beside_the_others_with_the_same_outputs(tmp_path: Path) -> None:
    for suffix in (".yaml", ".npz", ".onnx"):
        shutil.copy(model_path(f"dfecs{suffix}"), tmp_path / f"mine{suffix}")
    # Another file of the same content: one byte of the graph's name is changed, and its hash with it.
    graph = tmp_path / "mine.onnx"
    graph.write_bytes(graph.read_bytes().replace(b"dfecs_encoder", b"dfecs_Encoder"))
    card = tmp_path / "mine.yaml"
    old, new = ModelFile.read(model_path("dfecs.onnx")).sha256, _sha256(graph)
    card.write_text(card.read_text().replace(old, new))
    own = codes_of(Pipeline(replace(SETTINGS, dfecs=DfecsSettings(model=str(card)))))
    shipped = codes_of(Pipeline(SETTINGS))
    assert len(own) == len(shipped) > 40
    for one, other in zip(own, shipped, strict=True):
        np.testing.assert_allclose(one.dfecs, other.dfecs, atol=1e-5)
        np.testing.assert_allclose(one.aus.intensity, other.aus.intensity, atol=1e-5)
        np.testing.assert_allclose(one.latent, other.latent, atol=1e-4)


def parts_and_inputs() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """All parts of the graph, and stored inputs of eight faces."""
    pipeline = Pipeline(SETTINGS)
    pipeline.close()
    return pipeline.coding.coders, stored_inputs(share_folder("models"))


def test_one_call_gives_what_models_and_numpy_give_one_by_one() -> None:
    """Faces that begin and such that go on, all batch sizes."""
    parts, inputs = parts_and_inputs()
    inputs = {name: values.copy() for name, values in inputs.items()}
    for name in ("latent", "appearance"):
        for key in ("before", "speed", "slowed", "gained", "at_rest", "moving"):
            inputs[f"{name}_{key}"][3] = 0
        inputs[f"{name}_fresh"][3] = 1
    fused, alone = CodingGraph(parts), CodingGraph(parts, joined=False)
    for faces in range(1, 9):
        given = {name: values[:faces] for name, values in inputs.items()}
        found, expected = fused.run(given), alone.run(given)
        assert set(found) <= set(expected) == set(CODING)
        for part, outputs in found.items():
            for name, values in outputs.items():
                largest = max(1.0, float(np.abs(expected[part][name]).max()))
                np.testing.assert_allclose(values, expected[part][name], atol=1e-5 * largest, rtol=0)
    for graph in (fused, alone):
        graph.close()


@pytest.mark.parametrize("fused", [True, False])
def test_parts_whose_inputs_are_missing_give_nothing(fused: bool) -> None:
    parts, inputs = parts_and_inputs()
    graph = CodingGraph(parts, joined=fused)
    found = graph.run({name: values for name, values in inputs.items() if name != "features"})
    assert {"appearance", "appearance_filter", "resting", "witness_fusion"}.isdisjoint(found)
    assert {"dfecs", "facs", "units", "latent_filter", "perceptual_expression"} <= set(found)
    assert "dfecs" not in graph.run({name: inputs[name] for name in ("noise_scale", "factors")})
    graph.close()


def test_no_array_is_allocated_after_warm_up() -> None:
    parts, inputs = parts_and_inputs()
    graph = CodingGraph(parts)
    graph.warm_up(*range(1, 9))
    graph.run(inputs)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(3):
            graph.run(inputs)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    graph.close()
    # Python's own small change: views, dictionaries. The motion of one face alone is 5.6 KB, all outputs 11 KB.
    assert peak - before < 4000


@pytest.mark.parametrize("latent_filter", ["none", "one_euro"])
@pytest.mark.parametrize("fused", [True, False])
def test_everything_of_a_frame_is_open_before_the_first(
    latent_filter: str, fused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Expressions come from the same call, of latents as they are or filtered."""
    if not fused:
        monkeypatch.setattr(coding_graph, "MODEL", "none.onnx")
    pipeline = Pipeline(replace(SETTINGS, expression=ExpressionSettings(source="latent", latent_filter=latent_filter)))
    opened = {name for name, coder in pipeline.coding.coders.items() if "session" in vars(coder)}
    assert opened == (set() if fused else {"dfecs", "facs", "perceptual_m2", "perceptual_expression"})
    frames = [pipeline.process(frame) for frame in islice(open_source(CLIP).frames(), 12)]
    assert {name for name, coder in pipeline.coding.coders.items() if "session" in vars(coder)} == opened
    codes = [code for faces in frames for code in faces if np.isfinite(code.latent).all()]
    assert codes
    outputs = PerceptualCoder().classifier.session.run({"latent": np.stack([code.latent for code in codes])})
    for code, shares in zip(codes, outputs["probability"], strict=True):
        sure = code.expression.probability.sum()
        np.testing.assert_allclose(code.expression.probability, shares * sure, atol=1e-4)
    pipeline.close()


def test_the_codes_of_a_recording_are_the_same_with_and_without_the_graph(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fused = codes_of(Pipeline(SETTINGS))
    monkeypatch.setattr(coding_graph, "MODEL", "none.onnx")
    alone = codes_of(Pipeline(SETTINGS))
    assert len(fused) == len(alone) > 40
    for one, other in zip(fused, alone, strict=True):
        for name in ("intensity", "confidence", "left", "right", "presence"):
            np.testing.assert_allclose(getattr(one.aus, name), getattr(other.aus, name), atol=1e-5)
        np.testing.assert_allclose(one.dfecs, other.dfecs, atol=1e-5)
        np.testing.assert_allclose(one.latent, other.latent, atol=1e-5 * max(1.0, np.nanmax(np.abs(other.latent))))
        np.testing.assert_allclose(one.expression.probability, other.expression.probability, atol=1e-5)
        assert one.expression.label == other.expression.label
        assert one.expression.valence == pytest.approx(other.expression.valence, abs=1e-5)


@pytest.mark.parametrize("damage", ["truncated", "no card", "opset", "inputs"])
def test_without_a_usable_graph_of_all_the_models_run_one_by_one(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import onnx

    folder = tmp_path / "models"
    shutil.copytree(model_path("coding.onnx").parent, folder)
    graph, card = folder / "coding.onnx", folder / "coding.yaml"
    if damage == "truncated":
        graph.write_bytes(graph.read_bytes()[:-1000])
    elif damage == "no card":
        card.unlink()
    else:
        model, before = onnx.load(str(graph)), _sha256(graph)
        if damage == "opset":
            model.opset_import[0].version = 99
        else:
            model.graph.input[0].name = "points"
            for node in model.graph.node:
                node.input[:] = ["points" if name == "dense" else name for name in node.input]
        onnx.save(model, str(graph))
        card.write_text(card.read_text().replace(before, _sha256(graph)))
    monkeypatch.setattr(coding_graph, "share_folder", lambda name: folder)
    known = [code for code in codes_of(Pipeline(SETTINGS), 12) if np.isfinite(code.dfecs).all()]
    assert known
    (warning,) = [record for record in caplog.records if "run one by one" in record.getMessage()]
    assert warning.levelname == "WARNING" and "coding." in warning.getMessage() and "\n" not in warning.getMessage()


def test_a_graph_of_another_form_is_refused_when_the_pipeline_is_made(tmp_path: Path) -> None:
    for suffix in (".yaml", ".npz", ".onnx"):
        shutil.copy(model_path(f"dfecs{suffix}"), tmp_path / f"mine{suffix}")
    card = tmp_path / "mine.yaml"
    foreign = model_path("perceptual_expression.onnx")
    shutil.copy(foreign, tmp_path / "mine.onnx")
    card.write_text(card.read_text().replace(ModelFile.read(model_path("dfecs.onnx")).sha256, _sha256(foreign)))
    with pytest.raises(ModelError, match=r"mine\.onnx has the inputs latent"):
        Pipeline(replace(SETTINGS, dfecs=DfecsSettings(model=str(card))))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
