# SPDX-License-Identifier: Apache-2.0
"""Latents over time: steady while the face is at rest, quick when it moves."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...types import FloatArray
from ..formula import Formula

MAX_SUBJECTS = 64
"""Faces remembered; the one not seen for longest is forgotten first."""

LONGEST_GAP_NS = 1_000_000_000
"""After a longer gap a face starts anew."""


@dataclass
class _FilteredFace:
    """Filter state of one face. state: (2, d), filtered latent and its speed at stamp_ns; None before the first."""

    stamp_ns: int
    state: FloatArray | None = None


@dataclass(frozen=True)
class FilterInputs:
    """Inputs of `one_euro` for the n faces of a frame, beside their latents.

    before, speed: (n, d), filtered latent and its speed at the frame before; 0 for a new face. fresh: (n, 1), 1 for a
    new face, else 0. slowed, gained: (n, 1), coefficients of the speed's low-pass filter: of the speed before, and of
    the change of the latent. at_rest, moving: (n, 1), 2 pi times cut-off frequency times the time since the frame
    before: the part at rest, and the part for each unit of speed.
    """

    before: FloatArray
    speed: FloatArray
    fresh: FloatArray
    slowed: FloatArray
    gained: FloatArray
    at_rest: FloatArray
    moving: FloatArray

    @classmethod
    def none(cls, faces: int, dimensions: int) -> FilterInputs:
        """For new faces only: their latents stay as they are."""
        nothing, zero = np.zeros((faces, dimensions), np.float32), np.zeros((faces, 1), np.float32)
        return cls(nothing, nothing, np.ones((faces, 1), np.float32), zero, zero, zero, zero)


def one_euro(
    latents: FloatArray,
    before: FloatArray,
    speed: FloatArray,
    fresh: FloatArray,
    slowed: FloatArray,
    gained: FloatArray,
    at_rest: FloatArray,
    moving: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Filtered latents and their speeds, (n, d) each; see `OneEuro` and `FilterInputs`. A `coding.formula.Formula`."""
    start = before + fresh * latents
    change = latents - start
    now = slowed * speed + gained * change
    turn = at_rest + moving * np.linalg.norm(now, axis=1, keepdims=True)
    return start + turn / (turn + 1.0) * change, now


class OneEuro:
    """The 1-euro filter (Casiez, Roussel & Vogel 2012) over whole latents: one cut-off for all dimensions of a face.

    cut-off = rest_hz + gain * |speed|, speed in latent units a second, itself low-passed at speed_hz. Causal; a stamp
    that jumps back, or a gap, starts the face anew.
    """

    def __init__(self, rest_hz: float = 1.0, gain: float = 0.1, speed_hz: float = 1.0) -> None:
        self._rest_hz, self._gain, self._speed_hz = rest_hz, gain, speed_hz
        self._faces: OrderedDict[str, _FilteredFace] = OrderedDict()

    def formula(self, name: str, dimensions: int) -> Formula:
        """`one_euro`: values and the fields of FilterInputs -> filtered, new_speed."""
        wide = dict.fromkeys(("values", "before", "speed"), (dimensions,))
        single = dict.fromkeys(("fresh", "slowed", "gained", "at_rest", "moving"), (1,))
        outputs = dict.fromkeys(("filtered", "new_speed"), (dimensions,))
        # A speed is the difference of two latents over a thirtieth of a second.
        return Formula(name, wide | single, outputs, one_euro, tolerance={"new_speed": 0.15})

    def update(self, subject_keys: Sequence[str], latents: FloatArray, stamp_ns: int) -> FloatArray:
        """Latents (n, d), n > 0, of the faces of one frame -> filtered (n, d).

        A row with NaN passes through unremembered. Raises ValueError for more faces than are remembered.
        """
        so_far = self.so_far(subject_keys, latents.shape[1], stamp_ns)
        filtered, speed = one_euro(latents, **vars(so_far))
        self.keep(subject_keys, filtered, speed, stamp_ns)
        return filtered

    def so_far(self, subject_keys: Sequence[str], dimensions: int, stamp_ns: int) -> FilterInputs:
        """Of the faces of one frame, n > 0. Raises ValueError for more faces than are remembered."""
        if len(subject_keys) > MAX_SUBJECTS:
            raise ValueError(f"{len(subject_keys)} faces in one frame; at most {MAX_SUBJECTS} are expected")
        rows, steps = [], []
        for subject_key in subject_keys:
            held = self._faces.get(subject_key)
            gap_ns = -1 if held is None else stamp_ns - held.stamp_ns
            if held is None or held.state is None or not 0 <= gap_ns <= LONGEST_GAP_NS:
                rows.append(np.zeros((2, dimensions), np.float32))
                steps.append((1.0, 0.0, 0.0, 0.0, 0.0))
                continue
            turn = 2e-9 * math.pi * gap_ns
            share = self._speed_hz * turn / (self._speed_hz * turn + 1)
            rows.append(held.state)
            steps.append(
                (0.0, 1 - share, share * 2 * math.pi / max(turn, 1e-8), turn * self._rest_hz, turn * self._gain)
            )
        states, step = np.array(rows), np.array(steps, np.float32)
        return FilterInputs(states[:, 0], states[:, 1], *(step[:, i : i + 1] for i in range(5)))

    def keep(self, subject_keys: Sequence[str], filtered: FloatArray, speed: FloatArray, stamp_ns: int) -> None:
        """Remembers what `one_euro` gave, (n, d) each; not rows with NaN."""
        states = np.array((filtered, speed)).transpose(1, 0, 2)
        for subject_key, state in zip(subject_keys, states, strict=True):
            held = self._faces.get(subject_key)
            if held is None:
                held = self._faces[subject_key] = _FilteredFace(stamp_ns)
                if len(self._faces) > MAX_SUBJECTS:
                    self._faces.popitem(last=False)
            else:
                self._faces.move_to_end(subject_key)
            if not math.isnan(state[0, 0]):
                held.state, held.stamp_ns = state, stamp_ns

    def forget(self, subject_key: str) -> None:
        """Drops what is held of a face; nothing when there is none."""
        self._faces.pop(subject_key, None)
