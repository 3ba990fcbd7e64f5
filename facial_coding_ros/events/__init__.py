# SPDX-License-Identifier: Apache-2.0
"""What faces do over time: what begins, ends or becomes true from one frame to the next."""

from .detectors import standard_detectors
from .event import Event, EventDetector, EventDetectors, Phase
from .history import History
from .settings import EventSettings
from .summary import Summary, summarize

__all__ = [
    "Event",
    "EventDetector",
    "EventDetectors",
    "EventSettings",
    "History",
    "Phase",
    "Summary",
    "standard_detectors",
    "summarize",
]
