# SPDX-License-Identifier: Apache-2.0
"""Regions of an image in which landmarks are sought, and where meshes lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray, Region

REGION_SCALE = 1.5
"""Side of a region over the longer side of the face's box, as in MediaPipe's own graph."""
RIGHT_EYE_OUTER, LEFT_EYE_OUTER = 33, 263
MIDDLE_LOGIT, LOGIT_SCALE = 10.0, 2.5
"""Of `presence`."""


@dataclass(frozen=True)
class Square:
    """A rotated square in an image, in pixels; angle in radians, clockwise as seen."""

    x: float
    y: float
    side: float
    angle: float = 0.0

    @property
    def row(self) -> tuple[float, float, float, float]:
        """As networks take it: x, y, side, angle."""
        return self.x, self.y, self.side, self.angle

    @classmethod
    def around(cls, width: int, height: int) -> Square:
        """The upright square around an image of this size."""
        return cls(width / 2, height / 2, max(width, height))

    def moved(self, dx: float, dy: float) -> Square:
        return Square(self.x + dx, self.y + dy, self.side, self.angle)


@dataclass(frozen=True)
class Detection:
    """A face found by the detector: box in pixels, and the two eyes (2, 2), the person's right one first.

    view_angle, view_side: of the view that showed it, in radians, clockwise as seen, and pixels; the box is upright in
    that view, and the less precise the larger the view.
    """

    xmin: float
    ymin: float
    width: float
    height: float
    score: float
    eyes: FloatArray
    view_angle: float = 0.0
    view_side: float = 0.0

    @property
    def centre(self) -> complex:
        """x + iy, in pixels."""
        return complex(self.xmin + self.width / 2, self.ymin + self.height / 2)

    @property
    def square(self) -> Square:
        """Where to look for landmarks."""
        (x0, y0), (x1, y1) = self.eyes.tolist()
        centre, side = self.centre, REGION_SCALE * max(self.width, self.height)
        return Square(centre.real, centre.imag, side, math.atan2(y1 - y0, x1 - x0))


@dataclass(frozen=True)
class Landmarks:
    """Answer of a landmark network for one face.

    mesh: (478, 3), pixels. presence: probability that there is a face. blendshapes: (52,) or None. features: (d,), what
    the converted network made of the picture on its way (landmark_network.converter.FEATURE_PARTS), or None.
    """

    mesh: FloatArray
    presence: float
    blendshapes: FloatArray | None = None
    features: FloatArray | None = None

    @classmethod
    def several(
        cls, meshes: FloatArray, presences: Sequence[float], features: FloatArray | None = None
    ) -> list[Landmarks]:
        """Of meshes (n, 478, 3); what is asked of each face later is worked out for all of them at once."""
        columns = np.ascontiguousarray(meshes.transpose(0, 2, 1))
        rows = [None] * len(meshes) if features is None else features
        found = [cls(mesh, presence, features=row) for mesh, presence, row in zip(meshes, presences, rows, strict=True)]
        for one, box, centre in zip(found, mesh_boxes(columns), mesh_centres(columns), strict=True):
            vars(one).update(box=box, centre=centre)  # as cached_property keeps them
        return found

    @cached_property
    def box(self) -> tuple[float, float, float, float]:
        return mesh_boxes(np.ascontiguousarray(self.mesh.T)[None])[0]

    @property
    def size(self) -> float:
        """Size of the face in pixels: mean of width and height of its mesh, which a turn of the head changes little."""
        xmin, ymin, xmax, ymax = self.box
        return (xmax - xmin + ymax - ymin) / 2

    @property
    def square(self) -> Square:
        """The region of the next frame, after FaceLandmarkLandmarksToRoi of MediaPipe."""
        xmin, ymin, xmax, ymax = self.box
        (x0, y0, _), (x1, y1, _) = self.mesh[RIGHT_EYE_OUTER].tolist(), self.mesh[LEFT_EYE_OUTER].tolist()
        side = REGION_SCALE * max(xmax - xmin, ymax - ymin)
        return Square((xmin + xmax) / 2, (ymin + ymax) / 2, side, math.atan2(y1 - y0, x1 - x0))

    @cached_property
    def centre(self) -> complex:
        """Mean of the points, x + iy, in pixels."""
        return mesh_centres(np.ascontiguousarray(self.mesh.T)[None])[0]

    def share_inside(self, width: int, height: int) -> float:
        """Share of the points that lie in an image of this size."""
        xmin, ymin, xmax, ymax = self.box
        if xmin >= 0 and ymin >= 0 and xmax < width and ymax < height:
            return 1.0
        return float(((self.mesh[:, :2] >= 0) & (self.mesh[:, :2] < (width, height))).all(axis=1).mean())


def presence(logit: float) -> float:
    """The network's own answer to "is this a face" as a probability that means something.

    Its logit is far too sure of itself: letters and clouds reach 9, good faces lie at 20 to 35, small, blurred or dark
    ones at 5 to 20. So its sigmoid, which MediaPipe thresholds at 0.5, lets false faces through.
    """
    return 1 / (1 + math.exp(-(min(max(logit, -60.0), 60.0) - MIDDLE_LOGIT) / LOGIT_SCALE))


def sensible(square: Square, width: int, height: int) -> bool:
    """Whether a face can be sought in a square: it is neither tiny nor huge nor far outside."""
    return (
        4 <= square.side <= 8 * max(width, height)
        and -square.side < square.x < width + square.side
        and -square.side < square.y < height + square.side
    )


def square_to_image(square: Sequence[float] | FloatArray, side: int) -> NDArray[np.float64]:
    """(2, 3): pixels of a crop with this many pixels on a side to pixels of the image. square: as Square.row."""
    x, y, length, angle = (float(value) for value in square)
    scale, half = length / side, side / 2
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    return np.array(((cos, -sin, x - half * (cos - sin)), (sin, cos, y - half * (sin + cos))))


def mesh_boxes(columns: FloatArray) -> list[tuple[float, float, float, float]]:
    """xmin, ymin, xmax, ymax of meshes (n, 3, points), in pixels."""
    flat = columns[:, :2]
    lowest, highest = np.minimum.reduce(flat, 2).tolist(), np.maximum.reduce(flat, 2).tolist()
    return [(*low, *high) for low, high in zip(lowest, highest, strict=True)]


def mesh_centres(columns: FloatArray) -> list[complex]:
    """Means of the points of meshes (n, 3, points), x + iy, in pixels."""
    return [complex(x, y) for x, y in (np.add.reduce(columns[:, :2], 2) / columns.shape[2]).tolist()]


def mesh_regions(columns: FloatArray, width: int, height: int) -> list[Region]:
    """Boxes around meshes (n, 3, points), clipped to the image."""
    return [
        Region(_share(xmin, width), _share(ymin, height), _share(xmax, width), _share(ymax, height))
        for xmin, ymin, xmax, ymax in mesh_boxes(columns)
    ]


def _share(pixels: float, whole: int) -> float:
    return min(max(pixels / whole, 0.0), 1.0)


def region_square(region: Region, width: int, height: int) -> Square:
    """The square around another node's box of a face."""
    w, h = (region.xmax - region.xmin) * width, (region.ymax - region.ymin) * height
    x, y = (region.xmax + region.xmin) / 2 * width, (region.ymax + region.ymin) / 2 * height
    return Square(x, y, REGION_SCALE * max(w, h))
