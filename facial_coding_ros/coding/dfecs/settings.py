# SPDX-License-Identifier: Apache-2.0
"""Settings of the DFECS stage."""

from __future__ import annotations

from dataclasses import dataclass

from ...options import Settings, option


@dataclass(frozen=True)
class DfecsSettings(Settings):
    """Which data-driven action units are reported."""

    model: str = option(
        "dfecs.yaml",
        "card of the DFECS model: a name in the package's models folder, or a path to one of your own "
        "(facial_coding train dfecs makes them)",
    )
