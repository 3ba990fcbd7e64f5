"""Keypoint motion -> intensities of FACS action units."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml

from ...models import model_path
from ...types import SURFACE_POINTS, ActionUnits, Face, FloatArray, Motion, Neutral
from .action_units import CODES
from .answers import assemble, unknown
from .confidence import of_neutrals, of_view, while_lips_part
from .settings import FacsSettings

MODEL = "facs.npz"


class FacsEstimator:
    """Linear reading of the dense motion: one weight vector for each side of each unit, negative answers to 0."""

    def __init__(self, weights: FloatArray, reliability: FloatArray, settings: FacsSettings | None = None) -> None:
        """weights: (468 * 3, 2, units), right side first. reliability: (units,) 0..1, from the model card."""
        self.codes = CODES
        self.settings = settings or FacsSettings()
        self._weights = weights.reshape(SURFACE_POINTS * 3, -1)
        self._reliability = reliability

    @classmethod
    def load(cls, path: Path | None = None, settings: FacsSettings | None = None) -> FacsEstimator:
        """The shipped model or another file with its card beside it. Raises ValueError when the file does not fit."""
        path = path or model_path(MODEL)
        card = yaml.safe_load(path.with_suffix(".yaml").read_text())
        if hashlib.sha256(path.read_bytes()).hexdigest() != card.get("sha256"):
            raise ValueError(f"{path} is not the file its card describes: the sha256 differs.")
        if tuple(card.get("codes", ())) != CODES:
            raise ValueError(f"{path} is for the action units {card.get('codes')}; expected {CODES}.")
        with np.load(path) as arrays:
            return cls(arrays["weights"], arrays["reliability"], settings)

    def estimate(
        self, motions: Sequence[Motion], faces: Sequence[Face], neutrals: Sequence[Neutral]
    ) -> list[ActionUnits]:
        """Action units of each face; the three are in the same order."""
        if not motions:
            return []
        dense = np.stack([motion.dense for motion in motions]).reshape(len(motions), -1)
        sides = np.clip((dense @ self._weights).reshape(len(motions), 2, -1), 0.0, 1.0)
        confidence = of_view(faces, self.settings) * of_neutrals(neutrals, self.settings)[:, None]
        confidence = confidence * while_lips_part(sides) * self._reliability
        return assemble(sides, confidence)

    def unknown(self, count: int) -> list[ActionUnits]:
        """Of faces without a neutral: intensity 0 and confidence 0."""
        return unknown(count)
