# SPDX-License-Identifier: Apache-2.0
"""Face shape as a sign of identity: proportions of 3-D landmarks, no image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..keypoints.learnt import load_arrays
from ..types import SURFACE_POINTS, FloatArray
from .pose import PoseEstimator

DIRECTIONS = 20
"""Proportions that tell people apart best, against the scatter of one person's views; see shape_learning."""
DISTANCE_PER_DEGREE, NO_TURN_DEG = 0.012, 10.0
"""How much further apart two views of one person are for each degree between them beyond the second."""
LONGEST_MEMORY = 300.0
"""Observations after which the mean forgets."""


@dataclass(frozen=True)
class Shape:
    """One view of a face. points: (DIRECTIONS,); 97 of 100 views lie within 1 of the mean of the same person's other
    ones. yaw and pitch of the view in degrees."""

    points: FloatArray
    yaw_deg: float
    pitch_deg: float


class ShapeReader:
    """Takes the shape out of a mesh. Raises FileNotFoundError or ValueError when models/shape cannot be read.

    spread: how many times as far one person's views scatter as with the network that the shape was learnt on.
    """

    def __init__(self, pose: PoseEstimator, spread: float = 1.0) -> None:
        self._pose = pose
        learnt = load_arrays("shape", {"mean": (3 * SURFACE_POINTS,), "directions": (3 * SURFACE_POINTS, DIRECTIONS)})
        self._directions = learnt["directions"] / np.float32(spread)
        self._middle = learnt["mean"] @ self._directions

    def __call__(self, mesh: FloatArray) -> Shape:
        frontal, yaw, pitch = self._pose.frontal(mesh[:SURFACE_POINTS])
        return Shape(self.of_frontal(frontal.astype(np.float32).reshape(-1)), yaw, pitch)

    def of_frontal(self, points: FloatArray) -> FloatArray:
        """(..., DIRECTIONS) of frontal meshes (..., 1404), as PoseEstimator.frontal gives them."""
        return np.asarray(points @ self._directions - self._middle)


class ShapeMemory:
    """Running mean of a face's shape."""

    def __init__(self) -> None:
        self.weight = 0.0
        self.mean = Shape(np.zeros(DIRECTIONS, np.float32), 0.0, 0.0)

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
        return float(distance / (1 + DISTANCE_PER_DEGREE * max(apart - NO_TURN_DEG, 0)))
