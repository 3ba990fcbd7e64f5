# SPDX-License-Identifier: Apache-2.0
"""Non-negative least squares by its normal equations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray


def nonnegative(gram: FloatArray, goal: FloatArray, support: NDArray[np.bool_], rounds: int = 12) -> FloatArray:
    """x >= 0 that minimises x'Gx / 2 - g'x, by block principal pivoting (Kim and Park 2011) from a support.

    gram: (m, m) positive definite. goal: (m,). The answer after `rounds` is feasible, if not always the best.
    """
    chosen = support
    fewest, spare = len(goal) + 1, 3
    x = np.zeros_like(goal)
    for _ in range(rounds):
        x = np.zeros_like(goal)
        index = chosen.nonzero()[0]
        if len(index):
            x[index] = np.linalg.solve(gram[index[:, None], index], goal[index])
        wrong = np.where(chosen, x < 0, gram @ x - goal < -1e-4)
        count = int(np.count_nonzero(wrong))
        if not count:
            return x
        if count < fewest:
            fewest, spare = count, 3
        elif spare:
            spare -= 1
        else:  # one at a time, which cannot cycle
            last = int(wrong.nonzero()[0][-1])
            wrong = np.zeros_like(wrong)
            wrong[last] = True
        chosen = chosen ^ wrong
    return np.maximum(x, 0)
