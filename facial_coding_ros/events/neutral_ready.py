# SPDX-License-Identifier: Apache-2.0
"""The moment from which a person's resting face is known well enough."""

from __future__ import annotations

from collections.abc import Sequence

from ..types import FaceCode, NeutralState
from .event import Event, Phase


class NeutralReady:
    """Finds the faces whose neutral has just become ready; remembers only those in view."""

    KIND = "neutral_ready"

    def __init__(self) -> None:
        self._ready: set[str] = set()

    @property
    def kinds(self) -> tuple[str, ...]:
        return (self.KIND,)

    def update(self, codes: Sequence[FaceCode], stamp_ns: int) -> list[Event]:
        ready = {code.face.subject_key: code.face for code in codes if code.neutral_state is NeutralState.READY}
        new = [face for key, face in ready.items() if key not in self._ready]
        self._ready = set(ready)
        return [
            Event(
                self.KIND, face.face_id, face.person_id, stamp_ns, f"{face.subject_key}-{self.KIND}-{stamp_ns}",
                Phase.MOMENT, start_ns=stamp_ns, apex_ns=stamp_ns, end_ns=stamp_ns,
            )
            for face in new
        ]  # fmt: skip
