# SPDX-License-Identifier: Apache-2.0
"""By what motions differ without any action unit: noise, another tracker, an inexact neutral."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...face_model.ict import IctFaces
from ...keypoints import Registration
from ...types import MESH_POINTS, SURFACE_POINTS, FloatArray
from .motion_sets import registered

NEUTRAL_ERROR = 0.003
"""Error of a neutral that motions are trained with, root mean square over all coordinates, in eye distances. A full
smile is 0.053; the node's neutral is off by 0.0047 after ten seconds and by 0.0025 after a minute (docs/neutral.md)."""


@dataclass(frozen=True)
class Disturbances:
    """All (n, 468, 3) in eye distances; n differs.

    noise: motions of resting faces, as tracked. mismatch: by how much another tracker's motions may differ.
    neutral: by how much a neutral may be off, of root mean square NEUTRAL_ERROR.
    """

    noise: FloatArray
    mismatch: FloatArray
    neutral: FloatArray


def neutral_errors(count: int, rng: np.random.Generator) -> FloatArray:
    """Errors (count, 468, 3) of neutrals: as people differ, for what is not known of a face is guessed from others."""
    meshes = np.full((2 * count, MESH_POINTS, 3), 300, np.float32)
    meshes[:, :SURFACE_POINTS] += 100 * IctFaces.load().people(2 * count, rng)
    first, second = np.split(registered(Registration(), meshes), 2)
    difference = first - second
    return np.asarray(difference * (NEUTRAL_ERROR / np.sqrt((difference**2).mean())), np.float32)
