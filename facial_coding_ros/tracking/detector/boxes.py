# SPDX-License-Identifier: Apache-2.0
"""Faces from the detector's answers: decoded, and of those that overlap one.

As MediaPipe's graph of the full-range detector does it (TensorsToDetections, NonMaxSuppression with weights), for a
few hundred cells at most, since only those with a face's score are looked at.
"""

from __future__ import annotations

import math

import numpy as np

from ...types import FloatArray

SIDE, CELLS, VALUES = 192, 48, 16
"""Of the network: side of its input, cells on a side, values of a cell: box (centre, size) and six points (x, y)."""
STEP = SIDE / CELLS
OVERLAP = 0.3
"""Two boxes that overlap more, as intersection over union, are one face."""


def decode(boxes: FloatArray, logits: FloatArray, least_score: float) -> tuple[FloatArray, FloatArray]:
    """Faces of one view with at least this score, the surest first: places (n, 16) and scores (n,).

    boxes: (16, 48, 48), logits: (1, 48, 48), as the network gives them. A place is xmin, ymin, xmax, ymax and six
    points (x, y), all in pixels of the input: right eye, left eye, tip of the nose, middle of the mouth, right and
    left ear.
    """
    rows, columns = np.nonzero(logits[0] >= math.log(least_score / (1 - least_score)))
    if not len(rows):
        return np.empty((0, VALUES), np.float32), np.empty(0, np.float32)
    scores = 1 / (1 + np.exp(-logits[0, rows, columns]))
    places = boxes[:, rows, columns].T.reshape(len(rows), VALUES // 2, 2)
    # Sizes have no origin; everything else counts from the middle of the cell.
    origin = np.stack([columns + 0.5, rows + 0.5], axis=1).astype(np.float32) * np.float32(STEP)
    middle, half = places[:, 0] + origin, places[:, 1] / 2
    points = places[:, 2:] + origin[:, None]
    found = np.concatenate([middle - half, middle + half, points.reshape(len(rows), -1)], axis=1)
    return _suppressed(found, scores)


def _suppressed(places: FloatArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The surest of overlapping faces, at the mean of them all by their scores."""
    order = np.argsort(-scores, kind="stable")
    kept_places, kept_scores = [], []
    while len(order):
        overlaps = _overlaps(places[order[0]], places[order])
        overlaps[0] = 1  # a box without size overlaps nothing, not even itself
        same = order[overlaps > OVERLAP]
        kept_places.append(np.average(places[same], axis=0, weights=scores[same]))
        kept_scores.append(scores[order[0]])
        order = order[overlaps <= OVERLAP]
    return np.array(kept_places, np.float32), np.array(kept_scores, np.float32)


def _overlaps(one: FloatArray, others: FloatArray) -> FloatArray:
    """Intersection over union of a box with others (n, 4 or more)."""
    low, high = np.maximum(one[:2], others[:, :2]), np.minimum(one[2:4], others[:, 2:4])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    sizes = np.clip(others[:, 2:4] - others[:, :2], 0, None).prod(axis=1)
    whole = sizes + np.clip(one[2:4] - one[:2], 0, None).prod() - shared
    overlaps: FloatArray = shared / np.maximum(whole, 1e-9)
    return overlaps
