# SPDX-License-Identifier: Apache-2.0
"""Appearance heads: shipped files, foreign ones, published networks, and a real person who smiles twice."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
import yaml

from facial_coding_ros.coding.expression import EXPRESSION_LABELS, ExpressionSettings
from facial_coding_ros.coding.expression import appearance as appearance_module
from facial_coding_ros.coding.expression.appearance import GEOMETRY_MODEL, MODEL, AppearanceHead
from facial_coding_ros.coding.expression.dwell import SILENT_NS
from facial_coding_ros.coding.expression.published_appearance import PUBLISHED, PublishedAppearance
from facial_coding_ros.image.sources import open_source
from facial_coding_ros.inference import InferenceSettings, ModelError, ModelFile
from facial_coding_ros.keypoints import RegistrationSettings
from facial_coding_ros.models import model_path
from facial_coding_ros.pipeline import Pipeline, PipelineSettings
from facial_coding_ros.tracking import TrackingSettings

ON_CPU = InferenceSettings(backend="onnxruntime")
FUSED = PipelineSettings(expression=ExpressionSettings(source="fused"), inference=ON_CPU)


def copied(tmp_path, **changes):
    """The shipped head under another card."""
    for suffix in (".onnx", ".yaml"):
        shutil.copy(model_path(MODEL).with_suffix(suffix), tmp_path)
    card = tmp_path / "appearance.yaml"
    card.write_text(yaml.safe_dump(yaml.safe_load(card.read_text()) | changes))
    return tmp_path / MODEL


def test_shipped_heads_answer_as_their_stored_inputs_ask():
    for name in (MODEL, GEOMETRY_MODEL):
        head = AppearanceHead.load(name, inference=ON_CPU)
        shapes = {tensor.name: tensor.shape for tensor in head.session.inputs}
        given = head.model.check_inputs(shapes, 8)
        logits = head.logits(given.get("features"), given["points"])
        assert logits.shape == (8, len(EXPRESSION_LABELS)) and np.isfinite(logits).all()
        assert len(set(logits.argmax(1).tolist())) > 1
        assert bool(head.landmark_network) == (name == MODEL)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": ["happy"]}, "expected"),
        ({"dense_points": "levelled"}, "made for points that are levelled"),
        ({"sha256": "0" * 64}, "damaged"),
    ],
)
def test_a_head_of_another_form_is_refused(tmp_path, changes, said):
    with pytest.raises(ModelError, match=said):
        AppearanceHead(ModelFile.read(copied(tmp_path, **changes)), RegistrationSettings(), ON_CPU)


def test_a_head_for_another_landmark_network_is_refused_by_name(tmp_path, monkeypatch):
    path = copied(tmp_path, landmark_source_sha256="ab" * 32)
    monkeypatch.setattr(appearance_module, "model_path", lambda name: path if name == MODEL else model_path(name))
    with pytest.raises(ValueError, match=r"landmark network abababababab\.\.\..*expression\.source"):
        Pipeline(FUSED)


def test_two_smiles_of_a_real_person(shared):
    pipeline = Pipeline(FUSED)
    labels = []
    try:
        for frame in open_source(shared / "data/clips/smile.mov").frames():
            labels += [(frame.stamp_ns, code.expression.label) for code in pipeline.process(frame)]
    finally:
        pipeline.close()
    labels = [one for one in labels if one[0] >= SILENT_NS]  # before, nothing is said
    runs = [(name, list(run)) for name, run in groupby(labels, key=lambda one: one[1])]
    long = [name for name, run in runs if run[-1][0] - run[0][0] > 100_000_000]
    assert [name for name, _ in groupby(long)] == ["neutral", "happy", "neutral", "happy", "neutral"]


def test_where_mediapipe_computes_the_landmarks_the_points_serve(shared):
    settings = replace(FUSED, tracking=TrackingSettings(landmark_backend="mediapipe"))
    pipeline = Pipeline(settings)
    told = []
    try:
        for frame in open_source(shared / "data/clips/smile.mov").frames():
            told += [code.expression for code in pipeline.process(frame)]
            assert all(face.features is None for face in pipeline.faces)
    finally:
        pipeline.close()
    assert {"neutral", "happy"} <= {one.label for one in told}


def made_network(path, shape, labels):
    """A network of these shapes that always prefers its second label."""
    from onnx import TensorProto, helper, numpy_helper

    size = int(np.prod(shape))
    bias = np.zeros(labels, np.float32)
    bias[1] = 5
    nodes = [
        helper.make_node("Reshape", ["x", "to"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["y"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([1, size], np.int64), "to"),
        numpy_helper.from_array(np.zeros((size, labels), np.float32), "w"),
        numpy_helper.from_array(bias, "b"),
    ]
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, labels])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def test_published_networks_are_known_by_their_shapes(tmp_path):
    for form in PUBLISHED:
        path = made_network(tmp_path / f"{form.name}.onnx", form.shape, len(form.labels))
        assert PublishedAppearance(path).form == form
    with pytest.raises(ModelError, match="known are emotion-ferplus-8"):
        PublishedAppearance(made_network(tmp_path / "other.onnx", (3, 48, 48), 7))
    with pytest.raises(ModelError, match="cannot be read"):
        PublishedAppearance(tmp_path / "nowhere.onnx")


def test_a_published_network_is_the_witness_of_appearance(tmp_path, shared):
    form = PUBLISHED[0]
    path = made_network(tmp_path / "ferplus.onnx", form.shape, len(form.labels))
    expression = ExpressionSettings(source="appearance", appearance_model=str(path))
    pipeline = Pipeline(replace(FUSED, expression=expression))
    try:
        frames = open_source(shared / "data/clips/smile.mov").frames()
        told = [
            code.expression for _, frame in zip(range(10), frames, strict=False) for code in pipeline.process(frame)
        ]
    finally:
        pipeline.close()
    assert told and {one.label for one in told} == {form.labels[1]}
