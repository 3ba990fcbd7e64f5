"""Latents over time: steady while the face is at rest, quick when it moves."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from ...types import FloatArray

OWNERS = 64
"""Faces remembered; the one not seen for longest is forgotten first."""

LONGEST_GAP_NS = 1_000_000_000
"""After a longer gap a face starts anew."""

_UNSEEN = -(2**62)


class OneEuro:
    """The 1-euro filter (Casiez, Roussel & Vogel 2012) over whole latents: one cut-off for all dimensions of a face.

    cut-off = rest_hz + gain * |speed|, speed in latent units a second, itself low-passed at speed_hz. Causal; a stamp
    that jumps back, or a gap, starts the face anew.
    """

    def __init__(self, rest_hz: float = 1.0, gain: float = 0.1, speed_hz: float = 1.0) -> None:
        self._rest_hz, self._gain, self._speed_hz = rest_hz, gain, speed_hz
        self._slots: OrderedDict[str, int] = OrderedDict()
        self._stamp_ns = [_UNSEEN] * OWNERS
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
            self._stamp_ns = [_UNSEEN] * OWNERS
        known = np.isfinite(latents[:, 0])
        if known.all():
            return self._step([self._slot(owner) for owner in owners], latents, stamp_ns)
        out = latents.copy()
        slots = [self._slot(owner) for owner, one in zip(owners, known, strict=True) if one]
        out[known] = self._step(slots, latents[known], stamp_ns)
        return out

    def _step(self, owned: list[int], latents: FloatArray, stamp_ns: int) -> FloatArray:
        slots = np.array(owned, np.intp)
        weights, fresh = [], []
        for row, slot in enumerate(owned):
            step_ns = stamp_ns - self._stamp_ns[slot]
            if not 0 <= step_ns <= LONGEST_GAP_NS:
                fresh.append(row)
                step_ns = 0
            turn = 2e-9 * math.pi * step_ns
            share = self._speed_hz * turn / (self._speed_hz * turn + 1)
            weights.append((share, share / max(1e-9 * step_ns, 1e-9), turn))
            self._stamp_ns[slot] = stamp_ns
        kept, per_second, turn_of_hz = np.array(weights, np.float32).reshape(-1, 3).T[:, :, None]
        before, speed = self._latent[slots], self._speed[slots]
        change = latents - before
        speed += per_second * change - kept * speed
        turns = (self._rest_hz + self._gain * np.sqrt(np.einsum("nd,nd->n", speed, speed)))[:, None] * turn_of_hz
        after = before + turns / (turns + 1) * change
        if fresh:
            after[fresh], speed[fresh] = latents[fresh], 0
        self._latent[slots], self._speed[slots] = after, speed
        return np.asarray(after, np.float32)

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
