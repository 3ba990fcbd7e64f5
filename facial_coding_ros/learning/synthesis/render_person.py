# SPDX-License-Identifier: Apache-2.0
"""One person to be rendered: the parts of the head, the colours of its vertices, the strokes on its skin."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from ...types import FloatArray
from .render_head import LANDMARKS, HeadModel, boundary_loops, smoothing
from .render_look import PersonLook

Values = NDArray[np.floating]
_LID_RINGS = 2
"""Rings of triangles from an eye's hole out to the edges of the lids, where landmarks 36 to 47 lie."""


@dataclass(frozen=True)
class Strokes:
    """Short lines on the surface. triangle (n,), place (n, 3) barycentric; along (n, 2) in the triangle's two edges."""

    triangle: NDArray[np.int64]
    place: FloatArray
    along: FloatArray


def cross(a: Values, b: Values) -> Values:
    """Of vectors (n, 2) in the plane."""
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


class Geometry:
    """What depends on the head model alone: masks, loops, smoothing. Made once."""

    def __init__(self, head: HeadModel) -> None:
        self.head = head
        self.smooth = smoothing(head.triangles, len(head.neutral))
        corner, triangle = head.triangles.reshape(-1), np.repeat(np.arange(len(head.triangles)), 3)
        self.of_triangles = sparse.csr_matrix(
            (np.ones(len(corner), np.float32), (corner, triangle)), (len(head.neutral), len(head.triangles))
        )
        loops = boundary_loops(head.triangles)
        small = sorted((loop for loop in loops if len(loop) < 100), key=lambda loop: head.neutral[loop, 0].mean())
        self.right_eye, self.mouth, self.left_eye = small
        self.right_lids, self.left_lids = (self._lids(loop) for loop in (self.right_eye, self.left_eye))
        self._landmarks = head.neutral[list(LANDMARKS)]
        front = head.neutral[:, 2] > 4
        x, y, z = head.neutral.T
        self.lips = self._soft(self._inside(self._landmarks[48:60, :2]) & (z > 8), 2)
        eye_y = self._landmarks[36:48, 1].mean()
        self.ears = (np.abs(x) > 7.9) & (np.abs(y) < 5.0) & (z < 3.5)
        hairline = 9.6 - 0.028 * x**2
        self.scalp_height = np.where(
            self.ears, -9.0, np.maximum(y - hairline, np.where((y > -1) & (z < 8), 2.6 - z, -9))
        )
        nose_y, mouth_y = self._landmarks[33, 1], self._landmarks[48:60, 1].mean()
        chin = self._landmarks[8]
        self.moustache = self._soft(
            (np.abs(x) < 3.2) & (y < nose_y - 0.25) & (y > mouth_y - 0.4) & (z > 8) & (self.lips < 0.1), 2
        )
        jaw_edge = -1.5 - 0.09 * np.maximum(5.5 - np.abs(x), 0) ** 2
        below = (y < np.minimum(jaw_edge, mouth_y + 1.2)) | ((y < eye_y - 2.0) & (np.abs(x) > 6.0))
        self.beard = self._soft(below & (y > chin[1] - 2.5) & (z > 1) & (self.lips < 0.1) & ~self.ears, 3)
        self.brows = self._soft(self._along_brows() & front, 1)
        self.cheeks = np.exp(-((np.abs(x) - 4.3) ** 2 / 3 + (y - 0.3) ** 2 / 4)) * front
        self.nose = np.exp(-(x**2 / 2 + (y - nose_y - 0.8) ** 2 / 2)) * front
        self.under_eyes = np.exp(-((np.abs(x) - 3.2) ** 2 / 2 + (y - 2.4) ** 2 / 0.3)) * front
        corners = head.neutral[head.triangles]
        seen = -cross(corners[:, 1, :2] - corners[:, 0, :2], corners[:, 2, :2] - corners[:, 0, :2])
        self._rooting = np.flatnonzero(front[head.triangles].all(1) & (np.abs(seen) > 0.25 * np.median(np.abs(seen))))
        self._root_tree = cKDTree(corners[self._rooting].mean(1)[:, :2])
        jaw = np.linalg.norm(head.expression["jawOpen"], axis=1)
        self.wrinkles = wrinkle_curves(self)
        self.jaw = np.flatnonzero((jaw > 0.75 * jaw.max()) & (self.lips < 0.05))[::7]

    def _lids(self, eye: NDArray[np.int64]) -> NDArray[np.int64]:
        """Loop along the edges of the lids. An eye's hole ends behind them, where little moves when they close."""
        behind = np.isin(self.head.triangles, eye)
        for _ in range(_LID_RINGS - 1):
            behind = np.isin(self.head.triangles, self.head.triangles[behind.any(1)])
        loops = boundary_loops(self.head.triangles[~behind.any(1)])
        centre = self.head.neutral[eye].mean(0)
        return min(loops, key=lambda loop: float(np.linalg.norm(self.head.neutral[loop].mean(0) - centre)))

    def _soft(self, mask: NDArray[np.bool_], times: int) -> FloatArray:
        values = mask.astype(np.float32)
        for _ in range(times):
            values = self.smooth @ values
        return values

    def _along_brows(self) -> NDArray[np.bool_]:
        """Vertices within 0.3 cm of the lines of both brows, seen from the front."""
        lines = [self._landmarks[17:22, :2], self._landmarks[22:27, :2]]
        points = np.concatenate([
            np.stack([np.interp(np.linspace(0, 4, 40), range(5), line[:, k]) for k in (0, 1)], 1) for line in lines
        ])  # fmt: skip
        return np.asarray(cKDTree(points).query(self.head.neutral[:, :2])[0] < 0.3)

    def _inside(self, polygon: FloatArray) -> NDArray[np.bool_]:
        contour = polygon[:, None].astype(np.float32)
        points = self.head.neutral[:, :2].astype(float).tolist()
        return np.array([cv2.pointPolygonTest(contour, point, False) >= 0 for point in points])

    def curve(self, points: list[tuple[float, float]]) -> NDArray[np.int64]:
        """Vertices nearest to a curve given in the neutral's x and y (cm), seen from the front."""
        dense = np.concatenate(
            [np.linspace(points[i], points[i + 1], 6, endpoint=False) for i in range(len(points) - 1)]
            + [np.array([points[-1]])]
        )
        front = np.flatnonzero(self.head.neutral[:, 2] > 3)
        distance = ((self.head.neutral[front, None, :2] - dense[None]) ** 2).sum(2)
        vertices = front[distance.argmin(0)]
        return vertices[np.concatenate([[True], vertices[1:] != vertices[:-1]])]

    def strokes(self, centre: Values, spread_cm: Values, length_cm: Values, angle: Values) -> Strokes:
        """Strokes rooted near points `centre` (n, 2) of the front view, in directions `angle` (n,) there."""
        chosen = self._rooting[self._root_tree.query(centre + spread_cm)[1]]
        corners = self.head.neutral[self.head.triangles[chosen]]
        edges = corners[:, 1:, :2] - corners[:, :1, :2]  # (n, 2 edges, 2)
        aim = np.stack([np.cos(angle), np.sin(angle)], 1) * length_cm[:, None]
        along = np.linalg.solve(edges.transpose(0, 2, 1), aim[:, :, None])[:, :, 0]
        place = np.random.default_rng(len(centre)).dirichlet([1, 1, 1], len(centre)).astype(np.float32)
        return Strokes(chosen, place, along.astype(np.float32))


class RenderedPerson:
    """One head: identity, colours of its vertices, strokes."""

    def __init__(self, geometry: Geometry, identity: FloatArray, look: PersonLook) -> None:
        """identity: (100,) weights of unit variance."""
        self.geometry, self.look = geometry, look
        self.neutral = geometry.head.neutral + np.einsum("i,ivc->vc", identity, geometry.head.identity)
        rng = np.random.default_rng(look.seed)
        self.albedo = self._colours(rng)
        self.hair = np.clip(
            (geometry.scalp_height - look.hair_height_cm + rng.normal(0, 0.25, len(self.neutral))) * 2, 0, 1
        )
        self.hair_lift = rng.uniform(0.4, 1.4) if look.hair_height_cm < 2.5 else 0.0
        if look.hair_height_cm < 2.5:
            self.albedo += self.hair[:, None] * (
                look.hair * rng.uniform(0.7, 1.2, (len(self.neutral), 1)) - self.albedo
            )
        self.brows = [self._brow(rng, side) for side in (0, 1)]
        self.beard = self._beard(rng)
        eyes = [geometry.right_eye, geometry.left_eye]
        shift = [(self.neutral - geometry.head.neutral)[loop].mean(0) for loop in eyes]
        self.eyes = geometry.head.eyes + np.stack(shift)
        self.teeth_shift = (self.neutral - geometry.head.neutral)[geometry.mouth].mean(0)

    def _colours(self, rng: np.random.Generator) -> FloatArray:
        g, look = self.geometry, self.look
        rough = rng.normal(0, 1, (len(self.neutral), 3))
        broad = rough.copy()
        for _ in range(6):
            broad = g.smooth @ broad
        albedo = look.skin * (1 + 0.25 * broad + 0.03 * look.blemishes * rough.mean(1, keepdims=True))
        albedo += (g.cheeks + g.nose)[:, None] * look.redness * np.array([1.0, -0.35, -0.3])
        albedo *= 1 - 0.25 * look.age * g.under_eyes[:, None]
        moles = rng.choice(len(self.neutral), int(12 * look.blemishes), replace=False)
        albedo[moles] *= 0.5
        albedo += g.lips[:, None] * (look.lips - albedo)
        albedo += (0.6 * look.brow_strength * g.brows)[:, None] * (look.brow_colour - albedo)
        shade = np.clip(0.45 * look.beard * g.beard + 0.45 * look.moustache * g.moustache, 0, 0.8)[:, None]
        return albedo + shade * (0.6 * look.hair + 0.15 * look.skin - albedo)

    def _brow(self, rng: np.random.Generator, side: int) -> Strokes:
        look = self.look
        points = self.geometry.head.neutral[list(LANDMARKS[17:22] if side == 0 else LANDMARKS[22:27][::-1])][:, :2]
        count = int(60 + 220 * look.brow_strength * look.brow_thickness_cm)
        at = rng.beta(1.6, 1.1, count) * 4  # 0 tail, 4 head of the brow
        centre = np.stack([np.interp(at, range(5), points[:, k]) for k in (0, 1)], 1)
        thick = look.brow_thickness_cm * np.interp(at, [0, 1.5, 4], [0.25, 0.8, 1.0])
        spread = np.stack([rng.normal(0, 0.08, count), look.brow_height_cm + rng.uniform(-0.5, 0.5, count) * thick], 1)
        outward = np.interp(at, [0, 2.5, 4], [-0.35, 0.3, 1.1]) + rng.normal(0, 0.25, count)
        angle = np.where(side == 0, np.pi - outward, outward)
        return self.geometry.strokes(centre, spread, rng.uniform(0.35, 0.75, count), angle)

    def _beard(self, rng: np.random.Generator) -> Strokes | None:
        look, g = self.look, self.geometry
        weight = look.beard * g.beard + look.moustache * g.moustache
        weight = np.where((weight > 0.15) & (g.head.neutral[:, 2] > 4.5), weight, 0)
        if not weight.any():
            return None
        count = int(900 * max(look.beard, look.moustache))
        centre = g.head.neutral[rng.choice(len(weight), count, p=weight / weight.sum())][:, :2]
        angle = -np.pi / 2 + rng.normal(0, 0.35, count) + 0.08 * centre[:, 0]
        return g.strokes(centre, rng.normal(0, 0.1, (count, 2)), rng.uniform(0.1, 0.5, count), angle)


def wrinkle_curves(geometry: Geometry) -> dict[str, list[NDArray[np.int64]]]:
    """Lines of the face by the action unit that deepens them; right and left in one list."""

    def both(points: list[tuple[float, float]]) -> list[NDArray[np.int64]]:
        return [geometry.curve([(s * x, y) for x, y in points]) for s in (-1, 1)]

    forehead = [geometry.curve([(-3.6, y - 0.3), (-1.5, y), (1.5, y), (3.6, y - 0.3)]) for y in (7.6, 8.4, 9.1)]
    return {
        "1": forehead,
        "4": both([(0.7, 4.6), (0.8, 5.6), (0.9, 6.3)]),
        "6": both([(5.3, 3.2), (6.4, 2.9)]) + both([(5.3, 3.6), (6.5, 3.8)]) + both([(5.1, 2.8), (6.1, 2.1)]),
        "9": [*both([(0.5, 3.0), (1.3, 2.6)]), geometry.curve([(-0.8, 3.5), (0.8, 3.5)])],
        "12": both([(1.75, -0.2), (2.7, -1.3), (3.3, -2.6), (3.4, -3.6)]),
        "7": both([(1.9, 2.6), (3.2, 2.2), (4.6, 2.6)]),
    }
