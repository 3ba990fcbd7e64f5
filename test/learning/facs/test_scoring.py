# SPDX-License-Identifier: Apache-2.0
"""Agreement measures against independent references."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from facial_coding_ros.learning.facs.scoring import agreement, auc, calibration, confusion, f1, icc31, share


def test_icc_of_shrout_and_fleiss():
    # Shrout and Fleiss (1979), table 2: judges 1 and 2 of six targets; ICC(3,1) by hand from their mean squares.
    first, second = np.array([9.0, 6, 8, 7, 10, 6]), np.array([2.0, 1, 4, 1, 5, 2])
    rows, columns = np.stack([first, second], 1).mean(1), np.array([first.mean(), second.mean()])
    grand = rows.mean()
    between = 2 * ((rows - grand) ** 2).sum() / 5
    residual = np.stack([first, second], 1) - rows[:, None] - columns + grand
    expected = (between - (residual**2).sum() / 5) / (between + (residual**2).sum() / 5)
    assert icc31(first, second) == pytest.approx(expected)
    assert icc31(first, first + 3) == pytest.approx(1.0)  # consistency: a constant offset does not matter
    assert icc31(first, 0.3 * first) < 0.6  # but a shrunk answer does
    assert np.isnan(icc31(np.zeros(4), np.arange(4.0)))


def test_auc_and_f1_as_scikit_learn():
    rng = np.random.default_rng(0)
    present = rng.random(300) < 0.2
    score = np.round(present * 0.3 + rng.random(300), 1)  # with ties
    assert auc(present, score) == pytest.approx(roc_auc_score(present, score))
    assert f1(present, score > 0.8) == pytest.approx(f1_score(present, score > 0.8))
    assert np.isnan(auc(np.zeros(3, bool), np.arange(3.0))) and np.isnan(f1(np.zeros(3, bool), np.ones(3, bool)))


def test_intervals_are_wider_with_fewer_people():
    rng = np.random.default_rng(1)
    truth = rng.random((400, 2))
    people = np.repeat(np.arange(40), 10)
    offset = rng.normal(0, 0.4, (40, 2))[people]  # a person's own error
    many, _ = agreement(truth, truth + offset, people, draws=100)
    few, _ = agreement(truth[:80], (truth + offset)[:80], people[:80], draws=100)
    assert many[0].icc[1] < many[0].icc[0] < many[0].icc[2]
    assert few[0].icc[2] - few[0].icc[1] > many[0].icc[2] - many[0].icc[1]


def test_confusion_takes_rows_where_a_unit_leads():
    truth = np.array([[0.8, 0.1], [0.1, 0.9], [0.8, 0.75]])
    estimate = np.array([[0.6, 0.2], [0.0, 0.7], [9.0, 9.0]])
    np.testing.assert_allclose(confusion(truth, estimate, {}), [[0.6, 0.2], [0.0, 0.7]], atol=1e-6)
    assert confusion(truth, estimate, {0: [1]})[0, 0] == pytest.approx((0.6 + 9.0) / 2)


def test_share_and_calibration():
    assert share(np.array([True, False, False, False]), np.arange(4))[0] == 0.25
    bins = calibration(np.array([0.05, 0.95, 0.95, 0.95]), np.array([False, True, True, False]), 10)
    assert bins[0].tolist() == pytest.approx([0.05, 0.0, 1.0]) and bins[9, 1] == pytest.approx(2 / 3)
