# SPDX-License-Identifier: Apache-2.0
"""A steady label for the expression topic, in image time."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from ...types import Expression
from .labels import ExpressionSettings

LISTED = ("neutral", "happy", "sad", "angry", "surprised", "disgusted", "scared")
"""The labels that REP-155 lists too: only these are ever published."""

MAX_SUBJECTS = 64
"""Faces remembered; the one not seen for longest is forgotten first."""

SILENT_NS = 333_000_000
"""So long nothing is said of a face that was not seen before."""

LONGEST_STEP_NS = 500_000_000
"""A gap between two frames that is longer counts for nothing."""

LONGEST_GAP_NS = 2_000_000_000
"""After a longer gap the face begins anew: nobody knows what it showed meanwhile."""


@dataclass
class _Held:
    stamp_ns: int
    since_ns: int
    published: str = ""
    candidate: str = ""
    held_ns: int = 0


class ExpressionDwell:
    """Takes a new label only after it has held for `dwell_s`; before the first one there is none.

    A face that is unsure, or shows something REP-155 has no word for, keeps its last label: such frames neither help
    nor hinder the candidate. Any other listed label starts its time anew.
    """

    def __init__(self, settings: ExpressionSettings | None = None) -> None:
        self.settings = settings or ExpressionSettings()
        self._subjects: OrderedDict[str, _Held] = OrderedDict()

    def update(self, subject_key: str, expression: Expression, stamp_ns: int) -> str:
        """The listed label to publish for this face now, empty while nothing is to be said.

        A stamp before the last one, or more than LONGEST_GAP_NS after it, starts the face anew.
        """
        held = self._subjects.get(subject_key)
        if held is None or not 0 <= stamp_ns - held.stamp_ns <= LONGEST_GAP_NS:
            held = self._subjects[subject_key] = _Held(stamp_ns, stamp_ns)
        self._subjects.move_to_end(subject_key)
        while len(self._subjects) > MAX_SUBJECTS:
            self._subjects.popitem(last=False)
        step_ns = stamp_ns - held.stamp_ns
        held.stamp_ns = stamp_ns
        label = expression.label
        if label in LISTED:
            if label != held.candidate:
                held.candidate, held.held_ns = label, 0
            elif step_ns <= LONGEST_STEP_NS:
                held.held_ns += step_ns
            if held.held_ns >= self.settings.dwell_s * 1e9 and stamp_ns - held.since_ns >= SILENT_NS:
                held.published = label
        return held.published

    def forget(self, subject_key: str) -> None:
        """Drops what is held of a face; nothing when there is none."""
        self._subjects.pop(subject_key, None)
