# SPDX-License-Identifier: Apache-2.0
"""Where landmark backends register, by the names that `tracking.landmark_backend` uses."""

from __future__ import annotations

from typing import Any

from ..registry import Registry

LANDMARK_SOURCES: Registry[Any] = Registry("landmark backend")
"""Called with (TrackingSettings, InferenceSettings, PoseEstimator); gives an interface.LandmarkSource."""
