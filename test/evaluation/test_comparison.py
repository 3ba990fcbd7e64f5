# SPDX-License-Identifier: Apache-2.0
"""Two runs compared: what is more than chance, and what breaks the thresholds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facial_coding_ros.cli import main
from facial_coding_ros.evaluation.comparison import Change, ComparisonError, _sure, compare, read_thresholds
from facial_coding_ros.evaluation.evaluate import Options
from facial_coding_ros.evaluation.results import Result, ResultError, read_result
from facial_coding_ros.evaluation.statistics import agreement, detection, draws_of, interval

PEOPLE, EACH = 12, 120


def result(noise: float, people: int = PEOPLE, seed: int = 1, shift: float = 0.0) -> Result:
    """Of a run whose answers are the truth and some noise; people differ in how hard they are."""
    rng = np.random.default_rng(0)
    unit = np.repeat(np.arange(people), EACH)
    truth = rng.random(people * EACH) < 0.4
    hard = np.repeat(rng.gamma(2, 0.5, people), EACH)
    said = 0.5 * truth + noise * hard * np.random.default_rng(seed).normal(0, 1, len(truth)) + shift
    found = detection(said > 0.25, truth, said, unit, people) | agreement(0.5 * truth, said, unit, people)
    figures = {f"au/12/{name}": statistic for name, statistic in found.items()}
    return Result(figures, "people", tuple(f"p{i}" for i in range(people)), {"processing_p95_ms": 10.0 + seed}, ())


def test_a_worse_run_is_worse() -> None:
    changes = {change.name: change for change in compare(result(0.15), result(0.3, seed=2))}
    for name in ("au/12/f1", "au/mean/f1", "au/12/auc", "au/12/icc31", "au/12/mae"):
        assert changes[name].sure and changes[name].verdict == "worse" and changes[name].loss > 0, name
    assert changes["au/12/mae"].difference > 0, "an error that rises is a loss"
    assert changes["au/12/f1"].low <= changes["au/12/f1"].difference <= changes["au/12/f1"].high < 0
    back = {change.name: change.verdict for change in compare(result(0.3, seed=2), result(0.15))}
    assert back["au/12/f1"] == "better"


def test_the_same_run_is_the_same() -> None:
    assert {change.verdict for change in compare(result(0.2), result(0.2))} == {"same"}


def test_few_people_prove_nothing() -> None:
    """However clear it is: with two people, or with one of twelve who shows the unit at all."""
    few = compare(result(0.1, people=2), result(0.5, people=2, seed=2))
    assert all(change.loss > 0.01 and not change.sure for change in few if change.name.endswith(("mae", "f1")))
    assert all(change.sure for change in compare(result(0.1), result(0.5, seed=2)) if change.name.endswith("f1"))
    unit = np.repeat(np.arange(PEOPLE), EACH)
    truth = (unit == 3) & (np.arange(len(unit)) % 2 == 0)
    runs = []
    for hits in (0.9, 0.2):
        said = truth & (np.random.default_rng(0).random(len(unit)) < hits)
        figures = {f"au/9/{n}": s for n, s in detection(said, truth, said.astype(float), unit, PEOPLE).items()}
        runs.append(Result(figures, "people", tuple(f"p{i}" for i in range(PEOPLE)), {}, ()))
    change = next(change for change in compare(*runs) if change.name == "au/9/f1")
    assert change.loss > 0.3 and not change.sure


def test_noise_alone_is_seldom_more_than_chance() -> None:
    """40 pairs of runs that differ by luck only: false alarms stay about as rare as promised."""
    alarms = sum(
        any(c.sure for c in compare(result(0.25, seed=2 * i), result(0.25, seed=2 * i + 1), 500)) for i in range(1, 41)
    )
    assert alarms <= 8, alarms


def test_pairing_finds_what_people_would_hide() -> None:
    """People differ by far more than the runs do; drawing the same people for both cancels that."""
    first, second = result(0.2), result(0.19)
    change = next(change for change in compare(first, second) if change.name == "au/12/mae")
    assert change.verdict == "better"
    alone = np.ptp(interval(first.figures["au/12/mae"].value(draws_of(PEOPLE))))
    assert change.high - change.low < alone / 4


def test_other_people_or_units() -> None:
    first, second = result(0.2), result(0.2)
    with pytest.raises(ComparisonError, match="the runs share nothing to compare: 12 people and 12 people, 0 in both"):
        compare(first, Result(second.figures, "people", tuple(f"q{i}" for i in range(PEOPLE)), {}, ()))
    fewer = result(0.2, people=6)
    partly = compare(first, Result(fewer.figures, "people", fewer.units, {}, ()))
    assert partly, "the people of both are compared"


def test_judged_otherwise() -> None:
    first = result(0.2)
    for options, words in (
        (Options(present_from=4), "--present-from is 2 and 4"),
        (Options(tolerance_s=0.1), "--tolerance is 0.025 and 0.1"),
        (Options(threshold=0.5), "--threshold is 0.3 and 0.5"),
    ):
        with pytest.raises(ComparisonError, match=words):
            compare(first, replace(first, options=options))
    assert compare(first, replace(first, options=Options(threshold=0.3))), "the default's own value"
    with pytest.raises(ComparisonError, match="different labels"):
        compare(first, replace(first, labels="others"))


def test_benjamini_and_hochberg() -> None:
    # Of m = 5 with limits 0.01, 0.02, 0.03, 0.04, 0.05.
    assert _sure([0.2, 0.011, 0.005, 0.029, 0.9]).tolist() == [False, True, True, True, False]
    assert _sure([0.04, np.nan, 0.045]).tolist() == [True, False, True]
    assert not _sure([np.nan]).any()


def test_thresholds(tmp_path: Path) -> None:
    path = tmp_path / "thresholds.yaml"
    for text, words in (
        ("- a", "lines such as"),
        ("au/mean/f1: {least: 1}", "are known"),
        ("au/mean/f1: {min: high}", "'high' is not what it takes"),
        ("a: [", "is no readable YAML"),
    ):
        path.write_text(text)
        with pytest.raises(ComparisonError, match=words):
            read_thresholds(path)
    change = Change("au/12/mae", 0.1, 0.13, 0.01, 0.05, 0.001, True)
    assert change.loss == pytest.approx(0.03) and change.verdict == "worse"


def replayed(folder: Path, late: int) -> None:
    from .test_evaluate import Writer, smiling

    writer = Writer(folder)
    for frame in range(90):
        writer.face(frame, "abcde", smiling(frame - late))
    writer.write()


def test_command_and_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from .test_evaluate import labels_csv

    for name, late in (("a", 1), ("b", 6)):
        replayed(tmp_path / name, late)
    labels = labels_csv(tmp_path / "labels.csv")
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    assert main(["compare", a, b]) == 1
    assert "holds no evaluation.json; run `facial_coding evaluate" in capsys.readouterr().err
    assert main(["compare", a, b, "--labels", str(labels)]) == 0
    for run in (a, b):
        assert main(["evaluate", run, "--labels", str(labels)]) == 0
    assert read_result(tmp_path / "a").figures["au/12/f1"].total() > 0.9
    thresholds = tmp_path / "thresholds.yaml"
    thresholds.write_text("au/12/f1: {min: 0.5, max_loss: 0.5}\nprocessing_*: {max: 1}\n")
    capsys.readouterr()
    assert main(["compare", a, b, "--thresholds", str(thresholds), "--csv", str(tmp_path / "c.csv")]) == 3
    assert "broken: processing_*: no figure of this name in both runs" in capsys.readouterr().out
    thresholds.write_text("'au/*/f1': {max_loss: 0.02}\n")
    assert main(["compare", a, b, "--thresholds", str(thresholds)]) == 3
    said = capsys.readouterr().out
    assert "broken: au/12/f1 went from" in said and "broken: au/mean/f1 went from" in said
    assert main(["compare", b, a, "--thresholds", str(thresholds)]) == 0, "the other way round it is a gain"
    assert (tmp_path / "c.csv").read_text().startswith("figure,a,b,difference,low,high,p,verdict")
    missing = tmp_path / "nowhere" / "c.csv"
    assert main(["compare", a, b, "--csv", str(missing)]) == 1
    assert str(missing) in capsys.readouterr().err


def test_of_the_replay_that_lies_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that was replayed again is evaluated again; one that was moved, or is no more, need not."""
    from .test_evaluate import labels_csv

    labels = str(labels_csv(tmp_path / "labels.csv"))
    a, b, apart = (tmp_path / name for name in ("a", "b", "apart"))
    for run in (a, b):
        replayed(run, 1)
        assert main(["evaluate", str(run), "--labels", labels]) == 0
    assert main(["evaluate", str(b), "--labels", labels, "--out", str(apart)]) == 0
    assert main(["compare", str(a), str(apart)]) == 0
    replayed(b, 6)
    capsys.readouterr()
    for second in (b, apart):
        assert main(["compare", str(a), str(second)]) == 1
        said = capsys.readouterr().err
        assert f"is of another replay than {b} holds now; run `facial_coding evaluate {b} --labels {labels}`" in said
    assert main(["evaluate", str(b), "--labels", labels]) == 0
    b.rename(tmp_path / "c")
    assert main(["compare", str(a), str(tmp_path / "c")]) == 0
    assert main(["compare", str(a), str(apart)]) == 0
    (a / "recording.json").write_text((a / "recording.json").read_text().replace("/recordings", "/elsewhere"))
    with pytest.raises(ResultError, match="of another replay"):
        read_result(a)


def test_strict_json(tmp_path: Path) -> None:
    """One person in one stretch of time: no figure has an interval."""
    from .test_evaluate import labels_csv

    replayed(tmp_path / "a", 1)
    assert main(["evaluate", str(tmp_path / "a"), "--labels", str(labels_csv(tmp_path / "labels.csv"))]) == 0

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    text = (tmp_path / "a" / "evaluation" / "evaluation.json").read_text()
    content = json.loads(text, parse_constant=refuse)
    assert content["options"]["threshold"] is None and content["table"][0]["low"] is None
    found = read_result(tmp_path / "a")
    assert np.isnan(found.options.threshold) and np.isnan(found.rows[0].low)
