# SPDX-License-Identifier: Apache-2.0
"""Checks of the machine: what is well, and what is told when it is not."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from facial_coding_ros import cli
from facial_coding_ros.inference import InferenceSettings, ModelFile, what_tensorrt_lacks
from facial_coding_ros.models import model_path
from facial_coding_ros.pipeline import PipelineSettings
from facial_coding_ros.self_check import Level
from facial_coding_ros.self_check.codes import FILE, check_codes
from facial_coding_ros.self_check.machine import check_dds, check_gpu, check_shared_memory
from facial_coding_ros.self_check.sight import check_sight
from facial_coding_ros.tracking import TrackingSettings, make_tracker

from .damaged_networks import less_sure_detector

ONNX_RUNTIME = InferenceSettings(backend="onnxruntime")


def test_sight_is_checked_within_the_time_a_node_has() -> None:
    with closing(make_tracker(TrackingSettings(), ONNX_RUNTIME)) as tracker:
        check_sight(tracker.source)
        start = time.process_time()
        findings = check_sight(tracker.source)
        assert time.process_time() - start < 0.3
    assert [(one.what, one.level) for one in findings] == [("detector", Level.OK), ("landmarks", Level.OK)]


def test_a_detector_that_sees_too_little_is_an_error_but_not_where_another_node_detects(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    settings = TrackingSettings(networks=str(less_sure_detector(tmp_path)))
    with closing(make_tracker(settings, ONNX_RUNTIME)) as tracker:
        detector, landmarks = check_sight(tracker.source)
        assert detector.level is Level.ERROR and landmarks.level is Level.OK
        assert "tracking.landmark_backend" in detector.text and "\n" not in str(detector)
        assert [one.level for one in check_sight(tracker.source, detector=False)] == [Level.OK]


@pytest.mark.slow
def test_shipped_models_give_the_stored_codes() -> None:
    """When they do not and should: python -m facial_coding_ros.learning.studies.reference_answers --codes."""
    codes, timing = check_codes(PipelineSettings(inference=ONNX_RUNTIME))
    assert codes.level is Level.OK, codes.text
    assert " ms a face" in timing.text
    made_with = yaml.safe_load(model_path(FILE).with_suffix(".yaml").read_text())["models"]
    assert made_with == ModelFile.read(model_path("coding.onnx")).card["parts"], "stored codes are of other models"
    smile = np.load(model_path(FILE))["action units"]
    assert smile.shape[0] == 2 and smile.max() > 0.5  # somebody smiles there


def test_codes_of_other_models_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "facial_coding_ros.self_check.codes.ALLOWED", {"action units": -1.0, "DFECS": 1.0, "latent": 1.0}
    )
    codes, _ = check_codes(PipelineSettings(inference=ONNX_RUNTIME))
    assert codes.level is Level.ERROR and "action units by" in codes.text


def test_shared_memory_and_the_profile_of_dds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_shared_memory(tmp_path).level is Level.OK
    assert check_shared_memory(tmp_path / "nowhere").level is Level.WARNING
    monkeypatch.setattr("facial_coding_ros.self_check.machine.LEAST_SHARED_MEMORY", 1 << 60)
    assert "--shm-size" in check_shared_memory(tmp_path).text
    pytest.importorskip("rclpy")
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", str(tmp_path / "gone.xml"))
    assert check_dds().level is Level.WARNING and "not there" in check_dds().text
    monkeypatch.delenv("FASTDDS_DEFAULT_PROFILES_FILE")
    monkeypatch.delenv("FASTRTPS_DEFAULT_PROFILES_FILE", raising=False)
    monkeypatch.delenv("FASTDDS_BUILTIN_TRANSPORTS", raising=False)
    monkeypatch.delenv("RMW_IMPLEMENTATION", raising=False)
    own = check_dds()
    udp = "fastdds_udp.xml" in own.text
    assert own.level is (Level.OK if udp else Level.WARNING) and (udp or "net.core.rmem_max" in own.text)
    monkeypatch.setenv("FASTDDS_BUILTIN_TRANSPORTS", "DEFAULT")
    assert check_dds().level is Level.WARNING and "without a profile" in check_dds().text
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_cyclonedds_cpp")
    assert check_dds().level is Level.OK


@pytest.mark.skipif(not what_tensorrt_lacks(), reason="TensorRT is here")
def test_a_gpu_that_was_asked_for_and_is_not_there_is_an_error() -> None:
    assert check_gpu(InferenceSettings()).level is Level.OK
    assert check_gpu(replace(InferenceSettings(), backend="tensorrt")).level is Level.ERROR


@pytest.mark.slow
def test_doctor_says_one_line_each_and_its_exit_code_what_they_come_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx")
    assert cli.main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    named = [line[8:].partition(":")[0] for line in lines]
    assert named[:6] == ["machine", "tracker", "detector", "landmarks", "codes", "time"] and "DDS" in named
    values = {"tracking": {"networks": str(less_sure_detector(tmp_path))}}
    file = tmp_path / "parameters.yaml"
    file.write_text(yaml.safe_dump({"/**": {"ros__parameters": values}}))
    assert cli.main(["doctor", "--params-file", str(file)]) == 1
    assert any(line.startswith("ERROR   detector: ") for line in capsys.readouterr().out.splitlines())
    assert cli.main(["doctor", "--params-file", str(tmp_path / "nowhere")]) == 1
