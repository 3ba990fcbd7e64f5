# SPDX-License-Identifier: Apache-2.0
"""Detection, landmarks, and face identity over time.

tracker = make_tracker(TrackingSettings())
faces = tracker.track(frame)
"""

from __future__ import annotations

from .interface import Tracker
from .making import make_tracker
from .settings import TrackingSettings, TrackingStatistics
from .visibility import visibility_codes

__all__ = ["Tracker", "TrackingSettings", "TrackingStatistics", "make_tracker", "visibility_codes"]
