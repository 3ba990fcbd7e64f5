# SPDX-License-Identifier: Apache-2.0
"""What is said of somebody who has never rested and laughs: portraits that cry for 10 s, laugh for 4 and rest for 3.

    python -m facial_coding_ros.learning.studies.crying_portraits [PORTRAIT.jpg ...]

The astronaut of scikit-image, Grace Hopper of matplotlib and the named portraits, as a video through the whole
pipeline: with a plain hand before the mouth while they cry, with one whose fingers are drawn, and with none.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from ...pipeline import Pipeline
from ...types import Frame, ImageArray
from ..synthesis.portrait import AnimatedPortrait, PortraitFrame, Turn
from .demo_clip import portraits

FPS = 10
CRIES_S, LAUGHS_S, RESTS_S, CHANGES_S = 10.0, 5.0, 3.0, 0.4
"""The change from one to the next is within the first seconds of laughter and of rest."""
CRYING = {1: 0.5, 4: 0.7, 6: 0.6, 7: 0.5, 9: 0.8, 10: 0.4, 15: 0.5, 17: 0.4, 20: 0.3, 25: 0.3}
LAUGHING = {6: 0.8, 12: 0.9, 25: 0.9, 26: 0.5}
HANDS = ("plain hand", "drawn fingers", "no hand")


def units_at(seconds: float) -> dict[int, float]:
    """Action units shown."""
    laughs = min(max((seconds - CRIES_S) / CHANGES_S, 0), 1)
    rests = min(max((seconds - CRIES_S - LAUGHS_S + CHANGES_S) / CHANGES_S, 0), 1)
    sobs, gasps = (0.85 + 0.15 * np.sin(2 * np.pi * seconds * hz) for hz in (0.8, 1.5))
    shown = {code: value * sobs * (1 - laughs) for code, value in CRYING.items()}
    for code, value in LAUGHING.items():
        shown[code] = max(shown.get(code, 0.0), value * gasps * laughs * (1 - rests))
    return {code: float(value) for code, value in shown.items()}


def behind(hand: str, frame: PortraitFrame) -> ImageArray:
    """The picture with a hand, of HANDS, before the mouth."""
    image, mesh = frame.image.copy(), frame.mesh[:, :2]
    unit = float(np.linalg.norm(mesh[[33, 133]].mean(0) - mesh[[263, 362]].mean(0)))
    skin = np.median([image[int(y), int(x)] for x, y in mesh[[50, 280, 205, 425]]], axis=0)
    x, y = mesh[13] + (0, 0.13 * unit)

    def colour(share: float) -> list[int]:
        return [int(value) for value in skin * share]

    if hand != "no hand":
        size = round(0.72 * unit), round(0.4 * unit)
        cv2.ellipse(image, (round(x), round(y)), size, 8, 0, 360, colour(0.9), -1, cv2.LINE_AA)
    if hand == "drawn fingers":
        for finger in range(4):
            low = y + (finger - 1.5) * 0.17 * unit
            start, end = (round(x - 0.7 * unit), round(low + 0.05 * unit)), (round(x + 0.55 * unit), round(low))
            cv2.line(image, start, end, colour(0.96 - 0.03 * (finger % 2)), round(0.17 * unit), cv2.LINE_AA)
            edge = round(0.085 * unit)
            lower = (start[0], start[1] + edge), (end[0], end[1] + edge)
            cv2.line(image, *lower, colour(0.6), max(1, round(0.015 * unit)), cv2.LINE_AA)
        arm = (round(x - 0.9 * unit), round(y + 0.1 * unit)), (round(x - 1.2 * unit), image.shape[0])
        cv2.line(image, *arm, colour(0.9), round(0.6 * unit), cv2.LINE_AA)
    return image


def frames(portrait: AnimatedPortrait) -> Iterator[tuple[float, PortraitFrame]]:
    """Seconds and what is shown; the head sways."""
    for number in range(round((CRIES_S + LAUGHS_S + RESTS_S) * FPS)):
        t = number / FPS
        turn = Turn(3 * np.sin(1.1 * t), 2 * np.sin(0.9 * t), 1.5 * np.sin(0.7 * t), 0.03 * np.sin(0.8 * t))
        yield t, portrait.frame(units_at(t), turn=turn)


def watch(shown: list[tuple[float, PortraitFrame]], hand: str) -> tuple[float, float, str]:
    """Largest AU9 in laughter, largest unit (mean over time) from 2 s after the beginning of rest, and when the neutral
    was given up, in seconds after the beginning of laughter."""
    rng, nose, rest, states = np.random.default_rng(0), [0.0], [], []
    with closing(Pipeline()) as pipeline:
        for t, frame in shown:
            image = behind(hand if t < CRIES_S - 0.1 else "no hand", frame)
            image = np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8)
            for code in pipeline.process(Frame(image, round(1e9 * t)))[:1]:
                states.append((t, code.neutral_state.name))
                if CRIES_S + 0.6 < t < CRIES_S + LAUGHS_S - 0.6:
                    nose.append(code.aus[9])
                elif t >= CRIES_S + LAUGHS_S + 2:
                    rest.append(code.aus.intensity.max())
    gone = [t for (_, was), (t, now) in pairwise(states) if was == "READY" and now != "READY"]
    when = ", ".join(f"{t - CRIES_S:.1f}" for t in gone) or "never"
    return float(np.max(nose)), float(np.mean(rest)) if rest else float("nan"), when


def main(paths: list[Path]) -> None:
    named = dict(zip(("astronaut", "Grace Hopper"), portraits(), strict=True))
    named |= {p.stem: AnimatedPortrait(np.ascontiguousarray(cv2.imread(str(p))[..., ::-1])) for p in paths}
    print("| portrait | hand | largest AU9 in laughter | largest unit at rest | neutral given up, s of laughter |")
    print("|---|---|---|---|---|")
    for name, portrait in named.items():
        shown = list(frames(portrait))
        for hand in HANDS:
            nose, rest, when = watch(shown, hand)
            print(f"| {name} | {hand} | {nose:.2f} | {rest:.2f} | {when} |", flush=True)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
