# SPDX-License-Identifier: Apache-2.0
"""How far an action unit's intensity can be trusted, from what is known about the face and its neutral."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...action_units import ACTION_UNITS, CODES
from ...tracking.visibility import NOT_VISIBLE_BELOW
from ...types import Face, FloatArray, Neutral, NeutralState, Visibility
from .settings import FacsSettings

_EYE_CORNERS = np.array([362, 263, 33, 133])  # left, right; in the mesh
_REGIONS = ("brows", "eyes", "lower_face")
_OF_REGION = np.array([[unit.region == region for unit in ACTION_UNITS] for region in _REGIONS], np.float32)
_SPEECH = np.array([0.5 * (unit.code in (15, 16, 17, 18, 20, 22, 23, 24, 28)) for unit in ACTION_UNITS], np.float32)
_BOTH_25, _BOTH_12 = (np.tile(np.array([[one == code] for one in CODES], np.float32), (2, 1)) for code in (25, 12))
"""(2 x units, 1), for the sum of both sides of a unit."""
_LOWER_FACE = np.array([_REGIONS.index("lower_face")])
_OF_STATE = [0.0] * len(NeutralState)
_OF_STATE[NeutralState.LEARNING] = 0.6
_OF_STATE[NeutralState.READY] = 1.0
_OF_STATE[NeutralState.STALE] = 0.7

# Few numbers of a face are worked out in plain Python, which is quicker than numpy for them.


def noise_scale(turn_deg: ArrayLike, eye_distance_px: ArrayLike) -> FloatArray:
    """How many times (1 to 8) the tracker's noise of a large frontal face is to be expected; of (n,) each."""
    turns, distances = np.asarray(turn_deg).tolist(), np.asarray(eye_distance_px).tolist()
    scales = [1.0 + (t / 12.0) ** 2 + (20.0 / max(d, 1.0)) ** 2 for t, d in zip(turns, distances, strict=True)]
    return np.array([min(one, 8.0) for one in scales], np.float32)


@dataclass(frozen=True)
class Views:
    """How faces are seen, a value for each.

    The eye distance is that of the mesh in space, so that a turned head is not taken for a far one.
    """

    turn_deg: tuple[float, ...]
    eye_distance_px: tuple[float, ...]
    visible: tuple[Visibility, ...]

    @classmethod
    def of(cls, faces: Sequence[Face]) -> Views:
        return cls(
            tuple(math.hypot(face.pose.yaw_deg, face.pose.pitch_deg) for face in faces),
            tuple(_eye_distance(face.mesh) for face in faces),
            tuple(face.visibility for face in faces),
        )

    def of_regions(self, settings: FacsSettings) -> list[tuple[float, float, float]]:
        """Factors 0..1 of brows, eyes and lower face: head pose, size, visibility."""
        turn_span = settings.no_pose_deg - settings.full_pose_deg
        size_span = settings.full_eye_distance_px - settings.no_eye_distance_px
        factors = []
        for turn, distance, seen in zip(self.turn_deg, self.eye_distance_px, self.visible, strict=True):
            pose = min(max((settings.no_pose_deg - turn) / turn_span, 0.0), 1.0)
            size = min(max((distance - settings.no_eye_distance_px) / size_span, 0.0), 1.0)
            face = pose * size * seen.face
            factors.append((face * _told(seen.brows), face * _told(seen.eyes), face * _told(seen.lower_face)))
        return factors

    def factors(self, settings: FacsSettings) -> FloatArray:
        """`of_regions` for each face and action unit, (n, units)."""
        return np.array(self.of_regions(settings), np.float32).reshape(-1, len(_REGIONS)) @ _OF_REGION


def _told(seen: float) -> float:
    """Of a region that is not visible nothing is told."""
    return seen if seen >= NOT_VISIBLE_BELOW else 0.0


def _eye_distance(mesh: FloatArray) -> float:
    (ax, ay, az), (bx, by, bz), (cx, cy, cz), (dx, dy, dz) = mesh.take(_EYE_CORNERS, 0).tolist()
    return math.hypot(ax + bx - cx - dx, ay + by - cy - dy, az + bz - cz - dz) / 2


class Confidence:
    """Confidence of each action unit of the network: reliability (units,) on a well seen face, times factors 0..1.

    The factors are those of `Views`, state and standard error of the neutral, and speech. In speech the mouth takes
    the shapes of AU16 to AU24 and AU28 without any being meant, and one frame cannot tell speech: what parts the lips
    without a smile lowers the confidence of those units, by half when wide open.
    """

    def __init__(self, reliability: ArrayLike) -> None:
        # Brows, eyes, lower face, and what speech takes from the lower face.
        self.shares = np.vstack([_OF_REGION, -_OF_REGION[2] * _SPEECH]) * np.asarray(reliability, np.float32)

    def __call__(
        self, sides: FloatArray, views: Views, neutrals: Sequence[Neutral], settings: FacsSettings
    ) -> FloatArray:
        """(n, units), of the network's sides (n, 2, units)."""
        return self.by_factors(sides, self.factors(views, neutrals, settings))

    @staticmethod
    def factors(views: Views, neutrals: Sequence[Neutral], settings: FacsSettings) -> FloatArray:
        """(n, 3), of brows, eyes and lower face: how they are seen, times how well the neutral is known."""
        rows = []
        for neutral, (brows, eyes, lower_face) in zip(neutrals, views.of_regions(settings), strict=True):
            known = _of_neutral(neutral, settings)
            rows.append((brows * known, eyes * known, lower_face * known))
        return np.array(rows, np.float32).reshape(-1, len(_REGIONS))

    def by_factors(self, sides: FloatArray, factors: FloatArray) -> FloatArray:
        """(n, units), of the network's sides (n, 2, units) and `factors`. In the formula `units`."""
        both = sides.reshape(-1, 2 * len(CODES))
        parted, unsmiling = np.clip(both @ _BOTH_25, 0.0, 1.0), np.clip(1.0 - both @ _BOTH_12, 0.0, 1.0)
        apart = parted * unsmiling
        return np.concatenate((factors, factors.take(_LOWER_FACE, 1) * apart), 1) @ self.shares


def _of_neutral(neutral: Neutral, settings: FacsSettings) -> float:
    if neutral.state is NeutralState.NONE:
        return 0.0
    return _OF_STATE[neutral.state] / (1.0 + (neutral.uncertainty / settings.neutral_error) ** 2)
