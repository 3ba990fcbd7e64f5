# SPDX-License-Identifier: Apache-2.0
"""An image network in the pipeline: its own rate, answers with their age, replay and background."""

from __future__ import annotations

import dataclasses
import itertools
import os
import time
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch to make a network: make training")

from facial_coding_ros.au_networks.async_runner import AsyncNetworkRunner  # noqa: E402
from facial_coding_ros.au_networks.live import NetworkSettings  # noqa: E402
from facial_coding_ros.au_networks.specs import NetworkSpec  # noqa: E402
from facial_coding_ros.coding.facs import FacsSettings  # noqa: E402
from facial_coding_ros.image.sources import open_source  # noqa: E402
from facial_coding_ros.learning.au_networks.export import export  # noqa: E402
from facial_coding_ros.learning.au_networks.networks import build  # noqa: E402
from facial_coding_ros.pipeline import Pipeline, PipelineSettings  # noqa: E402

from ..conftest import CLIP  # noqa: E402

AUS = (1, 9, 12)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> PipelineSettings:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("network") / "small.onnx"
    export(build(NetworkSpec("me_graphau", AUS, 1, "resnet18", width=8)).eval(), path, {"what": "test", "licence": "-"})
    network = NetworkSettings(model=str(path), rate_hz=5.0, threads=1)
    return PipelineSettings(facs=FacsSettings(source="network"), network=network)


def test_answers_come_at_the_networks_rate_with_their_age(settings: PipelineSettings) -> None:
    pipeline = Pipeline(settings)
    assert pipeline.form.aus == AUS
    assert "image network: ONNX Runtime" in pipeline.backend
    ages, answers = [], []
    for frame in itertools.islice(open_source(CLIP).frames(), 30):
        for code in pipeline.process(frame)[:1]:
            ages.append(round(code.aus_age_s, 3))
            answers.append(code.aus.intensity)
            assert code.aus.codes == AUS
    pipeline.close()
    assert max(ages) == 0.16 and ages.count(0) == pytest.approx(len(ages) / 5, abs=1.5), "25 fps, 5 Hz"
    changed = [not np.array_equal(a, b) for a, b in itertools.pairwise(answers)]
    assert [age == 0 for age in ages[1:]] == changed, "an answer is kept until the next one"


def test_in_the_background_answers_arrive_later(settings: PipelineSettings) -> None:
    pipeline = Pipeline(settings, background=True)
    arrived = False
    end = time.monotonic() + 60
    for frame in itertools.cycle(itertools.islice(open_source(CLIP).frames(), 40)):
        codes = pipeline.process(frame)
        arrived = arrived or any(code.aus.presence.size for code in codes)
        if arrived or time.monotonic() > end:
            break
    pipeline.close()
    assert arrived


def test_a_network_needs_a_model() -> None:
    with pytest.raises(ValueError, match=r"network\.model is empty"):
        Pipeline(PipelineSettings(facs=FacsSettings(source="network")))
    wrong = NetworkSettings(model=str(Path("nowhere.onnx")))
    with pytest.raises(FileNotFoundError, match=r"nowhere\.onnx"):
        Pipeline(dataclasses.replace(PipelineSettings(facs=FacsSettings(source="network")), network=wrong))


def test_a_machine_of_many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 96)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.onnx"):  # and no word on threads
        AsyncNetworkRunner(NetworkSettings(model="nowhere.onnx"), background=False)


def test_blendshapes_need_the_tasks_backend() -> None:
    with pytest.raises(ValueError, match=r"needs tracking\.landmark_backend 'tasks'"):
        Pipeline(PipelineSettings(facs=FacsSettings(source="blendshapes")))
