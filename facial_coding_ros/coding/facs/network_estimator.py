# SPDX-License-Identifier: Apache-2.0
"""The action-unit estimator that uses networks on the image."""

from __future__ import annotations

from collections.abc import Mapping

from ...au_networks.async_runner import AsyncNetworkRunner
from ...inference import InferenceSettings
from ...types import FloatArray
from ..coding_graph import Arrays
from ..frame_faces import FrameFaces
from ..protocols import ActionUnitEstimates
from ..registries import ACTION_UNIT_ESTIMATORS
from ..settings import CodingSettings
from .keypoint_estimator import KeypointEstimator


@ACTION_UNIT_ESTIMATORS.register("network")
class NetworkEstimator:
    """protocols.ActionUnitEstimator by an image network, which runs at a rate of its own.

    Its units may be some frames old, and are few; so expressions are read from those of the keypoints.
    """

    def __init__(self, settings: CodingSettings, inference: InferenceSettings, background: bool = False) -> None:
        self._keypoints = KeypointEstimator(settings, inference)
        self._network = AsyncNetworkRunner(settings.network, background, inference)
        self.codes = self._network.codes
        self.needs = self._keypoints.needs
        self.coders = self._keypoints.coders

    @property
    def backend(self) -> str:
        """What computes the network."""
        return f"image network: {self._network.backend}"

    def inputs(self, faces: FrameFaces) -> dict[str, FloatArray]:
        """Of the keypoints' network."""
        return self._keypoints.inputs(faces)

    def estimate(self, faces: FrameFaces, outputs: Mapping[str, Arrays]) -> ActionUnitEstimates:
        """The newest of the network, with their ages. Raises what the network raised in its thread."""
        current = self._keypoints.estimate(faces, outputs).current
        newest = self._network.update(faces.frame, faces.faces)
        return ActionUnitEstimates([units for units, _ in newest], [age_s for _, age_s in newest], current)

    def configure(self, settings: CodingSettings) -> None:
        self._keypoints.configure(settings)
        self._network.settings = settings.network

    def close(self) -> None:
        """Ends the network's thread and frees the network."""
        self._network.close()
