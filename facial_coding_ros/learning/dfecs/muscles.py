# SPDX-License-Identifier: Apache-2.0
"""What facial muscles do to the 68 keypoints: how far an action unit can be read as muscles pulling.

The table is written by hand from the muscles' origins and insertions as FACS describes each unit's appearance change.
It uses no data and no expression of a face model (only a mean face to register), so that it can judge what is learnt
from either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...coding.dfecs.layout import LAYOUT_68
from ...face_model.ict import IctFaces
from ...keypoints import MESH_TO_68
from ...keypoints.registration import Affine, PartSimilarity

# Directions on the person's right half (left in the image): x to the right in the image, y down. `in` is towards the
# middle of the face.
UP, DOWN, OUT, IN = (0.0, -1.0), (0.0, 1.0), (-1.0, 0.0), (1.0, 0.0)
UP_OUT, DOWN_IN, DOWN_OUT = (-0.7, -0.7), (0.4, 0.9), (-0.3, 0.95)

Pull = tuple[tuple[int, ...], tuple[float, float]]

# Mirror image of each of the 68 keypoints.
_MIRROR = (
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31,
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
)  # fmt: skip


@dataclass(frozen=True)
class Action:
    """One muscle's pull on the right half. aus: FACS units it serves; those that 68 points cannot tell apart share one.

    pulls: (points, direction) on the right half and the middle. paired: the muscle of one side can act alone.
    shown_by: the points whose movement shows it; empty: all that it pulls.
    """

    name: str
    aus: tuple[int, ...]
    muscle: str
    pulls: tuple[Pull, ...]
    paired: bool = True
    shown_by: tuple[int, ...] = ()


ACTIONS: tuple[Action, ...] = (
    Action("inner brow up", (1,), "frontalis, medial part", (((19, 20, 21), UP),)),
    Action("outer brow up", (2,), "frontalis, lateral part", (((17, 18, 19), UP),)),
    Action("brow down", (4,), "corrugator, depressor supercilii, procerus", (((17, 18, 19, 20, 21), DOWN_IN),)),
    Action("upper lid up", (5,), "levator palpebrae", (((37, 38), UP),)),
    Action("lid closes", (43, 45), "orbicularis oculi, lids; levator relaxed", (((37, 38), DOWN), ((40, 41), UP))),
    Action("lower lid up", (6, 7), "orbicularis oculi", (((40, 41), UP),)),
    Action(
        "nose wrinkles", (9,), "levator labii superioris alaeque nasi",
        (((28, 29, 30, 31, 32, 33), UP), ((49, 50, 51), UP), ((20, 21), DOWN_IN)),
    ),
    Action("upper lip up", (10,), "levator labii superioris", (((49, 50, 51, 61, 62), UP), ((31, 32), UP))),
    Action("lip corner up and out", (12,), "zygomaticus major", (((48, 49, 59, 60, 61, 67), UP_OUT),)),
    Action("lip corner in depth and out", (14,), "buccinator", (((48, 60), OUT),)),
    Action("lip corner down", (15,), "depressor anguli oris", (((48, 49, 59, 60), DOWN_OUT),)),
    Action("lower lip down", (16, 25), "depressor labii inferioris", (((57, 58, 59, 66, 67), DOWN),)),
    Action("chin and lower lip up", (17,), "mentalis", (((57, 58, 59, 66, 67), UP), ((5, 6, 7, 8), UP)), False,
        (5, 6, 7, 8),
    ),
    Action("lips pucker", (18,), "incisivii labii", (((48, 49, 59, 60, 61, 67), IN),), False),
    Action("lip corner out", (20,), "risorius", (((48, 49, 59, 60, 61, 67), OUT),)),
    Action(
        "lips funnel", (22,), "orbicularis oris",
        (((50, 51, 61, 62), UP), ((57, 58, 66, 67), DOWN), ((48, 60), IN)), False,
    ),
    Action(
        "lips press", (23, 24, 28), "orbicularis oris",
        (((49, 50, 51, 61, 62), DOWN), ((57, 58, 59, 66, 67), UP)), False,
    ),
    Action(
        "jaw drops", (26, 27), "masseter relaxed, digastric",
        (((*range(2, 9), 57, 58, 59, 66, 67), DOWN), ((48, 60), DOWN_IN), ((49, 50, 51, 61, 62), DOWN)), False,
        tuple(range(2, 9)),
    ),
    Action("nostril opens", (38,), "nasalis, alar part", (((31, 32), OUT),)),
    Action("nostril narrows", (39,), "nasalis, transverse part", (((31, 32), IN),)),
)  # fmt: skip
MOST_ACTIONS = 3
"""An AU may be read as at most this many muscle actions together."""
SEEN = 0.15
SIDES = ("both", "right", "left")


@dataclass(frozen=True)
class Reading:
    """An AU read as muscle actions.

    actions: (action, side) with the largest share first; side is both, right or left. shares: of the AU's energy.
    score: 0..1, share of the AU's energy (sum of squared displacements) that lies along the pulls of these actions.
    """

    actions: tuple[tuple[Action, str], ...]
    shares: tuple[float, ...]
    score: float

    @property
    def name(self) -> str:
        """Words for what moves, with the FACS units in brackets."""
        kept = [pair for pair, share in zip(self.actions, self.shares, strict=True) if share >= 0.15 * self.score]
        words = [_words(action, side) for action, side in kept]
        units = ["/".join(map(str, action.aus)) for action, _ in kept]
        return f"{' + '.join(words)} (AU{'+'.join(units)})" if kept else "unread"


def _words(action: Action, side: str) -> str:
    return action.name if side == "both" else f"{side} {action.name}"


@dataclass(frozen=True)
class _Fields:
    """Every action and side: unit directions (actions, 68, 2), 0 where nothing moves, and which points show it."""

    entries: tuple[tuple[Action, str], ...]
    directions: NDArray[np.float64]
    shown: NDArray[np.bool_]  # (actions, half of the face, 68)


@cache
def _fields() -> _Fields:
    entries, pulls, shown = [], [], []
    for action in ACTIONS:
        right = np.zeros((68, 2))
        for points, direction in action.pulls:
            right[list(points)] = np.array(direction) / np.hypot(*direction)
        left = right[list(_MIRROR)] * [-1, 1]
        middle = [i for i in range(68) if _MIRROR[i] == i]
        both = np.where(right.any(1, keepdims=True), right, left)
        # Points in the middle are pulled by both sides: what the sides disagree on cancels.
        both[middle] = [(right[i] + left[i]) / 2 for i in middle]
        for side in SIDES if action.paired else SIDES[:1]:
            entries.append((action, side))
            pulls.append({"both": both, "right": right, "left": left}[side])
            by = np.isin(range(68), [i for i in range(68) if {i, _MIRROR[i]} & set(action.shown_by)])
            halves = [right.any(1) & (side != "left"), left.any(1) & (side != "right")]
            shown.append([half & (by if action.shown_by else True) for half in halves])
    pull = np.stack(pulls)
    # Registration answers a pull too: raising the nose's base stretches the face, which lowers the mouth. So each
    # action is shown on the mean face, by 20 units, and registered.
    rest = Placed()
    moved = rest(rest.mean + 20 * pull) - rest(rest.mean[None])
    size = np.linalg.norm(moved, axis=2, keepdims=True)
    moves = size > 0.15 * size.max(1, keepdims=True)
    return _Fields(tuple(entries), np.where(moves, moved / np.maximum(size, 1e-9), 0.0), np.stack(shown))


class Placed:
    """The registration of near-frontal 68-point faces that are already in the registered frame."""

    def __init__(self) -> None:
        self._affine, self._parts = Affine(), PartSimilarity()
        self.mean = self((MESH_TO_68 @ IctFaces.load().neutral)[None, :, :2])[0]

    def __call__(self, points: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        return self._parts(self._affine(points.astype(np.float32).transpose(0, 2, 1))).transpose(0, 2, 1)


def read(unit: ArrayLike) -> Reading:
    """The best reading of an AU (136,) as at most MOST_ACTIONS muscle actions.

    A point's displacement counts as explained by the squared cosine to the nearest direction of the chosen actions, 0
    from 90 degrees on. An action can only be chosen when it is seen: on each side at least half of the points that
    show it move by
    SEEN of the AU's largest displacement or more, within 45 degrees of its direction.
    Raises ValueError for another shape or an AU that moves nothing.
    """
    flat = np.asarray(unit, np.float64)
    if flat.shape != (LAYOUT_68.size,):
        raise ValueError(f"an AU has shape {flat.shape}; ({LAYOUT_68.size},) is expected: x0..x67, then y0..y67")
    moved = flat.reshape(2, 68).T
    size = np.linalg.norm(moved, axis=1)
    total = float((size**2).sum())
    if total == 0:
        raise ValueError("an AU that moves nothing cannot be read")
    fields = _fields()
    projection = np.maximum((fields.directions * moved).sum(2), 0.0)
    along = projection**2 / total
    follows = (projection > np.sqrt(0.5) * size) & (size >= SEEN * size.max())
    own = fields.shown & fields.directions.any(2)[:, None]
    seen = np.flatnonzero(((follows[:, None] & own).sum(2) >= 0.5 * own.sum(2)).all(1))
    best: tuple[float, tuple[int, ...]] = (0.0, ())
    candidates = _candidates(along[seen]) if len(seen) else []
    for count in range(1, MOST_ACTIONS + 1):
        for picked in combinations(candidates, count):
            chosen = tuple(int(seen[i]) for i in picked)
            score = float(along[list(chosen)].max(0).sum())
            # One more action has to be worth it: two percent of the energy.
            if score > best[0] + 0.02 * (count - len(best[1])):
                best = (score, chosen)
    ordered = tuple(sorted(best[1], key=lambda i: -along[i].sum()))
    if not ordered:
        return Reading((), (), 0.0)
    strongest = along[list(ordered)].argmax(0)
    shares = tuple(float(along[c][strongest == i].sum()) for i, c in enumerate(ordered))
    return Reading(tuple(fields.entries[i] for i in ordered), shares, best[0])


def _candidates(along: NDArray[np.float64]) -> list[int]:
    """Actions worth combining: greedily the ones that add most, and the strongest alone."""
    alone = along.sum(1)
    picked: list[int] = []
    covered = np.zeros(along.shape[1])
    for _ in range(min(6, len(along))):
        gain = np.maximum(along, covered).sum(1) - covered.sum()
        gain[picked] = -1
        picked.append(int(gain.argmax()))
        covered = np.maximum(covered, along[picked[-1]])
    return list(dict.fromkeys([*picked, *np.argsort(-alone)[:6].tolist()]))


def read_either_way(unit: ArrayLike) -> Reading:
    """For AUs whose sign has no meaning (PCA): the better reading of the AU and its negative."""
    unit = np.asarray(unit)
    return max((read(unit), read(-unit)), key=lambda reading: reading.score)


INTERPRETABLE_SCORE = 0.75
"""From this score on an AU counts as interpretable; see `evaluate dfecs` for how often chance and FACS itself pass."""


def names_of(units: Sequence[ArrayLike]) -> tuple[str, ...]:
    """Names of AUs from what they move, each once: a number tells AUs of the same reading apart."""
    names = [read(u).name for u in units]
    seen: Mapping[str, int] = {n: names.count(n) for n in names}
    count: dict[str, int] = {}
    out = []
    for name in names:
        count[name] = count.get(name, 0) + 1
        out.append(f"{name} {count[name]}" if seen[name] > 1 else name)
    return tuple(out)
