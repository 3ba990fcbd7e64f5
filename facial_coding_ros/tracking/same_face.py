# SPDX-License-Identifier: Apache-2.0
"""Whether detections, landmarks and tracks are of one face, in one frame."""

from __future__ import annotations

import math

import numpy as np

from .regions import Detection, Landmarks, Square
from .tracks import Observation, Track

DOUBTFUL = 0.9
"""Landmarks with less presence may stand askew on a turned head: turned views go on, and better ones replace them."""
ASKEW = math.radians(60)
"""Two heads as near to each other as half a face are not turned against each other by as much."""


def followed_square(track: Track, square: Square, stamp: int) -> Square:
    """The square of the last landmarks where the box agrees with it, else the box's."""
    if track.hits and not track.misses:
        last = track.region(stamp)
        if np.hypot(last.x - square.x, last.y - square.y) < 0.35 * square.side and 0.5 < last.side / square.side < 2:
            return last
    return square


def explains(seen: Observation, detection: Detection, surely: bool) -> bool:
    """Whether a face that is seen explains a detection. surely: a doubtful face explains none."""
    if abs(seen.centre - detection.centre) >= 0.6 * max(seen.size, detection.width):
        return False
    return not surely or seen.landmarks.presence >= DOUBTFUL


def turned_against(a: Landmarks, b: Landmarks) -> bool:
    """Whether landmarks lie on one head at different angles, as where some stand askew on a head that is turned."""
    if abs(a.centre - b.centre) >= 0.5 * max(a.size, b.size):
        return False
    return abs(math.remainder(a.square.angle - b.square.angle, math.tau)) > ASKEW


def same_box(a: Detection, b: Detection) -> bool:
    """Whether two detections are of one face; of views that are turned against each other both are tried."""
    return a.view_angle == b.view_angle and abs(a.centre - b.centre) < 0.5 * max(a.width, b.width)
