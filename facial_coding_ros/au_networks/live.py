# SPDX-License-Identifier: Apache-2.0
"""Live use of an exported network: all faces of a frame in one batch; no PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..inference import InferenceSettings, ModelError, ModelFile, expect, open_session
from ..keypoints.schemes import SPARSE
from ..options import Settings, option
from ..types import ActionUnits, Face, FloatArray, ImageArray
from .specs import NetworkSpec

FULL_POSE_DEG, NO_POSE_DEG = 20.0, 60.0
"""Head turn up to which the outputs count in full, and from which they count for nothing: training faces are mostly
frontal.
"""
FULL_FACE_PX, NO_FACE_PX = 90.0, 25.0
"""Width of a face in the image, likewise: below, the crop is enlarged from few pixels."""

BROWS, EYES = frozenset({1, 2, 4}), frozenset({5, 6, 7, 43, 45})


@dataclass(frozen=True)
class NetworkSettings(Settings):
    """Action units from an image network."""

    model: str = option("", "path of an exported network (ONNX) with its card (YAML) beside it")
    rate_hz: float = option(5.0, "how often the network runs at most, in image time", low=0.1, high=120.0, live=True)
    threads: int = option(0, "threads of ONNX Runtime for it; 0: as many as there are cores", low=0, high=64)


class NetworkAus:
    """An exported network. One thread at a time.

    Raises FileNotFoundError when the file or its card is missing; ModelError when one is damaged, of another kind, or
    not of the other.
    """

    def __init__(self, path: Path | str, inference: InferenceSettings | None = None) -> None:
        model = ModelFile.read(path)
        if "network" not in model.card:
            raise ModelError(f"{model.path.with_suffix('.yaml')} is not the card of an action unit network.")
        self.path, self.card = model.path, model.card
        self.spec = _spec_of(self.card, self.path)
        self.session = open_session(path, inference)
        side = self.spec.alignment.crop
        inputs = {"faces": (3, side, side)} | ({"landmarks": (68, 2)} if self.spec.takes_landmarks else {})
        self._output = self.session.outputs[0].name
        expect(self.session, inputs, {self._output: (len(self.spec.outputs),)})

    @property
    def codes(self) -> tuple[int, ...]:
        """The action units, in the order of the outputs."""
        return self.spec.aus

    def estimate(self, image: ImageArray, faces: Sequence[Face]) -> list[ActionUnits]:
        """Action units of each face, in order. image: (height, width, 3) uint8, RGB, the frame the faces lie in.

        presence is the output, the probability that the action unit is there, 0.5 being the threshold; intensity
        repeats it, for these networks are not trained on intensities. confidence is how far that probability is from
        undecided, lowered by head pose, small faces and poor visibility of the region. left and right are nan but for
        OpenGraphAU's sided outputs. A face that cannot be aligned has confidence 0.
        """
        if not faces:
            return []
        crops, points, aligned = self._inputs(image, faces)
        probability = np.clip(self.probability(crops, points), 0.0, 1.0)
        probability[~aligned] = 0.0
        return [self._units(*each) for each in zip(faces, probability, aligned, strict=True)]

    def probability(self, crops: FloatArray, landmarks: FloatArray) -> FloatArray:
        """Raw outputs (n, outputs) for aligned crops (n, 3, crop, crop), RGB, 0..255, and landmarks (n, 68, 2)."""
        inputs = {"faces": crops, "landmarks": landmarks}
        return self.session.run({tensor.name: inputs[tensor.name] for tensor in self.session.inputs})[self._output]

    def _inputs(self, image: ImageArray, faces: Sequence[Face]) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
        """Crops, landmarks and whether each face could be aligned; the others are grey."""
        side = self.spec.alignment.crop
        crops = np.full((len(faces), 3, side, side), 128, np.float32)
        points = np.full((len(faces), 68, 2), side / 2, np.float32)
        aligned = np.zeros(len(faces), bool)
        for index, face in enumerate(faces):
            try:
                crop, points[index] = self.spec.alignment.test_crop(image, SPARSE.from_mesh(face.mesh)[:, :2])
            except ValueError:
                continue
            crops[index] = crop.transpose(2, 0, 1)
            aligned[index] = True
        return crops, points, aligned

    def _units(self, face: Face, outputs: FloatArray, aligned: np.bool_) -> ActionUnits:
        count = len(self.codes)
        decided = np.abs(2 * outputs[:count] - 1)
        trust = np.array([_trust(face, code) if aligned else 0.0 for code in self.codes], np.float32)
        left = np.full(count, np.nan, np.float32)
        right = left.copy()
        for pair, code in enumerate(self.spec.sided):
            column = self.codes.index(code)
            left[column], right[column] = outputs[count + 2 * pair : count + 2 * pair + 2]
        confidence = (decided * trust).astype(np.float32)
        return ActionUnits(self.codes, outputs[:count], confidence, left, right, presence=outputs[:count])


def _trust(face: Face, code: int) -> float:
    """0..1: what is known of the face's pose, size and visibility, for one action unit."""
    turned = float(np.hypot(face.pose.yaw_deg, face.pose.pitch_deg))
    width = float(np.ptp(face.mesh[:, 0]))
    pose = np.clip((NO_POSE_DEG - turned) / (NO_POSE_DEG - FULL_POSE_DEG), 0.0, 1.0)
    size = np.clip((width - NO_FACE_PX) / (FULL_FACE_PX - NO_FACE_PX), 0.0, 1.0)
    seen = face.visibility
    region = seen.brows if code in BROWS else seen.eyes if code in EYES else seen.lower_face
    return float(pose * size * seen.face * region)


def _spec_of(card: dict[str, Any], path: Path) -> NetworkSpec:
    try:
        spec = NetworkSpec.from_mapping(card["network"])
    except (ValueError, TypeError) as error:
        raise ModelError(f"{path.with_suffix('.yaml')}: {error}") from None
    if card.get("output_names") != list(spec.outputs):
        raise ModelError(f"{path.with_suffix('.yaml')}: output_names are not those of its network, {spec.outputs}.")
    return spec
