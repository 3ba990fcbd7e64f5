# SPDX-License-Identifier: Apache-2.0
"""Faces made from ICT-FaceKit's shapes: known people, known action units, no recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from ..models import model_path
from ..npz import open_npz
from ..types import FloatArray

# FACS action unit -> shapes of the right and of the left half of the face; where FACS scores no sides, both are the
# same. After ICT-FaceKit's own table, but AU10 is mouthUpperUp as in most other tables, and jawOpen serves AU26 (to
# half) and AU27. AU23 and AU25 have no shape of their own.
AU_SHAPES: Mapping[int, tuple[tuple[str, ...], tuple[str, ...]]] = {
    1: (("browInnerUp_R",), ("browInnerUp_L",)),
    2: (("browOuterUp_R",), ("browOuterUp_L",)),
    4: (("browDown_R",), ("browDown_L",)),
    5: (("eyeWide_R",), ("eyeWide_L",)),
    6: (("cheekSquint_R",), ("cheekSquint_L",)),
    7: (("eyeSquint_R",), ("eyeSquint_L",)),
    9: (("noseSneer_R",), ("noseSneer_L",)),
    10: (("mouthUpperUp_R",), ("mouthUpperUp_L",)),
    12: (("mouthSmile_R",), ("mouthSmile_L",)),
    14: (("mouthDimple_R",), ("mouthDimple_L",)),
    15: (("mouthFrown_R",), ("mouthFrown_L",)),
    16: (("mouthLowerDown_R",), ("mouthLowerDown_L",)),
    17: (("mouthShrugLower",), ("mouthShrugLower",)),
    18: (("mouthPucker",), ("mouthPucker",)),
    20: (("mouthStretch_R",), ("mouthStretch_L",)),
    22: (("mouthFunnel",), ("mouthFunnel",)),
    24: (("mouthPress_R",), ("mouthPress_L",)),
    27: (("jawOpen",), ("jawOpen",)),
    28: (("mouthRollLower", "mouthRollUpper"), ("mouthRollLower", "mouthRollUpper")),
    45: (("eyeBlink_R",), ("eyeBlink_L",)),
}


@dataclass(frozen=True)
class IctFaces:
    """A linear face model at MediaPipe's 468 surface points.

    neutral: (468, 3), identity: (100, 468, 3) of unit variance, expression: (55, 468, 3) at full strength; in eye
    distances of the mean face, x to the person's left, y down, z away from the viewer.
    """

    neutral: FloatArray
    identity: FloatArray
    expression: FloatArray
    expression_names: tuple[str, ...]
    eye_distance_cm: float

    @classmethod
    def load(cls, path: Path | None = None) -> IctFaces:
        """The shapes that come with the package, or those of another file of the same form.

        Raises FileNotFoundError; KeyError for another file; ValueError naming a damaged one.
        """
        with open_npz(path or model_path("ict_mesh.npz")) as arrays:
            return cls(
                neutral=arrays["neutral"].astype(np.float32),
                identity=arrays["identity"].astype(np.float32),
                expression=arrays["expression"].astype(np.float32),
                expression_names=tuple(str(name) for name in arrays["expression_names"]),
                eye_distance_cm=float(arrays["eye_distance_cm"]),
            )

    def shape(self, name: str) -> FloatArray:
        """Offsets (468, 3) of one expression shape at full strength."""
        return self.expression[self.expression_names.index(name)]

    def people(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Neutral faces (count, 468, 3) of random people."""
        weights = rng.standard_normal((count, len(self.identity))).astype(np.float32)
        return self.neutral + np.einsum("ni,ipc->npc", weights, self.identity)

    def offsets(self, weights: Mapping[str, float]) -> FloatArray:
        """Sum (468, 3) of expression shapes, each times its weight."""
        total = np.zeros_like(self.neutral)
        for name, weight in weights.items():
            total += weight * self.shape(name)
        return total

    def au_offsets(self, right: Mapping[int, float], left: Mapping[int, float] | None = None) -> FloatArray:
        """Offsets (468, 3) for AU intensities 0..1; `left` None: the same on both sides."""
        return self.offsets(au_to_shapes(right, right if left is None else left))


def au_to_shapes(right: Mapping[int, float], left: Mapping[int, float]) -> dict[str, float]:
    """Shape weights of AU intensities on each side; a shape of both sides takes their mean."""
    weights: dict[str, float] = {}
    for side, intensities in enumerate((right, left)):
        for code, intensity in intensities.items():
            both = AU_SHAPES[code][0] == AU_SHAPES[code][1]
            for name in AU_SHAPES[code][side]:
                weights[name] = weights.get(name, 0.0) + (intensity / 2 if both else intensity)
    return weights


def turned(points: ArrayLike, yaw_deg: float, pitch_deg: float, roll_deg: float, pivot_z: float = 1.0) -> FloatArray:
    """Points (..., 3) of a frontal face after a rigid head turn about a point `pivot_z` eye distances behind the eyes.

    Signs as in types.HeadPose: yaw > 0 to the person's left, pitch > 0 up, roll > 0 to the left shoulder.
    """
    yaw, pitch, roll = np.radians([yaw_deg, pitch_deg, roll_deg])
    # Axes: x to the person's left (image right), y down, z away from the viewer.
    turn = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
    nod = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    tilt = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    pivot = np.array([0, 0, pivot_z])
    return ((np.asarray(points) - pivot) @ (tilt @ turn @ nod).T + pivot).astype(np.float32)
