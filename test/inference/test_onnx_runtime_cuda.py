# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime's CUDA provider: chosen, compared, refused, and what happens when the GPU fails.

Where there is no GPU the CPU's provider stands for it, and a failing one for a GPU that is lost.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from facial_coding_ros.inference import InferenceSettings, ModelError, ModelFile, open_session, opening
from facial_coding_ros.inference import onnx_runtime_cuda as cuda
from facial_coding_ros.inference.onnx_runtime import CPU, OnnxRuntimeSession

from .test_session import write_model

X = {"x": np.array([[1, 2, 3], [-1, 0, 1]], np.float32)}
AUTO = InferenceSettings()


def opened(path: Path, settings: InferenceSettings = AUTO) -> cuda.CudaSession:
    model = ModelFile.read(path)
    return cuda.open_cuda(model, settings, OnnxRuntimeSession(model), provider=CPU)


@pytest.mark.skipif(cuda.CUDA in ort.get_available_providers(), reason="onnxruntime-gpu is installed")
def test_by_name_it_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"CUDA, which was asked for: .*onnxruntime-gpu"):
        open_session(write_model(tmp_path), InferenceSettings(backend="cuda"))


def test_a_provider_that_cannot_be_loaded_is_refused_instead_of_the_cpu_in_its_name(tmp_path: Path) -> None:
    """ONNX Runtime goes on with the CPU when CUDA's libraries are missing, and says so in its log alone."""
    if cuda.CUDA in ort.get_available_providers():
        pytest.skip("onnxruntime-gpu is installed")
    model = ModelFile.read(write_model(tmp_path))
    with pytest.warns(UserWarning, match="not in available provider names"), pytest.raises(ModelError, match="cuDNN"):
        cuda.open_cuda(model, AUTO, OnnxRuntimeSession(model))


def test_it_is_chosen_where_there_is_no_tensorrt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stand_in(model: ModelFile, settings: InferenceSettings, reference: OnnxRuntimeSession) -> cuda.CudaSession:
        return cuda.open_cuda(model, settings, reference, provider=CPU)

    monkeypatch.setattr(opening, "what_cuda_lacks", lambda: "")
    monkeypatch.setattr(opening, "what_tensorrt_lacks", lambda: "none here")
    monkeypatch.setattr(opening, "open_cuda", stand_in)
    assert isinstance(open_session(write_model(tmp_path)), cuda.CudaSession)
    assert isinstance(open_session(write_model(tmp_path), InferenceSettings(backend="cuda")), cuda.CudaSession)
    named = open_session(write_model(tmp_path), InferenceSettings(backend="onnxruntime"))
    assert not isinstance(named, cuda.CudaSession)


def test_other_answers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "difference_between", lambda *_: 3.0)
    with pytest.raises(ModelError, match="differ from those of the CPU by 3 times"):
        opened(write_model(tmp_path))


def test_the_cpu_takes_over_when_the_gpu_is_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_model(tmp_path)
    session, expected = opened(path), OnnxRuntimeSession(ModelFile.read(path)).run(X)
    binding: Any = session.bind(2)
    np.testing.assert_allclose(session.run(X)["y"], expected["y"], atol=1e-6)

    def lost() -> None:
        raise RuntimeError("CUDA failure 719: unspecified launch failure")

    binding._binding.run = lost
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            np.testing.assert_allclose(session.run(X)["y"], expected["y"], atol=1e-6)
    assert caplog.text.count("the GPU fails (CUDA failure 719") == 1
    assert "on the CPU" in session.backend


def test_by_name_a_lost_gpu_is_an_error(tmp_path: Path) -> None:
    session = opened(write_model(tmp_path), InferenceSettings(backend="cuda"))
    binding: Any = session.bind(2)

    def lost() -> None:
        raise RuntimeError("CUDA failure 719: unspecified launch failure")

    binding._binding.run = lost
    with pytest.raises(ModelError, match="the GPU fails: CUDA failure 719"):
        session.run(X)
