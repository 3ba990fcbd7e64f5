"""Identity over time: tracks, their motion, and which observation belongs to which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ..types import FloatArray
from .regions import Landmarks, Square, mesh_size, mesh_square
from .smoothing import OneEuroFilter

SAME_HEAD = 0.3
"""Two meshes closer than this, mean over the points and in face widths, lie on one head."""
IMPOSSIBLE = 1e6
ID_LETTERS = 5
VELOCITY_MEMORY_S = 0.12
FADE_S = 0.5


@dataclass(frozen=True)
class Observation:
    """A face seen in one frame. source: face_id of the track whose region showed it; None from the detector."""

    landmarks: Landmarks
    size: float
    centre: NDArray[np.float64]
    source: str | None = None


@dataclass
class Track:
    """One face over time; the only thing the tracker changes."""

    face_id: str
    first_ns: int
    smoother: OneEuroFilter
    seen_ns: int = 0
    hits: int = 0
    misses: int = 0
    announced: bool = False
    size: float = 0.0
    centre: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    velocity: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    square: Square = field(default_factory=lambda: Square(0, 0, 1))

    @property
    def seen(self) -> bool:
        return self.misses == 0

    def predicted(self, stamp_ns: int) -> NDArray[np.float64]:
        """Where the centre is expected; motion fades when the face is not seen."""
        ahead = (stamp_ns - self.seen_ns) / 1e9
        return self.centre + self.velocity * FADE_S * (1 - np.exp(-ahead / FADE_S))

    def region(self, stamp_ns: int) -> Square:
        """Where to look for its landmarks: the last place, moved where it moves fast."""
        shift = self.predicted(stamp_ns) - self.centre
        if np.linalg.norm(shift) < 0.06 * self.size:
            return self.square
        return self.square.moved(float(shift[0]), float(shift[1]))

    def update(self, seen: Observation, stamp_ns: int) -> None:
        step = (stamp_ns - self.seen_ns) / 1e9
        if self.hits and step > 0:
            share = 1 - np.exp(-step / VELOCITY_MEMORY_S)
            self.velocity = self.velocity + share * ((seen.centre - self.centre) / step - self.velocity)
        self.centre, self.size, self.square = seen.centre, seen.size, mesh_square(seen.landmarks.mesh)
        self.seen_ns, self.hits, self.misses = stamp_ns, self.hits + 1, 0


def same_head(a: FloatArray, b: FloatArray) -> bool:
    size = max(mesh_size(a), mesh_size(b))
    return float(np.linalg.norm(a[:, :2] - b[:, :2], axis=1).mean()) < SAME_HEAD * size


def assign(tracks: Sequence[Track], seen: Sequence[Observation], stamp_ns: int) -> dict[int, int]:
    """Index of a track -> index of its observation (Hungarian method); what cannot belong together is left out."""
    if not tracks or not seen:
        return {}
    cost = np.array([[_cost(track, one, stamp_ns) for one in seen] for track in tracks])
    rows, columns = linear_sum_assignment(cost)
    return {int(r): int(c) for r, c in zip(rows, columns, strict=True) if cost[r, c] < IMPOSSIBLE}


def _cost(track: Track, seen: Observation, stamp_ns: int) -> float:
    unseen = max((stamp_ns - track.seen_ns) / 1e9, 0.0)
    size = max(track.size, 1e-3)
    distance = float(np.linalg.norm(seen.centre - track.predicted(stamp_ns))) / size
    growth = abs(float(np.log(max(seen.size, 1e-3) / size)))
    gate = 0.8 + 3.0 * unseen
    if distance > gate or growth > 0.5 + 0.5 * unseen:
        return IMPOSSIBLE
    return distance / gate + growth - (0.2 if seen.source == track.face_id else 0.0)


class FaceIds:
    """Names for tracks: `f` and five letters, never twice in 11 million, in an order set by the seed."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed or None)
        self._count = 26**ID_LETTERS
        self._next = int(rng.integers(self._count))
        step = int(rng.integers(self._count // 3, self._count // 2))
        while np.gcd(step, 26) != 1:
            step += 1
        self._step = step

    def new(self) -> str:
        number, letters = self._next, ""
        for _ in range(ID_LETTERS):
            number, letter = divmod(number, 26)
            letters += chr(ord("a") + letter)
        self._next = (self._next + self._step) % self._count
        return "f" + letters
