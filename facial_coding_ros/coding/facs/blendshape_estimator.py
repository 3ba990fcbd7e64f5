# SPDX-License-Identifier: Apache-2.0
"""The action-unit estimator that uses MediaPipe's blendshapes."""

from __future__ import annotations

from collections.abc import Mapping

from ...inference import InferenceSettings
from ...types import FloatArray
from ..coding_graph import Arrays, Coder
from ..formula import Formula
from ..frame_faces import FrameFaces
from ..protocols import BLENDSHAPES, ActionUnitEstimates
from ..registries import ACTION_UNIT_ESTIMATORS
from ..settings import CodingSettings
from .blendshapes import BlendshapeFacs


@ACTION_UNIT_ESTIMATORS.register("blendshapes")
class BlendshapeEstimator:
    """protocols.ActionUnitEstimator by a table from blendshapes; needs no neutral and no model."""

    needs = frozenset({BLENDSHAPES})
    backend = ""

    def __init__(self, settings: CodingSettings, inference: InferenceSettings, background: bool = False) -> None:
        self._facs = BlendshapeFacs(settings.facs)
        self.codes = self._facs.codes
        self.coders: Mapping[str, Coder | Formula] = {}

    def inputs(self, faces: FrameFaces) -> dict[str, FloatArray]:
        """None."""
        return {}

    def estimate(self, faces: FrameFaces, outputs: Mapping[str, Arrays]) -> ActionUnitEstimates:
        """Of all faces; one without blendshapes is unknown."""
        return ActionUnitEstimates.of_this_frame(self._facs.estimate(faces.faces))

    def configure(self, settings: CodingSettings) -> None:
        self._facs.settings = settings.facs

    def close(self) -> None:
        """Nothing is held."""
