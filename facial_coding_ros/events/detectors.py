# SPDX-License-Identifier: Apache-2.0
"""Which detectors there are."""

from __future__ import annotations

from .event import EventDetectors
from .neutral_ready import NeutralReady


def standard_detectors() -> EventDetectors:
    """The detectors of a live node and of a replay, without a memory of anything."""
    return EventDetectors([NeutralReady()])
