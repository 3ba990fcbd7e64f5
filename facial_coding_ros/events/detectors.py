# SPDX-License-Identifier: Apache-2.0
"""The standard event detectors."""

from __future__ import annotations

from pathlib import Path

from .event import EventDetectors
from .kinds import read_kinds
from .neutral_ready import NeutralReady
from .per_face import PerFace
from .presence import Presence
from .settings import EventSettings


def standard_detectors(settings: EventSettings | None = None) -> EventDetectors:
    """The detectors of a live node and of a replay, without a memory of anything.

    Raises ValueError when a kind is ill defined, OSError when the file of kinds cannot be read.
    """
    settings = settings or EventSettings()
    rules = read_kinds(Path(settings.kinds_file).expanduser() if settings.kinds_file else None)
    by_kind = [PerFace(rule.kinds, rule.follower) for rule in rules]
    return EventDetectors([NeutralReady(), Presence(settings.gone_s), *by_kind])
