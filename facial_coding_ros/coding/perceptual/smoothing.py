"""Latents over time: steady while the face is at rest, quick when it moves."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...types import FloatArray

OWNERS = 64
"""Faces remembered; the one not seen for longest is forgotten first."""

LONGEST_GAP_NS = 1_000_000_000
"""After a longer gap a face starts anew."""


@dataclass
class _State:
    stamp_ns: int
    latent: FloatArray
    speed: FloatArray


class OneEuro:
    """The 1-euro filter (Casiez, Roussel & Vogel 2012) over whole latents: one cut-off for all dimensions of a face.

    cut-off = rest_hz + gain * |speed|, speed in latent units a second, itself low-passed at speed_hz. Causal; a stamp
    that jumps back, or a gap, starts the face anew.
    """

    def __init__(self, rest_hz: float = 1.0, gain: float = 0.6, speed_hz: float = 2.0) -> None:
        self._rest_hz, self._gain, self._speed_hz = rest_hz, gain, speed_hz
        self._owners: OrderedDict[str, _State] = OrderedDict()

    def update(self, owners: Sequence[str], latents: FloatArray, stamp_ns: int) -> FloatArray:
        """Latents (n, d) of the faces of one frame -> steadied (n, d). A row with NaN passes through unremembered."""
        out = latents.copy()
        known = np.isfinite(latents).all(1)
        for row, owner in enumerate(owners):
            if known[row]:
                out[row] = self._one(owner, latents[row], stamp_ns)
        while len(self._owners) > OWNERS:
            self._owners.popitem(last=False)
        return out

    def _one(self, owner: str, latent: FloatArray, stamp_ns: int) -> FloatArray:
        state = self._owners.get(owner)
        step_ns = 0 if state is None else stamp_ns - state.stamp_ns
        if state is None or step_ns < 0 or step_ns > LONGEST_GAP_NS:
            self._owners[owner] = _State(stamp_ns, latent.copy(), np.zeros_like(latent))
        elif step_ns > 0:
            step_s = step_ns * 1e-9
            speed = (latent - state.latent) / step_s
            state.speed = state.speed + _share(self._speed_hz, step_s) * (speed - state.speed)
            cutoff = self._rest_hz + self._gain * float(np.sqrt(state.speed @ state.speed))
            state.latent = state.latent + _share(cutoff, step_s) * (latent - state.latent)
            state.stamp_ns = stamp_ns
        self._owners.move_to_end(owner)
        return self._owners[owner].latent

    def forget(self, owner: str) -> None:
        """Drops what is held of a face; nothing when there is none."""
        self._owners.pop(owner, None)


def _share(cutoff_hz: float, step_s: float) -> float:
    """Weight of the new value in a first-order low-pass."""
    turn = 2 * np.pi * cutoff_hz * step_s
    return float(turn / (turn + 1))
