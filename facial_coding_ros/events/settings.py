# SPDX-License-Identifier: Apache-2.0
"""Settings of the events."""

from __future__ import annotations

from dataclasses import dataclass

from ..options import Settings, option


@dataclass(frozen=True)
class EventSettings(Settings):
    """Which events are looked for, and how long they are remembered."""

    kinds_file: str = option(
        "", "YAML file of your own kinds of events, on top of config/events.yaml; see docs/events.md; empty: none"
    )
    gone_s: float = option(
        1.0, "seconds out of view after which a person has left, for the event `leaves`", low=0.1, high=60.0
    )
    history_s: float = option(
        120.0, "seconds of image time that are remembered of each person, for summaries", low=1.0, high=3600.0
    )
