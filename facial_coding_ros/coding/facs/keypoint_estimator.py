# SPDX-License-Identifier: Apache-2.0
"""Action units from keypoint motion, as the coding stage asks for them."""

from __future__ import annotations

from collections.abc import Mapping

from ...inference import InferenceSettings
from ...types import ActionUnits, FloatArray
from ..coding_graph import Arrays, Coder
from ..frame_faces import FrameFaces
from ..protocols import ActionUnitEstimates
from ..registries import ACTION_UNIT_ESTIMATORS
from ..settings import CodingSettings
from .estimator import FacsEstimator

MODEL_NAME = "facs"


@ACTION_UNIT_ESTIMATORS.register("keypoints")
class KeypointEstimator:
    """protocols.ActionUnitEstimator by the FACS network of models/facs.onnx, in the coding graph.

    Faces without a neutral, and so without motion, are unknown: intensity 0 and confidence 0.
    """

    needs: frozenset[str] = frozenset()
    backend = ""

    def __init__(self, settings: CodingSettings, inference: InferenceSettings, background: bool = False) -> None:
        self._facs = FacsEstimator.load(settings=settings.facs, inference=inference)
        self.codes = self._facs.codes
        self.coders: Mapping[str, Coder] = {MODEL_NAME: self._facs}

    def inputs(self, faces: FrameFaces) -> dict[str, dict[str, FloatArray]]:
        """Motion and noise scale."""
        return {MODEL_NAME: self._facs.inputs(faces.motions, faces.views)}

    def estimate(self, faces: FrameFaces, outputs: Mapping[str, Arrays]) -> ActionUnitEstimates:
        """Of all faces."""
        found: list[ActionUnits] = []
        if faces.known:
            found = self._facs.units(outputs[MODEL_NAME], faces.views, faces.known_neutrals)
        if len(found) == len(faces):
            return ActionUnitEstimates.of_this_frame(found)
        units = self._facs.unknown(len(faces))
        for i, own in zip(faces.known, found, strict=True):
            units[i] = own
        return ActionUnitEstimates.of_this_frame(units)

    def configure(self, settings: CodingSettings) -> None:
        self._facs.settings = settings.facs

    def close(self) -> None:
        """Nothing: the network runs in the coding graph."""
