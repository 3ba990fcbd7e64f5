"""One-Euro filter for meshes (Casiez, Roussel and Vogel, CHI 2012), in image time."""

from __future__ import annotations

import numpy as np

from ..types import FloatArray

DERIVATIVE_CUTOFF_HZ = 1.5
LONGEST_STEP_S = 0.5


class OneEuroFilter:
    """A low-pass filter whose cut-off rises with speed: calm at rest, no lag in motion.

    min_cutoff_hz: cut-off at rest. beta: Hz per face width a second; speeds are measured in face widths, so that near
    and far faces are treated alike.
    """

    def __init__(self, min_cutoff_hz: float, beta: float) -> None:
        self.min_cutoff_hz, self.beta = min_cutoff_hz, beta
        self._value: FloatArray | None = None
        self._speed: FloatArray | None = None
        self._stamp_ns = 0

    def __call__(self, mesh: FloatArray, stamp_ns: int, size: float) -> FloatArray:
        """The filtered mesh (n, 3). size: of the face, in pixels."""
        step = (stamp_ns - self._stamp_ns) / 1e9
        if self._value is None or self._speed is None or not 0 < step <= LONGEST_STEP_S:
            self._value, self._speed = mesh.copy(), np.zeros_like(mesh)
        else:
            speed = (mesh - self._value) / (step * size)
            self._speed = self._speed + _share(DERIVATIVE_CUTOFF_HZ, step) * (speed - self._speed)
            rate = np.sqrt(np.einsum("nd,nd->n", self._speed, self._speed))[:, None]
            self._value = self._value + _share(self.min_cutoff_hz + self.beta * rate, step) * (mesh - self._value)
        self._stamp_ns = stamp_ns
        return self._value.copy()


def _share(cutoff_hz: float | FloatArray, step_s: float) -> float | FloatArray:
    turn = 2 * np.pi * cutoff_hz * step_s
    return turn / (turn + 1)
