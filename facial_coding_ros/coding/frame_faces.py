# SPDX-License-Identifier: Apache-2.0
"""Inputs of the coders of a frame: its faces, registered, with their neutrals, all in one order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..keypoints import motion
from ..types import Face, FloatArray, Frame, Motion, Neutral, Registered
from .facs.confidence import Views


@dataclass(frozen=True)
class FrameFaces:
    """The faces of one frame.

    faces, registered, neutrals: (n,) each, in one order. What a coder needs of the faces that have a neutral is worked
    out once, when it is first asked for.
    """

    frame: Frame
    faces: Sequence[Face]
    registered: Sequence[Registered]
    neutrals: Sequence[Neutral]

    def __len__(self) -> int:
        return len(self.faces)

    @cached_property
    def known(self) -> tuple[int, ...]:
        """Places of the faces that have a neutral, in rising order."""
        return tuple(i for i, neutral in enumerate(self.neutrals) if neutral.registered is not None)

    @cached_property
    def known_registered(self) -> list[Registered]:
        """Those of the faces that have a neutral."""
        return [self.registered[i] for i in self.known]

    @cached_property
    def resting(self) -> list[Registered]:
        """The neutrals of the faces that have one."""
        return [neutral.registered for neutral in self.neutrals if neutral.registered is not None]

    @cached_property
    def motions(self) -> list[Motion]:
        """Registered minus neutral, of the faces that have a neutral."""
        return [motion(face, rest) for face, rest in zip(self.known_registered, self.resting, strict=True)]

    @cached_property
    def views(self) -> Views:
        """How the faces are seen."""
        return Views.of(self.faces)

    def inputs(self) -> dict[str, FloatArray]:
        """Faces and neutrals as fusion.INPUTS has them; who has no neutral is taken to be at rest."""
        resting = [
            own if neutral.registered is None else neutral.registered
            for own, neutral in zip(self.registered, self.neutrals, strict=True)
        ]
        return {
            "dense": np.array([one.dense for one in self.registered], np.float32),
            "sparse": np.array([one.sparse for one in self.registered], np.float32),
            "neutral_dense": np.array([one.dense for one in resting], np.float32),
            "neutral_sparse": np.array([one.sparse for one in resting], np.float32),
        }
