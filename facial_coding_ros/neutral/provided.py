# SPDX-License-Identifier: Apache-2.0
"""Neutrals that are given for a recording instead of being learnt from it."""

from __future__ import annotations

from collections.abc import Mapping

from ..types import Face, NeutralState, Registered
from .keeper import NeutralKeeper


class ProvidedNeutrals:
    """Hands each neutral to the keeper when the face or person it is for first appears.

    by_subject: one for each face_id or person_id. everyone: for all whose neutral is not known by then.
    """

    def __init__(self, by_subject: Mapping[str, Registered] | None = None, everyone: Registered | None = None) -> None:
        self._by_subject = dict(by_subject or {})
        self._everyone = everyone

    def give(self, keeper: NeutralKeeper, face: Face, stamp_ns: int) -> None:
        """The face's neutral, if there is one that was not given yet."""
        neutral = self._by_subject.pop(face.subject_key, None)
        if (
            neutral is None
            and self._everyone is not None
            and keeper.neutral(face.subject_key, stamp_ns).state is NeutralState.NONE
        ):
            neutral = self._everyone
        if neutral is not None:
            keeper.set_neutral(face.subject_key, neutral, stamp_ns, bool(face.person_id))
