"""Face shape as a sign of identity: proportions of 3-D landmarks, no image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..datasets.ict import IctFaces, turned
from ..types import SURFACE_POINTS, FloatArray
from .pose import FRONTAL_PITCH_DEG, PoseEstimator

POINTS = 400
"""Of the mesh's surface points those that expressions move least."""
DEPTH_WEIGHT = 0.3
EXPRESSION_DIRECTIONS = 10
"""Main directions of ICT's expression shapes, which are taken out of a shape: a smile is not another person."""
SAME_DISTANCE = 0.017
"""Eye distances (RMS over points). Of views from nearly one direction about 97 of 100 of one person lie below it, 4 of
100 of two people; see docs/tracking.md."""
DISTANCE_PER_DEGREE = 0.0006
"""How much further apart two views of one person are for each degree between them."""
LONGEST_MEMORY = 300.0
"""Observations after which the mean forgets."""


@dataclass(frozen=True)
class Shape:
    """Deviation from the mean face in one view. points: (1200,), a distance is a root mean square in eye distances;
    yaw and pitch of the view in degrees."""

    points: NDArray[np.float64]
    yaw_deg: float
    pitch_deg: float


class ShapeReader:
    """Takes the shape out of a mesh."""

    def __init__(self, pose: PoseEstimator, faces: IctFaces) -> None:
        self._pose = pose
        self._chosen = np.sort(pose.least_moved()[:POINTS])
        self._model = pose.model[self._chosen]
        upright = turned(faces.neutral + faces.expression, 0, -FRONTAL_PITCH_DEG, 0, pivot_z=0)
        expressions = np.array([self._deviation(pose.frontal(one)[0]) for one in upright])
        self._directions = np.linalg.svd(expressions, full_matrices=False)[2][:EXPRESSION_DIRECTIONS]

    def __call__(self, mesh: FloatArray) -> Shape:
        frontal, yaw, pitch = self._pose.frontal(mesh[:SURFACE_POINTS])
        deviation = self._deviation(frontal)
        return Shape(deviation - self._directions.T @ (self._directions @ deviation), yaw, pitch)

    def _deviation(self, frontal: NDArray[np.float64]) -> NDArray[np.float64]:
        deviation: NDArray[np.float64] = (frontal[self._chosen] - self._model) * (1.0, 1.0, DEPTH_WEIGHT)
        return deviation.ravel() / np.sqrt(POINTS * (2 + DEPTH_WEIGHT**2))


class ShapeMemory:
    """Running mean of a face's shape."""

    def __init__(self) -> None:
        self.weight = 0.0
        self.mean = Shape(np.zeros(3 * POINTS), 0.0, 0.0)

    def add(self, shape: Shape) -> None:
        self.weight = min(self.weight + 1, LONGEST_MEMORY)
        share = 1 / self.weight
        mean = self.mean
        self.mean = Shape(
            mean.points + share * (shape.points - mean.points),
            mean.yaw_deg + share * (shape.yaw_deg - mean.yaw_deg),
            mean.pitch_deg + share * (shape.pitch_deg - mean.pitch_deg),
        )

    def unlikeness(self, shape: Shape) -> float:
        """Distance over what one person's views differ by: below 1 for the same person, above for another."""
        apart = np.hypot(shape.yaw_deg - self.mean.yaw_deg, shape.pitch_deg - self.mean.pitch_deg)
        distance = np.linalg.norm(shape.points - self.mean.points)
        return float(distance / (SAME_DISTANCE + DISTANCE_PER_DEGREE * max(apart - 5, 0)))
