# SPDX-License-Identifier: Apache-2.0
"""How each person's resting face looks to the appearance head, learnt at moments of rest."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from ...types import FloatArray, Neutral, NeutralState
from ..formula import Formula

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


def rested(
    logits: FloatArray, motion: FloatArray, rest: FloatArray, rest_s: FloatArray, seen_s: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Resting appearance with one frame more: (n, 8), and the seconds behind it (n, 1). A `coding.formula.Formula`.

    logits: (n, 8) of this frame. motion: (n, 1) root mean square of the dense motion, eye distances. rest, rest_s: as
    so far. seen_s: (n, 1) seconds of the frame, times how far the face is visible; 0 where it does not count.
    """
    still = motion * (1 / REST_MOTION)
    gained = seen_s * (np.exp(still * still * -0.5) + NEVER_AT_REST)
    support = np.minimum(rest_s + gained, MEMORY_S)
    return rest + gained / np.maximum(support, 1e-9) * (logits - rest), support


def resting_formula(labels: int) -> Formula:
    """`resting`: `rested` as a formula."""
    one = (1,)
    return Formula(
        "resting",
        {"logits": (labels,), "motion": one, "rest": (labels,), "rest_s": one, "seen_s": one},
        {"new_rest": (labels,), "new_rest_s": one},
        rested,
        [REST_MOTION, NEVER_AT_REST, MEMORY_S],
    )


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
        rest, rest_s, seen_s = self.so_far(subject_key, len(logits), neutral, visible, stamp_ns)
        if not math.isfinite(motion):
            return rest, rest_s
        one = [np.array([[value]], np.float32) for value in (motion, rest_s, seen_s)]
        now, support = rested(logits[None], one[0], rest[None], one[1], one[2])
        self.keep(subject_key, now[0], float(support[0, 0]))
        return now[0], float(support[0, 0])

    def so_far(
        self, subject_key: str, labels: int, neutral: Neutral, visible: float, stamp_ns: int
    ) -> tuple[FloatArray, float, float]:
        """What `rested` takes of one face of one frame beside logits and motion: rest (8,), rest_s and seen_s."""
        known = neutral.state in _KNOWN
        rest = self._subjects.get(subject_key)
        if rest is None or stamp_ns < rest.stamp_ns or (rest.was_known and not known):
            rest = self._subjects[subject_key] = _Rest(np.zeros(labels, np.float32), 0.0, stamp_ns)
        self._subjects.move_to_end(subject_key)
        while len(self._subjects) > MAX_SUBJECTS:
            self._subjects.popitem(last=False)
        seconds = min((stamp_ns - rest.stamp_ns) / 1e9, LONGEST_STEP_S)
        rest.stamp_ns, rest.was_known = stamp_ns, known
        counts = neutral.state is not NeutralState.NONE
        return rest.logits, rest.support_s, seconds * visible if counts else 0.0

    def keep(self, subject_key: str, rest: FloatArray, rest_s: float) -> None:
        """Remembers what `rested` gave of one face: (8,), which must not change any more, and seconds."""
        held = self._subjects[subject_key]
        held.logits, held.support_s = rest, rest_s

    def adopt(self, face_id: str, person_id: str) -> None:
        """A face turns out to be a person: what is known of the person stays, else the face's becomes it."""
        rest = self._subjects.pop(face_id, None)
        if rest is not None:
            self._subjects.setdefault(person_id, rest)

    def forget(self, subject_key: str) -> None:
        """Drops what is held of a subject; nothing when there is none."""
        self._subjects.pop(subject_key, None)
