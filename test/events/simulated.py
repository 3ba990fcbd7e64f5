# SPDX-License-Identifier: Apache-2.0
"""Face codes of a person who does what a test says, frame after frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from facial_coding_ros.action_units import CODES
from facial_coding_ros.coding.expression import EXPRESSION_LABELS
from facial_coding_ros.events import Event, EventDetector
from facial_coding_ros.types import (
    ActionUnits,
    Expression,
    Face,
    FaceCode,
    Gaze,
    HeadPose,
    NeutralState,
    Region,
    Visibility,
)

FRAME_NS = 33_333_333
START_NS = 1_000_000_000_000


def face_code(
    units: Mapping[int, float] | None = None,
    left: Mapping[int, float] | None = None,
    *,
    face_id: str = "abcde",
    person_id: str = "",
    yaw_deg: float = 0.0,
    pitch_deg: float = 0.0,
    roll_deg: float = 0.0,
    width: float = 0.2,
    confidence: float = 0.9,
    state: NeutralState = NeutralState.READY,
    label: str = "neutral",
    gaze: Gaze | None = None,
    attention: float = np.nan,
    talking: float = np.nan,
    valence: float = 0.0,
) -> FaceCode:
    """units: intensities of the right side, and of both where `left` gives none."""
    right_side = np.zeros(len(CODES), np.float32)
    for code, value in (units or {}).items():
        right_side[CODES.index(code)] = value
    left_side = right_side.copy()
    for code, value in (left or {}).items():
        left_side[CODES.index(code)] = value
    aus = ActionUnits(
        CODES, np.maximum(right_side, left_side), np.full(len(CODES), confidence, np.float32), left_side, right_side
    )
    shares = np.array([0.8 * (own == label) for own in EXPRESSION_LABELS], np.float32)
    expression = Expression(EXPRESSION_LABELS, shares, 1 - float(shares.sum()), label, 0.8, valence, 0.1)
    face = Face(
        face_id,
        np.empty((0, 3), np.float32),
        Region(0.4, 0.4, 0.4 + width, 0.4 + 1.3 * width),
        HeadPose(yaw_deg, pitch_deg, roll_deg, np.eye(3, dtype=np.float32)),
        Visibility(confidence, confidence, confidence, confidence),
        person_id,
    )
    return FaceCode(face, state, 0.01, aus, expression, gaze=gaze or Gaze(), attention=attention, talking=talking)


def played(
    detector: EventDetector, made: Callable[[float], FaceCode | Sequence[FaceCode]], seconds: float, fps: float = 30.0
) -> list[Event]:
    """What a detector says of the faces that `made` gives for each time."""
    events: list[Event] = []
    for index in range(round(seconds * fps)):
        codes = made(index / fps)
        stamp_ns = START_NS + round(index * 1e9 / fps)
        events += detector.update([codes] if isinstance(codes, FaceCode) else codes, stamp_ns)
    return events
