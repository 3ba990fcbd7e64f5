# SPDX-License-Identifier: Apache-2.0
"""The 70 landmarks of REP-155: the 68-point scheme and both pupils."""

from __future__ import annotations

import numpy as np

from ..keypoints import PUPILS, SPARSE
from ..types import Face, FloatArray

_FIRST, _SECOND = np.vstack([SPARSE.mesh_points, np.repeat(np.array(PUPILS)[:, None], 2, axis=1)]).T
"""Mesh points whose mean each landmark is."""


def landmarks_70(face: Face) -> FloatArray:
    """(70, 2) pixels; 68 is the right pupil, 69 the left."""
    points = face.mesh[:, :2]
    return (points.take(_FIRST, 0) + points.take(_SECOND, 0)) * np.float32(0.5)
