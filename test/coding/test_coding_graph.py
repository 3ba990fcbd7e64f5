# SPDX-License-Identifier: Apache-2.0
"""The coding models in the pipeline: one graph where it was made from them, else one by one, with the same outputs."""

from __future__ import annotations

import hashlib
import shutil
import tracemalloc
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from facial_coding_ros.coding import coding_graph
from facial_coding_ros.coding.coding_graph import CodingGraph
from facial_coding_ros.coding.dfecs import DfecsEncoder, DfecsSettings
from facial_coding_ros.coding.expression import ExpressionSettings
from facial_coding_ros.coding.facs import FacsEstimator
from facial_coding_ros.coding.fusion import CODING, coding_parts, is_current
from facial_coding_ros.coding.perceptual.coder import PerceptualCoder
from facial_coding_ros.image.sources import open_source
from facial_coding_ros.inference import ModelError, ModelFile
from facial_coding_ros.models import model_path
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
    """After a model is replaced: facial_coding export coding."""
    parts = coding_parts()
    assert {part.model.name for part in parts} == set(CODING)
    assert is_current(ModelFile.read(model_path("coding.onnx")), parts)


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


def test_outputs_are_those_of_the_stages_by_themselves() -> None:
    dfecs, facs, perceptual = DfecsEncoder.load(), FacsEstimator.load(), PerceptualCoder()
    coders = {
        "dfecs": dfecs,
        "facs": facs,
        "perceptual_m2": perceptual,
        "perceptual_expression": perceptual.classifier,
    }
    graph = CodingGraph(coders)
    rng = np.random.default_rng(3)
    inputs = {
        name: {t.name: rng.normal(0, 0.2, (5, *t.shape)).astype(np.float32) for t in coder.session.inputs}
        for name, coder in coders.items()
        if name != "perceptual_expression"
    }
    outputs = graph.run(inputs)
    assert set(outputs) == set(inputs)
    for name, own in inputs.items():
        for key, expected in coders[name].session.run(own).items():
            np.testing.assert_allclose(outputs[name][key], expected, atol=1e-6 * max(1.0, np.abs(expected).max()))
    graph.close()


@pytest.mark.parametrize("fused", [True, False])
def test_no_array_is_allocated_after_warm_up(fused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not fused:
        monkeypatch.setattr(coding_graph, "MODEL", "none.onnx")
    dfecs, facs, perceptual = DfecsEncoder.load(), FacsEstimator.load(), PerceptualCoder()
    coders = {"dfecs": dfecs, "facs": facs, "perceptual_m2": perceptual, "perceptual_expression": perceptual.classifier}
    inputs = {
        name: {t.name: np.ones((8, *t.shape), np.float32) for t in coders[name].session.inputs}
        for name in ("dfecs", "facs", "perceptual_m2")
    }
    graph = CodingGraph(coders)
    graph.warm_up(*range(1, 9))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(3):
            graph.run(inputs)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    graph.close()
    # Python's own small change: views, dictionaries. The motion of one face alone is 5.6 KB, all outputs 9 KB.
    assert peak - before < 4000


@pytest.mark.parametrize("latent_filter", ["none", "one_euro"])
@pytest.mark.parametrize("fused", [True, False])
def test_everything_of_a_frame_is_open_before_the_first(
    latent_filter: str, fused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a filter expressions come from the same call; with it the classifier takes the filtered latent."""
    if not fused:
        monkeypatch.setattr(coding_graph, "MODEL", "none.onnx")
    pipeline = Pipeline(replace(SETTINGS, expression=ExpressionSettings(source="latent", latent_filter=latent_filter)))
    opened = {name for name, coder in pipeline.coding.coders.items() if "session" in vars(coder)}
    alone = {"perceptual_expression"} if latent_filter == "one_euro" else set()
    assert opened == (alone if fused else set(CODING))
    frames = [pipeline.process(frame) for frame in islice(open_source(CLIP).frames(), 12)]
    assert {name for name, coder in pipeline.coding.coders.items() if "session" in vars(coder)} == opened
    codes = [code for faces in frames for code in faces if np.isfinite(code.latent).all()]
    assert codes
    outputs = PerceptualCoder().classifier.session.run({"latent": np.stack([code.latent for code in codes])})
    for code, shares in zip(codes, outputs["probability"], strict=True):
        sure = code.expression.probability.sum()
        np.testing.assert_allclose(code.expression.probability, shares * sure, atol=1e-4)
    pipeline.close()


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
            model.graph.input[0].name = "motion"
            for node in model.graph.node:
                node.input[:] = ["motion" if name == "kpm" else name for name in node.input]
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
