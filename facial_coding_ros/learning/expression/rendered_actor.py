# SPDX-License-Identifier: Apache-2.0
"""A rendered head that shows action units, as an animated portrait does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from ...action_units import CODES
from ..synthesis.dataset import SetOptions, plan_person
from ..synthesis.expressions import ExpressionSample, offsets
from ..synthesis.portrait import PortraitFrame, Turn
from ..synthesis.render import render
from ..synthesis.render_head import HeadModel
from ..synthesis.render_person import Geometry, RenderedPerson

_EYES_PX = 90.0
_WRINKLED = (1, 4, 6, 7, 9, 12)


@lru_cache(maxsize=1)
def geometry_of(folder: Path) -> Geometry:
    """Of the head model in a folder. Raises HeadError when there is none."""
    return Geometry(HeadModel.load(folder))


class RenderedActor:
    """One random person before one camera; the same for the same number."""

    def __init__(self, geometry: Geometry, number: int, seed: int = 0) -> None:
        plan = plan_person(SetOptions(seed=seed), number)
        self._geometry, self._manner = geometry, plan.manner
        self._person = RenderedPerson(geometry, plan.identity, plan.look)
        self._look = replace(plan.pictures[0].look, eye_distance_px=_EYES_PX, motion_blur_px=0.0)

    def frame(
        self, right: Mapping[int, float], left: Mapping[int, float] | None = None, turn: Turn | None = None
    ) -> PortraitFrame:
        """As AnimatedPortrait.frame; without a mesh (0, 3)."""
        turn = turn or Turn()
        sides = [np.zeros(len(CODES), np.float32) for _ in range(2)]
        for values, side in zip(sides, (right, right if left is None else left), strict=True):
            for code, intensity in side.items():
                values[CODES.index(code)] = intensity
            jaw = max(0.45 * side.get(26, 0.0), 0.3 * side.get(25, 0.0))
            values[CODES.index(27)] = min(values[CODES.index(27)] + jaw, 1.0)
        sample = ExpressionSample("", sides[0], sides[1], {}, (0.0, 0.0))
        vertices = self._person.neutral + offsets(sample, self._manner, self._geometry.head.expression)
        both = np.maximum(*sides)
        wrinkles = {str(code): float(both[CODES.index(code)]) for code in _WRINKLED}
        look = replace(self._look, yaw_deg=turn.yaw_deg, pitch_deg=turn.pitch_deg, roll_deg=turn.roll_deg)
        return PortraitFrame(render(self._person, vertices, look, wrinkles), np.zeros((0, 3), np.float32))
