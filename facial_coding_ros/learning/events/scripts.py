# SPDX-License-Identifier: Apache-2.0
"""Scripted behaviour with known times: what a simulated person does with face, lids, mouth and head.

A script is a list of acts, each with the times at which it begins to be visible, is strongest and is over. Action units
are 0..1 (0.2 to 1.0 for FACS's A to E), angles in degrees with the signs of types.HeadPose, times in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ..synthesis.portrait import Turn

VISIBLE = 0.2
"""Intensity from which FACS scores an action unit at all (A, a trace): where an act begins and ends."""
VISIBLE_ANGLE = {"nod": 1.5, "shake": 1.5, "tilt": 5.0, "look_away": 10.0}
"""Degrees from the resting pose at which a head movement begins and ends."""
SECONDS = 78.0
QUIET_S = 3.5
"""At the beginning, so that the neutral can be learnt."""


@dataclass(frozen=True)
class HeadMotion:
    """Head motion against the resting pose. scale: of the face's size."""

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class Act:
    """Something done between `start_s` and `start_s + length_s`.

    units: action units at a time since its start. pose: the head then. kind: the event that it is, empty for what is
    none (chewing, a yawn). onset_s, apex_s, end_s: since the script's start, as an event has them.
    """

    kind: str
    start_s: float
    length_s: float
    onset_s: float
    apex_s: float
    end_s: float
    units: Callable[[float], Mapping[int, float]] = field(default=lambda _: {})
    pose: Callable[[float], HeadMotion] = field(default=lambda _: HeadMotion())
    name: str = ""


@dataclass(frozen=True)
class Script:
    """What one person does. seed: of the head's slow drift."""

    acts: tuple[Act, ...]
    seconds: float
    seed: int
    drift: float = 1.0

    def units(self, at_s: float) -> dict[int, float]:
        """Action units at a time; of two acts with one unit the stronger counts."""
        shown: dict[int, float] = {}
        for act in self._running(at_s):
            for code, value in act.units(at_s - act.start_s).items():
                shown[code] = max(shown.get(code, 0.0), value)
        return shown

    def turn(self, at_s: float) -> Turn:
        """The head: a slow drift, and the acts."""
        phases = np.random.default_rng(self.seed).uniform(0, 2 * np.pi, (6, 2))
        periods = np.array([[5.1, 2.3], [4.3, 1.9], [6.1, 2.9], [7.3, 3.1], [5.7, 2.7], [8.1, 3.7]])
        waves = (np.sin(2 * np.pi * at_s / periods + phases) * (0.7, 0.3)).sum(axis=1)
        waves *= self.drift * (0.4 + 0.6 * np.clip((at_s - 2.5) / 1.5, 0, 1))
        yaw, pitch, roll = (float(angle) for angle in waves[:3] * (2.0, 1.3, 1.2))
        scale = 1 + 0.01 * float(waves[5])
        for act in self._running(at_s):
            pose = act.pose(at_s - act.start_s)
            yaw, pitch, roll, scale = (
                yaw + pose.yaw_deg,
                pitch + pose.pitch_deg,
                roll + pose.roll_deg,
                scale * pose.scale,
            )
        return Turn(yaw, pitch, roll, right=0.03 * float(waves[3]), down=0.012 * float(waves[4]), scale=scale)

    def _running(self, at_s: float) -> list[Act]:
        return [act for act in self.acts if act.start_s <= at_s < act.start_s + act.length_s]


def _smooth(share: float) -> float:
    share = min(max(share, 0.0), 1.0)
    return share * share * (3 - 2 * share)


def _when(share: float) -> float:
    """Inverse of `_smooth`."""
    return 0.5 - math.sin(math.asin(1 - 2 * share) / 3)


def _envelope(onset_s: float, hold_s: float, offset_s: float) -> Callable[[float], float]:
    return lambda t: _smooth(min(t / onset_s, 1 - (t - onset_s - hold_s) / offset_s))


def expression(
    kind: str, start_s: float, times_s: tuple[float, float, float], units: Mapping[int, float], leading: float
) -> Act:
    """Units that rise, hold and fall. times_s: of the rise, the hold, the fall. leading: strength that tells the act's
    begin and end."""
    onset_s, hold_s, offset_s = times_s
    share = _envelope(*times_s)
    before = onset_s * _when(min(VISIBLE / leading, 0.95))
    after = onset_s + hold_s + offset_s * (1 - _when(min(VISIBLE / leading, 0.95)))
    return Act(
        kind, start_s, sum(times_s), start_s + before, start_s + onset_s + hold_s / 2, start_s + after,
        units=lambda t: {code: value * share(t) for code, value in units.items()},
    )  # fmt: skip


def held_pose(kind: str, start_s: float, times_s: tuple[float, float, float], pose: HeadMotion) -> Act:
    """A turn, tilt or lean that comes, holds and goes."""
    onset_s, hold_s, offset_s = times_s
    share = _envelope(*times_s)
    size = max(abs(pose.yaw_deg), abs(pose.pitch_deg), abs(pose.roll_deg))
    part = VISIBLE_ANGLE[kind] / size if kind in VISIBLE_ANGLE else 0.4
    return Act(
        kind, start_s, sum(times_s), start_s + onset_s * _when(part), start_s + onset_s + hold_s / 2,
        start_s + onset_s + hold_s + offset_s * (1 - _when(part)),
        pose=lambda t: HeadMotion(
            pose.yaw_deg * share(t), pose.pitch_deg * share(t), pose.roll_deg * share(t),
            1 + (pose.scale - 1) * share(t),
        ),
    )  # fmt: skip


def nod(start_s: float, size_deg: float, rate_hz: float, cycles: int) -> Act:
    """The head goes down and up again, `cycles` times."""
    length = cycles / rate_hz
    first = math.asin(math.sqrt(VISIBLE_ANGLE["nod"] / size_deg)) / (math.pi * rate_hz)
    return Act(
        "nod", start_s, length, start_s + first, start_s + 0.5 / rate_hz, start_s + length - first,
        pose=lambda t: HeadMotion(pitch_deg=-size_deg * math.sin(math.pi * rate_hz * t) ** 2),
    )  # fmt: skip


def shake(start_s: float, size_deg: float, rate_hz: float, cycles: int) -> Act:
    """The head turns to one side, the other, and back, `cycles` times; smaller at both ends."""
    length = cycles / rate_hz
    first = math.asin(min(VISIBLE_ANGLE["shake"] / abs(size_deg), 1.0)) / (2 * math.pi * rate_hz)
    return Act(
        "shake", start_s, length, start_s + first, start_s + 0.5 * length, start_s + length - first,
        pose=lambda t: HeadMotion(yaw_deg=size_deg * math.sin(2 * math.pi * rate_hz * t)),
    )  # fmt: skip


def blink(start_s: float, size: float = 1.0) -> Act:
    """Lids down within 0.1 s and up in 0.2 s."""
    return expression("blink", start_s, (0.10, 0.04, 0.20), {45: size}, size)


def speech(start_s: float, length_s: float, loudness: float, rng: np.random.Generator) -> Act:
    """Syllables, 3.5 to 6 a second, with shorter and longer ones, pauses, lips rounded, spread and pressed together."""
    rate_hz = rng.uniform(3.5, 6.0)
    syllables, at = [], 0.0
    while at < length_s - 0.2:
        duration = float(np.clip(rng.lognormal(math.log(1 / rate_hz), 0.25), 0.11, 0.4))
        shape = rng.choice([0, 18, 22, 20, 24], p=[0.45, 0.15, 0.15, 0.15, 0.10])
        syllables.append((at, duration, float(loudness * rng.uniform(0.35, 1.0)), int(shape)))
        at += duration
        if rng.random() < 0.12 and at < length_s - 0.8:
            at += rng.uniform(0.1, 0.3)
    end_s = syllables[-1][0] + syllables[-1][1]
    smiling = rng.uniform(0.0, 0.15)

    def units(t: float) -> dict[int, float]:
        shown = {12: smiling}
        for begin, duration, size, shape in syllables:
            if begin <= t < begin + duration:
                open_share = math.sin(math.pi * (t - begin) / duration) ** 2
                shown |= {26: 0.9 * size * open_share, 25: 0.25 + 0.5 * size * open_share}
                if shape:
                    shown[shape] = 0.5 * size * open_share
        return shown

    yaw, pitch = rng.uniform(-3, 3), rng.uniform(-2, 2)
    phase = rng.uniform(0, 2 * np.pi)

    def pose(t: float) -> HeadMotion:
        share = _smooth(min(t / 0.5, (length_s - t) / 0.5))
        return HeadMotion(yaw * share * math.sin(2.0 * t + phase), pitch * share * math.sin(3.1 * t), 0.0)

    return Act("talks", start_s, length_s, start_s, start_s + end_s / 2, start_s + end_s, units, pose)


def chewing(start_s: float, length_s: float, rng: np.random.Generator) -> Act:
    """The jaw goes round with closed lips, 1.1 to 1.7 times a second."""
    rate_hz, size = rng.uniform(1.1, 1.7), rng.uniform(0.25, 0.45)

    def units(t: float) -> dict[int, float]:
        share = _smooth(min(t / 0.3, (length_s - t) / 0.3))
        jaw = math.sin(math.pi * rate_hz * t) ** 2
        return {26: size * share * jaw, 24: 0.5 * share * (1 - 0.5 * jaw), 28: 0.25 * share}

    return Act("", start_s, length_s, start_s, start_s, start_s + length_s, units, name="chewing")


def yawn(start_s: float) -> Act:
    """The mouth opens slowly, wide, and closes; so it is a wide open mouth as well."""
    return expression("mouth_open_wide", start_s, (1.3, 1.6, 0.9), {27: 0.95, 25: 0.9, 45: 0.0}, 0.95)


def lively(seed: int, seconds: float = SECONDS) -> Script:
    """Every kind of event, in random order, with blinks in between and some acts at the same time."""
    rng = np.random.default_rng(seed)
    loudness = rng.uniform(0.55, 1.0)

    def times(
        onset: tuple[float, float], hold: tuple[float, float], offset: tuple[float, float]
    ) -> tuple[float, float, float]:
        return float(rng.uniform(*onset)), float(rng.uniform(*hold)), float(rng.uniform(*offset))

    def smile(at: float) -> Act:
        size = rng.uniform(0.5, 1.0)
        units = {12: size, 6: 0.7 * size} | ({25: 0.6 * size} if rng.random() < 0.5 else {})
        return expression("smile", at, times((0.25, 0.6), (0.8, 2.0), (0.4, 0.9)), units, size)

    def units(kind: str, codes: tuple[int, ...], low: float, high: float) -> Callable[[float], Act]:
        def make(at: float) -> Act:
            size = rng.uniform(low, high)
            return expression(
                kind, at, times((0.2, 0.5), (0.6, 1.3), (0.3, 0.6)), dict.fromkeys(codes, size), size
            )  # fmt: skip

        return make

    def look_away(at: float) -> Act:
        yaw = rng.uniform(22, 30) * rng.choice([-1, 1])
        return held_pose(
            "look_away", at, times((0.3, 0.6), (0.8, 1.8), (0.3, 0.6)), HeadMotion(yaw, rng.uniform(-6, 6))
        )

    def tilted(at: float) -> Act:
        return held_pose("tilt", at, (0.5, 1.2, 0.5), HeadMotion(roll_deg=rng.uniform(10, 16) * rng.choice([-1, 1])))

    def shaken(at: float) -> Act:
        return shake(at, rng.uniform(5, 12) * rng.choice([-1, 1]), rng.uniform(1.0, 1.8), int(rng.integers(1, 4)))

    def closure(at: float) -> Act:
        return expression("eyes_closed", at, (0.15, float(rng.uniform(0.8, 1.8)), 0.25), {45: 1.0}, 1.0)

    makers: list[Callable[[float], Act]] = [
        *[smile] * 3,
        *[units("brow_raise", (1, 2), 0.5, 1.0)] * 3,
        *[units("frown", (4,), 0.6, 1.0)] * 2,
        units("nose_wrinkle", (9,), 0.6, 1.0),
        units("lip_press", (24,), 0.6, 1.0),
        units("mouth_open_wide", (27, 25), 0.6, 0.9),
        closure,
        *[lambda at: nod(at, rng.uniform(5, 12), rng.uniform(1.2, 2.2), int(rng.integers(1, 4)))] * 3,
        *[shaken] * 3,
        lambda at: held_pose(
            "tilt", at, (0.5, 1.2, 0.5), HeadMotion(roll_deg=rng.uniform(10, 16) * rng.choice([-1, 1]))
        ),
        *[look_away] * 2,
        *[lambda at: speech(at, rng.uniform(2.5, 4.0), loudness, rng)] * 3,
        lambda at: chewing(at, 2.5, rng),
        yawn,
        lambda at: held_pose("lean_in", at, (0.7, 1.2, 0.7), HeadMotion(scale=rng.uniform(1.22, 1.35))),
    ]
    acts: list[Act] = []
    at = QUIET_S
    for number in rng.permutation(len(makers)).tolist():
        act = makers[number](at)
        if at + act.length_s > seconds - 0.5:
            break
        acts.append(act)
        at += act.length_s + rng.uniform(0.5, 1.0)
    return Script((*acts, *_blinks(acts, seconds, rng)), seconds, seed)


def _blinks(acts: list[Act], seconds: float, rng: np.random.Generator) -> list[Act]:
    """Blinks, one in about 3 s, not while the eyes are closed or the head moves fast, where none could be seen."""
    kept_free = [a for a in acts if a.kind in ("eyes_closed", "nod", "shake")]
    kept_free += [act for act in acts if act.kind == "look_away"]
    found: list[Act] = []
    at = rng.uniform(0.8, 1.5)
    while at < seconds - 0.5:
        if not any(a.start_s - 0.4 < at < a.start_s + a.length_s + 0.3 for a in kept_free):
            found.append(blink(at, float(rng.uniform(0.85, 1.0))))
        at += 0.9 + rng.exponential(2.0)
    return found


def with_blinks(acts: list[Act], seconds: float, rng: np.random.Generator, seed: int) -> Script:
    """A script of one's own, with blinks."""
    return Script((*acts, *_blinks(acts, seconds, rng)), seconds, seed)


def resting(seed: int, seconds: float) -> Script:
    """Nothing but blinks and the drift of a head."""
    rng = np.random.default_rng(seed)
    return Script(tuple(_blinks([], seconds, rng)), seconds, seed)


def talking(seed: int, seconds: float) -> Script:
    """Spells of speech of 2 to 8 s with pauses, and blinks."""
    rng = np.random.default_rng(seed)
    loudness, acts, at = rng.uniform(0.55, 1.0), [], QUIET_S
    while at < seconds - 9:
        acts.append(speech(at, rng.uniform(2, 8), loudness, rng))
        at += acts[-1].length_s + rng.uniform(0.8, 3.0)
    return Script((*acts, *_blinks([], seconds, rng)), seconds, seed)


def looking_about(seed: int, seconds: float) -> Script:
    """Slow and fast turns of the head, up to 20 degrees, and blinks between them."""
    rng = np.random.default_rng(seed)
    acts: list[Act] = []
    at = QUIET_S
    while at < seconds - 5:
        angle, size = rng.uniform(0, 2 * np.pi), rng.uniform(8, 20)
        pose = HeadMotion(size * math.cos(angle), 0.5 * size * math.sin(angle), rng.uniform(-4, 4))
        times_s = (float(rng.uniform(0.4, 1.0)), float(rng.uniform(0.3, 1.5)), float(rng.uniform(0.4, 1.0)))
        kind = "look_away" if abs(pose.yaw_deg) > 12 else ""
        acts.append(held_pose(kind, at, times_s, pose) if kind else _unnamed(held_pose("look", at, times_s, pose)))
        at += acts[-1].length_s + rng.uniform(0.3, 2.0)
    return Script((*acts, *_blinks([], seconds, rng)), seconds, seed)


def _unnamed(act: Act) -> Act:
    return Act("", act.start_s, act.length_s, act.onset_s, act.apex_s, act.end_s, act.units, act.pose, "turn")
