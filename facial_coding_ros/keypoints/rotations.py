# SPDX-License-Identifier: Apache-2.0
"""The rotation that lays one set of points on another, from their covariance.

For one 3 x 3 matrix at a time plain arithmetic is several times quicker than numpy's singular value decomposition.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STEPS = 50
_EXACT = 1e-13
_FLAT = 1e-9


def best_rotation(covariance: NDArray[Any]) -> tuple[list[list[float]], float]:
    """The proper rotation R (rows of (3, 3)) with the largest trace(R^T covariance), and that trace.

    covariance: (3, 3). Horn's quaternion (J. Opt. Soc. Am. A 4, 1987): the eigenvector of the largest eigenvalue of a
    4 x 4 matrix; the eigenvalue by Newton's method from above, the vector as a column of the adjugate (Theobald, Acta
    Cryst. A61, 2005). Points on a line leave the rotation open: then it is numpy's.
    """
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = covariance.tolist()
    squares = xx * xx + xy * xy + xz * xz + yx * yx + yy * yy + yz * yz + zx * zx + zy * zy + zz * zz
    largest = math.sqrt(3 * squares)
    if not largest > 0:
        return [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], 0.0
    # The symmetric matrix K, whose trace is 0.
    a, b, c, d = xx + yy + zz, zy - yz, xz - zx, yx - xy
    e, f, g = xx - yy - zz, xy + yx, zx + xz
    h, i, j = -xx + yy - zz, yz + zy, -xx - yy + zz
    c2 = -2 * squares
    c1 = -8 * (xx * (yy * zz - yz * zy) - xy * (yx * zz - yz * zx) + xz * (yx * zy - yy * zx))
    c0 = _determinant_4(a, b, c, d, e, f, g, h, i, j)
    for _ in range(_STEPS):
        square = largest * largest
        slope = (4 * square + 2 * c2) * largest + c1
        if slope <= 0:
            break
        step = ((square + c2) * square + c1 * largest + c0) / slope
        largest -= step
        if abs(step) <= _EXACT * largest:
            break
    quaternion = _null_vector(a - largest, b, c, d, e - largest, f, g, h - largest, i, j - largest)
    if quaternion is None:
        return _by_decomposition(covariance)
    w, x, y, z = quaternion
    rotation = [
        [w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z],
    ]
    return rotation, largest


def _determinant_4(
    a: float, b: float, c: float, d: float, e: float, f: float, g: float, h: float, i: float, j: float
) -> float:
    """Of the symmetric [[a, b, c, d], [b, e, f, g], [c, f, h, i], [d, g, i, j]]."""
    hj, gi, fi, fj, gh = h * j - i * i, f * j - g * i, f * i - g * h, c * j - d * i, c * i - d * h
    cf = c * g - d * f
    return (
        a * (e * hj - f * gi + g * fi)
        - b * (b * hj - f * fj + g * gh)
        + c * (b * gi - e * fj + g * cf)
        - d * (b * fi - e * gh + f * cf)
    )


def _null_vector(
    a: float, b: float, c: float, d: float, e: float, f: float, g: float, h: float, i: float, j: float
) -> tuple[float, float, float, float] | None:
    """Unit vector that the singular symmetric matrix takes to 0; None where it is not the only one.

    Rows of the adjugate are multiples of it; the longest is the most exact.
    """
    hj, fj, fi = h * j - i * i, f * j - g * i, f * i - g * h
    cj, ci, cg = c * j - d * i, c * i - d * h, c * g - d * f
    bg = b * g - d * e
    ww = e * hj - f * fj + g * fi
    wx = -(b * hj - f * cj + g * ci)
    wy = b * fj - e * cj + g * cg
    wz = -(b * fi - e * ci + f * cg)
    xx = a * hj - c * cj + d * ci
    xy = -(a * fj - b * cj + d * cg)
    xz = a * fi - b * ci + c * cg
    yy = a * (e * j - g * g) - b * (b * j - d * g) + d * bg
    yz = -(a * (e * i - f * g) - b * (b * i - d * f) + c * bg)
    zz = a * (e * h - f * f) - b * (b * h - c * f) + c * (b * f - c * e)
    rows = ((ww, wx, wy, wz), (wx, xx, xy, xz), (wy, xy, yy, yz), (wz, xz, yz, zz))
    size = max(abs(v) for v in (a, b, c, d, e, f, g, h, i, j)) ** 3
    squares, row = max((sum(v * v for v in row), row) for row in rows)
    length = math.sqrt(squares)
    if length <= _FLAT * size:
        return None
    w, x, y, z = row
    return w / length, x / length, y / length, z / length


def _by_decomposition(covariance: NDArray[Any]) -> tuple[list[list[float]], float]:
    u, singular, vt = np.linalg.svd(np.asarray(covariance, np.float64))
    if np.linalg.det(u @ vt) < 0:
        u[:, 2] *= -1
        singular[2] *= -1
    return (u @ vt).tolist(), float(singular.sum())
