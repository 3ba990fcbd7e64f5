# SPDX-License-Identifier: Apache-2.0
"""The surface of a face for pictures and 3-D views: its shading, and its motion against the neutral in colour."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray

FULL_MOTION = 0.12
"""Inter-ocular distances at which the colour is strongest; a broad smile moves the mouth's corners about as far."""
_STOPS = np.array([0.0, 0.25, 0.6, 1.0])
_TINTS = np.array([(186, 190, 196), (244, 208, 120), (236, 120, 60), (190, 30, 50)], float)


def motion_colours(motion: FloatArray | None, count: int) -> NDArray[np.uint8]:
    """(count, 3) RGB: grey where nothing moves, by yellow to red; all grey while no neutral is known."""
    if motion is None:
        return np.full((count, 3), 150, np.uint8)
    share = np.clip(np.linalg.norm(motion, axis=1) / FULL_MOTION, 0, 1)
    return np.stack([np.interp(share, _STOPS, _TINTS[:, c]) for c in range(3)], axis=1).astype(np.uint8)


def vertex_normals(points: FloatArray, triangles: NDArray[Any]) -> FloatArray:
    """(n, 3) unit normals of the vertices, towards the viewer: z points away from them."""
    a, b, c = (points[triangles[:, i]] for i in range(3))
    faces = np.cross(b - a, c - a)
    faces *= np.where(faces[:, 2:] > 0, -1, 1)
    corners = triangles.ravel()
    total = [np.bincount(corners, np.repeat(faces[:, axis], 3), minlength=len(points)) for axis in range(3)]
    stacked = np.stack(total, axis=1)
    return (stacked / np.maximum(np.linalg.norm(stacked, axis=1, keepdims=True), 1e-9)).astype(np.float32)
