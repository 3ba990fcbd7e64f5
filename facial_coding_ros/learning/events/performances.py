# SPDX-License-Identifier: Apache-2.0
"""Scripted people as the camera sees them: portraits that perform a script, written as image sequences."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from ...types import FloatArray, ImageArray
from ..synthesis.portrait import AnimatedPortrait
from .scripts import Script

SIDE = 360
"""Pixels of a picture; a face is about 120 wide in it."""
NOISE = 1.5
FPS = 30.0


def portrait(path: Path, side: int = SIDE) -> AnimatedPortrait:
    """A photograph of one person that can be animated, in pictures of `side` pixels.

    Raises ValueError when no face or no picture is found.
    """
    image = cv2.imread(str(path))
    if image is None:
        raise ValueError(f"{path} is no picture")
    scale = side / image.shape[1]
    small = cv2.resize(image, (side, round(image.shape[0] * scale)), interpolation=cv2.INTER_AREA)
    return AnimatedPortrait(np.ascontiguousarray(small[:side, :, ::-1]))


def performed(person: AnimatedPortrait, script: Script, fps: float = FPS) -> Iterator[tuple[ImageArray, FloatArray]]:
    """Picture (side, side, 3) and true mesh (478, 3) of each frame, with a camera's noise."""
    rng = np.random.default_rng(script.seed)
    for index in range(round(script.seconds * fps)):
        seconds = index / fps
        shown = person.frame(script.units(seconds), None, script.turn(seconds))
        noisy = shown.image + rng.normal(0, NOISE, shown.image.shape[:2])[..., None] + 0.5
        yield np.clip(noisy, 0, 255).astype(np.uint8), shown.mesh
