# SPDX-License-Identifier: Apache-2.0
"""Rendered people who look into the camera, aside and back: the gaze is known, which photographs cannot give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ...types import ImageArray
from ..synthesis.expressions import Manner, offsets, sample_expression
from ..synthesis.render import render
from ..synthesis.render_head import IDENTITIES, HeadModel
from ..synthesis.render_look import STYLES, PersonLook, PictureLook
from ..synthesis.render_person import Geometry, RenderedPerson
from .scripts import Act

FPS = 15.0
EYE_DISTANCE_PX = 65.0
AWAY_DEG = 10.0
"""Angle between gaze and camera at which somebody begins to look away."""


@dataclass(frozen=True)
class GazeMove:
    """Between two times head and eyes turn aside. away: whether the gaze leaves the camera; else the eyes stay on it
    while the head turns."""

    start_s: float
    end_s: float
    head_deg: float
    eyes_deg: float
    rise_s: float

    @property
    def away(self) -> bool:
        return abs(self.head_deg + self.eyes_deg) > AWAY_DEG

    def share(self, at_s: float) -> float:
        x = min(max(min((at_s - self.start_s) / self.rise_s, (self.end_s - at_s) / self.rise_s), 0.0), 1.0)
        return x * x * (3 - 2 * x)

    def act(self) -> Act:
        """The event that it is, for scoring."""
        steps = np.arange(self.start_s, self.end_s, 0.005)
        outside = [t for t in steps if abs(self.head_deg + self.eyes_deg) * self.share(t) > AWAY_DEG]
        onset, end = float(outside[0]), float(outside[-1])
        return Act("look_away", self.start_s, self.end_s - self.start_s, onset, (onset + end) / 2, end)


def gaze_script(seed: int, seconds: float) -> tuple[GazeMove, ...]:
    """Looks aside by the head, by the eyes alone, by both; and turns of the head with the eyes kept on the camera."""
    rng = np.random.default_rng(seed)
    moves: list[GazeMove] = []
    at = 2.0
    kinds = rng.permutation(["head", "eyes", "kept", "both", "kept"]).tolist()
    while at < seconds - 2.5:
        side, kind = rng.choice([-1, 1]), kinds[len(moves) % len(kinds)]
        head, eyes = {
            "head": (rng.uniform(22, 32), 0.0),
            "eyes": (rng.uniform(0, 4), rng.uniform(20, 26)),
            "both": (rng.uniform(12, 18), rng.uniform(12, 18)),
            "kept": (rng.uniform(8, 15), 0.0),
        }[kind]
        if kind == "kept":
            eyes = -head
        rise = rng.uniform(0.15, 0.25) if kind == "eyes" else rng.uniform(0.3, 0.5)
        length = rng.uniform(1.0, 1.8)
        moves.append(GazeMove(at, at + length, side * head, side * eyes, rise))
        at += length + rng.uniform(0.6, 1.0)
    return tuple(moves)


def rendered_gaze(geometry: Geometry, seed: int, moves: tuple[GazeMove, ...], seconds: float) -> Iterator[ImageArray]:
    """Pictures of one random person, FPS a second."""
    rng = np.random.default_rng([991, seed])
    style = STYLES[seed % 4]
    person = RenderedPerson(geometry, rng.standard_normal(IDENTITIES).astype(np.float32), PersonLook.sample(rng, style))
    manner, rest = Manner.sample(rng), sample_expression(rng, "neutral")
    look = replace(
        PictureLook.sample(rng, style, 1.0), distance_cm=110.0, eye_distance_px=EYE_DISTANCE_PX, motion_blur_px=0.0
    )
    for index in range(round(seconds * FPS)):
        at_s = index / FPS
        head = 1.5 * np.sin(0.9 * at_s + seed) + sum(m.head_deg * m.share(at_s) for m in moves)
        pitch = 1.2 * np.sin(0.7 * at_s + 2 * seed)
        kept = -1.5 * np.sin(0.9 * at_s + seed)
        eyes = float(kept + sum(m.eyes_deg * m.share(at_s) for m in moves))
        shown = replace(rest, gaze_deg=(eyes, float(-pitch)))
        vertices = person.neutral + offsets(shown, manner, geometry.head.expression)
        frame = replace(look, yaw_deg=float(head), pitch_deg=float(pitch), roll_deg=0.0)
        yield render(person, vertices, frame, {}, shown.gaze_deg)


def geometry_of(head: HeadModel) -> Geometry:
    return Geometry(head)
