# SPDX-License-Identifier: Apache-2.0
"""Heads fitted on made features: people apart, what is exported answers as what was fitted, fusion that learns."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="heads are fitted with torch; the robot does not need it")

from facial_coding_ros.coding.expression.appearance import FEATURES, LOGITS, POINTS  # noqa: E402
from facial_coding_ros.coding.expression.witness_fusion import log_softmax  # noqa: E402
from facial_coding_ros.inference import ModelFile, open_session  # noqa: E402
from facial_coding_ros.learning.expression.fusion_training import (  # noqa: E402
    PRIOR,
    fit_affine,
    prior_weights,
    stranger_start,
)
from facial_coding_ros.learning.expression.head_export import write_head  # noqa: E402
from facial_coding_ros.learning.expression.head_training import (  # noqa: E402
    REGIONS,
    Directions,
    HeadTrainingSettings,
    TrainingRows,
    fit_head,
    folds_of,
    out_of_fold,
    weights_of,
)

QUICK = HeadTrainingSettings(steps=60, dropout=0.1)


@pytest.fixture(scope="module")
def made():
    """240 views of 60 people: features and points that tell the label, and directions of them."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 8, 240)
    features = rng.normal(0, 0.3, (240, REGIONS + 64)).astype(np.float32)
    points = rng.normal(0, 0.01, (240, 1404)).astype(np.float32)
    features[:, :400] += np.eye(8)[label].repeat(50, 1)
    points[:, :80] += 0.02 * np.eye(8)[label].repeat(10, 1)
    directions = Directions.fit(features, points, {"regions": 20, "surface": 8, "points": 12})
    person = rng.integers(0, 60, 240)
    x = directions(features, points)
    fold = folds_of([str(one) for one in person], 3, 0.2)
    rows = TrainingRows(x, label, person, fold, np.full(240, 2), rng.random(240) < 0.2)
    return features, points, directions, rows


def test_a_head_tells_people_it_did_not_see(made):
    rows = made[3]
    told, heads = out_of_fold(rows, QUICK)
    assert sorted(heads) == sorted(set(rows.fold[rows.fold >= 0].tolist()))
    asked = rows.fold >= 0
    assert np.isnan(told[~asked]).all() and np.isfinite(told[asked]).all()
    assert (told[asked].argmax(1) == rows.label[asked]).mean() > 0.7
    assert np.isnan(out_of_fold(rows, QUICK, folds=[0])[0][rows.fold == 1]).all()


def test_what_is_exported_answers_as_what_was_fitted(made, tmp_path):
    features, points, directions, rows = made
    fitted = fit_head(rows, QUICK)
    head = directions.folded(*fitted.linear)
    expected = fitted.log_probability(rows.x)
    np.testing.assert_allclose(log_softmax(head.logits(features, points)), expected, atol=1e-3)
    given = {FEATURES: features[:4], POINTS: points[:4].reshape(4, -1, 3)}
    write_head(tmp_path / "head.onnx", head, {"licence": "made"}, "ab" * 32, given)
    session = open_session(ModelFile.read(tmp_path / "head.onnx"))
    answers = session.run(given)
    np.testing.assert_allclose(answers[LOGITS], expected[:4], atol=1e-3)  # log-probabilities
    assert (abs(answers["affect"]) <= 1).all()
    assert session.model.card["landmark_source_sha256"] == "ab" * 32


def test_labels_count_alike_and_many_views_of_a_person_little(made):
    rows = made[3]
    weight = weights_of(rows)
    assert weight.sum() == pytest.approx(1)
    still = ~rows.made
    shares = [weight[still & (rows.label == label)].sum() for label in (0, 1, 2, 3, 4)]
    np.testing.assert_allclose(shares, shares[0], rtol=1e-6)
    lone = TrainingRows(
        rows.x[:10], np.zeros(10, int), np.array([0] * 9 + [1]), np.zeros(10, int), np.ones(10, int), np.zeros(10, bool)
    )
    of_nine, of_one = weights_of(lone)[:9].sum(), weights_of(lone)[9]
    assert of_nine / of_one == pytest.approx(3)


def test_calibration_follows_the_prior():
    rng = np.random.default_rng(1)
    label = rng.integers(0, 8, 4000)
    seen = (1.5 * np.eye(8)[label] + rng.normal(0, 1, (4000, 8))).astype(np.float32)
    inputs = log_softmax(4 * seen)  # much too sure (1.5 would be right), and all labels alike
    weight, bias = fit_affine(inputs, label, prior_weights(label), stranger_start(), 0.003)
    told = np.exp(log_softmax(inputs @ weight + bias))
    own = prior_weights(label)
    np.testing.assert_allclose(own @ told, PRIOR, atol=0.01)  # as common as the prior says
    most = told.max(1)
    assert own @ most == pytest.approx(own @ (told.argmax(1) == label), abs=0.03)
