"""Head pose from the mesh: the rigid motion of a mean face onto it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..datasets.ict import IctFaces
from ..types import SURFACE_POINTS, CameraIntrinsics, FloatArray, HeadPose

SELLION = 168
_FACE_AXES = np.diag([1.0, -1.0, -1.0])  # canonical face (x left, y up, z out) in the axes of the mean face


class PoseEstimator:
    """Least-squares rotation, scale and place of the mean face (Umeyama 1991), points weighted by how little they move
    with expression.

    The mesh is a weak-perspective one, so its rotation is against the line of sight; with intrinsics that line is
    known, and the distance follows from the size of a mean adult face (people differ by about 5 %).
    """

    def __init__(self, faces: IctFaces | None = None) -> None:
        faces = faces or IctFaces.load()
        motion = np.sqrt((faces.expression**2).sum(axis=(0, 2)))
        weights = 1 / (0.05**2 + motion.astype(np.float64) ** 2)
        self._weights = weights / weights.sum()
        self._model = faces.neutral.astype(np.float64)
        self._model_mean = self._weights @ self._model
        self._metres = faces.eye_distance_cm / 100

    def fit(self, mesh: FloatArray) -> tuple[NDArray[np.float64], float, NDArray[np.float64]]:
        """Rotation (3, 3), scale (pixels per eye distance) and translation (3,) with mesh = scale R model + t."""
        points = mesh[:SURFACE_POINTS].astype(np.float64)
        mean = self._weights @ points
        covariance = ((points - mean) * self._weights[:, None]).T @ (self._model - self._model_mean)
        u, singular, vt = np.linalg.svd(covariance)
        signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
        rotation = u @ (signs[:, None] * vt)
        spread = self._weights @ ((self._model - self._model_mean) ** 2).sum(axis=1)
        scale = float((singular * signs).sum() / spread)
        return rotation, scale, mean - scale * rotation @ self._model_mean

    def frontal(self, mesh: FloatArray) -> NDArray[np.float64]:
        """The mesh (n, 3) in the axes, place and size (eye distances) of the mean face."""
        rotation, scale, translation = self.fit(mesh)
        return (mesh - translation) @ rotation / scale

    def pose(self, mesh: FloatArray, camera: CameraIntrinsics | None = None) -> HeadPose:
        rotation, scale, _ = self.fit(mesh)
        yaw, pitch, roll = angles(rotation)
        position = None
        if camera is not None:
            x, y = mesh[SELLION, :2].astype(np.float64)
            ray = np.array([(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, 1.0])
            focal = np.sqrt(camera.fx * camera.fy)
            # A weak-perspective size is one seen across the line of sight: depth along it, not along the axis.
            distance = focal * self._metres / scale * np.linalg.norm(ray)
            position = (ray * distance / np.linalg.norm(ray)).astype(np.float32)
            rotation = _turn_to(ray) @ rotation
        return HeadPose(yaw, pitch, roll, (rotation @ _FACE_AXES).astype(np.float32), position)


def angles(rotation: NDArray[np.float64]) -> tuple[float, float, float]:
    """Yaw, pitch, roll in degrees of a rotation in the axes of datasets.ict.turned."""
    yaw = np.arcsin(np.clip(rotation[2, 0], -1, 1))
    pitch = np.arctan2(-rotation[2, 1], rotation[2, 2])
    roll = np.arctan2(rotation[1, 0], rotation[0, 0])
    return float(np.degrees(yaw)), float(np.degrees(pitch)), float(np.degrees(roll))


def _turn_to(ray: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smallest rotation that takes the optical axis (0, 0, 1) to `ray`."""
    z = ray / np.linalg.norm(ray)
    axis = np.cross([0.0, 0.0, 1.0], z)
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + skew + skew @ skew / (1 + z[2])
