# SPDX-License-Identifier: Apache-2.0
"""Keypoint schemes as data: names, parts, mirrors, and how each follows from MediaPipe's mesh.

Indices count from 0. Parts are the person's own left and right. Every scheme is an affine combination of mesh points,
so the same weights serve pixels and eye distances, two and three dimensions, any head pose.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..face_model.ict import IctFaces
from ..types import MESH_POINTS, SURFACE_POINTS, FloatArray
from .mesh_mirror import MESH_PAIRS

PUPILS = (468, 473)
"""Mesh points of the person's right and left iris centre."""

RIGHT_EYE_CORNERS, LEFT_EYE_CORNERS = (33, 133), (362, 263)
"""Mesh points of the corners; an eye centre is their mean, which a blink does not move."""


@dataclass(frozen=True, eq=False)
class Scheme:
    """A set of keypoints with an order.

    parts: name -> indices, together all points. mirror: (count,) index of each point's mirror image.
    mesh_points: (count, 2) indices of the two mesh points, or twice the same one, whose mean the point is.
    """

    name: str
    parts: Mapping[str, tuple[int, ...]]
    mirror: tuple[int, ...]
    mesh_points: NDArray[np.intp]

    @property
    def count(self) -> int:
        return len(self.mirror)

    def from_mesh(self, mesh: ArrayLike) -> FloatArray:
        """Points (..., count, d) of meshes (..., 468 or 478, d)."""
        points = np.asarray(mesh, np.float32)
        first = points[..., self.mesh_points[:, 0], :]
        first += points[..., self.mesh_points[:, 1], :]
        first *= np.float32(0.5)
        return np.asarray(first)

    def from_columns(self, mesh: FloatArray) -> FloatArray:
        """Points (n, d, count) of meshes (n, d, 468 or 478); the same numbers, several times quicker."""
        points = mesh.take(self.mesh_points[:, 0], 2)
        points += mesh.take(self.mesh_points[:, 1], 2)
        points *= np.float32(0.5)
        return points

    @property
    def mesh_weights(self) -> FloatArray:
        """(count, 468); points = mesh_weights @ mesh."""
        weights = np.zeros((self.count, SURFACE_POINTS), np.float32)
        for column in self.mesh_points.T:
            weights[np.arange(self.count), column] += 0.5
        return weights

    def mirrored(self, points: ArrayLike) -> FloatArray:
        """The mirror image (..., count, d) of points (..., count, d) whose x is 0 in the middle of the face."""
        flipped = np.array(points, np.float32)[..., self.mirror, :]
        flipped[..., 0] *= -1
        return flipped


def _span(first: int, last: int) -> tuple[int, ...]:
    return tuple(range(first, last + 1))


# 68 points (Multi-PIE, iBUG): mesh points whose mean is taken, from the jaw's right end over the brows, nose and eyes
# to the inner lips. After Peizhi Yan's table, with the jaw moved: there, point 13 is not the mirror image of 3, points
# 3 and 4 share a mesh point, and the jaw's ends lie below the eyes. Jaw points lie on the mesh's edge, while a 68-point
# tracker puts them on the visible contour.
_JAW_RIGHT = ((162, 127), (127, 234), (93,), (132,), (58, 172), (136,), (150, 149), (176,))
_BROW_RIGHT = ((70,), (63,), (105,), (66,), (107,))
_NOSE_BRIDGE = ((168, 6), (197, 195), (5,), (4,))
_NOSE_RIGHT = ((75,), (97,))
_EYE_RIGHT = ((33,), (160,), (158,), (133,), (153,), (144,))
_MOUTH_RIGHT = ((61,), (39,), (37,)), ((84,), (91,)), ((78,), (82,)), (87,)
_MIRROR = {a: b for pair in MESH_PAIRS for a, b in (pair, pair[::-1])}

Points = tuple[tuple[int, ...], ...]


def _left(points: Iterable[tuple[int, ...]]) -> Points:
    """Mirror images, in the opposite order."""
    return tuple(tuple(_MIRROR.get(i, i) for i in point) for point in points)[::-1]


def _points_68() -> Points:
    upper, lower, inner_upper, inner_lower = _MOUTH_RIGHT
    eye_left = _left(_EYE_RIGHT)  # 47 46 45 44 43 42 -> 42 43 44 45 46 47 below
    return (
        *_JAW_RIGHT, (152,), *_left(_JAW_RIGHT),
        *_BROW_RIGHT, *_left(_BROW_RIGHT),
        *_NOSE_BRIDGE, *_NOSE_RIGHT, (2,), *_left(_NOSE_RIGHT),
        *_EYE_RIGHT, *eye_left[2:], *eye_left[:2],
        *upper, (0,), *_left(upper), *_left(lower), (17,), *lower,
        *inner_upper, (13,), *_left(inner_upper), *_left((inner_lower,)), (14,), inner_lower,
    )  # fmt: skip


_PARTS_68 = {
    "jaw": _span(0, 16),
    "right_brow": _span(17, 21),
    "left_brow": _span(22, 26),
    "nose": _span(27, 35),
    "right_eye": _span(36, 41),
    "left_eye": _span(42, 47),
    "outer_lips": _span(48, 59),
    "inner_lips": _span(60, 67),
}

# The 83 points of BU-3DFE and BP4D. The releases give the parts' ranges; the order inside a part is read as in the 68
# points: from the person's right to left along the upper side, back along the lower. Nose: down its right side, along
# the base, up the left side. Contour: from the right ear to the left.
_BROW_83_RIGHT = ((70,), (63,), (105,), (66,), (107,), (55,), (65,), (52,), (53,), (46,))
_EYE_83_RIGHT = ((33,), (160,), (159,), (158,), (133,), (153,), (145,), (144,))
_NOSE_83_RIGHT = ((193,), (198,), (49,), (64,), (75,), (97,))
_JAW_83_RIGHT = ((127,), (234,), (93, 132), (58,), (136,), (150, 149), (176,))
_BROW_83_LEFT = (*_left(_BROW_83_RIGHT[:5]), *_left(_BROW_83_RIGHT[5:]))
_EYE_83_LEFT = (*_left(_EYE_83_RIGHT[:5]), *_left(_EYE_83_RIGHT[5:]))
_FACE_83 = (
    *_NOSE_83_RIGHT, *_left(_NOSE_83_RIGHT), *_points_68()[48:], *_JAW_83_RIGHT, (152,), *_left(_JAW_83_RIGHT),
)  # fmt: skip
_FACE_PARTS_83 = {
    "nose": _span(36, 47),
    "outer_lips": _span(48, 59),
    "inner_lips": _span(60, 67),
    "contour": _span(68, 82),
}


def _scheme(name: str, parts: Mapping[str, tuple[int, ...]], points: Points) -> Scheme:
    order = {frozenset(point): row for row, point in enumerate(points)}
    mirror = tuple(order[frozenset(_MIRROR.get(i, i) for i in point)] for point in points)
    pairs = np.array([(point[0], point[-1]) for point in points])
    pairs.setflags(write=False)
    return Scheme(name, parts, mirror, pairs)


def _without(parts: Mapping[str, tuple[int, ...]], dropped: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Parts of a scheme that lacks some points of another one."""
    rank = {old: new for new, old in enumerate(i for i in _span(0, 67) if i not in dropped)}
    kept = {name: tuple(rank[i] for i in indices if i in rank) for name, indices in parts.items()}
    return {name: indices for name, indices in kept.items() if indices}


_INNER_MOUTH_CORNERS = (60, 64)
_SURFACE_PARTS = {
    "right": tuple(right for right, _ in MESH_PAIRS),
    "middle": tuple(i for i in range(SURFACE_POINTS) if i not in _MIRROR),
    "left": tuple(left for _, left in MESH_PAIRS),
}

MESH = _scheme("mesh468", _SURFACE_PARTS, tuple((i,) for i in range(SURFACE_POINTS)))
"""MediaPipe's surface; the 478-point mesh is this and ten points of the irises (IRISES)."""
SPARSE = _scheme("68", _PARTS_68, _points_68())
"""The 68-point scheme of Multi-PIE and iBUG."""
DISFA66 = _scheme(
    "disfa66",
    _without(_PARTS_68, _INNER_MOUTH_CORNERS),
    tuple(p for i, p in enumerate(_points_68()) if i not in _INNER_MOUTH_CORNERS),
)
"""DISFA's points: the 68 without the inner mouth corners."""
INNER49 = _scheme(
    "bp4d49",
    _without(_PARTS_68, _span(0, 16) + _INNER_MOUTH_CORNERS),
    tuple(p for i, p in enumerate(_points_68()) if i not in _span(0, 16) + _INNER_MOUTH_CORNERS),
)
"""BP4D's and DISFA+'s 2-D points: the 66 without the jaw."""
BU3DFE83 = _scheme(
    "bu3dfe83",
    {"right_eye": _span(0, 7), "left_eye": _span(8, 15), "right_brow": _span(16, 25), "left_brow": _span(26, 35)}
    | _FACE_PARTS_83,
    (*_EYE_83_RIGHT, *_EYE_83_LEFT, *_BROW_83_RIGHT, *_BROW_83_LEFT, *_FACE_83),
)
BP4D83 = _scheme(
    "bp4d83",
    {"right_brow": _span(0, 9), "left_brow": _span(10, 19), "right_eye": _span(20, 27), "left_eye": _span(28, 35)}
    | _FACE_PARTS_83,
    (*_BROW_83_RIGHT, *_BROW_83_LEFT, *_EYE_83_RIGHT, *_EYE_83_LEFT, *_FACE_83),
)
SCHEMES: Mapping[str, Scheme] = {s.name: s for s in (MESH, SPARSE, DISFA66, INNER49, BU3DFE83, BP4D83)}

IRISES: Mapping[str, tuple[int, ...]] = {
    "right_iris": _span(PUPILS[0], PUPILS[1] - 1),
    "left_iris": _span(PUPILS[1], MESH_POINTS - 1),
}

MESH_TO_68: FloatArray = SPARSE.mesh_weights
"""(68, 468): points68 = MESH_TO_68 @ mesh."""


@dataclass(frozen=True, eq=False)
class Conversion:
    """target points = weights @ source points; weights: (target, source), rows sum to 1.

    error: (target,) root mean square in eye distances over people and expressions of the ICT model; 0 where the point
    is the same in both.
    """

    weights: FloatArray
    error: FloatArray


@cache
def conversion(source: str, target: str) -> Conversion:
    """The map between two schemes by name (keys of SCHEMES).

    Points that both have are copied. Others are the affine combination of source points that fits 200 people and all
    expressions of the ICT model best (ridge, weights sum to 1, so it holds for any head pose and size).
    Raises KeyError for a name that is no scheme.
    """
    have, want = SCHEMES[source].mesh_weights, SCHEMES[target].mesh_weights
    faces = IctFaces.load()
    rng = np.random.default_rng(0)
    people = faces.people(200, rng)
    chosen = rng.integers(len(faces.expression), size=200)
    people = people + (rng.random((200, 1, 1)) * faces.expression[chosen]).astype(np.float32)
    samples = (have @ people).transpose(0, 2, 1).reshape(-1, have.shape[0]).astype(np.float64)
    wanted = (want @ people).transpose(0, 2, 1).reshape(-1, want.shape[0]).astype(np.float64)
    weights = np.zeros((len(want), len(have)))
    for row, definition in enumerate(want):
        same = np.flatnonzero((have == definition).all(1))
        if len(same):
            weights[row, same[0]] = 1
    missing = weights.sum(1) == 0
    if missing.any():
        # Weights that sum to 1: fit differences to the mean of the source points.
        centre = samples.mean(1, keepdims=True)
        x = samples - centre
        gram = x.T @ x + 1e-4 * len(x) * np.eye(len(have))
        slope = np.linalg.solve(gram, x.T @ (wanted[:, missing] - centre))
        weights[missing] = (slope + (1 - slope.sum(0)) / len(have)).T
    residual = (samples @ weights.T - wanted).reshape(len(people), 3, -1)
    error = np.sqrt((residual**2).sum(1).mean(0))
    error[~missing] = 0
    return Conversion(weights.astype(np.float32), error.astype(np.float32))
