# SPDX-License-Identifier: Apache-2.0
"""People with known neutrals who play scripted minutes: mixed behaviour, a held smile, talking, a head that turns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...keypoints import Registration
from ...neutral.bins import FRONTAL, HeadTurn
from ...neutral.vectors import DENSE_SIZE, SIZE, to_vector
from ...types import FloatArray
from .seen_faces import SMILE, SeenFaces

FPS = 15
SCENES = ("mixed", "smiler", "talker", "listener")
_DIRECTION_CHANGE = 0.35  # of each person's expression shapes, against the mean ones
_GAIN_SD = 0.25


def vectors(faces: FloatArray) -> FloatArray:
    """Registered meshes (n, 478, 3) as vectors (n, 1540)."""
    return np.stack([to_vector(r) for r in Registration().register(faces)])


@dataclass(frozen=True, eq=False)
class World:
    """What was measured of MediaPipe, from which people are made; half of the rendered people each.

    neutrals: (n, 1540) as seen. shapes: name -> (1540,) motion at full strength as seen. unexplained: (j, 1540),
    expressions minus what the shapes say. turned: list over people of (sines (i, 2), residuals (i, 1540)), the motion
    of neutral heads that turn. noise: (i, 1540), still faces minus their mean.
    """

    neutrals: FloatArray
    shapes: Mapping[str, FloatArray]
    unexplained: FloatArray
    turned: list[tuple[FloatArray, FloatArray]]
    noise: FloatArray

    @classmethod
    def measure(cls, expressions: SeenFaces, turns: SeenFaces, noise: FloatArray, half: int) -> World:
        """half: 0 or 1, people with even or odd numbers."""
        seen = vectors(expressions.mesh)
        mine = expressions.person % 2 == half
        rest = (expressions.shapes == 0).all(1)
        own = {p: seen[mine & rest & (expressions.person == p)] for p in np.unique(expressions.person[mine])}
        neutral = {p: rows.mean(0) for p, rows in own.items() if len(rows)}
        rows = [i for i in np.flatnonzero(mine & ~rest) if expressions.person[i] in neutral]
        motion = np.stack([seen[i] - neutral[expressions.person[i]] for i in rows])
        used = np.flatnonzero((expressions.shapes > 0).any(0))
        weights = expressions.shapes[rows][:, used].astype(np.float64)
        shapes = np.linalg.solve(weights.T @ weights + 0.5 * np.eye(len(used)), weights.T @ motion)
        turned_seen = vectors(turns.mesh)
        still = (turns.shapes == 0).all(1)
        front = (np.abs(turns.pose) < 5).all(1)
        turned = []
        for p in np.unique(turns.person[turns.person % 2 == half]):
            me = (turns.person == p) & still
            if (me & front).any():
                away = me & ~front
                sines = np.sin(np.radians(turns.pose[away, :2]))
                turned.append((sines, turned_seen[away] - turned_seen[me & front].mean(0)))
        return cls(
            neutrals=np.stack(list(neutral.values())),
            shapes={expressions.shape_names[u]: shapes[i].astype(np.float32) for i, u in enumerate(used)},
            unexplained=(motion - weights @ shapes).astype(np.float32),
            turned=turned,
            noise=noise,
        )

    def smile(self) -> FloatArray:
        """(1540,) of a full smile."""
        return np.sum([weight * self.shapes[name] for name, weight in SMILE.items()], axis=0)


def both(*stems: str) -> tuple[str, ...]:
    return tuple(f"{stem}_{side}" for stem in stems for side in "LR")


_BURSTS = (
    (tuple(SMILE), (1.0, 5.0), 0.3),
    (both("browInnerUp", "browOuterUp"), (0.5, 2.0), 0.2),
    (both("browDown", "eyeSquint"), (1.0, 4.0), 0.15),
    (both("mouthFrown"), (1.0, 3.0), 0.08),
    (both("mouthPress"), (0.5, 2.0), 0.1),
    (both("noseSneer", "mouthUpperUp"), (0.5, 2.0), 0.07),
    (("jawOpen",), (0.5, 1.5), 0.1),
)
_SPEECH = {"jawOpen": 0.3, "mouthFunnel": 0.4, "mouthPucker": 0.4, "mouthRollLower": 0.3} | dict.fromkeys(
    both("mouthStretch", "mouthLowerDown"), 0.3
)


def script(scene: str, seconds: float, rng: np.random.Generator) -> tuple[dict[str, FloatArray], FloatArray]:
    """Weight of each shape (frames,), and yaw and pitch (frames, 2) in degrees."""
    count = int(seconds * FPS)
    weights: dict[str, FloatArray] = {}

    def add(name: str, values: FloatArray) -> None:
        weights[name] = np.clip(weights.get(name, 0) + values, 0, 1.2)

    busy = {"mixed": 0.5, "smiler": 0.3, "talker": 0.5, "listener": 0.3}[scene]
    for names, length, share in _BURSTS:
        start = rng.exponential(float(np.mean(length)) / (share * busy))
        while start < seconds:
            time, strength = rng.uniform(*length), rng.uniform(0.3, 1.0)
            for name in names:
                add(name, strength * rng.uniform(0.8, 1.0) * _ramp(count, start, start + time))
            start += time + rng.exponential(float(np.mean(length)) / (share * busy))
    if scene == "smiler":
        # 20 of the first 30 seconds, from the start.
        for name, weight in SMILE.items():
            add(name, rng.uniform(0.7, 1.0) * weight * _ramp(count, -1, 20))
    blink = float(rng.exponential(4))
    while blink < seconds:
        for name in both("eyeBlink"):
            add(name, _ramp(count, blink, blink + 0.15, 0.05))
        blink += 0.3 + rng.exponential(4)
    talks = {"mixed": 0.4, "smiler": 0.0, "talker": 0.95, "listener": 0.1}[scene]
    speaking, start = np.zeros(count), 0.0
    while start < seconds and talks:
        phrase = rng.uniform(2, 8)
        if rng.random() < talks:
            speaking = np.maximum(speaking, _ramp(count, start, start + phrase))
        start += phrase
    for name, size in _SPEECH.items():
        # Syllables at 2 to 6 a second.
        wave = np.interp(
            np.arange(count) / FPS,
            np.cumsum(rng.uniform(0.08, 0.25, count)),
            rng.random(count) ** 2 * size * 2,
        )
        if name.endswith("_R"):
            wave = weights.get("speech" + name[:-2], wave)
        elif name.endswith("_L"):
            weights["speech" + name[:-2]] = wave
        add(name, wave * speaking)
    for name in [n for n in weights if n.startswith("speech")]:
        del weights[name]
    return weights, _head(count, rng)


def _ramp(count: int, start: float, end: float, edge: float = 0.4) -> FloatArray:
    t = np.arange(count) / FPS
    return np.clip(np.minimum((t - start) / edge + 0.5, (end - t) / edge + 0.5), 0, 1)


def _head(count: int, rng: np.random.Generator) -> FloatArray:
    """Small sway around straight ahead, and glances to the side of up to 35 degrees."""
    sway = np.zeros((count, 2))
    for i in range(1, count):
        sway[i] = sway[i - 1] * (1 - 1 / (2 * FPS)) + rng.normal(0, [1.5, 1.0])
    t = rng.exponential(6)
    while t < count / FPS:
        length = rng.uniform(1, 4)
        sway += _ramp(count, t, t + length, 0.6)[:, None] * rng.normal(0, [18, 9])
        t += length + rng.exponential(6)
    return np.clip(sway, [-40, -25], [40, 25])


@dataclass(frozen=True, eq=False)
class Play:
    """One person in one scene. frames: (n, 1540) as seen. pose: (n, 2) degrees. neutral, smile: (1540,) the truth.

    smiling, expressed: (n,), weight of the smile and of all expressions together.
    """

    frames: FloatArray
    pose: FloatArray
    neutral: FloatArray
    smile: FloatArray
    smiling: FloatArray
    expressed: FloatArray


class KnownRest:
    """Mean of the frames without an expression within 5 degrees of straight ahead, which only a simulation knows.

    Before the first of them, the mean of all frames.
    """

    def __init__(self, actor: Play) -> None:
        self._good = (actor.expressed < 0.02) & (np.hypot(*actor.pose.T) < 5)
        self._seen: list[FloatArray] = []

    @property
    def support_s(self) -> float:
        return len(self._seen) / FPS

    def observe(self, vector: FloatArray, weight: float, seconds: float, head_turn: HeadTurn = FRONTAL) -> None:
        self._seen.append(vector)

    def set(self, vector: FloatArray, seconds: float) -> None:
        self._seen = [vector]

    def estimate(self) -> FloatArray:
        seen = np.array(self._seen)
        good = self._good[: len(seen)]
        return np.asarray(seen[good if good.any() else ...].mean(0))

    def uncertainty(self) -> float:
        return float("nan")


def play(world: World, scene: str, seconds: float, rng: np.random.Generator) -> Play:
    """A random person of the world."""
    neutral = world.neutrals[rng.integers(len(world.neutrals))]
    sines, residuals = world.turned[rng.integers(len(world.turned))]
    own: dict[str, FloatArray] = {}
    for name, shape in world.shapes.items():
        twin = own.get(name[:-2] + "_L") if name.endswith("_R") else None
        gain = (
            np.exp(rng.normal(0, _GAIN_SD))
            if twin is None
            else np.linalg.norm(twin) / np.linalg.norm(world.shapes[name[:-2] + "_L"])
        )
        other = world.unexplained[rng.integers(len(world.unexplained))]
        change = _DIRECTION_CHANGE * np.linalg.norm(shape) / np.linalg.norm(other) * other
        own[name] = (gain * (shape + change)).astype(np.float32)
    weights, pose = script(scene, seconds, rng)
    count = len(pose)
    frames = np.tile(neutral, (count, 1)).astype(np.float32)
    for name, values in weights.items():
        frames += np.asarray(values, np.float32)[:, None] * own[name]
    # Motion of the turned head: between the measured poses of one rendered person, nothing when frontal.
    here = np.sin(np.radians(pose))
    near = np.exp(-((here[:, None] - sines[None]) ** 2).sum(2) / (2 * 0.15**2)) + 1e-9
    turned = 1 - np.exp(-(here**2).sum(1) / (2 * 0.1**2))
    frames += ((turned / near.sum(1))[:, None] * near @ residuals).astype(np.float32)
    # Noise that lasts for about a third of a second, with the measured covariance.
    mix = rng.normal(size=(count, len(world.noise)))
    for i in range(1, count):
        mix[i] = 0.8 * mix[i - 1] + 0.6 * mix[i]
    frames += (mix @ (world.noise / np.sqrt(len(world.noise)))).astype(np.float32)
    smile = np.sum([weight * own[name] for name, weight in SMILE.items()], axis=0)
    expressed = np.sum(list(weights.values()), axis=0)
    return Play(frames, pose, neutral, smile, np.asarray(weights.get("mouthSmile_L", np.zeros(count))), expressed)


def sizes(vector: FloatArray) -> tuple[float, float]:
    """Root mean square motion over the dense points and over the KPM, each in eye distances."""
    dense = np.sqrt((vector[..., :DENSE_SIZE] ** 2).sum(-1) / (DENSE_SIZE / 3))
    sparse = np.sqrt((vector[..., DENSE_SIZE:] ** 2).sum(-1) / ((SIZE - DENSE_SIZE) / 2))
    return dense, sparse
