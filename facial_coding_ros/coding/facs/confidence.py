"""How far an action unit's intensity can be trusted, from what is known about the face and its neutral."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...types import Face, FloatArray, Neutral, NeutralState
from .action_units import ACTION_UNITS, CODES
from .settings import FacsSettings

_RIGHT_EYE, _LEFT_EYE = [33, 133], [362, 263]  # corners, in the mesh
_REGION = np.array([("brows", "eyes", "lower_face").index(unit.region) for unit in ACTION_UNITS])
_SPEECH = np.array([unit.code in (15, 16, 17, 18, 20, 22, 23, 24, 28) for unit in ACTION_UNITS], np.float32)
_AT_12, _AT_25 = CODES.index(12), CODES.index(25)
_OF_STATE = {NeutralState.NONE: 0.0, NeutralState.LEARNING: 0.6, NeutralState.READY: 1.0, NeutralState.STALE: 0.7}


def eye_distance_px(face: Face) -> float:
    """Distance between the eye centres in three dimensions, so that a turned head is not taken for a far one."""
    mesh = face.mesh
    across = mesh[_LEFT_EYE[0]] + mesh[_LEFT_EYE[1]] - mesh[_RIGHT_EYE[0]] - mesh[_RIGHT_EYE[1]]
    return 0.5 * math.sqrt(float(across @ across))


def doubt(turn_deg: FloatArray, eye_distance: FloatArray) -> FloatArray:
    """How much more (>= 1) the tracker's answers stray than for a large frontal face; of turns in degrees and eye
    distances in pixels, both (n,)."""
    strayed = 1.0 + (turn_deg / 12.0) ** 2 + (20.0 / np.maximum(eye_distance, 1.0)) ** 2
    return np.asarray(np.minimum(strayed, 8.0), np.float32)


def doubt_of_faces(faces: Sequence[Face]) -> FloatArray:
    """`doubt` of faces, (n,)."""
    turns = [math.hypot(face.pose.yaw_deg, face.pose.pitch_deg) for face in faces]
    return doubt(np.array(turns, np.float32), np.array([eye_distance_px(face) for face in faces], np.float32))


def of_view(faces: Sequence[Face], settings: FacsSettings) -> FloatArray:
    """Factor 0..1 of each face and action unit, (faces, units): head pose, size, visibility of the unit's region."""
    pose_span = settings.no_pose_deg - settings.full_pose_deg
    size_span = settings.full_eye_distance_px - settings.no_eye_distance_px
    factors = np.empty((len(faces), len(ACTION_UNITS)), np.float32)
    for row, face in enumerate(faces):
        turned = math.hypot(face.pose.yaw_deg, face.pose.pitch_deg)
        pose = min(max((settings.no_pose_deg - turned) / pose_span, 0.0), 1.0)
        size = min(max((eye_distance_px(face) - settings.no_eye_distance_px) / size_span, 0.0), 1.0)
        seen = face.visibility
        by_region = np.array([seen.brows, seen.eyes, seen.lower_face], np.float32)
        factors[row] = (pose * size * seen.face) * by_region[_REGION]
    return factors


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
    both = np.clip(sides.mean(1), 0.0, 1.0)
    apart = np.clip(2 * both[:, _AT_25], 0.0, 1.0) * (1 - np.clip(2 * both[:, _AT_12], 0.0, 1.0))
    return np.asarray(1 - 0.5 * apart[:, None] * _SPEECH, np.float32)
