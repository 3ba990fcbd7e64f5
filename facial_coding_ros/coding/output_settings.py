# SPDX-License-Identifier: Apache-2.0
"""What face codes hold: which coders work at all."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

from ..options import Settings, option
from ..types import UNSURE, ActionUnits, Expression

Outputs = frozenset[str]
"""Of OUTPUTS: what is asked for."""


@dataclass(frozen=True)
class OutputSettings(Settings):
    """Each output can be left out, and then costs nothing; a source of expressions still uses what it needs."""

    facs: bool = option(True, "action units")
    dfecs: bool = option(True, "data-driven action units")
    latent: bool = option(True, "perceptual embedding")
    expression: bool = option(True, "expression, valence and arousal")

    @property
    def wanted(self) -> Outputs:
        """Those that are on."""
        return frozenset(name for name in OUTPUTS if getattr(self, name))


OUTPUTS: Outputs = frozenset(field.name for field in fields(OutputSettings))
NOTHING: Outputs = frozenset()

_EMPTY = np.empty(0, np.float32)
NO_UNITS = ActionUnits((), _EMPTY, _EMPTY, _EMPTY, _EMPTY)
NO_EXPRESSION = Expression((), _EMPTY, 1.0, UNSURE, 0.0, math.nan, math.nan)
"""What stands in a face code for outputs that nobody asked for."""
