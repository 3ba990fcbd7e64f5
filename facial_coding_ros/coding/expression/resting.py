# SPDX-License-Identifier: Apache-2.0
"""How each person's resting face looks to the appearance head, learnt at moments of rest."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from ...types import FloatArray, Neutral, NeutralState

MAX_SUBJECTS = 256
"""Faces and persons remembered; the one not seen for longest is forgotten first."""
MEMORY_S = 60.0
"""What was seen longer ago than about this fades."""
LONGEST_STEP_S = 0.2
REST_MOTION = 0.02
"""Motion against the neutral (root mean square, eye distances) at which a moment counts for rest to 0.6."""
NEVER_AT_REST = 0.1
"""What a moment counts that lies far from the neutral: a face that never comes to it rests where it mostly is."""
_KNOWN = (NeutralState.READY, NeutralState.STALE)


@dataclass
class _Rest:
    logits: FloatArray
    support_s: float
    stamp_ns: int
    was_known: bool = False


class RestingAppearance:
    """A running mean of the head's logits for each subject, over moments in which the face lies near its neutral."""

    def __init__(self) -> None:
        self._subjects: OrderedDict[str, _Rest] = OrderedDict()

    def update(
        self, subject_key: str, logits: FloatArray, motion: float, neutral: Neutral, visible: float, stamp_ns: int
    ) -> tuple[FloatArray, float]:
        """Takes in one face of one frame; mean logits (8,) at rest and the seconds they are learnt from (0: unknown).

        motion: root mean square of the dense motion, eye distances. visible: 0..1. A stamp that jumps back, or a
        neutral that is learnt anew, starts the subject anew.
        """
        known = neutral.state in _KNOWN
        rest = self._subjects.get(subject_key)
        if rest is None or stamp_ns < rest.stamp_ns or (rest.was_known and not known):
            rest = self._subjects[subject_key] = _Rest(np.zeros_like(logits), 0.0, stamp_ns)
        self._subjects.move_to_end(subject_key)
        while len(self._subjects) > MAX_SUBJECTS:
            self._subjects.popitem(last=False)
        seconds = min((stamp_ns - rest.stamp_ns) / 1e9, LONGEST_STEP_S)
        rest.stamp_ns, rest.was_known = stamp_ns, known
        if neutral.state is not NeutralState.NONE and math.isfinite(motion):
            gained = seconds * visible * (math.exp(-0.5 * (motion / REST_MOTION) ** 2) + NEVER_AT_REST)
            if gained > 0:
                rest.support_s = min(rest.support_s + gained, MEMORY_S)
                rest.logits = rest.logits + np.float32(gained / rest.support_s) * (logits - rest.logits)
        return rest.logits, rest.support_s

    def adopt(self, face_id: str, person_id: str) -> None:
        """A face turns out to be a person: what is known of the person stays, else the face's becomes it."""
        rest = self._subjects.pop(face_id, None)
        if rest is not None:
            self._subjects.setdefault(person_id, rest)

    def forget(self, subject_key: str) -> None:
        """Drops what is held of a subject; nothing when there is none."""
        self._subjects.pop(subject_key, None)
