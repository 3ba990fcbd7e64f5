# SPDX-License-Identifier: Apache-2.0
"""Scenes of a portrait before a camera: it rests, expresses, talks, turns and is covered, and may begin with any."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np

from ...coding.expression.labels import EXPRESSION_LABELS
from ...types import FloatArray, ImageArray
from ..motions.posed import Pose, PosedSettings, draw_poses
from ..synthesis.portrait import AnimatedPortrait, PortraitFrame, Turn
from .face_covers import hand_over, mask_over
from .picture_disturbances import compressed, dimmed, grey

RATE_HZ = 10
SCENE_S = 14.0
RAMP_S = 0.4
"""An expression takes so long to come; meanwhile nothing is said of what is shown."""
RESTING, SMILING, POSING, TALKING = range(4)
"""Kinds of what is shown; SMILING is a photographed smile."""
BETWEEN = -1
"""Label of frames between two."""
_EXPRESSED = np.array([0.0, 0.34, 0.13, 0.13, 0.14, 0.1, 0.1, 0.06])
_MASKS = ((170, 200, 215), (240, 240, 240), (30, 30, 35), (120, 160, 200))


@dataclass(frozen=True)
class Segment:
    """What is shown for a while. hand: whether one is held to the face. turn: where the head turns to."""

    seconds: float
    label: int
    kind: int
    right: Mapping[int, float]
    left: Mapping[int, float]
    turn: Turn
    hand: bool


@dataclass(frozen=True)
class SceneFrame:
    """image: (height, width, 3) uint8 RGB. label: of EXPRESSION_LABELS or BETWEEN. covered: by a mask or a hand."""

    image: ImageArray
    label: int
    kind: int
    covered: bool
    stamp_ns: int


def draw_script(rng: np.random.Generator, smile: bool) -> list[Segment]:
    """Segments of one scene of SCENE_S. smile: whether there is a photographed one."""
    poses = draw_poses(PosedSettings(people=1, contempt=True, unrelated_aus=0.4, unit_spread=0.2), rng)
    by_label: dict[int, list[Pose]] = {}
    for pose in poses:
        if pose.degree >= (2 if EXPRESSION_LABELS[pose.label] == "happy" else 3):
            by_label.setdefault(pose.label, []).append(pose)
    segments: list[Segment] = []
    rested = False
    while sum(one.seconds for one in segments) < SCENE_S:
        seconds = float(rng.uniform(0.9, 2.5))
        turn = Turn(*rng.normal(0, (9, 5, 4)).tolist())
        if rng.random() < 0.2:
            turn = Turn(float(rng.choice((-1, 1)) * rng.uniform(15, 30)), turn.pitch_deg, turn.roll_deg)
        hand = bool(segments) and rng.random() < 0.12
        if rng.random() < (0.3 if rested else 0.55):
            segments.append(Segment(seconds, 0, RESTING, {}, {}, turn, hand))
            rested = True
            continue
        rested = False
        if rng.random() < 0.25:
            segments.append(Segment(seconds, 0, TALKING, {}, {}, turn, hand))
            continue
        label = int(rng.choice(len(_EXPRESSED), p=_EXPRESSED))
        if smile and EXPRESSION_LABELS[label] == "happy" and rng.random() < 0.5:
            segments.append(Segment(seconds, label, SMILING, {}, {}, Turn(), hand))
            continue
        pose = by_label[label][rng.integers(len(by_label[label]))]
        segments.append(Segment(seconds, label, POSING, pose.right, pose.left, turn, hand))
    return segments


class Actor(Protocol):
    """Somebody who shows action units and head turns; mesh (478, 3), or (0, 3) where it is not known."""

    def frame(
        self, right: Mapping[int, float], left: Mapping[int, float] | None = None, turn: Turn | None = None
    ) -> PortraitFrame: ...


def portrait_scene(image: ImageArray, smiling: ImageArray | None, rng: np.random.Generator) -> Iterator[SceneFrame]:
    """Frames of a scene; pictures (height, width, 3) uint8 RGB. Raises ValueError when no face is found in one."""
    actors: dict[int, Actor] = {RESTING: AnimatedPortrait(image)}
    if smiling is not None:
        actors[SMILING] = AnimatedPortrait(smiling)
    camera = _camera(rng)
    mask = _MASKS[rng.integers(len(_MASKS))] if rng.random() < 0.12 else None
    yield from _played(draw_script(rng, smiling is not None), actors, mask, camera, rng)


def actor_scene(actor: Actor, rng: np.random.Generator) -> Iterator[SceneFrame]:
    """The same of an actor whose face is never covered."""
    script = [replace(segment, hand=False) for segment in draw_script(rng, False)]
    yield from _played(script, {RESTING: actor}, None, _camera(rng), rng)


def _played(
    script: list[Segment],
    actors: Mapping[int, Actor],
    mask: tuple[int, int, int] | None,
    camera: Callable[[ImageArray], ImageArray],
    rng: np.random.Generator,
) -> Iterator[SceneFrame]:
    number = 0
    before = script[0]
    for place, segment in enumerate(script):
        hand_seed = int(rng.integers(1 << 31))
        speech = _speech(rng, segment.seconds)
        for step in range(round(segment.seconds * RATE_HZ)):
            come = 1.0 if place == 0 else min((step + 1) / (RAMP_S * RATE_HZ), 1.0)
            right, left = _mixed(before.right, segment.right, come), _mixed(before.left, segment.left, come)
            if segment.kind == TALKING:
                right = left = _mixed(right, {code: float(values[step]) for code, values in speech.items()}, come)
            actor = actors.get(segment.kind, actors[RESTING])
            shown = actor.frame(right, left, _turned(before.turn, segment.turn, come, rng))
            picture = shown.image
            if mask is not None:
                picture = mask_over(picture, shown.mesh, mask)
            if segment.hand:
                picture = hand_over(picture, shown.mesh, np.random.default_rng(hand_seed))
            same = segment.label == before.label and segment.kind in (RESTING, TALKING)
            label = segment.label if come >= 1 or same else BETWEEN
            covered = mask is not None or segment.hand
            yield SceneFrame(camera(picture), label, segment.kind, covered, round(number / RATE_HZ * 1e9))
            number += 1
        before = segment


def _speech(rng: np.random.Generator, seconds: float) -> dict[int, FloatArray]:
    """Action units of somebody talking, frame by frame: open and shut some times a second."""
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    units = {}
    for code, most in ((25, 0.9), (26, 0.7), (18, 0.4), (22, 0.4), (16, 0.3), (20, 0.3), (1, 0.25), (2, 0.25)):
        if rng.random() < 0.6:
            hz = rng.uniform(1.5, 4.0) if code > 2 else rng.uniform(0.3, 0.8)
            wave = 0.5 + 0.5 * np.sin(2 * np.pi * (hz * time + rng.random()))
            units[code] = (rng.uniform(0.3, 1.0) * most * wave).astype(np.float32)
    return units


def _mixed(before: Mapping[int, float], after: Mapping[int, float], come: float) -> dict[int, float]:
    codes = {*before, *after}
    return {code: (1 - come) * before.get(code, 0.0) + come * after.get(code, 0.0) for code in codes}


def _turned(before: Turn, after: Turn, come: float, rng: np.random.Generator) -> Turn:
    pairs = (
        (before.yaw_deg, after.yaw_deg),
        (before.pitch_deg, after.pitch_deg),
        (before.roll_deg, after.roll_deg),
    )
    yaw, pitch, roll = ((1 - come) * a + come * b + float(rng.normal(0, 0.3)) for a, b in pairs)
    return Turn(yaw, pitch, roll)


def _camera(rng: np.random.Generator) -> Callable[[ImageArray], ImageArray]:
    """What one camera makes of all pictures of a scene: size, colour, light, noise, compression."""
    share = float(np.exp(rng.uniform(np.log(0.3), np.log(1.0))))
    without_colour, quality = rng.random() < 0.3, int(rng.integers(30, 90)) if rng.random() < 0.5 else 0
    light = rng.uniform(0.25, 0.8) if rng.random() < 0.3 else 1.0
    noise = rng.uniform(1, 8) if rng.random() < 0.4 else 0.0
    gains = np.exp(rng.normal(0, 0.12, 3)) if rng.random() < 0.4 else np.ones(3)

    def seen(image: ImageArray) -> ImageArray:
        out = np.asarray(cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA), np.uint8)
        if without_colour:
            out = grey(out)
        out = dimmed(out, light)
        values = out * gains + (rng.normal(0, noise, out.shape) if noise else 0.0)
        out = np.clip(values, 0, 255).astype(np.uint8)
        return compressed(out, quality) if quality else out

    return seen
