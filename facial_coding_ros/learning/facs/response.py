# SPDX-License-Identifier: Apache-2.0
"""What the tracker makes of true motion: a linear response, learnt from rendered people, to draw more motions from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...action_units import CODES
from ...face_model.ict import IctFaces
from ...types import FloatArray
from ..synthesis.dataset import NEUTRALS, plan_person, set_options
from ..synthesis.expressions import Manner, offsets, sample_expression, with_lips
from .motion_sets import LIPS_APART_CM, MotionSet, mirrored

_HEAD_AXES = np.array([1, -1, -1], np.float32)  # x left, y up, z near, as expressions are drawn; its own inverse


class IdealMotions:
    """True motions at the mesh's points, of planned people and of new ones."""

    def __init__(self) -> None:
        faces = IctFaces.load()
        self._shapes = {name: faces.shape(name) * _HEAD_AXES for name in faces.expression_names}
        self._cm = faces.eye_distance_cm

    def of_set(self, folder: Path, person: int) -> FloatArray:
        """(pictures, 468, 3) of a person of a rendered set, against the face at rest; eye distances."""
        plan = plan_person(set_options(folder), person)
        return np.stack([offsets(p.sample, plan.manner, self._shapes) for p in plan.pictures]) * _HEAD_AXES

    def draw(self, count: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Motions (count, 468, 3) of random people and expressions, and their sides (count, 2, units)."""
        motion, sides = np.empty((count, *next(iter(self._shapes.values())).shape), np.float32), []
        for row in range(count):
            if row % 8 == 0:
                manner = Manner.sample(rng)
            sample = sample_expression(rng)
            motion[row] = offsets(sample, manner, self._shapes) * _HEAD_AXES
            right, left = with_lips(sample, 0.0)
            gap = float(motion[row, 14, 1] - motion[row, 13, 1]) * self._cm
            right[CODES.index(25)] = left[CODES.index(25)] = np.clip(gap / LIPS_APART_CM, 0, 1) if gap > 0.1 else 0
            sides.append(np.stack([right, left]))
        return motion, np.stack(sides).astype(np.float32)


class LinearTrackerResponse:
    """Tracked motion = true motion @ response + residual."""

    def __init__(self, response: FloatArray, residual: FloatArray, explained: float) -> None:
        """response: (1404, 1404). residual: (n, 468, 3) of some of the motions it was fitted to. explained: share of
        the tracked motions' square."""
        self.response, self.residual, self.explained = response, residual, explained

    @classmethod
    def fit(cls, data: MotionSet, folders: list[Path], strength: float = 3e-4) -> LinearTrackerResponse:
        """Ridge towards half the true motion, about what the tracker reports. folders: as given to load_motions."""
        ideal = IdealMotions()
        data = data.take(~data.resting & ~data.turned)
        truth = np.empty_like(data.motion)
        for person in np.unique(data.person):
            rows = np.flatnonzero(data.person == person)
            of_person = ideal.of_set(folders[int(person) // 1_000_000], int(person) % 1_000_000)
            truth[rows] = of_person[data.number[rows]] - of_person[:NEUTRALS].mean(0)
        shape = truth.shape[1:]
        size = int(np.prod(shape))
        xx, xy, square = np.zeros((size, size)), np.zeros((size, size)), 0.0

        def both(motion: FloatArray) -> FloatArray:
            return np.concatenate([motion, mirrored(motion)]).reshape(-1, size)

        for start in range(0, len(truth), 4000):  # memory
            x, y = (both(motion[start : start + 4000]) for motion in (truth, data.motion))
            xx, xy, square = xx + x.T @ x, xy + x.T @ y, square + float((y**2).sum())
        count, towards = 2 * len(truth), strength * np.eye(size)
        response = np.linalg.solve(xx / count + towards, xy / count + 0.5 * towards)
        left = square - 2 * (response * xy).sum() + (response * (xx @ response)).sum()
        residual = (both(data.motion[::8]) - both(truth[::8]) @ response).reshape(-1, *shape)  # enough to draw from
        return cls(response.astype(np.float32), residual.astype(np.float32), float(1 - left / square))

    def _reported(self, motion: FloatArray) -> FloatArray:
        return np.asarray((motion.reshape(len(motion), -1) @ self.response).reshape(motion.shape), np.float32)

    def missed(self, motion: FloatArray) -> FloatArray:
        """What the tracker does not report of true motions (n, 468, 3)."""
        return np.asarray(motion - self._reported(motion), np.float32)

    def seen(self, motion: FloatArray, rng: np.random.Generator) -> FloatArray:
        """What a tracker may report of true motions (n, 468, 3), without its noise.

        The response learnt from renders, moved towards the truth by a random share up to 0.3, apart for the upper and
        the lower face: in photographs the tracker follows some movements (AU2, 17, 18) so much further. Every other
        motion is moved by any share, up to the truth itself, for trackers that follow better than this one.
        """
        seen = self._reported(motion)
        height = np.clip(IctFaces.load().neutral[:, 1] / 0.5, 0, 1)[:, None]
        shares = rng.uniform(0, 0.3, (2, len(motion), 1, 1)).astype(np.float32)
        further = rng.uniform(0, 1, (len(motion), 1, 1)) * (rng.random((len(motion), 1, 1)) < 0.5)
        share = 1 - (1 - shares[0] * (1 - height) - shares[1] * height) * (1 - further)
        return np.asarray(seen + share * (motion - seen), np.float32)
