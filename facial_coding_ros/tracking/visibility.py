# SPDX-License-Identifier: Apache-2.0
"""How far the landmarks of a face can be trusted.

The landmark network draws a whole face also where a hand or a mask hides half of it, and its own score hardly drops.
What is hidden is told from its features (visibility_head). Where a backend has none each part is looked at: brows, eyes
and lips are darker and lighter than skin, and a part without that contrast is not there; a patterned thing in front of
a face is not noticed this way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray, HeadPose, ImageArray, Visibility
from .regions import Landmarks
from .visibility_head import VisibilityHead

BROWS_NOT_VISIBLE, EYES_NOT_VISIBLE, LOWER_FACE_NOT_VISIBLE, FACE_NOT_VISIBLE = 70, 71, 72, 73
NOT_VISIBLE_BELOW = 0.3
"""Visibility under which FACS's codes say "not visible"."""

# Mesh points of each part on the person's right and left, from above the part's upper to below its lower edge.
_BROWS = (
    (70, 63, 105, 66, 107, 55, 65, 52, 53, 46, 27, 28, 29, 30, 69, 104, 108),
    (300, 293, 334, 296, 336, 285, 295, 282, 283, 276, 257, 258, 259, 260, 337, 333, 299),
)
_EYES = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173, 468, 469, 470, 471, 472),
    (362, 382, 381, 380, 374, 373, 390, 249, 263, 466, 388, 387, 386, 385, 384, 398, 473, 474, 475, 476, 477),
)
_LIPS = (
    (61, 146, 91, 181, 84, 17, 185, 40, 39, 37, 0, 78, 95, 88, 178, 87, 14, 191, 80, 81, 82, 13, 57, 43, 106, 182),
    (291, 375, 321, 405, 314, 17, 409, 270, 269, 267, 0, 308, 324, 318, 402, 317, 14, 415, 310, 311, 312, 13, 287, 273,
     335, 406),
)  # fmt: skip
_SKIN = (50, 280, 205, 425, 117, 346, 123, 352, 151, 9, 195, 5, 187, 411)
_LIGHT = np.full(3, 1 / 3)
# Contrast (standard deviation over the brightness of the skin) at which a part counts as hidden and as seen. Six people
# at 45 to 270 px have at least 0.13, 0.05 and 0.085; a plain block has 0.03 at most.
_HIDDEN = (0.03, 0.03, 0.015, 0.015, 0.03, 0.03)
_SEEN = (0.09, 0.09, 0.04, 0.04, 0.07, 0.07)


def _means(groups: Sequence[Sequence[int]]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The points of all groups, and the matrix (groups, points) that takes the mean over each."""
    points = sorted({point for group in groups for point in group})
    matrix = np.array([[1 / len(group) if point in group else 0.0 for point in points] for group in groups])
    return np.array(points), matrix


_POINTS, _MEANS = _means((*_BROWS, *_EYES, *_LIPS, _SKIN))


def visibility(
    image: ImageArray,
    found: Sequence[Landmarks],
    columns: FloatArray,
    poses: Sequence[HeadPose],
    head: VisibilityHead | None = None,
) -> list[Visibility]:
    """Visibility of the faces of an image, (height, width, 3) RGB. columns: their meshes (n, 3, 478). head: tells what
    is hidden where all faces have features; without it contrast does.

    A face's value falls with the landmark network's score, below 48 px, beyond 40 degrees of yaw and 30 of pitch,
    outside the image, and with each part that is hidden; a part's value with all of these but the other parts.
    """
    visibilities = []
    height, width = image.shape[:2]
    inside = all(min(one.box) >= 0 and one.box[2] <= width - 1 and one.box[3] <= height - 1 for one in found)
    features = [one.features for one in found if one.features is not None]
    if head is not None and len(features) == len(found):
        seen = head.parts(features)
        if not inside:
            shares = _shares_inside(columns, width, height)
            seen = [[a * b for a, b in zip(*pair, strict=True)] for pair in zip(seen, shares, strict=True)]
    else:
        seen = _contrasts(image, columns, inside)
    for one, pose, parts in zip(found, poses, seen, strict=True):
        size = _unit((one.size - 16) / 32)
        turn = _unit((75 - abs(pose.yaw_deg)) / 35) * _unit((65 - abs(pose.pitch_deg)) / 35)
        common = one.presence * size * turn
        brows, eyes, lips = (common * share for share in parts)
        visibilities.append(Visibility((brows + eyes + lips) / 3, brows, eyes, lips))
    return visibilities


def _shares_inside(columns: FloatArray, width: int, height: int) -> list[list[float]]:
    """Share of the points of brows, eyes and lips that lie in the image."""
    places = columns[:, :2].take(_POINTS, 2)
    within = ((places >= 0) & (places <= ((width - 1,), (height - 1,)))).all(1) @ _MEANS[:-1].T
    return [[(right + left) / 2 for right, left in zip(row[::2], row[1::2], strict=True)] for row in within.tolist()]


def _contrasts(image: ImageArray, columns: FloatArray, inside: bool) -> list[list[float]]:
    """Share of brows, eyes and lips of each face that is seen, each the mean of its two sides.

    inside: whether all points are known to lie in the image.
    """
    places = np.rint(columns[:, :2].take(_POINTS, 2)).astype(np.intp)
    values = np.ones((len(columns), 3, len(_POINTS)))
    if not inside:
        height, width = image.shape[:2]
        kept = np.minimum(np.maximum(places, 0), ((width - 1,), (height - 1,)))
        values[:, 2] = (kept == places).all(1)
        places = kept
    values[:, 0] = image[places[:, 1], places[:, 0]] @ _LIGHT
    np.multiply(values[:, 0], values[:, 0], out=values[:, 1])
    return [_shares(*face) for face in (_MEANS @ values.transpose(0, 2, 1)).tolist()]


def _shares(*groups: Sequence[float]) -> list[float]:
    """groups: mean brightness, mean of its square and share inside the image, of each part and last of the skin."""
    *parts, (skin, _, _) = groups
    shares = []
    for (mean, square, inside), hidden, seen in zip(parts, _HIDDEN, _SEEN, strict=True):
        contrast = math.sqrt(max(square - mean * mean, 0.0)) / (skin + 10)
        shares.append(_unit((contrast - hidden) / (seen - hidden)) * inside)
    return [(right + left) / 2 for right, left in zip(shares[::2], shares[1::2], strict=True)]


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def visibility_codes(seen: Visibility) -> tuple[int, ...]:
    """FACS's codes 70 to 73 for what is not visible."""
    if seen.face < NOT_VISIBLE_BELOW:
        return (FACE_NOT_VISIBLE,)
    parts = (
        (seen.brows, BROWS_NOT_VISIBLE),
        (seen.eyes, EYES_NOT_VISIBLE),
        (seen.lower_face, LOWER_FACE_NOT_VISIBLE),
    )
    return tuple(code for share, code in parts if share < NOT_VISIBLE_BELOW)
