# SPDX-License-Identifier: Apache-2.0
"""Head pose from the mesh: the rigid motion of a mean face onto it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..face_model.ict import IctFaces, turned
from ..keypoints.rotations import best_rotation
from ..types import SURFACE_POINTS, CameraIntrinsics, FloatArray, HeadPose

SELLION = 168
FRONTAL_PITCH_DEG = 3.5
"""ICT's mean face looks that much further up than MediaPipe's canonical face, whose front is taken as zero."""

NEAREST_M, FARTHEST_M = 0.05, 50.0
"""Distances of heads that can be seen: nearer no lens focuses, farther a face has no 16 pixels in any usual camera."""


class PoseEstimator:
    """Least-squares rotation, scale and place of the mean face (Umeyama, PAMI 1991); points count by how little
    expressions move them.

    The mesh is a weak-perspective one, so its rotation is against the line of sight; with intrinsics that line is
    known, and the distance follows from the size of a mean adult face (people differ by about 5 %).
    """

    def __init__(self, faces: IctFaces) -> None:
        motion = np.sqrt((faces.expression**2).sum(axis=(0, 2))).astype(np.float64)
        weights = 1 / (0.05**2 + motion**2)
        self._weights = weights / weights.sum()
        self.model = turned(faces.neutral, 0, -FRONTAL_PITCH_DEG, 0, pivot_z=0).astype(np.float64)
        self._mean = self._weights @ self.model
        self._centred = self.model - self._mean
        self._weighted = self._centred * self._weights[:, None]
        self._weighted_32 = self._weighted.astype(np.float32)
        self._spread = float(self._weights @ (self._centred**2).sum(axis=1))
        self._metres = faces.eye_distance_cm / 100

    def fit(self, mesh: FloatArray) -> tuple[NDArray[np.float64], float, NDArray[np.float64]]:
        """Rotation (3, 3), scale (pixels per eye distance) and translation (3,) with mesh = scale R model + t."""
        points = mesh[:SURFACE_POINTS].astype(np.float64)
        rows, scale = self._turn_and_scale(points.T @ self._weighted)
        rotation = np.array(rows)
        return rotation, scale, self._weights @ points - scale * rotation @ self._mean

    def _turn_and_scale(self, covariance: NDArray[np.float64]) -> tuple[list[list[float]], float]:
        """covariance: (3, 3), of points and the weighted mean face, whose columns sum to 0: points need no centring."""
        rows, trace = best_rotation(covariance)
        return rows, max(trace / self._spread, 1e-6)

    def frontal(self, mesh: FloatArray) -> tuple[NDArray[np.float64], float, float]:
        """A mesh (n, 3) in the axes, place and size (eye distances) of the mean face; its yaw and pitch in degrees."""
        rotation, scale, translation = self.fit(mesh)
        yaw, pitch, _ = angles(rotation.tolist())
        return (mesh - translation) @ rotation / scale, yaw, pitch

    def residual(self, mesh: FloatArray) -> float:
        """How far a mesh is from the mean face after the best fit: root mean square in eye distances."""
        frontal, _, _ = self.frontal(mesh[:SURFACE_POINTS])
        return float(np.sqrt(self._weights @ ((frontal - self.model) ** 2).sum(axis=1)))

    def poses(self, columns: FloatArray, camera: CameraIntrinsics | None = None) -> list[HeadPose]:
        """Poses of meshes (n, 3, 478) in pixels; metric with the camera's intrinsics, which must be those of the
        image."""
        poses = []
        for mesh, covariance in zip(columns, columns[:, :, :SURFACE_POINTS] @ self._weighted_32, strict=True):
            rows, scale = self._turn_and_scale(covariance)
            turn, position = rows, None
            if camera is not None:
                turn, position = self._in_camera(mesh[:, SELLION], np.array(rows), scale, camera)
            # The canonical face has x left, y up, z out; the mean face's y and z point the other way.
            axes = np.array([(x, -y, -z) for x, y, z in turn], np.float32)
            poses.append(HeadPose(*angles(rows), axes, position))
        return poses

    def _in_camera(
        self, sellion: FloatArray, rotation: NDArray[np.float64], scale: float, camera: CameraIntrinsics
    ) -> tuple[list[list[float]], FloatArray | None]:
        """Rotation against the camera instead of the line of sight, and position in metres; None, and the rotation as
        it is, where no head can be: then the intrinsics are not those of the image."""
        x, y, _ = sellion.tolist()
        ray = np.array([(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, 1.0])
        turned_rotation = _turn_to(ray) @ rotation
        # The scale is that of the points' mean; the sellion lies nearer.
        ahead = (turned_rotation @ (self.model[SELLION] - self._mean))[2]
        position = ray * self._metres * (np.sqrt(camera.fx * camera.fy) / scale + ahead)
        if not NEAREST_M <= np.linalg.norm(position) <= FARTHEST_M:
            return rotation.tolist(), None
        return turned_rotation.tolist(), position.astype(np.float32)


def angles(rotation: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Yaw, pitch, roll in degrees of the rows of a rotation in the axes of datasets.ict.turned."""
    (a, _, _), (b, _, _), (c, d, e) = rotation
    yaw, pitch, roll = math.asin(min(max(c, -1.0), 1.0)), math.atan2(-d, e), math.atan2(b, a)
    return math.degrees(yaw), math.degrees(pitch), math.degrees(roll)


def _turn_to(ray: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smallest rotation that takes the optical axis (0, 0, 1) to `ray`."""
    z = ray / np.linalg.norm(ray)
    axis = np.cross([0.0, 0.0, 1.0], z)
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + skew + skew @ skew / (1 + z[2])
