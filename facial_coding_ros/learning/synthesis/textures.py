# SPDX-License-Identifier: Apache-2.0
"""Made-up surfaces of things: plain, striped, checked, dotted, printed, knitted."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from ...types import FloatArray

PATTERNS = ("plain", "shaded", "stripes", "checks", "dots", "blotches", "flowers", "print", "knitted")


def texture(shape: tuple[int, int], unit: float, rng: np.random.Generator, pattern: str = "") -> FloatArray:
    """(height, width, 3) RGB, 0..255.

    unit: pixels of the eye distance of the face that it is held before. pattern: one of PATTERNS, empty for any.
    """
    height, width = shape
    pattern = pattern or str(rng.choice(PATTERNS, p=_SHARES))
    first, second = _colour(rng), _colour(rng)
    share: Any
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle, period = rng.uniform(0, np.pi), float(np.exp(rng.uniform(np.log(0.06), np.log(0.7)))) * unit
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    if pattern == "plain":
        share = np.zeros(shape, np.float32)
    elif pattern == "shaded":
        share = 0.5 + 0.5 * np.sin(along / (3 * unit) + rng.uniform(0, 6))
    elif pattern == "stripes":
        share = (np.sin(2 * np.pi * along / period) > rng.uniform(-0.7, 0.7)).astype(np.float32)
    elif pattern == "checks":
        share = 0.5 * (np.sin(2 * np.pi * along / period) > 0) + 0.5 * (np.sin(2 * np.pi * across / period) > 0)
    elif pattern == "dots":
        radius = np.hypot((along / period) % 1 - 0.5, (across / period) % 1 - 0.5)
        share = (radius < rng.uniform(0.15, 0.45)).astype(np.float32)
    elif pattern == "blotches":
        share = (_clouds(shape, period, rng) > 0).astype(np.float32)
    elif pattern == "flowers":
        return _flowers(shape, unit, first, rng)
    elif pattern == "print":
        rows = ((y / period) % 1 < 0.5) & (cv2.blur(rng.random(shape), (max(int(period / 3), 1), 1)) > 0.45)
        share = rows.astype(np.float32)
    else:
        share = (
            0.5 + 0.25 * np.sin(2 * np.pi * along / (0.08 * unit)) + 0.25 * np.sin(2 * np.pi * across / (0.06 * unit))
        )
    share = np.asarray(share, np.float32)[..., None]
    surface = first * (1 - share) + second * share
    surface *= 1 + 0.12 * _clouds(shape, 0.6 * unit, rng)[..., None]
    return np.asarray(surface + rng.normal(0, rng.uniform(0, 7), (*shape, 1)), np.float32)


_SHARES = (0.28, 0.12, 0.12, 0.1, 0.08, 0.1, 0.08, 0.05, 0.07)


def _colour(rng: np.random.Generator) -> FloatArray:
    if rng.random() < 0.35:  # white, black, and between
        return np.full(3, rng.choice((rng.uniform(10, 50), rng.uniform(190, 250), rng.uniform(50, 190))), np.float32)
    hue = np.array([[[rng.integers(0, 180), rng.integers(30, 230), rng.integers(40, 250)]]], np.uint8)
    return np.asarray(cv2.cvtColor(hue, cv2.COLOR_HSV2RGB)[0, 0], np.float32)


def _clouds(shape: tuple[int, int], period: float, rng: np.random.Generator) -> FloatArray:
    """Smooth noise of deviation 1."""
    height, width = shape
    small = rng.normal(0, 1, (max(int(height / period), 1) + 3, max(int(width / period), 1) + 3)).astype(np.float32)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def _flowers(shape: tuple[int, int], unit: float, ground: FloatArray, rng: np.random.Generator) -> FloatArray:
    height, width = shape
    canvas = np.empty((height, width, 3), np.float32)
    canvas[:] = ground
    colours = [tuple(_colour(rng).tolist()) for _ in range(3)]
    for _ in range(int(60 * rng.uniform(0.5, 1.5))):
        x, y, radius = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.03, 0.15) * unit
        colour = colours[rng.integers(3)]
        for petal in range(5):
            turn = 2 * np.pi * petal / 5
            at = (int(x + radius * np.cos(turn)), int(y + radius * np.sin(turn)))
            cv2.circle(canvas, at, max(int(0.7 * radius), 1), colour, -1, cv2.LINE_AA)
    return canvas
