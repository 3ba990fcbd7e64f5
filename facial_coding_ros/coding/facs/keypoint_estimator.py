# SPDX-License-Identifier: Apache-2.0
"""The action-unit estimator that uses keypoint motion."""

from __future__ import annotations

from collections.abc import Mapping

from ...inference import InferenceSettings
from ...types import FloatArray
from ..coding_graph import Arrays, Coder
from ..formula import Formula
from ..frame_faces import FrameFaces
from ..protocols import ActionUnitEstimates
from ..registries import ACTION_UNIT_ESTIMATORS
from ..settings import CodingSettings
from .confidence import noise_scale
from .estimator import FacsEstimator
from .outputs import assemble

MODEL, UNITS = "facs", "units"
"""Parts of the coding graph."""


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
        self.coders: Mapping[str, Coder | Formula] = {MODEL: self._facs, UNITS: self._facs.formula()}

    def inputs(self, faces: FrameFaces) -> dict[str, FloatArray]:
        """Noise scale and factors of confidence; the motion comes from the graph."""
        views = faces.views
        scales = noise_scale(views.turn_deg, views.eye_distance_px)
        return {"noise_scale": scales[:, None], "factors": self._facs.factors(views, faces.neutrals)}

    def estimate(self, faces: FrameFaces, outputs: Mapping[str, Arrays]) -> ActionUnitEstimates:
        """Of all faces."""
        network, told = outputs[MODEL], outputs[UNITS]
        units = assemble(
            network["sides"], told["confidence"].copy(), network["presence"].copy(), told["intensity"].copy()
        )
        if len(faces.known) < len(faces):
            nothing = self._facs.unknown(1)[0]
            units = [own if i in faces.known else nothing for i, own in enumerate(units)]
        return ActionUnitEstimates.of_this_frame(units)

    def configure(self, settings: CodingSettings) -> None:
        self._facs.settings = settings.facs

    def close(self) -> None:
        """Nothing: the network runs in the coding graph."""
