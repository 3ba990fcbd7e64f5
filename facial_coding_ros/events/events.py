"""What begins or becomes true from one frame to the next."""

from __future__ import annotations

from collections.abc import Sequence

from ..types import Face, FaceCode, NeutralState


class BecameReady:
    """Tells the faces whose neutral has just become ready; remembers only those in view."""

    def __init__(self) -> None:
        self._ready: set[str] = set()

    def update(self, codes: Sequence[FaceCode]) -> list[Face]:
        ready = {code.face.owner for code in codes if code.neutral_state is NeutralState.READY}
        new = [code.face for code in codes if code.face.owner in ready - self._ready]
        self._ready = ready
        return new
