# SPDX-License-Identifier: Apache-2.0
"""Non-negative sparse codes: min over v >= 0 of 1/2 |x - v U|^2 + alpha sum_j |u_j| v_j.

With rows u_j of length 1 this is scikit-learn's `sparse_encode(..., algorithm="lasso_cd", positive=True)`; weighting by
|u_j| makes the answer independent of the rows' lengths: doubling a row halves its code and changes nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def unit_rows(dictionary: ArrayLike) -> tuple[Array, Array]:
    """Rows of length 1 and the lengths; an empty row stays empty, with length 1."""
    rows = np.asarray(dictionary, np.float64)
    lengths = np.linalg.norm(rows, axis=1)
    lengths[lengths == 0] = 1.0
    return rows / lengths[:, None], lengths


def encode(x: ArrayLike, dictionary: ArrayLike, alpha: float, tolerance: float = 1e-9, steps: int = 20000) -> Array:
    """Codes (n, k) of motions (n, d) for a dictionary (k, d): the iteration of `UnrolledAdmm` until it stands still.

    tolerance: largest change of a code in one step, relative to the largest code, at which a motion counts as done.
    Where two rows are all but the same, the step is averaged with standing still, which always converges.
    """
    rows, lengths = unit_rows(dictionary)
    admm = UnrolledAdmm.of(rows, alpha, steps)
    start = np.asarray(x, np.float64) @ admm.project + admm.offset
    eigenvalues = np.linalg.eigvalsh(rows @ rows.T)
    share = 1.0 if eigenvalues[0] > 1e-6 * eigenvalues[-1] else 0.5
    state = start.copy()
    moving = np.arange(len(start))
    for step in range(steps):
        now = state[moving]
        new = (1 - share) * now + share * (np.abs(now) @ admm.step + start[moving])
        state[moving] = new
        if step % 10 == 9:
            # A motion leaves when it stands still; the others go on in a smaller batch.
            change = np.abs(new - now).max(1, initial=0.0)
            moving = moving[change > tolerance * max(np.abs(state).max(initial=0.0), 1e-300)]
            if not len(moving):
                break
    codes = np.maximum(state, 0.0) / lengths
    codes[:, ~np.asarray(dictionary, bool).any(1)] = 0.0
    return codes


@dataclass(frozen=True)
class UnrolledAdmm:
    """ADMM for the same problem as a fixed number of steps of plain operations, ready to be a graph.

    ADMM with relaxation 2 (Peaceman-Rachford) keeps a primal z = relu(s) and a dual w = min(s, 0); both follow from
    their sum s, which makes a step s' = |s| step + start with step = (rho I - G)(rho I + G)^-1 and
    start = 2 (x U' - alpha)(rho I + G)^-1. G = U U' of unit rows; rho = sqrt(smallest x largest eigenvalue of G) makes
    each step shrink the error by (sqrt(c) - 1) / (sqrt(c) + 1) or more, c being G's condition number. That is the worst
    case: rows of other lengths, which change no answer, and a larger rho often need fewer steps.

    project: (d, k), offset: (k,); start = x project + offset. step: (k, k). scale: (k,); codes = relu(s) scale.
    """

    project: Array
    offset: Array
    step: Array
    scale: Array
    steps: int

    @classmethod
    def of(
        cls, dictionary: ArrayLike, alpha: float, steps: int, balance: float = 0.0, stretch: float = 1.0
    ) -> UnrolledAdmm:
        """balance: 0: unit rows; 1: rows whose lengths give G and its inverse the same diagonal. stretch: of rho."""
        rows, lengths = unit_rows(dictionary)
        gram = rows @ rows.T
        sizes = np.diag(np.linalg.inv(gram + 1e-8 * np.eye(len(gram)))) ** (balance / 4)
        sizes /= sizes.mean()
        gram *= np.outer(sizes, sizes)
        eigenvalues = np.linalg.eigvalsh(gram)
        rho = stretch * float(np.sqrt(max(eigenvalues[0], 1e-4 * eigenvalues[-1]) * eigenvalues[-1]))
        inverse = np.linalg.inv(gram + rho * np.eye(len(gram)))
        return cls(
            project=2 * (sizes[:, None] * rows).T @ inverse,
            offset=-2 * alpha * sizes @ inverse,
            step=2 * rho * inverse - np.eye(len(gram)),
            scale=sizes / lengths,
            steps=steps,
        )

    def encode(self, x: ArrayLike) -> Array:
        """Codes (n, k) of motions (n, d)."""
        for codes in self._course(x, self.steps):  # one at a time: all of them would fill the memory
            last = codes
        return last

    def steps_needed(self, x: ArrayLike, exact: Array, error: float, most: int) -> int | None:
        """Fewest steps, a multiple of 5, to codes of `x` within `error` of the exact ones; None: `most` do not do."""
        for step, codes in enumerate(self._course(x, most)):
            if step and step % 5 == 0 and np.abs(codes - exact).max() <= error:
                return step
        return None

    def _course(self, x: ArrayLike, steps: int) -> Iterator[Array]:
        """The codes before the first step and after each."""
        start = np.asarray(x, np.float64) @ self.project + self.offset
        s = start
        yield np.maximum(s, 0.0) * self.scale
        for _ in range(steps):
            s = np.abs(s) @ self.step + start
            yield np.maximum(s, 0.0) * self.scale


def quickest_admm(
    dictionary: ArrayLike, alpha: float, x: ArrayLike, error: float = 6e-5, most: int = 600
) -> UnrolledAdmm:
    """The one whose codes of `x` are within `error` of the largest converged code after the fewest steps.

    Raises ValueError when `most` are not enough.
    """
    exact = encode(x, dictionary, alpha)
    best: UnrolledAdmm | None = None
    for balance, stretch in product((0.0, 0.5, 1.0), (1.0, 1.5, 2.0)):
        admm = UnrolledAdmm.of(dictionary, alpha, 0, balance, stretch)
        # What is not better than the best so far is of no interest.
        steps = admm.steps_needed(x, exact, error * np.abs(exact).max(), best.steps - 1 if best else most)
        if steps is not None:
            best = replace(admm, steps=steps)
    if best is None:
        raise ValueError(
            f"{most} steps do not bring the codes within {error:g} of the largest: the action units are too alike"
        )
    return best
