# SPDX-License-Identifier: Apache-2.0
"""The linear estimators that the network is compared with: from ideal shapes, from learned bases, regression."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import nnls

from ...action_units import CODES
from ...face_model.ict import AU_SHAPES, IctFaces
from ...types import FloatArray
from .motion_sets import LIPS_APART_CM, MotionSet

Predictor = Callable[[MotionSet], FloatArray]
"""A set of n motions -> sides (n, 2, units), right first."""
_COLUMNS = [(side, at) for at in range(len(CODES)) for side in (0, 1)]


def ridge(data: MotionSet, strength: float) -> Predictor:
    """Linear regression with an L2 penalty, `strength` in squared eye distances per frame."""
    x = data.motion.reshape(len(data.motion), -1)
    y = data.sides.reshape(len(x), -1)
    weights = np.linalg.solve(x.T @ x / len(x) + strength * np.eye(x.shape[1]), x.T @ y / len(x)).astype(np.float32)
    return lambda of: (of.motion.reshape(len(of.motion), -1) @ weights).reshape(len(of.motion), 2, -1)


def part_ridge(data: MotionSet, strength: float, noise: FloatArray, penalty: float) -> Predictor:
    """Ridge for each part of the face by itself, with a penalty on what moves between pictures of a resting face.

    noise: (n, 468, 3) motions of resting faces. penalty: weight of their covariance.
    """
    height = IctFaces.load().neutral[:, 1]
    upper, lower = np.flatnonzero(height < 0.6), np.flatnonzero(height > 0.05)
    brows_and_eyes = (1, 2, 4, 5, 6, 7, 43, 45)
    weights = np.zeros((len(height), 3, 2, len(CODES)), np.float32)
    for points, codes in ((upper, brows_and_eyes), (lower, tuple(c for c in CODES if c not in brows_and_eyes))):
        columns = [CODES.index(code) for code in codes]
        x, n = (a[:, points].reshape(len(a), -1) for a in (data.motion, noise))
        y = data.sides[:, :, columns].reshape(len(x), -1)
        inner = x.T @ x / len(x) + penalty * (n.T @ n) / len(n) + strength * np.eye(x.shape[1])
        solved = np.linalg.solve(inner, x.T @ y / len(x)).reshape(len(points), 3, 2, len(columns))
        weights[points[:, None], :, :, np.array(columns)[None]] = solved.transpose(0, 3, 1, 2)
    flat = weights.reshape(-1, 2 * len(CODES))
    return lambda of: (of.motion.reshape(len(of.motion), -1) @ flat).reshape(len(of.motion), 2, -1)


def ideal_shapes() -> Predictor:
    """Non-negative least squares on ICT-FaceKit's own shapes: the simplest, without any tracker seen."""
    faces = IctFaces.load()
    basis, columns = [], []
    for side, at in _COLUMNS:
        shapes = AU_SHAPES.get(45 if CODES[at] == 43 else CODES[at])
        if shapes is None or CODES[at] in (43,) or (side == 1 and shapes[0] == shapes[1]):
            continue
        basis.append(faces.offsets(dict.fromkeys(shapes[side], 1.0)).reshape(-1))
        columns.append((side, at, shapes[0] == shapes[1]))
    matrix = np.stack(basis, 1).astype(np.float64)
    root, _ = np.linalg.qr(matrix)

    def predict(of: MotionSet) -> FloatArray:
        motion = of.motion
        out = np.zeros((len(motion), 2, len(CODES)), np.float32)
        for row, flat in enumerate(motion.reshape(len(motion), -1) @ root):
            for amount, (side, at, both) in zip(nnls(root.T @ matrix, flat)[0], columns, strict=True):
                out[row, side, at] = amount
                if both:
                    out[row, 1, at] = amount
        jaw = out[:, :, CODES.index(27)].copy()
        out[:, :, CODES.index(26)], out[:, :, CODES.index(27)] = np.clip(2 * jaw, 0, 1), np.clip(2 * jaw - 1, 0, 1)
        out[:, :, CODES.index(43)] = out[:, :, CODES.index(45)]
        gap = (motion[:, 14, 1] - motion[:, 13, 1]) * faces.eye_distance_cm / LIPS_APART_CM
        out[:, :, CODES.index(25)] = np.clip(gap, 0, 1)[:, None]
        return out

    return predict


def sparse_code(data: MotionSet, noise: FloatArray, strength: float = 3.0, floor: float = 0.01) -> Predictor:
    """Non-negative lasso on learned bases: what the tracker shows for each side of each unit, whitened by its noise.

    The bases are the least-squares responses of the tracked motion to the true intensities. noise: (n, 468, 3).
    """
    y = data.sides.reshape(len(data.sides), -1)
    x = data.motion.reshape(len(y), -1)
    response = np.linalg.solve(y.T @ y / len(y) + 2e-3 * np.eye(y.shape[1]), y.T @ x / len(y))
    flat = noise.reshape(len(noise), -1)
    values, vectors = np.linalg.eigh(flat.T @ flat / len(flat))
    whiten = vectors / np.sqrt(np.maximum(values, 0) + floor**2)
    atoms = (response @ whiten).T.astype(np.float64)
    root, small = np.linalg.qr(atoms)
    to_root = whiten @ root
    gram = small.T @ small

    def predict(of: MotionSet) -> FloatArray:
        motion = of.motion
        targets = motion.reshape(len(motion), -1) @ to_root @ small
        codes = np.zeros_like(targets)
        for _ in range(60):  # coordinate descent of 1/2 |x - A u|^2 + strength |u|, u >= 0, over all rows at once
            for k in range(gram.shape[0]):
                rest = targets[:, k] - codes @ gram[k] + codes[:, k] * gram[k, k]
                codes[:, k] = np.maximum(rest - strength, 0) / max(gram[k, k], 1e-9)
        return codes.reshape(len(motion), 2, -1).astype(np.float32)

    return predict
