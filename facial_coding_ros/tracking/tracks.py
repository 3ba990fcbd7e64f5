# SPDX-License-Identifier: Apache-2.0
"""Identity over time: tracks, their motion, and which observation belongs to which."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .assignment import least_cost_pairs
from .regions import Landmarks, Square
from .shape import Shape, ShapeMemory, ShapeReader
from .smoothing import OneEuroFilter

SAME_HEAD = 0.3
"""Two meshes closer than this, mean over the points and in face widths, lie on one head."""
IMPOSSIBLE = 1e6
VELOCITY_MEMORY_S = 0.12
MOTION_FADES_S = 0.5
"""A face out of sight is expected to come to rest after about this time."""
SURE_PRESENCE = 0.9
"""Landmarks with less are not trusted to tell people apart."""
WIDEST_VIEW_DEG = 40.0
ANOTHER = 1.25
"""Shapes that differ by more than this times a person's own variation are of two people."""
SHAPES_NEEDED = 5
SHAPE_EVERY = 3
"""Frames between comparisons of the shape of a face whose identity is not in question."""
UNLIKE_NEEDED = 4
BLIND_FRAMES = 2
"""Frames in which landmarks are still sought where a face just vanished; then only the detector brings it back."""
REACH, REACH_PER_S = 0.8, 3.0
"""How far from where it is expected a face may be, in face widths, at once and for each second out of sight."""
LONGEST_WAIT = 15
"""Hits after which a new face is announced even when it cannot be told whether it is one that was here before."""
ID_LETTERS = 5


@dataclass(frozen=True)
class Observation:
    """A face seen in one frame. sources: ids of the tracks whose regions showed it; none when the detector did."""

    landmarks: Landmarks
    reader: ShapeReader
    sources: list[str] = field(default_factory=list)

    @property
    def size(self) -> float:
        return self.landmarks.size

    @property
    def centre(self) -> complex:
        return self.landmarks.centre

    @cached_property
    def shape(self) -> Shape | None:
        """None when the landmarks are too poor to tell people apart."""
        if self.landmarks.presence < SURE_PRESENCE:
            return None
        shape = self.reader(self.landmarks.mesh)
        return shape if abs(shape.yaw_deg) < WIDEST_VIEW_DEG and abs(shape.pitch_deg) < WIDEST_VIEW_DEG else None


@dataclass(frozen=True)
class TrackMotion:
    """Where a face was last seen. centre: x + iy in pixels; velocity: the same a second."""

    seen_ns: int
    size: float
    centre: complex
    velocity: complex
    square: Square


@dataclass
class Track:
    """One face over time. Changed by its tracker only."""

    face_id: str
    first_ns: int
    smoother: OneEuroFilter
    seen_ns: int = 0
    hits: int = 0
    misses: int = 0
    announced: bool = False
    presence: float = 0.0
    size: float = 0.0
    centre: complex = 0j
    velocity: complex = 0j
    square: Square = field(default_factory=lambda: Square(0, 0, 1))
    memory: ShapeMemory = field(default_factory=ShapeMemory)
    unlike: int = 0
    last_sure: TrackMotion | None = None

    def predicted(self, stamp_ns: int) -> complex:
        """Where the centre is expected, x + iy in pixels."""
        elapsed_s = (stamp_ns - self.seen_ns) / 1e9
        return self.centre + self.velocity * MOTION_FADES_S * (1 - math.exp(-elapsed_s / MOTION_FADES_S))

    def region(self, stamp_ns: int) -> Square:
        """Where to look for its landmarks: the last place, ahead of it when it moves fast."""
        shift = self.predicted(stamp_ns) - self.centre
        if abs(shift) < 0.06 * self.size:
            return self.square
        return self.square.moved(shift.real, shift.imag)

    def unlikeness(self, seen: Observation) -> float | None:
        """How far the shapes differ, 1 being a person's own variation; None while that cannot be said."""
        if self.memory.weight < SHAPES_NEEDED or seen.shape is None:
            return None
        return self.memory.unlikeness(seen.shape)

    def update(self, seen: Observation, stamp_ns: int) -> None:
        step = (stamp_ns - self.seen_ns) / 1e9
        if self.hits and step > 0:
            share = 1 - math.exp(-step / VELOCITY_MEMORY_S)
            self.velocity = self.velocity + share * ((seen.centre - self.centre) / step - self.velocity)
        self.centre, self.size, self.square = seen.centre, seen.size, seen.landmarks.square
        self.seen_ns, self.hits, self.misses = stamp_ns, self.hits + 1, 0
        self.presence += (seen.landmarks.presence - self.presence) / min(self.hits, 10)
        compared = self.unlike or self.hits <= 2 * SHAPES_NEEDED or self.hits % SHAPE_EVERY == 0
        if compared and seen.shape is not None:
            other = self.unlikeness(seen)
            if other is not None and other > ANOTHER:
                self.unlike += 1
            else:
                self.unlike = 0
                self.memory.add(seen.shape)
                self.last_sure = TrackMotion(self.seen_ns, self.size, self.centre, self.velocity, self.square)

    @property
    def taken_over(self) -> bool:
        """Whether somebody else's face is being followed by now."""
        return self.unlike >= UNLIKE_NEEDED and self.last_sure is not None

    def take_over(self, fresh: Track) -> None:
        """Goes on where a track of the same face has got to."""
        self.seen_ns, self.size, self.centre = fresh.seen_ns, fresh.size, fresh.centre
        self.velocity, self.square, self.smoother = fresh.velocity, fresh.square, fresh.smoother
        self.hits, self.misses, self.unlike = self.hits + fresh.hits, fresh.misses, 0

    def step_back(self) -> None:
        """Returns to the last place where it was surely its own face, out of sight since then."""
        sure = self.last_sure
        if sure is not None:
            self.seen_ns, self.size, self.centre = sure.seen_ns, sure.size, sure.centre
            self.velocity, self.square = sure.velocity, sure.square
        self.unlike, self.misses = 0, BLIND_FRAMES + 1


def same_head(a: Landmarks, b: Landmarks) -> bool:
    """Whether two meshes lie on one head."""
    nearest = SAME_HEAD * max(a.size, b.size)
    if abs(a.centre - b.centre) >= nearest:  # points are apart by as much in the mean, or more
        return False
    return float(np.linalg.norm(a.mesh[:, :2] - b.mesh[:, :2], axis=1).mean()) < nearest


def assign(tracks: Sequence[Track], seen: Sequence[Observation], stamp_ns: int) -> dict[int, int]:
    """Index of a track -> index of its observation (Hungarian method); what cannot belong together is left out."""
    if not tracks or not seen:
        return {}
    if len(tracks) == len(seen) == 1 and _goes_on(tracks[0], seen[0], stamp_ns):  # the usual case, at once
        return {0: 0}
    known = {track.face_id for track in tracks if track.announced}
    cost = {
        (i, j): apart
        for i, track in enumerate(tracks)
        for j, one in enumerate(seen)
        # One who comes back takes nobody's face who is known by now.
        if not (track.misses > BLIND_FRAMES and known.intersection(one.sources))
        and (apart := _motion_cost(track, one, stamp_ns)) < IMPOSSIBLE
    }
    per_track, per_face = Counter(i for i, _ in cost), Counter(j for _, j in cost)
    for i, j in cost:
        if tracks[i].misses or per_track[i] > 1 or per_face[j] > 1 or not seen[j].sources:
            cost[i, j] += _shape_cost(tracks[i], seen[j])
    if len(per_track) == len(per_face) == len(cost):  # nobody could be two
        return {i: j for (i, j), apart in cost.items() if apart < IMPOSSIBLE}
    table = np.full((len(tracks), len(seen)), IMPOSSIBLE)
    for pair, apart in cost.items():
        table[pair] = apart
    return {r: c for r, c in least_cost_pairs(table) if table[r, c] < IMPOSSIBLE}


def _goes_on(track: Track, seen: Observation, stamp_ns: int) -> bool:
    """Whether a face is seen where its own track sought it."""
    found = not track.misses and seen.sources == [track.face_id]
    return found and _motion_cost(track, seen, stamp_ns) < IMPOSSIBLE


def _motion_cost(track: Track, seen: Observation, stamp_ns: int) -> float:
    """Distance from where the track is expected and change of size, within what a person can do in the time unseen."""
    unseen = max((stamp_ns - track.seen_ns) / 1e9, 0.0)
    size = max(track.size, 1e-3)
    distance = abs(seen.centre - track.predicted(stamp_ns)) / size
    growth = abs(math.log(max(seen.size, 1e-3) / size))
    reach = REACH + REACH_PER_S * unseen
    if distance > reach or growth > 0.4 + 0.5 * unseen:
        return IMPOSSIBLE
    return distance / reach + growth - (0.2 if track.face_id in seen.sources else 0.0)


def _shape_cost(track: Track, seen: Observation) -> float:
    unlike = track.unlikeness(seen)
    if unlike is None:
        return 1.0
    return unlike if unlike <= ANOTHER else 2 * IMPOSSIBLE


def returned(fresh: Track, tracks: Sequence[Track], stamp_ns: int) -> tuple[bool, Track | None]:
    """Whether it can be said who a new track is, and the track out of sight whose face it is, None for a new one.

    At first sight a face is often half hidden and its shape wrong, so this looks at the mean of several frames.
    """
    near = [
        track
        for track in tracks
        if track.announced and track.misses and _reach(track, fresh.first_ns) >= _distance(track, fresh, stamp_ns)
    ]
    if near and fresh.memory.weight < SHAPES_NEEDED and fresh.hits < LONGEST_WAIT:
        return False, None
    alike = [
        (track.memory.unlikeness(fresh.memory.mean), track)
        for track in near
        if min(track.memory.weight, fresh.memory.weight) >= SHAPES_NEEDED
    ]
    least, track = min(alike, key=lambda pair: pair[0], default=(np.inf, None))
    return True, track if least <= ANOTHER else None


def _reach(track: Track, stamp_ns: int) -> float:
    """How far a person out of sight can have got, in face widths."""
    return REACH + REACH_PER_S * max(stamp_ns - track.seen_ns, 0) / 1e9


def _distance(track: Track, fresh: Track, stamp_ns: int) -> float:
    return abs(fresh.centre - track.predicted(stamp_ns)) / max(track.size, 1e-3)


class FaceIds:
    """Names for tracks: `f` and five letters, none twice in 11 million, in an order set by the seed."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed or None)
        self._count = 26**ID_LETTERS
        self._next = int(rng.integers(self._count))
        self._step = int(rng.integers(self._count // 3, self._count // 2))
        while np.gcd(self._step, 26) != 1:
            self._step += 1

    def new(self) -> str:
        number, letters = self._next, ""
        for _ in range(ID_LETTERS):
            number, letter = divmod(number, 26)
            letters += chr(ord("a") + letter)
        self._next = (self._next + self._step) % self._count
        return "f" + letters
