# SPDX-License-Identifier: Apache-2.0
"""Outputs that nobody asks for are left out, and the others are what they are with all."""

from __future__ import annotations

import csv
import threading
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facial_coding_ros.cli import main
from facial_coding_ros.coding.facs import estimator
from facial_coding_ros.coding.output_settings import NOTHING, OUTPUTS, OutputSettings
from facial_coding_ros.coding.protocols import ExpressionEvidence
from facial_coding_ros.image.sources import open_source
from facial_coding_ros.inference import ModelError, Session
from facial_coding_ros.pipeline import Pipeline, PipelineSettings
from facial_coding_ros.tracking import TrackingSettings
from facial_coding_ros.types import FaceCode, Frame

from ..conftest import CLIP

SETTINGS = PipelineSettings(tracking=TrackingSettings(id_seed=1))
SETS = [set(), {"facs"}, {"dfecs", "latent"}, {"expression"}]


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    return list(islice(open_source(CLIP).frames(), 16))


@pytest.fixture(scope="module")
def whole(frames: list[Frame]) -> list[FaceCode]:
    with closing(Pipeline(SETTINGS)) as pipeline:
        return [code for frame in frames for code in pipeline.process(frame)]


@pytest.mark.parametrize("always", [True, False])
@pytest.mark.parametrize("wanted", SETS, ids=lambda wanted: "+".join(sorted(wanted)) or "nothing")
def test_what_is_asked_for_is_what_it_is_with_all(
    wanted: set[str], always: bool, frames: list[Frame], whole: list[FaceCode]
) -> None:
    """By settings, or frame by frame."""
    outputs = OutputSettings(**{name: name in wanted for name in OUTPUTS}) if always else OutputSettings()
    with closing(Pipeline(replace(SETTINGS, outputs=outputs))) as pipeline:
        asked = OUTPUTS if always else frozenset(wanted)
        codes = [code for frame in frames for code in pipeline.process(frame, wanted=asked)]
        form = pipeline.form
    assert len(codes) == len(whole) > 20
    for one, other in zip(codes, whole, strict=True):
        np.testing.assert_array_equal(one.face.mesh, other.face.mesh)
        assert (one.neutral_state, one.neutral_uncertainty) == (other.neutral_state, other.neutral_uncertainty)
        for name in ("dfecs", "latent"):
            expected = getattr(other, name) if name in wanted else np.empty(0)
            np.testing.assert_allclose(getattr(one, name), expected, atol=1e-5)
        assert bool(one.aus.codes) == ("facs" in wanted)
        assert bool(one.expression.labels) == ("expression" in wanted)
        if "facs" in wanted:
            np.testing.assert_allclose(one.aus.intensity, other.aus.intensity, atol=1e-5)
            np.testing.assert_allclose(one.aus.confidence, other.aus.confidence, atol=1e-5)
        if "expression" in wanted:
            np.testing.assert_allclose(one.expression.probability, other.expression.probability, atol=1e-5)
        assert np.isnan(one.talking) == np.isnan(other.talking) or not wanted
    if always:
        given = codes[-1]
        assert (form.aus, form.labels) == (given.aus.codes, given.expression.labels)
        assert (form.dfecs, form.latent) == (len(given.dfecs), len(given.latent))


def test_nothing_is_computed_for_nobody(frames: list[Frame], monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Pipeline(SETTINGS)) as pipeline:
        told: list[ExpressionEvidence] = []
        monkeypatch.setattr(pipeline.coding.source, "estimate", told.append)
        for frame in frames:
            pipeline.process(frame, wanted=NOTHING)
            pipeline.process(replace(frame, stamp_ns=frame.stamp_ns + 1), wanted=frozenset({"dfecs"}))
        times = pipeline.times.take()
    assert not told and times["coding"] > 0


def test_models_of_few_outputs_are_opened_beside_the_frames(
    frames: list[Frame], whole: list[FaceCode], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until they are open the joined graph goes on, with the same units; then it is run no more."""
    may_open, by = threading.Event(), set[int]()
    open_now = estimator.open_session

    def held(*what: Any) -> Session:
        assert may_open.wait(30)
        by.add(threading.get_ident())
        return open_now(*what)

    def joined(*what: Any) -> Any:
        raise AssertionError("it does more than is asked for")

    monkeypatch.setattr(estimator, "open_session", held)
    with closing(Pipeline(SETTINGS)) as pipeline:
        codes = [code for frame in frames[:10] for code in pipeline.process(frame, wanted=frozenset({"facs"}))]
        assert codes and not by
        may_open.set()
        assert pipeline.coding._few._opening is not None and pipeline.coding._few._opening.result(30)
        monkeypatch.setattr(pipeline.coding._graph, "run", joined)
        codes += [code for frame in frames[10:] for code in pipeline.process(frame, wanted=frozenset({"facs"}))]
    assert len(by) == 1 and threading.get_ident() not in by
    assert len(codes) == len(whole)
    for one, other in zip(codes, whole, strict=True):
        np.testing.assert_allclose(one.aus.intensity, other.aus.intensity, atol=1e-5)
        np.testing.assert_allclose(one.aus.confidence, other.aus.confidence, atol=1e-5)
        assert not one.expression.labels and not len(one.dfecs)


def test_models_of_few_outputs_that_cannot_be_opened(
    frames: list[Frame], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*what: Any) -> Session:
        raise ModelError("models/facs.onnx is no longer the file")

    monkeypatch.setattr(estimator, "open_session", refused)
    with closing(Pipeline(SETTINGS)) as pipeline:
        for frame in frames:
            codes = pipeline.process(frame, wanted=frozenset({"facs"}))
    assert codes and np.isfinite(codes[0].aus.intensity).all()
    assert [r.getMessage() for r in caplog.records] == [
        "models/facs.onnx is no longer the file; all that the joined graph gives is coded."
    ]


def test_a_replay_of_some_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    words = ["replay", str(CLIP), "--out", str(out), "--range", "0:0.6", "--formats", "csv"]
    assert main([*words, "--columns", "facs,smile"]) == 1
    assert "--columns facs,smile: 'smile' is none of dfecs, expression, facs, latent" in capsys.readouterr().err
    assert main([*words, "--columns", "facs"]) == 0
    with (out / "face_codes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows and "au12" in rows[0] and not {"dfecs_00", "latent_00", "p_happy"} & set(rows[0])
    assert {row["expression"] for row in rows} == {"unsure"} and float(rows[-1]["au12_confidence"]) > 0
