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
_AT_12, _AT_25 = CODES.index(12), CODES.index(25)
_OF_STATE = {NeutralState.NONE: 0.0, NeutralState.LEARNING: 0.6, NeutralState.READY: 1.0, NeutralState.STALE: 0.7}


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
        poses = np.array([(face.pose.yaw_deg, face.pose.pitch_deg) for face in faces], np.float32)
        eyes = np.array([face.mesh[_EYE_CORNERS] for face in faces], np.float32)
        across = _HALF_LEFT_TO_RIGHT @ eyes
        seen = [(v.face, v.brows, v.eyes, v.lower_face) for v in (face.visibility for face in faces)]
        return cls(
            np.hypot(poses[:, 0], poses[:, 1]),
            np.sqrt((across * across).sum(1)),
            np.array(seen, np.float32),
        )

    def factors(self, settings: FacsSettings) -> FloatArray:
        """Factor 0..1 of each face and action unit, (n, units): head pose, size, visibility of the unit's region."""
        pose = (settings.no_pose_deg - self.turn_deg) / (settings.no_pose_deg - settings.full_pose_deg)
        size_span = settings.full_eye_distance_px - settings.no_eye_distance_px
        size = (self.eye_distance_px - settings.no_eye_distance_px) / size_span
        base = np.minimum(np.maximum(pose, 0), 1) * np.minimum(np.maximum(size, 0), 1) * self.visible[:, 0]
        return np.asarray(base[:, None] * self.visible[:, _REGION], np.float32)


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
    parted, smiled = (sides[:, :, at].sum(1) for at in (_AT_25, _AT_12))
    apart = np.minimum(parted, 1.0) * np.maximum(1.0 - smiled, 0.0)
    return np.asarray(1 - np.multiply.outer(apart, _SPEECH), np.float32)
