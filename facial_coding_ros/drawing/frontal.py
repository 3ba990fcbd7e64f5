# SPDX-License-Identifier: Apache-2.0
"""A face as it would look into the camera: its picture laid onto the mesh, and the mesh turned to the front."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import Delaunay, QhullError

from ..types import SURFACE_POINTS, Face, FloatArray, ImageArray

_SHARE = 0.9  # of the picture's side that the face takes at most
_SEEN = 0.05
"""Least share of a triangle's frontal area that the camera must have seen of it, up to scale."""


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
    seen = face.mesh[:SURFACE_POINTS].astype(np.float64)
    front = frontal_points(face, side)
    try:
        triangles = Delaunay(front)
    except QhullError:
        return np.zeros((side, side, 3), np.uint8)
    places = LinearNDInterpolator(triangles, seen[:, :2])
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2).astype(np.float64)
    source = places(grid).astype(np.float32).reshape(side, side, 2)
    view = cv2.remap(image, source[..., 0], source[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    corners = triangles.simplices
    share = _areas(seen[corners][..., :2]) / _areas(front[corners])
    inside = triangles.find_simplex(grid)
    usual = np.median(np.abs(share))
    hidden = (inside < 0) | (share[inside] < _SEEN * usual)
    view.reshape(-1, 3)[hidden] = 0
    return np.asarray(view, np.uint8)


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
