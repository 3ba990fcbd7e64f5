# SPDX-License-Identifier: Apache-2.0
"""The Hungarian method against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from facial_coding_ros.tracking.assignment import least_cost_pairs


@pytest.mark.parametrize("impossible", [0.0, 0.5])
def test_the_same_pairs_as_scipy(impossible: float) -> None:
    rng = np.random.default_rng(5)
    for _ in range(300):
        rows, columns = rng.integers(1, 9, 2)
        cost = 3 * rng.random((rows, columns))
        cost[rng.random((rows, columns)) < impossible] = 1e6
        pairs = least_cost_pairs(cost)
        theirs = linear_sum_assignment(cost)
        assert len(pairs) == min(rows, columns) == len({column for _, column in pairs}) == len({r for r, _ in pairs})
        assert sum(cost[pair] for pair in pairs) == pytest.approx(cost[theirs].sum(), rel=1e-9)
        if not impossible:  # the least cost is that of one choice alone
            assert pairs == list(zip(*(one.tolist() for one in theirs), strict=True))


def test_nobody_and_one() -> None:
    assert least_cost_pairs(np.empty((0, 3))) == [] == least_cost_pairs(np.empty((3, 0)))
    assert least_cost_pairs(np.array([[7.0]])) == [(0, 0)]
