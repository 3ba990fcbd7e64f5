"""Latents over time: steady while the face is at rest, quick when it moves."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...types import FloatArray

OWNERS = 64
"""Faces remembered; the one not seen for longest is forgotten first."""

LONGEST_GAP_NS = 1_000_000_000
"""After a longer gap a face starts anew."""

_UNSEEN = np.iinfo(np.int64).min // 2


class OneEuro:
    """The 1-euro filter (Casiez, Roussel & Vogel 2012) over whole latents: one cut-off for all dimensions of a face.

    cut-off = rest_hz + gain * |speed|, speed in latent units a second, itself low-passed at speed_hz. Causal; a stamp
    that jumps back, or a gap, starts the face anew.
    """

    def __init__(self, rest_hz: float = 1.0, gain: float = 0.1, speed_hz: float = 1.0) -> None:
        self._rest_hz, self._gain, self._speed_hz = rest_hz, gain, speed_hz
        self._slots: OrderedDict[str, int] = OrderedDict()
        self._stamp_ns = np.full(OWNERS, _UNSEEN, np.int64)
        self._latent = np.empty((OWNERS, 0), np.float32)
        self._speed = np.empty((OWNERS, 0), np.float32)

    def update(self, owners: Sequence[str], latents: FloatArray, stamp_ns: int) -> FloatArray:
        """Latents (n, d) of the faces of one frame -> steadied (n, d). A row with NaN passes through unremembered.

        Raises ValueError for more faces than are remembered.
        """
        if len(owners) > OWNERS:
            raise ValueError(f"{len(owners)} faces in one frame; at most {OWNERS} are expected")
        if latents.shape[1] != self._latent.shape[1]:
            self._latent = np.zeros((OWNERS, latents.shape[1]), np.float32)
            self._speed = np.zeros_like(self._latent)
            self._stamp_ns[:] = _UNSEEN
        known = np.isfinite(latents[:, 0])
        if known.all():
            return self._step([self._slot(owner) for owner in owners], latents, stamp_ns)
        out = latents.copy()
        slots = [self._slot(owner) for owner, one in zip(owners, known, strict=True) if one]
        out[known] = self._step(slots, latents[known], stamp_ns)
        return out

    def _step(self, owned: list[int], latents: FloatArray, stamp_ns: int) -> FloatArray:
        slots = np.array(owned, np.intp)
        step_ns = stamp_ns - self._stamp_ns[slots]
        step_s = step_ns * 1e-9
        started = (step_ns >= 0) & (step_ns <= LONGEST_GAP_NS)
        before, speed = self._latent[slots], self._speed[slots]
        change = latents - before
        rate = (step_ns > 0) / np.maximum(step_s, 1e-9)
        speed += (_share(self._speed_hz, step_s)[:, None] * (change * rate[:, None] - speed)).astype(np.float32)
        cutoff = self._rest_hz + self._gain * np.sqrt(np.einsum("nd,nd->n", speed, speed))
        after = before + _share(cutoff, step_s)[:, None].astype(np.float32) * change
        if not started.all():
            after[~started], speed[~started] = latents[~started], 0
        self._latent[slots], self._speed[slots], self._stamp_ns[slots] = after, speed, stamp_ns
        return after

    def _slot(self, owner: str) -> int:
        """Row of an owner; a new one takes a free row, or that of the owner not seen for longest."""
        slot = self._slots.get(owner)
        if slot is None:
            if len(self._slots) == OWNERS:
                _, slot = self._slots.popitem(last=False)
            else:
                slot = next(i for i in range(OWNERS) if i not in self._slots.values())
            self._slots[owner] = slot
            self._stamp_ns[slot] = _UNSEEN
        else:
            self._slots.move_to_end(owner)
        return slot

    def forget(self, owner: str) -> None:
        """Drops what is held of a face; nothing when there is none."""
        self._slots.pop(owner, None)


def _share(cutoff_hz: float | FloatArray, step_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weight of the new value in a first-order low-pass."""
    turn = 2 * np.pi * cutoff_hz * step_s
    return turn / (turn + 1)
