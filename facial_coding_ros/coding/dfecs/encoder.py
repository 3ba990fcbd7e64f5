"""Keypoint motions -> data-driven action units, live."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxruntime as ort

from ...types import FloatArray, Motion
from .card import Card, ModelError
from .settings import DfecsSettings


class DfecsEncoder:
    """The codes of a trained DFECS model: a non-negative lasso, solved by a graph of plain operations.

    names: of the AUs, from the model's card. A code of 1 is the 99th percentile of that AU in the training motions.
    """

    def __init__(self, card: Card) -> None:
        """Raises ModelError when the graph does not fit its card."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        try:
            self._session = ort.InferenceSession(str(card.graph), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001  ONNX Runtime's errors share no base class
            raise ModelError(f"{card.graph} cannot be loaded: {' '.join(str(error).split())}") from None
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        shapes = [list(node.shape)[1:] for node in (*inputs, *outputs)]
        if shapes != [[136], [len(card.names)]]:
            raise ModelError(
                f"{card.graph} maps {shapes[:1]} to {shapes[1:]} numbers a face; 136 to {len(card.names)} is expected"
            )
        self._input = inputs[0].name
        self.card = card
        self.names = card.names

    @classmethod
    def load(cls, settings: DfecsSettings | None = None) -> DfecsEncoder:
        """The model that the settings name. Raises FileNotFoundError, or ModelError (a ValueError)."""
        return cls(Card.read((settings or DfecsSettings()).model))

    def encode(self, motions: Sequence[Motion]) -> FloatArray:
        """Codes (n, k) >= 0 of n faces at once."""
        if not motions:
            return np.empty((0, len(self.names)), np.float32)
        return self._session.run(None, {self._input: np.stack([motion.kpm for motion in motions])})[0]
