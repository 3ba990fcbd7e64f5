# SPDX-License-Identifier: Apache-2.0
"""Settings of what comes in, the same for the node and for recordings."""

from __future__ import annotations

from dataclasses import dataclass

from ..options import Settings, option
from .pixel_range import AUTO, read_range


@dataclass(frozen=True)
class ImageSettings(Settings):
    """Which images are taken."""

    late_s: float = option(
        0.5,
        "an image up to so many seconds older than the one before came too late and is dropped; one that is older "
        "still may begin a new time, as when a bag starts again",
        low=0.0,
        high=60.0,
        live=True,
    )
    max_rate_hz: float = option(
        0.0,
        "images worked on a second at most, evenly spread in image time; 0: all; the fewer, the more "
        "blinks and other short events are missed",
        low=0.0,
        high=240.0,
        live=True,
    )
    max_megapixels: float = option(
        64.0,
        "larger images are refused before they are decoded, in millions of pixels",
        low=0.01,
        high=89.0,
        live=True,
    )
    mono16_range: str = option(
        AUTO,
        "which values of 16-bit images are black and white, such as 0:1023 for 10 bits; auto: measured, and held "
        "steady over time",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        read_range(self.mono16_range)
