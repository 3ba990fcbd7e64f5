# SPDX-License-Identifier: Apache-2.0
"""Settings of the node: its own, and those of the pipeline's stages."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ..options import Settings, option
from ..pipeline import PipelineSettings

_NAMESPACE = re.compile(r"(/[A-Za-z_][A-Za-z0-9_]*)+")


@dataclass(frozen=True)
class RosSettings(Settings):
    """How the node meets the rest of the robot."""

    autostart: bool = option(True, "configure and activate at start, without waiting for a lifecycle manager")
    mode: str = option(
        "standalone",
        "standalone: tracks faces and publishes /humans/faces/tracked; addon: another node does, we add to its faces",
        choices=("standalone", "addon"),
    )
    humans_namespace: str = option(
        "/humans",
        "where REP-155's topics lie; another one than /humans only to keep several nodes on one graph apart, as its "
        "clients look there",
    )
    image_transport: str = option(
        "raw", "raw subscribes to `image`, compressed to `image/compressed`", choices=("raw", "compressed")
    )
    image_reliability: str = option(
        "auto",
        "QoS of the image subscription; best_effort hears every publisher, reliable only reliable ones; auto: "
        "best_effort until too many images are lost and every publisher is reliable",
        choices=("auto", "best_effort", "reliable"),
    )
    stall_s: float = option(
        1.0, "seconds without an image after which no face is tracked any more", low=0.05, high=60.0, live=True
    )
    no_image_warning_s: float = option(
        5.0, "seconds without an image between warnings that say what could be wrong", low=0.5, high=3600.0, live=True
    )
    robot_face_frame: str = option(
        "", "TF frame of the robot's face, for attention; empty, or without tf2_ros: attention.target_x_m, _y_m, _z_m"
    )
    engagement: bool = option(
        True, "publish /humans/persons/ID/engagement_status; off where another node, as hri_engagement, does"
    )
    match_confidence: float = option(
        0.5, "confidence from which /humans/candidate_matches joins a face and a person", low=0.0, high=1.0, live=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _NAMESPACE.fullmatch(self.humans_namespace):
            raise ValueError(
                f"humans_namespace is {self.humans_namespace!r}; a name such as /humans or /left/humans is expected"
            )


@dataclass(frozen=True)
class NodeSettings:
    """Everything that can be set, as ROS parameters: `stall_s`, `tracking.max_faces` ..."""

    ros: RosSettings = field(default_factory=RosSettings)
    pipeline: PipelineSettings = field(default_factory=PipelineSettings)
