# SPDX-License-Identifier: Apache-2.0
"""Keypoint motions -> data-driven action units, live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from ...inference import InferenceSettings, Session, expect, open_session
from ...inference.model_files import ModelFile
from ...types import FloatArray, Motion
from .card import Card
from .settings import DfecsSettings


class DfecsEncoder:
    """The codes of a trained DFECS model: a non-negative lasso, solved by a graph of plain operations.

    names: of the AUs, from the model's card. A code of 1 is the 99th percentile of that AU in the training motions.
    """

    def __init__(self, card: Card, inference: InferenceSettings | None = None) -> None:
        self.card = card
        self.names = card.names
        self.model = ModelFile.read(card.graph).without_graph()
        self._inference = inference

    @classmethod
    def load(cls, settings: DfecsSettings | None = None, inference: InferenceSettings | None = None) -> DfecsEncoder:
        """The model that the settings name. Raises FileNotFoundError, or ModelError (a ValueError)."""
        return cls(Card.read((settings or DfecsSettings()).model), inference)

    @cached_property
    def session(self) -> Session:
        """The graph by itself. Raises ModelError when it does not fit its card."""
        session = open_session(self.model, self._inference)
        expect(session, {"motion": (136,)}, {"codes": (len(self.names),)})
        return session

    def inputs(self, motions: Sequence[Motion]) -> dict[str, FloatArray]:
        """Inputs of the graph for these faces."""
        return {"motion": np.array([motion.kpm for motion in motions], np.float32)}

    def codes(self, outputs: Mapping[str, FloatArray]) -> FloatArray:
        """Codes (n, k) >= 0 from the outputs of the graph."""
        return outputs["codes"]

    def encode(self, motions: Sequence[Motion]) -> FloatArray:
        """Codes (n, k) >= 0 of n faces at once."""
        if not motions:
            return np.empty((0, len(self.names)), np.float32)
        return self.codes(self.session.run(self.inputs(motions)))
