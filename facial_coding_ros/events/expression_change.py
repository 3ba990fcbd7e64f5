# SPDX-License-Identifier: Apache-2.0
"""The moment from which a face shows another expression."""

from __future__ import annotations

from dataclasses import dataclass

from ..coding.expression import ExpressionDwell, ExpressionSettings
from ..types import FaceCode
from .event import Event, Phase

LONGEST_HOLD_S = 5.0
"""As `expression.dwell_s`."""


@dataclass(frozen=True)
class ExpressionRule:
    """A new label that has held for `hold_s`, as the expression topic takes it."""

    kind: str
    hold_s: float = 0.3

    @property
    def kinds(self) -> tuple[str, ...]:
        return (self.kind,)

    def follower(self) -> ExpressionFollower:
        return ExpressionFollower(self)


class ExpressionFollower:
    """Follows one face; a FaceFollower. A face that begins neutral has not changed."""

    def __init__(self, rule: ExpressionRule) -> None:
        self._rule = rule
        self._dwell = ExpressionDwell(ExpressionSettings(dwell_s=rule.hold_s))
        self._label = ""

    def step(self, code: FaceCode, stamp_ns: int) -> list[Event]:
        label = self._dwell.update("", code.expression, stamp_ns)
        before, self._label = self._label, label
        if label in ("", before) or (before == "" and label == "neutral"):
            return []
        face, start_ns = code.face, stamp_ns - round(self._rule.hold_s * 1e9)
        shares = dict(zip(code.expression.labels, code.expression.probability.tolist(), strict=True))
        share = float(shares.get(label, 0.0))
        event_id = f"{face.subject_key}-{self._rule.kind}-{stamp_ns}"
        return [
            Event(
                self._rule.kind, face.face_id, face.person_id, stamp_ns, event_id, Phase.MOMENT, start_ns, stamp_ns,
                stamp_ns, share, share, confidence=share, label=label,
            )
        ]  # fmt: skip

    def lost(self, stamp_ns: int) -> list[Event]:
        return []
