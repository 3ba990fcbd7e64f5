# SPDX-License-Identifier: Apache-2.0
"""What a check found."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Level(enum.Enum):
    """WARNING: it works, but not as well as it could. ERROR: it must not be used as it is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "ERROR"


@dataclass(frozen=True)
class Finding:
    """One line for the person at the machine: what was looked at, and what was found; if not ok, what to do."""

    what: str
    level: Level
    text: str

    def __str__(self) -> str:
        return f"{self.level.value:8}{self.what}: {self.text}"
