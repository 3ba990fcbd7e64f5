# SPDX-License-Identifier: Apache-2.0
"""The 70 landmarks of REP-155: the 68-point scheme and both pupils."""

from __future__ import annotations

import numpy as np

from ..keypoints import MESH_TO_68, PUPILS
from ..types import SURFACE_POINTS, Face, FloatArray


def landmarks_70(face: Face) -> FloatArray:
    """(70, 2) pixels; 68 is the right pupil, 69 the left."""
    surface = face.mesh[:SURFACE_POINTS, :2]
    return np.vstack([MESH_TO_68 @ surface, face.mesh[list(PUPILS), :2]]).astype(np.float32)
