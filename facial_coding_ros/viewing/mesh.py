"""The surface of a face for a 3-D view: triangles, shading, and its motion against the neutral in colour."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray

FULL_MOTION = 0.12
"""Inter-ocular distances at which the colour is strongest; a broad smile moves the mouth's corners about as far."""
_STOPS = np.array([0.0, 0.25, 0.6, 1.0])
_TINTS = np.array([(186, 190, 196), (244, 208, 120), (236, 120, 60), (190, 30, 50)], float)


@functools.cache
def triangles() -> NDArray[np.uint32]:
    """(852, 3) of the mesh's 468 surface points. Read when the first mesh is drawn: MediaPipe has them."""
    from ..learning.synthesis.topology import mesh_triangles

    return mesh_triangles().astype(np.uint32)


def colours(motion: FloatArray | None, count: int) -> NDArray[np.uint8]:
    """(count, 3) RGB: grey where nothing moves, by yellow to red; all grey while no neutral is known."""
    if motion is None:
        return np.full((count, 3), 150, np.uint8)
    share = np.clip(np.linalg.norm(motion, axis=1) / FULL_MOTION, 0, 1)
    return np.stack([np.interp(share, _STOPS, _TINTS[:, c]) for c in range(3)], axis=1).astype(np.uint8)


def normals(points: FloatArray) -> FloatArray:
    """(n, 3) unit normals of the vertices, out of the face."""
    corners = triangles()
    a, b, c = (points[corners[:, i]] for i in range(3))
    faces = np.cross(b - a, c - a)
    faces *= np.where(faces[:, 2:] > 0, -1, 1)  # z points away from the viewer
    total = np.stack(
        [np.bincount(corners.ravel(), np.repeat(faces[:, axis], 3), minlength=len(points)) for axis in range(3)],
        axis=1,
    )
    return (total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9)).astype(np.float32)
