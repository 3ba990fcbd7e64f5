# SPDX-License-Identifier: Apache-2.0
"""Head pose, size and position of the parts taken out of keypoints, step by step.

The sparse variant after DFECS (arXiv 2406.05434, 2406.09017; Vonikakis & Winkler, ICIP 2020): frontalisation, affine,
per-part similarity. The dense variant after "Perceptual Facial Expression Representation": rotated to frontal, centred
between the eyes, eye distance 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..face_model.ict import IctFaces
from ..options import Settings, option
from ..types import SURFACE_POINTS, FloatArray, Motion, Registered
from .learnt import load_arrays
from .rotations import best_rotation
from .schemes import LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS, SPARSE

# Points that expressions hardly move: eye corners, bridge of the nose, forehead between the brows, temples.
STABLE = (33, 133, 362, 263, 168, 6, 197, 195, 5, 122, 351, 193, 417, 127, 356, 162, 389, 10, 109, 338, 234, 454)

# Six-point affine (facts of arXiv 2406.09017): keypoint -> place in the registered frame.
AFFINE_TARGETS = {0: (300, 900), 16: (1100, 900), 27: (700, 900), 33: (700, 1300), 39: (600, 1000), 42: (800, 1000)}


@dataclass(frozen=True)
class RegistrationSettings(Settings):
    """Each step can be switched off, for ablations."""

    frontalisation: str = option(
        "rotation",
        "how head pose is taken out of the 68 points: rotation: of the 3-D mesh; linear: by the learnt map W of 2-D "
        "points; none: left in, in the dense points too",
        choices=("rotation", "linear", "none"),
    )
    pose_correction: bool = option(True, "after a rotation, take out what the tracker is known to add in turned heads")
    affine: bool = option(True, "six-point affine into DFECS's registered frame; off: scale and place only")
    part_similarity: bool = option(True, "each part of the face moved, turned and scaled by its own two points")


_CORNERS = np.array((*RIGHT_EYE_CORNERS, *LEFT_EYE_CORNERS))

# Below, points are columns, (n, d, points): numpy is several times quicker along the longer axis. Few numbers of a face
# are worked out in plain Python, which is quicker than numpy for them.


def eye_centres(columns: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Right and left eye centre (n, d) of meshes (n, d, points)."""
    corners = columns[:, :, _CORNERS]
    return corners[:, :, :2].mean(2), corners[:, :, 2:].mean(2)


def at_eyes(columns: FloatArray) -> FloatArray:
    """Meshes (n, d, points) centred between the eyes, distance between the eye centres 1."""
    places = [_between(face) for face in columns.take(_CORNERS, 2).tolist()]
    middles, scales = np.array([middle for middle, _ in places]), np.array([scale for _, scale in places])
    centred = columns - middles.astype(np.float32)[:, :, None]
    centred *= scales.astype(np.float32)[:, None, None]
    return centred


def _between(corners: Sequence[Sequence[float]]) -> tuple[list[float], float]:
    """Point between the eyes and 1 over their distance, from the coordinates of _CORNERS, x, y and so on."""
    middle = [(a + b + c + d) / 4 for a, b, c, d in corners]
    square = sum((c + d - a - b) ** 2 for a, b, c, d in corners) / 4
    return middle, 1 / max(math.sqrt(square), 1e-9)


def levelled(columns: FloatArray, right: FloatArray, left: FloatArray) -> FloatArray:
    """Points (n, d, k) turned in the image so that `right` to `left` (n, d) points along +x; z stays."""
    along = left[:, :2] - right[:, :2]
    along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    c, s = along[:, 0, None], along[:, 1, None]
    out = columns.copy()
    out[:, 0] = c * columns[:, 0] + s * columns[:, 1]
    out[:, 1] = c * columns[:, 1] - s * columns[:, 0]
    return out


class Rotation:
    """Frontalisation by the exact rotation: stable points of the mesh laid on those of a canonical face (Kabsch)."""

    def __init__(self, stable: tuple[int, ...] = STABLE) -> None:
        template = IctFaces.load().neutral[list(stable)]
        self._stable = np.array(stable)
        self._template = (template - template.mean(0)).astype(np.float64)

    def matrices(self, columns: FloatArray) -> FloatArray:
        """Rotations (n, 3, 3) of meshes (n, 3, points), with frontal = R' @ columns."""
        # The template's mean is 0, so that of the meshes needs no subtraction.
        covariances = columns.take(self._stable, 2) @ self._template
        return np.array([best_rotation(one)[0] for one in covariances], np.float32)


class PoseCorrection:
    """What the tracker and perspective add to a turned face, as a quadratic function of the turn.

    Learnt from rendered heads seen through MediaPipe; see models/registration.yaml.
    """

    LIMIT = float(np.sin(np.radians(45)))

    def __init__(self, coefficients: FloatArray) -> None:
        """coefficients: (5, 1404), of the features below; x, y, z of one point after the other."""
        by_point = coefficients.astype(np.float32).reshape(5, SURFACE_POINTS, 3)
        self._coefficients = np.ascontiguousarray(by_point.transpose(0, 2, 1)).reshape(5, -1)

    @classmethod
    def features(cls, rotations: FloatArray) -> FloatArray:
        """(n, 5): u, v, u^2, u v, v^2 with u, v the x and y of the axis out of the face, in the image turned so that
        the head stands upright."""
        turns = [_upright(*one) for one in rotations[:, :2, ::2].reshape(-1, 4).tolist()]
        limited = [[min(max(t, -cls.LIMIT), cls.LIMIT) for t in one] for one in turns]
        return np.array([(u, v, u * u, u * v, v * v) for u, v in limited], np.float32)

    def __call__(self, frontal: FloatArray, rotations: FloatArray) -> FloatArray:
        """Frontal meshes (n, 3, 468) and the rotations that made them so."""
        return frontal - (self.features(rotations) @ self._coefficients).reshape(frontal.shape)


def _upright(across: float, out_x: float, down: float, out_y: float) -> tuple[float, float]:
    """Image x and y (out_x, out_y) of an axis, turned as the head's own axis to its left (across, down) has to be to
    lie level."""
    length = max(math.hypot(across, down), 1e-9)
    c, s = across / length, down / length
    return c * out_x + s * out_y, c * out_y - s * out_x


class LinearFrontalisation:
    """Frontalisation of 68 points in 2-D by one matrix W (Vonikakis & Winkler, ICIP 2020; arXiv 2406.09017)."""

    def __init__(self, weights: FloatArray) -> None:
        """weights: (137, 136), from x0..x67, y0..y67, 1 to the frontal x0..y67."""
        self._weights = weights.astype(np.float32)

    def __call__(self, points: FloatArray) -> FloatArray:
        """(n, 2, 68) in any unit -> (n, 2, 68), normalised."""
        frontal = normalised(points).reshape(len(points), -1) @ self._weights[:-1] + self._weights[-1]
        return frontal.reshape(-1, 2, 68)


def normalised(points: FloatArray) -> FloatArray:
    """Points (n, 2, 68) centred, root mean square radius 1, eye centres level (first step of arXiv 2406.09017)."""
    centred = points - points.mean(2, keepdims=True)
    radius = np.sqrt((centred**2).sum(1).mean(1))[:, None, None]
    return levelled(centred / np.maximum(radius, 1e-9), points[:, :, 36:42].mean(2), points[:, :, 42:48].mean(2))


class Affine:
    """Least-squares affine of six points onto their places in the registered frame."""

    def __init__(self) -> None:
        self._points = np.array(list(AFFINE_TARGETS))
        places = np.array(list(AFFINE_TARGETS.values()), np.float64)
        self._centre = places.mean(0).tolist()
        self._places = (places - self._centre).T.tolist()

    def __call__(self, points: FloatArray) -> FloatArray:
        """(n, 2, 68) in any unit -> (n, 2, 68) in the registered frame."""
        maps = np.array([self._fit(x, y) for x, y in points.take(self._points, 2).tolist()])
        moved = maps[:, :, :2] @ points
        moved += maps[:, :, 2:]
        return moved.astype(np.float32)

    def _fit(self, xs: Sequence[float], ys: Sequence[float]) -> list[list[float]]:
        """(2, 3): rows a, b, c with place = a x + b y + c. Points on a line, which leave that open, all get c."""
        mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
        xx = xy = yy = px = py = qx = qy = 0.0
        for x, y, p, q in zip(xs, ys, *self._places, strict=True):
            x, y = x - mx, y - my
            xx, xy, yy = xx + x * x, xy + x * y, yy + y * y
            px, py, qx, qy = px + p * x, py + p * y, qx + q * x, qy + q * y
        determinant = xx * yy - xy * xy
        scale = 1 / determinant if determinant > 1e-12 * (xx + yy) ** 2 else 0.0
        a, b, c, d = px * yy - py * xy, py * xx - px * xy, qx * yy - qy * xy, qy * xx - qx * xy
        a, b, c, d = a * scale, b * scale, c * scale, d * scale
        across, down = self._centre
        return [[a, b, across - a * mx - b * my], [c, d, down - c * mx - d * my]]


class Placement:
    """Instead of the affine: one fixed scale and offset, those of the mean face."""

    def __init__(self) -> None:
        mean = SPARSE.from_mesh(IctFaces.load().neutral)[:, :2]
        x = normalised(mean.T[None])[0][:, list(AFFINE_TARGETS)]
        y = np.array(list(AFFINE_TARGETS.values()), np.float32).T
        centred = x - x.mean(1, keepdims=True)
        self._scale = float((centred * y).sum() / (centred**2).sum())
        self._offset = (y.mean(1) - self._scale * x.mean(1)).astype(np.float32)[:, None]

    def __call__(self, points: FloatArray) -> FloatArray:
        """(n, 2, 68) in any unit -> (n, 2, 68) in the registered frame."""
        return normalised(points) * np.float32(self._scale) + self._offset


class PartSimilarity:
    """Eyes with brows and the jaw each laid on two points, the nose moved by one; the mouth stays as it is."""

    PARTS = (
        ((*range(17, 22), *range(36, 42)), (36, 39), ((400, 1000), (600, 1000))),
        ((*range(22, 27), *range(42, 48)), (42, 45), ((800, 1000), (1000, 1000))),
        (tuple(range(17)), (0, 16), ((300, 1000), (1100, 1000))),
    )
    NOSE, NOSE_POINT, NOSE_PLACE = slice(27, 36), 27, 700 + 1000j

    def __init__(self) -> None:
        # What is done to each of the 68 points: nothing, the similarity of a part, or the shift of the nose.
        self._part_of = np.zeros(68, np.intp)
        for number, (part, _, _) in enumerate(self.PARTS, 1):
            self._part_of[list(part)] = number
        self._part_of[self.NOSE] = len(self.PARTS) + 1
        self._anchors = np.array([point for _, pair, _ in self.PARTS for point in pair] + [self.NOSE_POINT])
        self._places = [(complex(*start), complex(*end) - complex(*start)) for _, _, (start, end) in self.PARTS]

    def __call__(self, points: FloatArray) -> FloatArray:
        """(n, 2, 68) -> (n, 2, 68), both in the registered frame."""
        maps = np.array([self._fit(x, y) for x, y in points.take(self._anchors, 2).tolist()]).take(self._part_of, 2)
        across, aside, shift = maps[:, 0], maps[:, 1], maps[:, 2:]
        moved = across[:, None] * points
        moved[:, 0] -= aside * points[:, 1]
        moved[:, 1] += aside * points[:, 0]
        moved += shift
        return moved.astype(np.float32)

    def _fit(self, xs: Sequence[float], ys: Sequence[float]) -> list[list[float]]:
        """(4, parts): real and imaginary part of each part's turn, x and y of its shift. Points as complex numbers."""
        *pairs, nose = (complex(x, y) for x, y in zip(xs, ys, strict=True))
        maps = [(1 + 0j, 0j)]
        for first, second, (start, span) in zip(pairs[::2], pairs[1::2], self._places, strict=True):
            length = second - first
            turn = span / length if abs(length) > 1e-9 else span
            maps.append((turn, start - first * turn))
        maps.append((1 + 0j, self.NOSE_PLACE - nose))
        turns, shifts = [turn for turn, _ in maps], [shift for _, shift in maps]
        return [[t.real for t in turns], [t.imag for t in turns], [s.real for s in shifts], [s.imag for s in shifts]]


class Registration:
    """The steps that the settings ask for, over all faces of a frame at once.

    Raises FileNotFoundError or ValueError when the learnt parts cannot be read.
    """

    def __init__(self, settings: RegistrationSettings | None = None, correction: PoseCorrection | None = None) -> None:
        """correction: instead of the one that ships."""
        self.settings = settings or RegistrationSettings()
        learnt = load_arrays("registration", {"linear": (137, 136), "pose": (5, SURFACE_POINTS * 3)})
        self._linear = LinearFrontalisation(learnt["linear"])
        self._rotation = Rotation()
        self._correction = (correction or PoseCorrection(learnt["pose"])) if self.settings.pose_correction else None
        self._place = Affine() if self.settings.affine else Placement()
        self._parts = PartSimilarity() if self.settings.part_similarity else None

    def register(self, meshes: Sequence[FloatArray] | FloatArray) -> list[Registered]:
        """Meshes (n, 468 or 478, 3) in pixels, x right, y down, z away -> n Registered.

        Raises ValueError for another shape or for numbers that are not finite.
        """
        columns = np.array([np.transpose(mesh) for mesh in meshes], np.float32)
        if not len(columns):
            return []
        if columns.ndim != 3 or columns.shape[1] != 3 or columns.shape[2] < SURFACE_POINTS:
            raise ValueError(f"meshes have shape {np.shape(meshes)}; (n, 468 or 478, 3) is expected")
        if not math.isfinite(float(columns.sum())):
            raise ValueError("a mesh holds numbers that are not finite")
        surface = at_eyes(columns[:, :, :SURFACE_POINTS])
        dense = self._frontal(surface)
        if self.settings.frontalisation == "linear":
            flat = self._linear(SPARSE.from_columns(surface[:, :2]))
        else:
            flat = SPARSE.from_columns(dense[:, :2])
        return [Registered(sparse=s.T, dense=d.T) for s, d in zip(self._sparse(flat), dense, strict=True)]

    def _frontal(self, surface: FloatArray) -> FloatArray:
        if self.settings.frontalisation == "none":
            return levelled(surface, *eye_centres(surface))
        rotations = self._rotation.matrices(surface)
        frontal = rotations.transpose(0, 2, 1) @ surface
        if self._correction is not None:
            frontal = self._correction(frontal, rotations)
        return at_eyes(frontal)

    def register_sparse(self, points: ArrayLike) -> FloatArray:
        """68-point keypoints (n, 68, 2) of another tracker, in pixels -> registered (n, 68, 2).

        There is no depth to rotate: W frontalises unless frontalisation is "none". Raises ValueError for another shape.
        """
        points = np.asarray(points, np.float32)
        if points.ndim != 3 or points.shape[1:] != (68, 2):
            raise ValueError(f"points have shape {points.shape}; (n, 68, 2) is expected")
        columns = np.ascontiguousarray(points.transpose(0, 2, 1))
        flat = normalised(columns) if self.settings.frontalisation == "none" else self._linear(columns)
        return self._sparse(flat).transpose(0, 2, 1)

    def _sparse(self, points: FloatArray) -> FloatArray:
        placed = self._place(points)
        return self._parts(placed) if self._parts else placed


def motion(registered: Registered, neutral: Registered) -> Motion:
    """Registered minus neutral; KPM in the order x0..x67, y0..y67."""
    return Motion(
        kpm=(registered.sparse - neutral.sparse).T.reshape(-1),
        dense=registered.dense - neutral.dense,
    )
