# SPDX-License-Identifier: Apache-2.0
"""Mouths of people who talk: AU25 and AU26 of animated portraits with speech-like motion, through the whole pipeline.

    python -m facial_coding_ros.learning.studies.speech_on_portraits PORTRAIT.jpg [PORTRAIT.jpg ...]

Each rests for two seconds and talks for four: three to five syllables a second, of a jaw that opens and lips that close
(bilabials), round or spread, with a pause. The truth is measured on the mesh that the picture was warped by.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np

from ...face_model.ict import IctFaces
from ...pipeline import Pipeline
from ...types import FloatArray, Frame, ImageArray
from ..facs.motion_sets import LIPS_APART_CM
from ..facs.scoring import correlation, icc31
from ..synthesis.portrait import AnimatedPortrait, Turn
from ..synthesis.portrait_set import EYE_DISTANCE_PX

FPS, REST_S, TALK_S = 12.5, 2.0, 4.0
_JAW_OF_26 = 0.45  # of the jaw's way, as AnimatedPortrait has it


def talk(rng: np.random.Generator) -> list[dict[int, float]]:
    """Action units of each frame."""
    shown: list[dict[int, float]] = []
    while len(shown) < TALK_S * FPS:
        if rng.random() < 0.08:
            shown += [{}] * 4
            continue
        opening, shape = float(rng.uniform(0.2, 1.0)), {int(rng.choice([18, 20, 22, 16])): float(rng.uniform(0, 0.5))}
        syllable = [{24: 0.4}] if rng.random() < 0.3 else []
        frames = int(rng.integers(2, 5))
        syllable += [
            {26: opening * v} | {code: amount * v for code, amount in shape.items()}
            for v in np.sin(np.pi * (np.arange(frames) + 0.5) / frames).tolist()
        ]
        shown += syllable
    return shown[: int(TALK_S * FPS)]


def talking(path: Path, rng: np.random.Generator) -> Iterator[tuple[ImageArray, float, float]]:
    """Pictures with the true AU25 and AU26, NaN while the person rests."""
    image = np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])
    shrink = min(EYE_DISTANCE_PX / AnimatedPortrait(image).eye_distance_px, 1.0)
    portrait = AnimatedPortrait(np.asarray(cv2.resize(image, None, fx=shrink, fy=shrink), np.uint8))
    cm = IctFaces.load().eye_distance_cm / portrait.eye_distance_px
    rest = portrait.frame({})
    closed = rest.mesh[14, 1] - rest.mesh[13, 1]
    for _ in range(round(REST_S * FPS)):
        yield _noisy(rest.image, rng), np.nan, np.nan
    for number, units in enumerate(talk(rng)):
        still = portrait.mesh(units)
        turn = Turn(2 * np.sin(0.4 * number), 1.5 * np.sin(0.3 * number), np.sin(0.2 * number))
        gap_cm = float(still[14, 1] - still[13, 1] - closed) * cm
        apart = min(gap_cm / LIPS_APART_CM, 1.0) if gap_cm > 0.1 else 0.0
        yield _noisy(portrait.frame(units, turn=turn).image, rng), apart, min(2 * _JAW_OF_26 * units.get(26, 0.0), 1.0)


def _noisy(image: ImageArray, rng: np.random.Generator) -> ImageArray:
    return np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8)


def main(paths: list[Path]) -> None:
    rng, everything = np.random.default_rng(0), []
    print("| portrait | frames | AU25: ICC, correlation | AU26: ICC, correlation |\n|---|---|---|---|")
    for path in paths:
        rows = []
        with closing(Pipeline()) as pipeline:
            for number, (image, parted, jaw) in enumerate(talking(path, rng)):
                for code in pipeline.process(Frame(image, round(number / FPS * 1e9)))[:1]:
                    rows.append((parted, code.aus[25], jaw, code.aus[26]))
        found = np.array(rows, np.float32)
        found = found[np.isfinite(found).all(1)]
        everything.append(found)
        print(_line(path.stem, found), flush=True)
    print(_line("all", np.concatenate(everything)))


def _line(name: str, found: FloatArray) -> str:
    cells = [
        f"{icc31(found[:, at], found[:, at + 1]):.2f}, {correlation(found[:, at], found[:, at + 1]):.2f}"
        for at in (0, 2)
    ]
    return f"| {name} | {len(found)} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main([Path(name) for name in sys.argv[1:]])
