"""Regions of an image in which landmarks are sought, and where meshes lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray, Region

REGION_SCALE = 1.5
"""Side of a region over the longer side of the face's box, as in MediaPipe's own graph."""
RIGHT_EYE_OUTER, LEFT_EYE_OUTER = 33, 263


@dataclass(frozen=True)
class Square:
    """A rotated square in an image, in pixels; angle in radians, clockwise as seen."""

    x: float
    y: float
    side: float
    angle: float = 0.0

    def moved(self, dx: float, dy: float) -> Square:
        return Square(self.x + dx, self.y + dy, self.side, self.angle)


@dataclass(frozen=True)
class Detection:
    """A face found by the detector: box in pixels, and the two eyes (2, 2), the person's right one first."""

    xmin: float
    ymin: float
    width: float
    height: float
    score: float
    eyes: FloatArray

    @property
    def centre(self) -> NDArray[np.float64]:
        return np.array([self.xmin + self.width / 2, self.ymin + self.height / 2])

    @property
    def square(self) -> Square:
        """Where to look for landmarks."""
        x, y = self.centre
        (x0, y0), (x1, y1) = self.eyes
        angle = float(np.arctan2(y1 - y0, x1 - x0))
        return Square(float(x), float(y), REGION_SCALE * max(self.width, self.height), angle)


@dataclass(frozen=True)
class Landmarks:
    """Answer of a landmark network for one face.

    mesh: (478, 3), pixels. presence: probability that there is a face. blendshapes: (52,) or None.
    """

    mesh: FloatArray
    presence: float
    blendshapes: FloatArray | None = None


def mesh_square(mesh: FloatArray) -> Square:
    """The region of the next frame for a mesh of this one, after FaceLandmarkLandmarksToRoi of MediaPipe."""
    low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
    (x0, y0), (x1, y1) = mesh[RIGHT_EYE_OUTER, :2], mesh[LEFT_EYE_OUTER, :2]
    x, y = (low + high) / 2
    return Square(float(x), float(y), REGION_SCALE * float((high - low).max()), float(np.arctan2(y1 - y0, x1 - x0)))


def mesh_size(mesh: FloatArray) -> float:
    """Size of a face in pixels: mean of width and height of its mesh, which a turn of the head changes little."""
    return float((mesh[:, :2].max(axis=0) - mesh[:, :2].min(axis=0)).mean())


def mesh_region(mesh: FloatArray, width: int, height: int) -> Region:
    """Box around a mesh, clipped to the image."""
    low = np.clip(mesh[:, :2].min(axis=0) / (width, height), 0, 1)
    high = np.clip(mesh[:, :2].max(axis=0) / (width, height), 0, 1)
    return Region(float(low[0]), float(low[1]), float(high[0]), float(high[1]))


def region_square(region: Region, width: int, height: int) -> Square:
    """The square around another node's box of a face."""
    w, h = (region.xmax - region.xmin) * width, (region.ymax - region.ymin) * height
    x, y = (region.xmax + region.xmin) / 2 * width, (region.ymax + region.ymin) / 2 * height
    return Square(x, y, REGION_SCALE * max(w, h))
