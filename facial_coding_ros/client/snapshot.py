# SPDX-License-Identifier: Apache-2.0
"""One person as last seen."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..types import FaceCode


@dataclass(frozen=True)
class Snapshot:
    """One person as last seen; what is not known is NaN or empty.

    Parameters
    ----------
    face_id, person_id : str
        The track, which does not last; the person, empty when not known.
    stamp_ns : int
        The image's stamp.
    units : Mapping
        FACS code -> intensity 0..1.
    unit_confidence : Mapping
        FACS code -> confidence 0..1.
    expression : str
        The likeliest label, or "unsure".
    valence, arousal : float
        In [-1, 1].
    attention, talking : float
        0..1: towards the robot's face; probability that the person talks.
    yaw_deg, pitch_deg, roll_deg, distance_m : float
        Head pose, and distance from the camera.
    confidence : float
        How well the face is seen, 0..1.
    received_s : float
        time.monotonic() at which it came, for `age_s`.
    """

    face_id: str
    person_id: str
    stamp_ns: int
    units: Mapping[int, float]
    unit_confidence: Mapping[int, float]
    expression: str
    valence: float
    arousal: float
    attention: float
    talking: float
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    distance_m: float
    confidence: float
    received_s: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, code: FaceCode, stamp_ns: int, distance_m: float = math.nan) -> Snapshot:
        """Of a face code."""
        pose, aus, expression = code.face.pose, code.aus, code.expression
        return cls(
            code.face.face_id,
            code.face.person_id,
            stamp_ns,
            dict(zip(aus.codes, aus.intensity.tolist(), strict=True)),
            dict(zip(aus.codes, aus.confidence.tolist(), strict=True)),
            expression.label,
            expression.valence,
            expression.arousal,
            code.attention,
            code.talking,
            pose.yaw_deg,
            pose.pitch_deg,
            pose.roll_deg,
            distance_m,
            code.face.visibility.face,
        )

    @property
    def name(self) -> str:
        """The person where known, else the face."""
        return self.person_id or self.face_id

    @property
    def age_s(self) -> float:
        """Seconds since it came, by this machine's clock: also true while a bag's time stands still."""
        return time.monotonic() - self.received_s
