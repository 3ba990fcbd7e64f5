# SPDX-License-Identifier: Apache-2.0
"""Settings of the FACS stage."""

from __future__ import annotations

from dataclasses import dataclass

from ...options import Settings, option
from ..registries import ACTION_UNIT_ESTIMATORS


@dataclass(frozen=True)
class FacsSettings(Settings):
    """When an action unit's intensity is trusted."""

    source: str = option(
        "keypoints",
        "what action units are estimated from: keypoint motion; blendshapes of the landmark backend 'tasks'; or an "
        "image network (network.model)",
        choices=ACTION_UNIT_ESTIMATORS.names,
    )
    full_pose_deg: float = option(15.0, "head turn up to which confidence is full", low=0.0, high=90.0, live=True)
    no_pose_deg: float = option(50.0, "head turn from which confidence is 0", low=1.0, high=180.0, live=True)
    full_eye_distance_px: float = option(
        40.0, "inter-ocular distance, in pixels, from which confidence is full", low=1.0, live=True
    )
    no_eye_distance_px: float = option(
        8.0, "inter-ocular distance, in pixels, up to which confidence is 0", low=0.0, live=True
    )
    neutral_error: float = option(
        0.03,
        "standard error of the neutral, in inter-ocular distances, at which confidence is half",
        low=1e-4,
        live=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.no_pose_deg <= self.full_pose_deg:
            raise ValueError(
                f"no_pose_deg is {self.no_pose_deg:g}; allowed: above full_pose_deg, {self.full_pose_deg:g}"
            )
        if self.full_eye_distance_px <= self.no_eye_distance_px:
            raise ValueError(
                f"full_eye_distance_px is {self.full_eye_distance_px:g}; "
                f"allowed: above no_eye_distance_px, {self.no_eye_distance_px:g}"
            )
