"""How far an action unit's intensity can be trusted, from what is known about the face and its neutral."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...types import Face, FloatArray, Neutral, NeutralState
from .action_units import ACTION_UNITS, CODES
from .settings import FacsSettings

_HALF_LEFT_TO_RIGHT = np.array([0.5, 0.5, -0.5, -0.5], np.float32)
_EYE_CORNERS = np.array([362, 263, 33, 133])  # left, right; in the mesh
_REGION = np.array([1 + ("brows", "eyes", "lower_face").index(unit.region) for unit in ACTION_UNITS])
_SPEECH = np.array([0.5 * (unit.code in (15, 16, 17, 18, 20, 22, 23, 24, 28)) for unit in ACTION_UNITS], np.float32)
_AT_25_AND_12 = np.array([CODES.index(25), CODES.index(12)])
_OF_STATE = [0.0] * len(NeutralState)
_OF_STATE[NeutralState.LEARNING] = 0.6
_OF_STATE[NeutralState.READY] = 1.0
_OF_STATE[NeutralState.STALE] = 0.7


def doubt(turn_deg: FloatArray, eye_distance_px: FloatArray) -> FloatArray:
    """How much more (>= 1) the tracker's answers stray than for a large frontal face; of (n,) each."""
    strayed = 1.0 + (turn_deg / 12.0) ** 2 + (20.0 / np.maximum(eye_distance_px, 1.0)) ** 2
    return np.asarray(np.minimum(strayed, 8.0), np.float32)


@dataclass(frozen=True)
class Views:
    """How faces are seen. turn_deg, eye_distance_px: (n,). visible: (n, 4), whole face, brows, eyes, lower face.

    The eye distance is that of the mesh in space, so that a turned head is not taken for a far one.
    """

    turn_deg: FloatArray
    eye_distance_px: FloatArray
    visible: FloatArray

    @classmethod
    def of(cls, faces: Sequence[Face]) -> Views:
        numbers = np.array(
            [
                (pose.yaw_deg, pose.pitch_deg, seen.face, seen.brows, seen.eyes, seen.lower_face)
                for pose, seen in ((face.pose, face.visibility) for face in faces)
            ],
            np.float32,
        ).reshape(-1, 6)
        across = _HALF_LEFT_TO_RIGHT @ np.array([face.mesh.take(_EYE_CORNERS, 0) for face in faces]).reshape(-1, 4, 3)
        return cls(
            np.hypot(numbers[:, 0], numbers[:, 1]),
            np.sqrt(np.einsum("nd,nd->n", across, across)),
            numbers[:, 2:],
        )

    def factors(self, settings: FacsSettings) -> FloatArray:
        """Factor 0..1 of each face and action unit, (n, units): head pose, size, visibility of the unit's region."""
        turn_span = settings.no_pose_deg - settings.full_pose_deg
        size_span = settings.full_eye_distance_px - settings.no_eye_distance_px
        base = [
            min(max((settings.no_pose_deg - turn) / turn_span, 0), 1)
            * min(max((distance - settings.no_eye_distance_px) / size_span, 0), 1)
            * seen
            for turn, distance, seen in zip(
                self.turn_deg.tolist(), self.eye_distance_px.tolist(), self.visible[:, 0].tolist(), strict=True
            )
        ]
        return np.array(base, np.float32)[:, None] * self.visible.take(_REGION, 1)


def of_neutrals(neutrals: Sequence[Neutral], settings: FacsSettings) -> FloatArray:
    """Factor 0..1 of each face, (faces,): state and standard error of the neutral that its motion is measured from."""
    return np.array(
        [
            _OF_STATE[neutral.state] / (1.0 + (neutral.uncertainty / settings.neutral_error) ** 2)
            if neutral.state is not NeutralState.NONE
            else 0.0
            for neutral in neutrals
        ],
        np.float32,
    )


def while_lips_part(sides: FloatArray) -> FloatArray:
    """Factor 0..1 of each face and action unit, (faces, units), from the sides (faces, 2, units).

    In speech the mouth takes the shapes of AU16 to AU24 and AU28 without any being meant, and one frame cannot tell
    speech: what parts the lips without a smile lowers the confidence of those units, by half when wide open.
    """
    both = np.add.reduce(sides[:, :, _AT_25_AND_12], 1).tolist()
    apart = [min(parted, 1.0) * max(1.0 - smiled, 0.0) for parted, smiled in both]
    return np.float32(1) - np.array(apart, np.float32)[:, None] * _SPEECH
