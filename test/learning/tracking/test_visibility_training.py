# SPDX-License-Identifier: Apache-2.0
"""The head for hidden parts, fitted on features in which they can be read."""

from __future__ import annotations

import numpy as np

from facial_coding_ros.learning.expression.face_features import FeatureRows
from facial_coding_ros.learning.tracking.covered_views import REGIONS, CoveredViews
from facial_coding_ros.learning.tracking.visibility_training import (
    aside,
    fit_visibility,
    pairs,
    part_scores,
    scores,
)


def made_views(count: int = 20_000, size: int = 60) -> CoveredViews:
    """Each region is hidden in a fifth of the views; features are the regions, mixed, with noise."""
    rng = np.random.default_rng(0)
    hidden = (rng.random((count, len(REGIONS))) < 0.2).astype(np.float32)
    features = 3 * hidden @ rng.normal(size=(len(REGIONS), size)) + rng.normal(size=(count, size))
    rows = FeatureRows(
        features.astype(np.float16), np.zeros((count, 3), np.float16), np.arange(count),
        np.ones((count, 3), np.float32), np.full(count, 90, np.float32), np.ones(count, np.float32),
    )  # fmt: skip
    people = np.array([f"person {number % 2000}" for number in range(count)])
    return CoveredViews(rows, hidden, np.full(count, "open"), people, np.zeros(count, bool))


def test_hidden_regions_of_people_kept_aside_are_noticed() -> None:
    views = made_views()
    head = fit_visibility(views)
    judging = views.where(aside(views))
    assert 0.1 < len(judging.kind) / len(views.kind) < 0.3
    assert not set(judging.person) & set(views.person[~aside(views)])
    visible = head.visible(judging.rows.features)
    for one in scores(visible, judging).values():
        assert one.noticed > 0.9 and one.false_claims < 0.06 and one.hidden > 50
    for one in part_scores(pairs(visible), judging).values():
        assert one.noticed > 0.9 and one.false_claims < 0.03
    assert np.median(visible[judging.hidden == 0]) > 0.9, "what is seen is seen"
