# SPDX-License-Identifier: Apache-2.0
"""What the limit of shapes means where people come and go."""

from __future__ import annotations

import numpy as np
import pytest

from facial_coding_ros.learning.studies.shape_on_stills import ShapeScore, wrong_merges
from facial_coding_ros.tracking.tracks import ANOTHER


def test_wrong_merges_by_hand() -> None:
    """None where strangers are told; the share of strangers within the limit counts in proportion, people squared."""
    assert wrong_merges(5.0, 0.0, minutes=500) == 0
    few, many = wrong_merges(5.0, 0.2, minutes=4000), wrong_merges(5.0, 0.8, minutes=4000)
    assert many == pytest.approx(4 * few, rel=0.15)
    assert wrong_merges(10.0, 0.8, minutes=4000) == pytest.approx(4 * many, rel=0.1)
    # Before each arrival 5 / 60 * 1.5 people left in the last 1.5 s; in reach are most of an image of 7 faces.
    assert 0.4 < many / (5 * 5 / 60 * 1.5 * 0.8) < 0.9


def test_scores_of_shapes() -> None:
    own, foreign = np.linspace(0, 2 * ANOTHER, 101), np.linspace(0, 4 * ANOTHER, 101)
    score = ShapeScore.of(own, foreign)
    assert score.own_beyond == pytest.approx(0.5, abs=0.01) and score.strangers_within == pytest.approx(0.25, abs=0.01)
    assert score.at_tenth == pytest.approx(0.45, abs=0.01)
