# SPDX-License-Identifier: Apache-2.0
"""Engines at work: needs an NVIDIA GPU with TensorRT; elsewhere these tests skip and say so."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from facial_coding_ros.inference import InferenceSettings, Session, gpu, open_session, what_tensorrt_lacks
from facial_coding_ros.inference.engines import EngineCache
from facial_coding_ros.inference.gpu import Gpu, GpuError
from facial_coding_ros.inference.tensorrt_session import TensorRtSession
from facial_coding_ros.models import share_folder
from facial_coding_ros.tracking.conversion.model_cache import made_models
from facial_coding_ros.tracking.onnx_networks import OnnxNetworks, open_landmarks
from facial_coding_ros.tracking.reference_answers import ReferenceAnswers, check_detector

from .test_session import write_model

LACKING = what_tensorrt_lacks()
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(bool(LACKING), reason=f"engines cannot run here: {LACKING}"),
]
SHIPPED = sorted(share_folder("models").glob("*.onnx"))


def on_gpu(path: Path, cache: Path, precision: str = "fp32") -> Session:
    return open_session(path, InferenceSettings(backend="tensorrt", cache=str(cache), precision=precision))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_both_backends_answer_the_same(path: Path, tmp_path: Path) -> None:
    reference = open_session(path, InferenceSettings(backend="onnxruntime"))
    session = on_gpu(path, tmp_path)
    shapes = {tensor.name: tensor.shape for tensor in reference.inputs}
    for batch in (1, 3, 8):
        inputs = reference.model.check_inputs(shapes, batch)
        expected = reference.run(inputs)
        for _ in range(3):  # plainly, captured, replayed
            for name, found in session.run(inputs).items():
                size = max(1.0, float(np.abs(expected[name]).max()))
                np.testing.assert_allclose(found, expected[name], atol=reference.model.tolerance(name) * size)
    session.close()


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_with_copies_and_without_the_answers_are_the_same(
    path: Path, shared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every GPU can work in the host's memory, also one for which this is slow."""
    monkeypatch.setattr(gpu, "shares_memory", lambda properties: shared)
    reference = open_session(path, InferenceSettings(backend="onnxruntime"))
    session = on_gpu(path, tmp_path)
    assert session.backend.endswith(", without copies") is shared
    copied: list[int] = []
    for name in ("upload", "download"):
        original = getattr(Gpu, name)
        monkeypatch.setattr(Gpu, name, lambda *of, original=original: (copied.append(1), original(*of)))
    shapes = {tensor.name: tensor.shape for tensor in reference.inputs}
    inputs = reference.model.check_inputs(shapes, 3)
    expected, first = reference.run(inputs), session.bind(3)
    for scale in (0.5, 0.75, 1.0):  # plainly, captured, replayed: with what the arrays hold at the time
        for name, values in inputs.items():
            first.inputs[name][...] = scale * values
        first.run()
    assert bool(copied) is not shared
    for name, values in expected.items():
        size = max(1.0, float(np.abs(values).max()))
        np.testing.assert_allclose(first.outputs[name], values, atol=reference.model.tolerance(name) * size)
    session.close()


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_landmarks_of_all_faces_in_one_batch(precision: str, tmp_path: Path) -> None:
    model = made_models(tmp_path).landmarks
    faces = model.check_inputs({"faces": (192, 192, 3)}, 8)
    expected = open_session(model, InferenceSettings(backend="onnxruntime")).run(faces)
    inference = InferenceSettings(backend="tensorrt", cache=str(tmp_path / "cache"), precision=precision)
    (network,) = open_landmarks(model, inference, workers=2)
    assert network.backend.startswith("TensorRT")
    found = network.session.run(faces)
    apart = np.linalg.norm(found["mesh"][:, :, :2] - expected["mesh"][:, :, :2], axis=2).mean(axis=1)
    assert apart.max() * 190 / np.ptp(expected["mesh"][:, :, 0], axis=1).min() < 0.3
    network.close()


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_detector_sees_all_views_in_one_batch(precision: str, tmp_path: Path) -> None:
    """In half precision too, or else full precision has taken over and says so."""
    models, answers = made_models(tmp_path), ReferenceAnswers.load()
    inference = InferenceSettings(backend="tensorrt", cache=str(tmp_path / "cache"), precision=precision)
    networks = OnnxNetworks(models, inference)
    agreement = check_detector(networks, answers)
    networks.close()
    assert agreement.good, agreement.text


def test_half_precision_or_a_reason(tmp_path: Path) -> None:
    session = on_gpu(write_model(tmp_path, tolerance=0.05), tmp_path / "cache", "fp16")
    assert ", fp16, on " in session.backend
    refused = on_gpu(write_model(tmp_path, name="exact", tolerance=1e-9), tmp_path / "cache", "fp16")
    assert ", fp32, on " in refused.backend and "differs from ONNX Runtime" in refused.backend


def test_the_engine_is_built_once(tmp_path: Path) -> None:
    path = write_model(tmp_path)
    on_gpu(path, tmp_path / "cache").close()
    (engine,) = EngineCache(tmp_path / "cache").folder.glob("*.engine")
    built = engine.stat().st_mtime_ns
    on_gpu(path, tmp_path / "cache").close()
    assert engine.stat().st_mtime_ns == built
    engine.write_bytes(engine.read_bytes()[:-50])
    on_gpu(path, tmp_path / "cache").close()
    assert engine.stat().st_mtime_ns != built


def test_a_failing_gpu_hands_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = open_session(write_model(tmp_path), InferenceSettings(cache=str(tmp_path / "cache")))
    assert isinstance(session, TensorRtSession)
    x = {"x": np.ones((2, 3), np.float32)}
    expected = session.run(x)["y"]

    def fails() -> None:
        raise GpuError("cudaStreamSynchronize: cudaErrorUnknown")

    monkeypatch.setattr(session._gpu, "wait", fails)
    np.testing.assert_allclose(session.run(x)["y"], expected, atol=1e-4)
    assert session.backend.startswith("ONNX Runtime")


def test_no_array_is_allocated_after_warm_up(tmp_path: Path) -> None:
    session = on_gpu(write_model(tmp_path), tmp_path / "cache")
    session.warm_up(8)
    binding = session.bind(8)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        binding.run()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < 4000
