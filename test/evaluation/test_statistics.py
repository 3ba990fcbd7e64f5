# SPDX-License-Identifier: Apache-2.0
"""Figures against scikit-learn and hand-computed values; the bootstrap against doing it the long way."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from facial_coding_ros.evaluation.statistics import (
    Statistic,
    agreement,
    detection,
    draws_of,
    interval,
    mean_value,
    ratio,
)
from facial_coding_ros.evaluation.timing import Durations

RNG = np.random.default_rng(5)
N, UNITS = 600, 7
UNIT = RNG.integers(0, UNITS, N)
TRUTH = RNG.random(N) < 0.3
SCORE = np.round(np.clip(0.3 * TRUTH + RNG.normal(0.3, 0.2, N), 0, 1), 2)  # with ties
SAID = SCORE >= 0.45


def weights_of(draw: np.ndarray) -> np.ndarray:
    return draw[UNIT]


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("f1", lambda w: metrics.f1_score(TRUTH, SAID, sample_weight=w)),
        ("accuracy", lambda w: metrics.accuracy_score(TRUTH, SAID, sample_weight=w)),
        ("balanced_accuracy", lambda w: metrics.balanced_accuracy_score(TRUTH, SAID, sample_weight=w)),
        ("auc", lambda w: metrics.roc_auc_score(TRUTH, SCORE, sample_weight=w)),
    ],
)
def test_detection_as_scikit_learn_also_when_units_count_several_times(name, reference) -> None:
    statistic = detection(SAID, TRUTH, SCORE, UNIT, UNITS)[name]
    draws = draws_of(UNITS, 20, seed=1)
    values = statistic.value(draws)
    for draw, value in zip(draws, values, strict=True):
        assert value == pytest.approx(reference(weights_of(draw)), abs=1e-9)
    assert statistic.total() == pytest.approx(reference(np.ones(N)), abs=1e-9)


def test_agreement() -> None:
    x, y = RNG.random(N), RNG.random(N)
    y = 0.6 * x + 0.4 * y + 0.1
    found = agreement(x, y, UNIT, UNITS)
    assert found["pearson"].total() == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-9)
    assert found["mae"].total() == pytest.approx(metrics.mean_absolute_error(x, y))
    draw = draws_of(UNITS, 1, seed=3)[0]
    kept = np.repeat(np.arange(N), weights_of(draw).astype(int))
    assert found["pearson"].value(draw)[0] == pytest.approx(np.corrcoef(x[kept], y[kept])[0, 1], abs=1e-9)


def test_icc_of_shrout_and_fleiss() -> None:
    """ICC(3,1) by an analysis of variance, and the two raters' extreme cases."""
    x, y = RNG.normal(0, 1, 40), RNG.normal(0, 1, 40)
    y = x + 0.5 * y + 3
    ratings = np.stack([x, y], 1)
    rows, columns, grand = ratings.mean(1, keepdims=True), ratings.mean(0, keepdims=True), ratings.mean()
    between = 2 * ((rows - grand) ** 2).sum() / 39
    error = ((ratings - rows - columns + grand) ** 2).sum() / 39
    unit = np.zeros(40, int)
    assert agreement(x, y, unit, 1)["icc31"].total() == pytest.approx((between - error) / (between + error))
    assert agreement(x, x + 7, unit, 1)["icc31"].total() == pytest.approx(1), "a constant bias does not count"
    assert agreement(x, -x, unit, 1)["icc31"].total() == pytest.approx(-1)
    assert np.isnan(agreement(np.ones(4), np.ones(4), np.zeros(4, int), 1)["icc31"].total())


def test_expressions() -> None:
    truth, said = RNG.integers(0, 4, N), RNG.integers(0, 4, N)
    said = np.where(RNG.random(N) < 0.5, truth, said)
    confusion = np.zeros((UNITS, 4, 5))
    np.add.at(confusion, (UNIT, truth, said), 1)
    statistic = Statistic("macro_f1", {"confusion": confusion})
    for draw in draws_of(UNITS, 5, seed=2):
        reference = metrics.f1_score(truth, said, average="macro", sample_weight=weights_of(draw))
        assert statistic.value(draw)[0] == pytest.approx(reference)


def test_calibration_error_by_hand() -> None:
    # Two bins: 10 answers stated at 0.9 of which 6 are right, 10 at 0.3 of which 4 are.
    sums = {"count": np.array([[10.0, 10.0]]), "stated": np.array([[3.0, 9.0]]), "right": np.array([[4.0, 6.0]])}
    assert Statistic("calibration_error", sums).total() == pytest.approx((1 + 3) / 20)


def test_what_is_not_defined_is_nan() -> None:
    nothing = detection([False] * 3, [False] * 3, [0.1, 0.2, 0.3], np.zeros(3, int), 1)
    assert np.isnan(nothing["f1"].total()) and np.isnan(nothing["auc"].total()) and nothing["accuracy"].total() == 1
    assert np.isnan(interval(np.array([1.0, np.nan, np.nan]))).all()


def test_interval_covers_what_it_says() -> None:
    """Of 200 samples of 25 people with different means, about 95 % of the intervals hold the true mean."""
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        person = np.repeat(np.arange(25), 20)
        values = np.repeat(rng.normal(0.5, 0.1, 25), 20) + rng.normal(0, 0.1, 500)
        low, high = interval(ratio(values, np.ones(500), person, 25).value(draws_of(25, 500, seed=trial)))
        hits += low <= 0.5 <= high
    assert 0.88 <= hits / 200 <= 0.99


def test_units_can_be_left_out_and_told_as_json() -> None:
    found = detection(SAID, TRUTH, SCORE, UNIT, UNITS)
    kept = UNIT < 3
    part = detection(SAID[kept], TRUTH[kept], SCORE[kept], UNIT[kept], 3)
    for name, statistic in found.items():
        assert Statistic.from_json(statistic.of([0, 1, 2]).as_json()).total() == pytest.approx(part[name].total())
    once = np.ones(UNITS)
    assert mean_value([found["f1"], found["auc"]], once)[0] == pytest.approx(
        (found["f1"].total() + found["auc"].total()) / 2
    )


def test_durations() -> None:
    durations = Durations()
    seconds = RNG.gamma(4, 0.003, 5000)
    for value in seconds:
        durations.add(value)
    content = durations.summary_ms()
    for name, share in (("p50", 50), ("p95", 95), ("p99", 99)):
        assert content[name] == pytest.approx(1000 * np.percentile(seconds, share), rel=0.03)
    assert content["mean"] == pytest.approx(1000 * seconds.mean()) and content["max"] == pytest.approx(
        1000 * seconds.max()
    )
    assert Durations().summary_ms() == {}
