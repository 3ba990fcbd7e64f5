# SPDX-License-Identifier: Apache-2.0
"""A person's own resting face: estimated from the stream, given by hand, kept between runs."""

from .calibration import Calibration, CalibrationState
from .files import fit_neutral, read_neutral, write_neutral
from .keeper import Listed, NeutralKeeper
from .settings import NeutralSettings
from .store import StoreError

__all__ = [
    "Calibration",
    "CalibrationState",
    "Listed",
    "NeutralKeeper",
    "NeutralSettings",
    "StoreError",
    "fit_neutral",
    "read_neutral",
    "write_neutral",
]
