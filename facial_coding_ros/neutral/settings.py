# SPDX-License-Identifier: Apache-2.0
"""Settings of the neutral stage."""

from __future__ import annotations

from dataclasses import dataclass

from ..options import Settings, option


@dataclass(frozen=True)
class NeutralSettings(Settings):
    store: str = option(
        "", "SQLite file for the neutrals of persons, e.g. ~/.local/state/facial_coding/neutrals.sqlite; empty: none"
    )
    max_subjects: int = option(64, "faces and persons whose neutral is held in memory; the longest unseen goes", low=1)
    ready_uncertainty: float = option(
        0.035,
        "standard error, in inter-ocular distances, below which a neutral is ready",
        low=1e-3,
        high=0.2,
        live=True,
    )
    ready_after_s: float = option(
        1.0, "seconds of usable frames before a neutral is ready", low=0.0, high=60.0, live=True
    )
    stale_after_s: float = option(
        600.0, "seconds without a usable frame after which a neutral is stale", low=1.0, live=True
    )
    memory_s: float = option(
        300.0,
        "seconds after which frames that nothing similar followed have lost 63 % of their weight",
        low=5.0,
        live=True,
    )
    calibration_yaw_pitch_deg: float = option(
        15.0, "a calibration is refused when the head turns further", low=1.0, high=45.0, live=True
    )
    calibration_motion: float = option(
        0.03, "a calibration is refused when points move more than this, in inter-ocular distances", low=1e-3, live=True
    )
    save_every_s: float = option(30.0, "seconds between writes of a changing neutral to the store", low=1.0, live=True)
