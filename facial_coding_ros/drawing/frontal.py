# SPDX-License-Identifier: Apache-2.0
"""A face as it would look into the camera: its picture laid onto the mesh, and the mesh turned to the front."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..types import SURFACE_POINTS, Face, FloatArray, ImageArray

_SHARE = 0.9  # of the picture's side that the face takes at most
_SEEN = 0.05
"""Least share of a triangle's frontal area that the camera must have seen of it, up to scale."""
_NO_AREA = 1e-6
_FINE = 4
"""Bits of a pixel's fraction, where triangles are drawn."""


def frontal_view(image: ImageArray, face: Face, side: int) -> ImageArray:
    """The face turned to the front, in the middle of a square; what the camera did not see of it stays black.

    Parameters
    ----------
    image : array of uint8, (height, width, 3)
        RGB.
    face : Face
        Its mesh and pose belong to the image.
    side : int
        Of the square, in pixels.

    Returns
    -------
    array of uint8, (side, side, 3)
        All black where the mesh spans no area.
    """
    seen = face.mesh[:SURFACE_POINTS, :2].astype(np.float64)
    front = frontal_points(face, side)
    triangles = delaunay(front, side)
    if not len(triangles):
        return np.zeros((side, side, 3), np.uint8)
    corners, sources = front[triangles], seen[triangles]
    share = _areas(sources.astype(np.float32)) / _areas(corners)
    usual = np.median(np.abs(share))
    hidden = share < _SEEN * usual
    # Which triangle each pixel lies in; the last one, of no place, for those outside of all.
    inside = np.full((side, side), len(triangles), np.int32)
    for index, corner in enumerate(np.round(corners * (1 << _FINE)).astype(np.int32)):
        if not hidden[index]:
            cv2.fillConvexPoly(inside, corner, (index,), shift=_FINE)
    # From the picture to the image each triangle is an affine map.
    ones = np.ones((len(triangles), 3, 1))
    maps = np.linalg.solve(np.concatenate([corners, ones], axis=2), sources)
    maps = np.concatenate([maps, np.full((1, 3, 2), -2.0)])[inside]
    y, x = np.mgrid[:side, :side]
    source = (x[..., None] * maps[..., 0, :] + y[..., None] * maps[..., 1, :] + maps[..., 2, :]).astype(np.float32)
    view = cv2.remap(image, source[..., 0], source[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    view[inside == len(triangles)] = 0
    return np.asarray(view, np.uint8)


def delaunay(points: FloatArray, side: int) -> NDArray[np.intp]:
    """Triangles between points of a square picture (Delaunay), as rows of three of their numbers, (n, 3).

    By OpenCV: SciPy's would be loaded by the node for this alone, and take 35 MiB. Points at one place count as one;
    none where they span no area.
    """
    places = points.astype(np.float32)
    number = {(x, y): index for index, (x, y) in enumerate(places.tolist())}
    plane = cv2.Subdiv2D((-1, -1, side + 3, side + 3))
    plane.insert([(x, y) for x, y in places.tolist()])  # OpenCV before 4.5.3 reads points as tuples alone
    found = np.array(plane.getTriangleList()).reshape(-1, 3, 2)
    known = [[number.get((x, y), -1) for x, y in triangle] for triangle in found.tolist()]
    triangles = np.array(known, np.intp).reshape(-1, 3)
    triangles = triangles[(triangles >= 0).all(axis=1)]
    return triangles[np.abs(_areas(points[triangles])) > _NO_AREA]


def frontal_points(face: Face, side: int) -> FloatArray:
    """Where the mesh's surface points lie in that picture, (468, 2) pixels."""
    seen = face.mesh[:SURFACE_POINTS].astype(np.float64)
    turned = (seen - seen.mean(0)) @ face.pose.rotation.astype(np.float64)
    flat = turned[:, :2] * (1, -1)  # canonical y points up
    low, high = flat.min(0), flat.max(0)
    scale = _SHARE * side / max(float((high - low).max()), 1e-6)
    return (flat - (low + high) / 2) * scale + side / 2


def _areas(corners: FloatArray) -> FloatArray:
    """Twice the signed areas of triangles (n, 3, 2)."""
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
