"""Head pose, size and position of the parts taken out of keypoints, step by step.

The sparse variant after DFECS (arXiv 2406.05434, 2406.09017; Vonikakis & Winkler, ICIP 2020): frontalisation, affine,
per-part similarity. The dense variant after "Perceptual Facial Expression Representation": rotated to frontal, centred
between the eyes, eye distance 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..datasets.ict import IctFaces
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
_CENTRES = np.array(((0.5, 0.5, 0, 0), (0, 0, 0.5, 0.5)), np.float32)
_BETWEEN_AND_ALONG = np.array(((0.25, 0.25, 0.25, 0.25), (-0.5, -0.5, 0.5, 0.5)), np.float32)


def eye_centres(dense: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Right and left eye centre (n, d) of meshes (n, points, d)."""
    centres = _CENTRES @ dense[:, _CORNERS]
    return centres[:, 0], centres[:, 1]


def at_eyes(meshes: FloatArray) -> FloatArray:
    """Meshes (n, points, d) centred between the eyes, distance between the eye centres 1."""
    eyes = _BETWEEN_AND_ALONG @ meshes[:, _CORNERS]
    size = np.sqrt(np.einsum("nd,nd->n", eyes[:, 1], eyes[:, 1]))
    return (meshes - eyes[:, :1]) / np.maximum(size, np.float32(1e-9))[:, None, None]


def levelled(points: FloatArray, right: FloatArray, left: FloatArray) -> FloatArray:
    """Points (n, k, d) turned in the image so that `right` to `left` (n, d) points along +x; z stays."""
    along = left[:, :2] - right[:, :2]
    along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    c, s = along[:, 0, None], along[:, 1, None]
    out = points.copy()
    out[..., 0] = c * points[..., 0] + s * points[..., 1]
    out[..., 1] = c * points[..., 1] - s * points[..., 0]
    return out


class Rotation:
    """Frontalisation by the exact rotation: stable points of the mesh laid on those of a canonical face (Kabsch)."""

    def __init__(self, stable: tuple[int, ...] = STABLE) -> None:
        template = IctFaces.load().neutral[list(stable)]
        self._stable = np.array(stable)
        self._template = (template - template.mean(0)).astype(np.float64)

    def matrices(self, meshes: FloatArray) -> FloatArray:
        """Rotations (n, 3, 3) with frontal = mesh @ R."""
        # The template's mean is 0, so that of the meshes needs no subtraction.
        covariances = meshes[:, self._stable].transpose(0, 2, 1) @ self._template
        return np.array([best_rotation(one)[0] for one in covariances], np.float32)


class PoseCorrection:
    """What the tracker and perspective add to a turned face, as a quadratic function of the turn.

    Learnt from rendered heads seen through MediaPipe; see models/registration.yaml.
    """

    LIMIT = float(np.sin(np.radians(45)))

    def __init__(self, coefficients: FloatArray) -> None:
        """coefficients: (5, 1404), of the features below."""
        self._coefficients = coefficients.astype(np.float32)

    @classmethod
    def features(cls, rotations: FloatArray) -> FloatArray:
        """(n, 5): u, v, u^2, u v, v^2 with u, v the image x and y of the axis out of the face."""
        turns = [[min(max(t, -cls.LIMIT), cls.LIMIT) for t in one] for one in rotations[:, :2, 2].tolist()]
        return np.array([(u, v, u * u, u * v, v * v) for u, v in turns], np.float32)

    def __call__(self, dense: FloatArray, rotations: FloatArray) -> FloatArray:
        """Frontal meshes (n, 468, 3) and the rotations that made them so."""
        return dense - (self.features(rotations) @ self._coefficients).reshape(dense.shape)


class LinearFrontalisation:
    """Frontalisation of 68 points in 2-D by one matrix W (Vonikakis & Winkler, ICIP 2020; arXiv 2406.09017)."""

    def __init__(self, weights: FloatArray) -> None:
        """weights: (137, 136), from x0..x67, y0..y67, 1 to the frontal x0..y67."""
        self._weights = weights.astype(np.float32)

    def __call__(self, points: FloatArray) -> FloatArray:
        """(n, 68, 2) in any unit -> (n, 68, 2), normalised."""
        row = normalised(points).transpose(0, 2, 1).reshape(len(points), -1)
        frontal = row @ self._weights[:-1] + self._weights[-1]
        return frontal.reshape(-1, 2, 68).transpose(0, 2, 1)


def normalised(points: FloatArray) -> FloatArray:
    """Points (n, 68, 2) centred, root mean square radius 1, eye centres level (first step of arXiv 2406.09017)."""
    centred = points - points.mean(1, keepdims=True)
    radius = np.sqrt((centred**2).sum(2).mean(1))[:, None, None]
    return levelled(centred / np.maximum(radius, 1e-9), points[:, 36:42].mean(1), points[:, 42:48].mean(1))


class Affine:
    """Least-squares affine of six points onto their places in the registered frame."""

    def __init__(self) -> None:
        self._points = np.array(list(AFFINE_TARGETS))
        self._places = np.array(list(AFFINE_TARGETS.values()), np.float64)

    def __call__(self, points: FloatArray) -> FloatArray:
        """(n, 68, 2) in any unit -> (n, 68, 2) in the registered frame."""
        design = np.ones((len(points), len(self._points), 3))
        design[..., :2] = points[:, self._points]
        moved = design.transpose(0, 2, 1)
        solution = np.linalg.solve(moved @ design, moved @ self._places)
        return (points @ solution[:, :2] + solution[:, 2:]).astype(np.float32)


class Placement:
    """Instead of the affine: one fixed scale and offset, those of the mean face."""

    def __init__(self) -> None:
        mean = SPARSE.from_mesh(IctFaces.load().neutral)[:, :2]
        x = normalised(mean[None])[0][list(AFFINE_TARGETS)]
        y = np.array(list(AFFINE_TARGETS.values()), np.float32)
        centred = x - x.mean(0)
        self._scale = float((centred * y).sum() / (centred**2).sum())
        self._offset = (y.mean(0) - self._scale * x.mean(0)).astype(np.float32)

    def __call__(self, points: FloatArray) -> FloatArray:
        return normalised(points) * np.float32(self._scale) + self._offset


_NOSE_PLACE = np.array((700, 1000), np.float32)


class PartSimilarity:
    """Eyes with brows and the jaw each laid on two points, the nose moved by one; the mouth stays as it is."""

    PARTS = (
        ((*range(17, 22), *range(36, 42)), (36, 39), ((400, 1000), (600, 1000))),
        ((*range(22, 27), *range(42, 48)), (42, 45), ((800, 1000), (1000, 1000))),
        (tuple(range(17)), (0, 16), ((300, 1000), (1100, 1000))),
    )
    NOSE, NOSE_POINT = slice(27, 36), 27

    def __init__(self) -> None:
        part_of = np.concatenate([np.full(len(part), k) for k, (part, _, _) in enumerate(self.PARTS)])
        self._points = np.concatenate([part for part, _, _ in self.PARTS])
        self._first, self._second = (np.array([pair[i] for _, pair, _ in self.PARTS]) for i in (0, 1))
        places = np.array([places for _, _, places in self.PARTS], np.float64) @ [1, 1j]
        self._start, self._span = places[:, 0], places[:, 1] - places[:, 0]
        self._part_of = part_of

    def __call__(self, points: FloatArray) -> FloatArray:
        """(n, 68, 2) -> (n, 68, 2), both in the registered frame."""
        out = points.copy()
        as_complex = np.ascontiguousarray(points, np.float64).view(np.complex128)[..., 0]
        first = as_complex[:, self._first]
        length = as_complex[:, self._second] - first
        turn = self._span / np.where(np.abs(length) > 1e-9, length, 1)
        offset = self._start - first * turn
        moved = as_complex[:, self._points] * turn[:, self._part_of] + offset[:, self._part_of]
        out[:, self._points] = np.ascontiguousarray(moved).view(np.float64).reshape(*moved.shape, 2)
        out[:, self.NOSE] += (_NOSE_PLACE - points[:, self.NOSE_POINT])[:, None, :]
        return out


class Registration:
    """The steps that the settings ask for, over all faces of a frame at once.

    Raises FileNotFoundError or ValueError when the learnt parts cannot be read.
    """

    def __init__(self, settings: RegistrationSettings | None = None) -> None:
        self.settings = settings or RegistrationSettings()
        learnt = load_arrays("registration", {"linear": (137, 136), "pose": (5, SURFACE_POINTS * 3)})
        self._linear = LinearFrontalisation(learnt["linear"])
        self._rotation = Rotation()
        self._correction = PoseCorrection(learnt["pose"]) if self.settings.pose_correction else None
        self._place = Affine() if self.settings.affine else Placement()
        self._parts = PartSimilarity() if self.settings.part_similarity else None

    def register(self, meshes: ArrayLike) -> list[Registered]:
        """Meshes (n, 468 or 478, 3) in pixels, x right, y down, z away -> n Registered.

        Raises ValueError for another shape or for numbers that are not finite.
        """
        meshes = np.asarray(meshes, np.float32)
        if not len(meshes):
            return []
        if meshes.ndim != 3 or meshes.shape[1] < SURFACE_POINTS or meshes.shape[2] != 3:
            raise ValueError(f"meshes have shape {meshes.shape}; (n, 468 or 478, 3) is expected")
        if not math.isfinite(float(meshes.sum())):
            raise ValueError("a mesh holds numbers that are not finite")
        surface = at_eyes(meshes[:, :SURFACE_POINTS])
        dense = self._frontal(surface)
        if self.settings.frontalisation == "linear":
            flat = self._linear(SPARSE.from_mesh(surface)[..., :2])
        else:
            flat = SPARSE.from_mesh(dense)[..., :2]
        return [Registered(sparse=s, dense=d) for s, d in zip(self._sparse(flat), dense, strict=True)]

    def _frontal(self, surface: FloatArray) -> FloatArray:
        if self.settings.frontalisation == "none":
            return levelled(surface, *eye_centres(surface))
        rotations = self._rotation.matrices(surface)
        frontal = surface @ rotations
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
        return self._sparse(normalised(points) if self.settings.frontalisation == "none" else self._linear(points))

    def _sparse(self, points: FloatArray) -> FloatArray:
        placed = self._place(points)
        return self._parts(placed) if self._parts else placed


def motion(registered: Registered, neutral: Registered) -> Motion:
    """Registered minus neutral; KPM in the order x0..x67, y0..y67."""
    return Motion(
        kpm=(registered.sparse - neutral.sparse).T.reshape(-1),
        dense=registered.dense - neutral.dense,
    )
