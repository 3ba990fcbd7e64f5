# SPDX-License-Identifier: Apache-2.0
"""Filtering latents over time."""

from __future__ import annotations

import numpy as np
import pytest

from facial_coding_ros.coding.perceptual.latent_filter import MAX_SUBJECTS, OneEuro

FRAME_NS = 33_333_333


def course(values, filters):
    return np.array([filters.update(["a"], np.float32([v]), i * FRAME_NS)[0] for i, v in enumerate(values)])


def test_quiet_at_rest_and_quick_in_motion():
    rng = np.random.default_rng(0)
    rest = 0.15 * rng.standard_normal((300, 4))
    assert course(rest, OneEuro())[30:].std() < 0.6 * rest[30:].std()
    step = np.zeros((60, 4))
    step[20:] = 2.5  # a smile is about four units long
    got = np.linalg.norm(course(step, OneEuro()), axis=1)
    half = np.flatnonzero(got > 2.5)[0]  # half of |(2.5, 2.5, 2.5, 2.5)| = 5
    assert half - 20 <= 2  # under 100 ms
    assert course(np.zeros((5, 4)), OneEuro()).max() == 0


def test_first_order_low_pass_when_speed_counts_for_nothing():
    filters = OneEuro(rest_hz=2.0, gain=0.0)
    values = course(np.array([[0.0], [1.0], [1.0]]), filters)[:, 0]
    turn = 2 * np.pi * 2.0 * FRAME_NS * 1e-9
    share = turn / (1 + turn)
    assert values == pytest.approx([0, share, share + share * (1 - share)], rel=1e-4)


def test_subjects_jumps_gaps_and_bounds():
    filters = OneEuro()
    one, two = np.float32([[0, 0]]), np.float32([[1, 1]])
    filters.update(["a"], one, 0)
    assert not np.allclose(filters.update(["a"], two, FRAME_NS), two)
    assert np.allclose(filters.update(["b"], two, FRAME_NS), two)  # another face starts where it is
    assert np.allclose(filters.update(["a"], two, 0), two)  # back in time
    assert np.allclose(filters.update(["a"], one, 5_000_000_000), one)  # after a gap
    unknown = np.float32([[np.nan, np.nan]])
    assert np.isnan(filters.update(["a"], unknown, 5_100_000_000)).all()
    assert np.isfinite(filters.update(["a"], one, 5_200_000_000)).all()
    assert np.isnan(filters.update(["c"], unknown, 0)).all()  # of a new face
    assert np.allclose(filters.update(["c"], two, FRAME_NS), two)
    for i in range(3 * MAX_SUBJECTS):
        filters.update([f"f{i}"], one, i)
    assert len(filters._faces) == MAX_SUBJECTS
    assert not np.allclose(filters.update(["f190", "new"], np.float32([[1, 1], [5, 5]]), 200), [[1, 1], [5, 5]])
    with pytest.raises(ValueError, match=f"at most {MAX_SUBJECTS}"):
        filters.update(["f"] * (MAX_SUBJECTS + 1), np.zeros((MAX_SUBJECTS + 1, 2), np.float32), 200)
    before = filters.update(["f190"], two, 200)
    assert np.array_equal(before, filters.update(["f190"], one, 200))  # the same frame again changes nothing
