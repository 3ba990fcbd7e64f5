# SPDX-License-Identifier: Apache-2.0
"""The triangles and contours of MediaPipe's face mesh."""

from __future__ import annotations

import numpy as np
from mediapipe.python.solutions import face_mesh_connections
from numpy.typing import NDArray

from ...types import SURFACE_POINTS

# Contours from the person's right to left (image left to image right), corner points in both halves.
UPPER_LIP = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_LIP = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
OUTER_UPPER_LIP = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
OUTER_LOWER_LIP = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
RIGHT_UPPER_LID = (33, 246, 161, 160, 159, 158, 157, 173, 133)
RIGHT_LOWER_LID = (33, 7, 163, 144, 145, 153, 154, 155, 133)
LEFT_UPPER_LID = (362, 398, 384, 385, 386, 387, 388, 466, 263)
LEFT_LOWER_LID = (362, 382, 381, 380, 374, 373, 390, 249, 263)
CHIN = 152

# Round the face, clockwise in the image from the middle of the forehead.
_RIGHT_OF_OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377)
_LEFT_OF_OVAL = (152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)
OVAL = (*_RIGHT_OF_OVAL, *_LEFT_OF_OVAL)

# Three edges that meet without being a triangle of the surface, at the wings of the nose.
_NOT_SURFACE = {(49, 64, 129), (279, 294, 358)}


def mesh_triangles() -> NDArray[np.int32]:
    """Triangles (852, 3) of the surface's 468 points; the eyes and the mouth are holes."""
    neighbours: list[set[int]] = [set() for _ in range(SURFACE_POINTS)]
    for i, j in face_mesh_connections.FACEMESH_TESSELATION:
        neighbours[i].add(j)
        neighbours[j].add(i)
    found = {
        (i, j, k)
        for i in range(SURFACE_POINTS)
        for j in neighbours[i]
        if j > i
        for k in neighbours[i] & neighbours[j]
        if k > j
    }
    return np.array(sorted(found - _NOT_SURFACE), np.int32)


def subdivide(triangles: NDArray[np.int32], count: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Each triangle into four: triangles (4 n, 3), and the edges (m, 2) whose middles become points from `count` on."""
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]], axis=2).reshape(-1, 2)
    unique, inverse = np.unique(edges, axis=0, return_inverse=True)
    ab, bc, ca = (count + inverse.reshape(-1, 3)).T
    a, b, c = triangles.T
    parts = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    fine = np.concatenate([np.stack(part, axis=1) for part in parts])
    return fine.astype(np.int32), unique.astype(np.int32)
