# SPDX-License-Identifier: Apache-2.0
"""From registered faces and their neutrals to what the coding models take, as a formula of the joined graph."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..types import SURFACE_POINTS, FloatArray
from .formula import Formula

_DENSE, _SPARSE = (SURFACE_POINTS, 3), (68, 2)


def motion_formula(gather: NDArray[np.intp]) -> Formula:
    """`motion`: registered faces and neutrals -> motions, their size, and keypoints of both.

    gather: (k, points), mesh points whose mean each keypoint of the latent's model is. Outputs: kpm (136,), as
    types.Motion.kpm; dense_motion (468, 3), in eye distances; size (1,), root mean square of how far points moved;
    points and neutral_points, (points, 3).
    """
    keypoints = (gather.shape[1], 3)

    def keypoints_of(dense: FloatArray) -> FloatArray:
        points = dense.take(gather[0], 1)
        for places in gather[1:]:
            points = points + dense.take(places, 1)
        return points * (1 / len(gather))

    def motions(
        dense: FloatArray, sparse: FloatArray, neutral_dense: FloatArray, neutral_sparse: FloatArray
    ) -> tuple[FloatArray, ...]:
        moved = dense - neutral_dense
        row = moved.reshape(-1, 3 * SURFACE_POINTS)
        size = np.linalg.norm(row, axis=1, keepdims=True) * SURFACE_POINTS**-0.5
        kpm = (sparse - neutral_sparse).transpose(0, 2, 1).reshape(-1, 136)
        return kpm, moved, size, keypoints_of(dense), keypoints_of(neutral_dense)

    return Formula(
        "motion",
        {"dense": _DENSE, "sparse": _SPARSE, "neutral_dense": _DENSE, "neutral_sparse": _SPARSE},
        {"kpm": (136,), "dense_motion": _DENSE, "size": (1,), "points": keypoints, "neutral_points": keypoints},
        motions,
        [gather],
    )
