"""Head pose, size and position of the parts taken out of keypoints, step by step.

The sparse variant after DFECS (arXiv 2406.05434, 2406.09017; Vonikakis & Winkler, ICIP 2020): frontalisation, affine,
per-part similarity. The dense variant after "Perceptual Facial Expression Representation": rotated to frontal, centred
between the eyes, eye distance 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..datasets.ict import IctFaces
from ..options import Settings, option
from ..types import SURFACE_POINTS, FloatArray, Motion, Registered
from .schemes import LEFT_EYE_CORNERS, MESH_TO_68, RIGHT_EYE_CORNERS

# Points that expressions hardly move: eye corners, bridge of the nose, forehead between the brows, temples.
STABLE = (33, 133, 362, 263, 168, 6, 197, 195, 5, 122, 351, 193, 417, 127, 356, 162, 389, 10, 109, 338, 234, 454)

# Six-point affine (facts of arXiv 2406.09017): keypoint -> place in the registered frame.
AFFINE_TARGETS = {0: (300, 900), 16: (1100, 900), 27: (700, 900), 33: (700, 1300), 39: (600, 1000), 42: (800, 1000)}


@dataclass(frozen=True)
class RegistrationSettings(Settings):
    frontalisation: str = option(
        "rotation",
        "how head pose is taken out: rotation: exact, from the 3-D mesh; none: left in",
        choices=("rotation", "none"),
    )
    affine: bool = option(True, "six-point affine into DFECS's registered frame; off: scale and place only")
    part_similarity: bool = option(True, "each part of the face moved, turned and scaled by its own two points")


def eye_centres(dense: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Right and left eye centre (n, d) of meshes (n, points, d)."""
    return dense[:, RIGHT_EYE_CORNERS, :].mean(1), dense[:, LEFT_EYE_CORNERS, :].mean(1)


def at_eyes(meshes: FloatArray) -> FloatArray:
    """Meshes (n, points, d) centred between the eyes, distance between the eye centres 1."""
    right, left = eye_centres(meshes)
    size = np.linalg.norm(left - right, axis=1)[:, None, None]
    return (meshes - ((right + left) / 2)[:, None, :]) / np.maximum(size, 1e-9)


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
    """Frontalisation by the exact rotation: stable points of the mesh are laid on those of a canonical face."""

    def __init__(self, stable: tuple[int, ...] = STABLE) -> None:
        template = IctFaces.load().neutral[list(stable)].astype(np.float64)
        self._stable = list(stable)
        self._template = template - template.mean(0)

    def matrices(self, meshes: FloatArray) -> FloatArray:
        """Rotations (n, 3, 3) with frontal = mesh @ R (Kabsch)."""
        stable = meshes[:, self._stable, :].astype(np.float64)
        stable -= stable.mean(1, keepdims=True)
        u, _, vt = np.linalg.svd(stable.transpose(0, 2, 1) @ self._template)
        u[:, :, 2] *= np.sign(np.linalg.det(u @ vt))[:, None]
        return (u @ vt).astype(np.float32)

    def __call__(self, meshes: FloatArray) -> FloatArray:
        """Frontal meshes (n, 468, 3), centred between the eyes, eye distance 1."""
        return at_eyes(meshes @ self.matrices(meshes))


def normalised(points: FloatArray) -> FloatArray:
    """Points (n, 68, 2) centred, root mean square radius 1, eye centres level (first step of arXiv 2406.09017)."""
    centred = points - points.mean(1, keepdims=True)
    radius = np.sqrt((centred**2).sum(2).mean(1))[:, None, None]
    return levelled(centred / np.maximum(radius, 1e-9), points[:, 36:42].mean(1), points[:, 42:48].mean(1))


class Affine:
    """Least-squares affine of six points onto their places in the registered frame."""

    def __init__(self) -> None:
        self._points = list(AFFINE_TARGETS)
        self._places = np.array(list(AFFINE_TARGETS.values()), np.float64)

    def __call__(self, points: FloatArray) -> FloatArray:
        """(n, 68, 2) in any unit -> (n, 68, 2) in the registered frame."""
        six = points[:, self._points, :].astype(np.float64)
        design = np.concatenate([six, np.ones((*six.shape[:2], 1))], 2)
        moved = design.transpose(0, 2, 1)
        solution = np.linalg.solve(moved @ design, moved @ self._places)
        return (points @ solution[:, :2] + solution[:, 2:]).astype(np.float32)


class Placement:
    """Instead of the affine: one fixed scale and offset, those of the mean face."""

    def __init__(self) -> None:
        mean = MESH_TO_68 @ IctFaces.load().neutral[:, :2]
        x = normalised(mean[None])[0][list(AFFINE_TARGETS)]
        y = np.array(list(AFFINE_TARGETS.values()), np.float32)
        centred = x - x.mean(0)
        self._scale = float((centred * y).sum() / (centred**2).sum())
        self._offset = (y.mean(0) - self._scale * x.mean(0)).astype(np.float32)

    def __call__(self, points: FloatArray) -> FloatArray:
        return normalised(points) * np.float32(self._scale) + self._offset


class PartSimilarity:
    """Eyes with brows and the jaw each laid on two points, the nose moved by one; the mouth stays as it is."""

    PARTS = (
        ((*range(17, 22), *range(36, 42)), (36, 39), ((400, 1000), (600, 1000))),
        ((*range(22, 27), *range(42, 48)), (42, 45), ((800, 1000), (1000, 1000))),
        (tuple(range(17)), (0, 16), ((300, 1000), (1100, 1000))),
    )
    NOSE, NOSE_POINT, NOSE_PLACE = tuple(range(27, 36)), 27, (700, 1000)

    def __call__(self, points: FloatArray) -> FloatArray:
        """(n, 68, 2) -> (n, 68, 2), both in the registered frame."""
        out = points.copy()
        as_complex = points[..., 0] + 1j * points[..., 1]
        for part, (first, second), places in self.PARTS:
            a, b = (complex(*place) for place in places)
            start, end = as_complex[:, first], as_complex[:, second]
            turn = (b - a) / np.where(abs(end - start) > 1e-9, end - start, 1)
            moved = (as_complex[:, part] - start[:, None]) * turn[:, None] + a
            out[:, part, 0], out[:, part, 1] = moved.real, moved.imag
        shift = np.array(self.NOSE_PLACE, np.float32) - points[:, self.NOSE_POINT]
        out[:, self.NOSE] = points[:, self.NOSE] + shift[:, None, :]
        return out


class Registration:
    """The steps that the settings ask for, over all faces of a frame at once."""

    def __init__(self, settings: RegistrationSettings | None = None) -> None:
        self.settings = settings or RegistrationSettings()
        self._rotation = Rotation()
        self._place = Affine() if self.settings.affine else Placement()
        self._parts = PartSimilarity() if self.settings.part_similarity else None

    def register(self, meshes: ArrayLike) -> list[Registered]:
        """Meshes (n, 468 or 478, 3) in pixels, x right, y down, z away -> n Registered.

        Raises ValueError for another shape or for numbers that are not finite.
        """
        meshes = np.asarray(meshes, np.float32)
        if meshes.ndim != 3 or meshes.shape[1] < SURFACE_POINTS or meshes.shape[2] != 3:
            raise ValueError(f"meshes have shape {meshes.shape}; (n, 468 or 478, 3) is expected")
        if not np.isfinite(meshes).all():
            raise ValueError("a mesh holds numbers that are not finite")
        if not len(meshes):
            return []
        surface = at_eyes(meshes[:, :SURFACE_POINTS])
        if self.settings.frontalisation == "rotation":
            dense = self._rotation(surface)
        else:
            dense = levelled(surface, *eye_centres(surface))
        sparse = self._sparse(MESH_TO_68 @ dense[..., :2])
        return [Registered(sparse=s, dense=d) for s, d in zip(sparse, dense, strict=True)]

    def register_sparse(self, points: ArrayLike) -> FloatArray:
        """68-point keypoints (n, 68, 2) of another tracker, in pixels -> registered (n, 68, 2).

        There is no depth to rotate: the head should be near frontal. Raises ValueError for another shape.
        """
        points = np.asarray(points, np.float32)
        if points.ndim != 3 or points.shape[1:] != (68, 2):
            raise ValueError(f"points have shape {points.shape}; (n, 68, 2) is expected")
        return self._sparse(normalised(points))

    def _sparse(self, points: FloatArray) -> FloatArray:
        placed = self._place(points)
        return self._parts(placed) if self._parts else placed


def motion(registered: Registered, neutral: Registered) -> Motion:
    """Registered minus neutral; KPM in the order x0..x67, y0..y67."""
    return Motion(
        kpm=(registered.sparse - neutral.sparse).T.reshape(-1),
        dense=registered.dense - neutral.dense,
    )
