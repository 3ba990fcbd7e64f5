# SPDX-License-Identifier: Apache-2.0
"""Latents over time: steady while the face is at rest, quick when it moves."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...types import FloatArray

MAX_SUBJECTS = 64
"""Faces remembered; the one not seen for longest is forgotten first."""

LONGEST_GAP_NS = 1_000_000_000
"""After a longer gap a face starts anew."""


@dataclass
class _Course:
    """Of one face. latent, speed: (d,), as of stamp_ns."""

    latent: FloatArray
    speed: FloatArray
    stamp_ns: int


class OneEuro:
    """The 1-euro filter (Casiez, Roussel & Vogel 2012) over whole latents: one cut-off for all dimensions of a face.

    cut-off = rest_hz + gain * |speed|, speed in latent units a second, itself low-passed at speed_hz. Causal; a stamp
    that jumps back, or a gap, starts the face anew.
    """

    def __init__(self, rest_hz: float = 1.0, gain: float = 0.1, speed_hz: float = 1.0) -> None:
        self._rest_hz, self._gain, self._speed_hz = rest_hz, gain, speed_hz
        self._faces: OrderedDict[str, _Course] = OrderedDict()

    def update(self, subject_keys: Sequence[str], latents: FloatArray, stamp_ns: int) -> FloatArray:
        """Latents (n, d), n > 0, of the faces of one frame -> filtered (n, d).

        A row with NaN passes through unremembered. Raises ValueError for more faces than are remembered.
        """
        if len(subject_keys) > MAX_SUBJECTS:
            raise ValueError(f"{len(subject_keys)} faces in one frame; at most {MAX_SUBJECTS} are expected")
        courses = [
            self._course(subject_key, latent, stamp_ns)
            for subject_key, latent in zip(subject_keys, latents, strict=True)
        ]
        before, speed = np.array([one.latent for one in courses]), np.array([one.speed for one in courses])
        change = latents - before
        turns = [2e-9 * math.pi * (stamp_ns - one.stamp_ns) for one in courses]
        kept, per_second = [], []
        for turn in turns:
            share = self._speed_hz * turn / (self._speed_hz * turn + 1)
            kept.append([1 - share])
            per_second.append([share * 2 * math.pi / max(turn, 1e-8)])
        speed *= np.array(kept, np.float32)
        speed += np.array(per_second, np.float32) * change
        shares = []
        for turn, square in zip(turns, np.einsum("nd,nd->n", speed, speed).tolist(), strict=True):
            turn *= self._rest_hz + self._gain * math.sqrt(square)
            shares.append([turn / (turn + 1)])
        change *= np.array(shares, np.float32)
        after: FloatArray = before + change
        for one, latent, own_speed in zip(courses, after, speed, strict=True):
            if not math.isnan(latent[0]):
                one.latent, one.speed, one.stamp_ns = latent, own_speed, stamp_ns
        return after

    def _course(self, subject_key: str, latent: FloatArray, stamp_ns: int) -> _Course:
        """A subject's. A new one begins at this latent, as does one of another size, from the future, of long ago or
        without numbers."""
        course = self._faces.get(subject_key)
        if course is None:
            course = self._faces[subject_key] = _Course(latent, np.zeros_like(latent), stamp_ns)
            if len(self._faces) > MAX_SUBJECTS:
                self._faces.popitem(last=False)
        else:
            self._faces.move_to_end(subject_key)
            gap_ns = stamp_ns - course.stamp_ns
            goes_on = 0 <= gap_ns <= LONGEST_GAP_NS and len(course.latent) == len(latent)
            if not goes_on or math.isnan(course.latent[0]):
                course.latent, course.speed, course.stamp_ns = latent, np.zeros_like(latent), stamp_ns
        return course

    def forget(self, subject_key: str) -> None:
        """Drops what is held of a face; nothing when there is none."""
        self._faces.pop(subject_key, None)
