# SPDX-License-Identifier: Apache-2.0
"""The landmark network's second stage: regions of the features around some points, and points of them taken back.

MediaPipe's three operations of its own, as its mediapipe/util/tflite/operations computes them (version 2), for all
regions (r) at once:

- Landmarks2TransformMatrix: the turned box around some points, as the matrix from an output grid into the features.
- TransformTensorBilinear: features at that grid; zero outside.
- TransformLandmarks: points of the grid back into the input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..tflite.graph_builder import GraphBuilder


@dataclass(frozen=True)
class RefinedRegion:
    """Options of Landmarks2TransformMatrix.

    points: those the box lies around, turned so that the line from the first to the second of `level` has the angle.
    width, height: of the grid. scale_x, scale_y: of the box.
    """

    points: tuple[int, ...]
    level: tuple[int, int]
    angle_rad: float
    width: int
    height: int
    scale_x: float
    scale_y: float


class Regions:
    """Regions of one network, all with a grid of the same size, around points (n, points, 2) in pixels of features."""

    def __init__(self, graph: GraphBuilder, points: str, regions: Sequence[RefinedRegion]) -> None:
        add, constant = graph.add, graph.constant
        self._graph = graph
        self.count = len(regions)
        self._width, self._height = regions[0].width, regions[0].height
        pair = graph.gather(points, np.array([r.level for r in regions]))  # (n, r, 2, 2)
        step = add("MatMul", [constant(np.array([[-1.0, 1.0]])), pair])  # (n, r, 1, 2): left to right
        length = add("ReduceL2", [step], axes=[3], keepdims=1)
        # Eyes in one point only happen where there is no face.
        along = add("Div", [step, add("Max", [length, constant(1e-6)])])  # cos, sin of the line's angle
        # turn = target - angle: cos(turn) = c cos + s sin, sin(turn) = s cos - c sin; R = [[cos, -sin], [sin, cos]] as
        # one row of four.
        targets = [(np.cos(r.angle_rad), np.sin(r.angle_rad)) for r in regions]
        to_rotation = np.array([[[c, -s, s, c], [s, c, -c, s]] for c, s in targets])
        rotation = graph.reshape(add("MatMul", [along, constant(to_rotation)]), -1, self.count, 2, 2)
        back = add("Transpose", [rotation], perm=[0, 1, 3, 2])
        # The same number of each, by repetition: a box does not change by that.
        most = max(len(r.points) for r in regions)
        subset = graph.gather(points, np.array([np.resize(r.points, most) for r in regions]))
        turned = add("MatMul", [subset, back])  # (n, r, most, 2): rows (R p)^T = p^T R^T
        high = add("ReduceMax", [turned], axes=[2], keepdims=1)
        low = add("ReduceMin", [turned], axes=[2], keepdims=1)
        middle = add("Mul", [add("Add", [high, low]), constant(0.5)])
        centre = graph.reshape(add("MatMul", [middle, rotation]), -1, self.count, 2, 1)  # R^-1 m
        scale = np.array([[(r.scale_x / r.width, r.scale_y / r.height)] for r in regions])
        size = add("Mul", [add("Sub", [high, low]), constant(scale)])  # (n, r, 1, 2)
        self._linear = add("Mul", [back, size])  # (n, r, 2, 2): R^-1 diag(size)
        corner = add("MatMul", [self._linear, constant(-np.array([[self._width / 2], [self._height / 2]]))])
        self._shift = add("Add", [centre, corner])  # (n, r, 2, 1)

    def sample(self, features: str, channels: int, rows: int, columns: int) -> str:
        """Features (n, channels, rows, columns) at the grids: (n, r * channels, height, width)."""
        graph, add, constant = self._graph, self._graph.add, self._graph.constant
        places = self._height * self._width
        y, x = np.mgrid[0 : self._height, 0 : self._width]
        # Centres of pixels at whole numbers.
        grid = np.stack([x.ravel() + 0.5, y.ravel() + 0.5])
        shift = add("Sub", [self._shift, constant(0.5)])
        place = add("Add", [add("MatMul", [self._linear, constant(grid)]), shift])  # (n, r, 2, places)
        last = np.array([[columns - 1], [rows - 1]], float)
        corner = add("Min", [add("Floor", [place]), constant(last - 1)])
        corner = add("Max", [corner, constant(0.0)])
        far = add("Sub", [place, corner])  # shares of the further pixel in x and y; beyond 0..1 is outside
        near = add("Sub", [constant(1.0), far])
        shares = add("Concat", [near, far], axis=2)  # (n, r, 4, places): near x, near y, far x, far y
        lowest = add("ReduceMin", [shares], axes=[2], keepdims=1)
        inside = add("Cast", [add("GreaterOrEqual", [lowest, constant(0.0)])], to=1)
        in_x, in_y = (
            add("Gather", [shares, constant(np.array(which))], axis=2) for which in ((0, 2, 0, 2), (1, 1, 3, 3))
        )
        weights = add("Mul", [add("Mul", [in_x, in_y]), inside])  # (n, r, 4, places)
        # Whole numbers before they are multiplied: half precision counts only to 2048.
        whole = add("Mul", [add("Cast", [corner], to=7), constant(np.array([[1], [columns]]))])
        index = add("ReduceSum", [whole, constant(np.array([2]))], keepdims=1)  # (n, r, 1, places)
        index = add("Add", [index, constant(np.array([[0], [1], [columns], [columns + 1]]))])
        spots = graph.reshape(index, -1, self.count * 4 * places, 1)
        pixels = graph.reshape(add("Transpose", [features], perm=[0, 2, 3, 1]), -1, rows * columns, channels)
        seen = add("GatherND", [pixels, spots], batch_dims=1)
        seen = graph.reshape(seen, -1, self.count, 4, places * channels)
        spread = graph.reshape(weights, -1, self.count, 4, places, 1)
        mixed = add("Mul", [graph.reshape(seen, -1, self.count, 4, places, channels), spread])
        mixed = add("ReduceSum", [mixed, constant(np.array([2]))], keepdims=0)  # (n, r, places, channels)
        turned = add("Transpose", [mixed], perm=[0, 1, 3, 2])
        return graph.reshape(turned, -1, self.count * channels, self._height, self._width)

    def move(self, points: str, regions: Sequence[int], scale: NDArray[np.float32]) -> str:
        """Points (n, parts, points, 2) of the grids into the features, then times the scale of each part's shift.

        regions: that of each part. scale: (parts,); MediaPipe's way to pixels of the input, in which its grid counts.
        """
        graph, add = self._graph, self._graph.add
        which = np.array(regions)
        linear = graph.gather(add("Transpose", [self._linear], perm=[0, 1, 3, 2]), which)
        shift = graph.gather(graph.reshape(self._shift, -1, self.count, 1, 2), which)
        shift = add("Mul", [shift, graph.constant(scale.reshape(-1, 1, 1))])
        return add("Add", [add("MatMul", [points, linear]), shift])
