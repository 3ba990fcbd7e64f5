# SPDX-License-Identifier: Apache-2.0
"""A portrait as a watertight mesh of triangles: the face finely, its surroundings by rings, and the warp they make."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

from ...types import SURFACE_POINTS, FloatArray
from .topology import LOWER_LIP, OVAL, UPPER_LIP, mesh_triangles, subdivide

# Distances of the rings from the oval, in eye distances; the last lies beyond any image.
_RINGS = (0.06, 0.13, 0.21, 0.3, 0.4, 0.52, 0.66, 0.82, 1.0, 1.2, 1.45, 1.75, 2.1, 2.6, 3.2, 4.0, 30.0)
_BACK_OF_FACE = 1.15
"""Depth of the head's outline behind the eyes, in eye distances."""


def smoothstep(values: FloatArray, start: float, end: float) -> FloatArray:
    """0 before `start`, 1 after `end`, smooth between."""
    t = np.clip((values - start) / (end - start), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


class WarpMesh:
    """Vertices over a whole portrait.

    source: (v, 3) in eye distances from the middle between the eyes; x right, y down, z away. triangles: (t, 3).
    spread: (v, 468) turns offsets of the surface points into those of all vertices. head: (v,) 1 where a
    vertex moves with the skull, 0 where with the body.
    """

    def __init__(self, mesh: FloatArray, opened: FloatArray) -> None:
        """mesh: (468, 3) in eye distances. opened: (468, 3) a face whose lips do not touch, to interpolate over."""
        coarse = mesh_triangles()
        fine, edges = subdivide(coarse, SURFACE_POINTS)
        middles = opened[edges].mean(axis=1)
        smooth = RBFInterpolator(opened, np.eye(SURFACE_POINTS), kernel="thin_plate_spline")
        between = smooth(middles).astype(np.float32)
        inner = np.concatenate([np.eye(SURFACE_POINTS, dtype=np.float32), between])
        face = np.concatenate([mesh, mesh[edges].mean(axis=1)])

        edge_index = {(edge[0], edge[1]): SURFACE_POINTS + n for n, edge in enumerate(edges.tolist())}
        loop: list[int] = []
        for a, b in zip(OVAL, (*OVAL[1:], OVAL[0]), strict=True):
            loop += [a, edge_index[(min(a, b), max(a, b))]]
        ring_source, ring_spread = self._rings(face[loop], inner[loop])

        self.source = np.concatenate([face, ring_source]).astype(np.float32)
        self.spread = np.concatenate([inner, ring_spread]).astype(np.float32)
        previous = np.array(loop)
        outer = []
        for number in range(len(_RINGS)):
            current = len(face) + number * len(loop) + np.arange(len(loop))
            following, next_current = np.roll(previous, -1), np.roll(current, -1)
            outer += [np.stack([previous, current, following], 1), np.stack([following, current, next_current], 1)]
            previous = current
        self.triangles = np.concatenate([*outer, fine]).astype(np.int32)
        chin = float(mesh[OVAL, 1].max())
        self.head = 1 - smoothstep(self.source[:, 1], chin - 0.05, chin + 0.75)
        self.head[: len(face)] = 1

    @staticmethod
    def _rings(oval: FloatArray, oval_spread: FloatArray) -> tuple[FloatArray, FloatArray]:
        centre = oval[:, :2].mean(axis=0)
        outward = oval[:, :2] - centre
        outward /= np.linalg.norm(outward, axis=1, keepdims=True)
        sources, spreads = [], []
        for distance in _RINGS:
            ring = oval.copy()
            ring[:, :2] += distance * outward
            ring[:, 2] += (_BACK_OF_FACE - oval[:, 2]) * (1 - np.exp(-((distance / 0.9) ** 2)))
            # Skin follows the face far below the chin, where the neck is soft, and less above the forehead.
            reach = 0.32 + 0.43 * np.clip(outward[:, 1], 0, 1)
            apart = np.linalg.norm(ring[:, None, :2] - oval[None, :, :2], axis=2)
            weights = (apart + 1e-3) ** -3.0
            weights /= weights.sum(axis=1, keepdims=True)
            sources.append(ring)
            spreads.append(np.exp(-((distance / reach) ** 2))[:, None] * (weights @ oval_spread))
        return np.concatenate(sources), np.concatenate(spreads)


def backward_map(
    source: FloatArray, target: FloatArray, depth: FloatArray, triangles: NDArray[np.int32], size: tuple[int, int]
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Where each pixel comes from.

    source, target: (v, 2) pixels. depth: (v,), larger is farther and drawn first. size: (height, width). Returns
    (height, width, 2) float32 and a mask of the pixels that a triangle covers.
    """
    a, b, c = (target[triangles[:, corner]] for corner in range(3))
    low, high = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
    edge1, edge2 = b - a, c - a
    area = edge1[:, 0] * edge2[:, 1] - edge1[:, 1] * edge2[:, 0]
    seen = (np.abs(area) > 1e-3) & (high > -1).all(axis=1) & (low < np.array(size[::-1])).all(axis=1)
    order = np.flatnonzero(seen)
    order = order[np.argsort(-depth[triangles[order]].sum(axis=1), kind="stable")]
    a, b, c, edge1, edge2, area = a[order], b[order], c[order], edge1[order], edge2[order], area[order, None]
    p, q, r = (source[triangles[order, corner]] for corner in range(3))
    # Columns of the affine map from target to source, by Cramer's rule.
    along_x = ((q - p) * edge2[:, 1:] - (r - p) * edge1[:, 1:]) / area
    along_y = ((r - p) * edge1[:, :1] - (q - p) * edge2[:, :1]) / area
    constant = p - along_x * a[:, :1] - along_y * a[:, 1:]
    lowest, highest = np.minimum(np.minimum(p, q), r), np.maximum(np.maximum(p, q), r)

    drawn = np.full(size, -1, np.int32)
    limit = 4.0 * max(size)
    fixed = np.round(np.clip(np.stack([a, b, c], axis=1), -limit, limit) * 16).astype(np.int32)
    for number, corners in enumerate(fixed):
        cv2.fillConvexPoly(drawn, corners, (number,), cv2.LINE_8, 4)
    covered = drawn >= 0
    index = drawn[covered]
    y, x = np.nonzero(covered)
    where = np.zeros((*size, 2), np.float32)
    found = along_x.take(index, axis=0) * x[:, None].astype(np.float32)
    found += along_y.take(index, axis=0) * y[:, None].astype(np.float32)
    found += constant.take(index, axis=0)
    # A pixel at the rim of a triangle lies partly outside it: thin ones would reach far.
    np.clip(found, lowest.take(index, axis=0), highest.take(index, axis=0), out=found)
    where[covered] = found
    return where, covered


class Seam:
    """Two contours that may touch but not cross: the lips, or the lids of an eye.

    opened: (468, 3) a face in which they do not touch, in eye distances. reach: how far the surroundings follow, in
    eye distances.
    """

    def __init__(self, upper: tuple[int, ...], lower: tuple[int, ...], opened: FloatArray, reach: float) -> None:
        self.upper, self.lower = list(upper[1:-1]), list(lower[1:-1])
        to_upper = np.linalg.norm(opened[:, None] - opened[None, self.upper], axis=2)
        to_lower = np.linalg.norm(opened[:, None] - opened[None, self.lower], axis=2)
        above = to_upper.min(axis=1) < to_lower.min(axis=1)
        self._spread_upper = _spread(to_upper, reach) * above[:, None]
        self._spread_lower = _spread(to_lower, reach) * ~above[:, None]

    def gap(self, mesh: FloatArray) -> FloatArray:
        """From each upper to its lower point, (n, 3)."""
        return np.asarray(mesh[self.lower] - mesh[self.upper], np.float32)

    def moved(self, down: FloatArray, up: FloatArray) -> FloatArray:
        """Offsets (468, 3) when the upper points move by `down` (n, 3), the lower by `up`, and the skin follows."""
        return np.asarray(self._spread_upper @ down + self._spread_lower @ up, np.float32)

    def kept_apart(self, mesh: FloatArray, axis: FloatArray, least: float) -> FloatArray:
        """Offsets (468, 3) that bring crossed points apart again, along `axis` (3,), to a gap of `least`."""
        missing = np.maximum(least - self.gap(mesh) @ axis, 0)[:, None] * axis
        return self.moved(-missing / 2, missing / 2)


def _spread(distance: FloatArray, reach: float) -> FloatArray:
    weights = (distance + 1e-3) ** -3.0
    weights /= weights.sum(axis=1, keepdims=True)
    return np.asarray(weights * np.exp(-((distance.min(axis=1) / reach) ** 2))[:, None], np.float32)


def lip_seam(opened: FloatArray) -> Seam:
    """The inner edges of the lips."""
    return Seam(UPPER_LIP, LOWER_LIP, opened, 0.3)
