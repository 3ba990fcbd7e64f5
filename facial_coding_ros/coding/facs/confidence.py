"""How far an action unit's intensity can be trusted, from what is known about the face and its neutral."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...types import Face, FloatArray, Neutral, NeutralState
from .action_units import ACTION_UNITS
from .settings import FacsSettings

_RIGHT_EYE, _LEFT_EYE = [33, 133], [362, 263]  # corners, in the mesh
_OF_STATE = {NeutralState.NONE: 0.0, NeutralState.LEARNING: 0.6, NeutralState.READY: 1.0, NeutralState.STALE: 0.7}


def eye_distance_px(face: Face) -> float:
    """Distance between the eye centres in three dimensions, so that a turned head is not taken for a far one."""
    return float(np.linalg.norm(face.mesh[_LEFT_EYE].mean(0) - face.mesh[_RIGHT_EYE].mean(0)))


def circumstances(faces: Sequence[Face], neutrals: Sequence[Neutral], settings: FacsSettings) -> FloatArray:
    """Factor 0..1 of each face and action unit, (faces, units): pose, size, visibility of the region, the neutral."""
    factors = np.empty((len(faces), len(ACTION_UNITS)), np.float32)
    pose_span = settings.no_pose_deg - settings.full_pose_deg
    size_span = settings.full_eye_distance_px - settings.no_eye_distance_px
    for row, (face, neutral) in enumerate(zip(faces, neutrals, strict=True)):
        turned = float(np.hypot(face.pose.yaw_deg, face.pose.pitch_deg))
        pose = np.clip((settings.no_pose_deg - turned) / pose_span, 0.0, 1.0)
        size = np.clip((eye_distance_px(face) - settings.no_eye_distance_px) / size_span, 0.0, 1.0)
        base = pose * size * _OF_STATE[neutral.state] * face.visibility.face
        if neutral.state is not NeutralState.NONE:
            base /= 1.0 + (neutral.uncertainty / settings.neutral_error) ** 2
        factors[row] = [base * getattr(face.visibility, unit.region) for unit in ACTION_UNITS]
    return factors
