# SPDX-License-Identifier: Apache-2.0
"""Settings of the coding stage: those of its coders."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..au_networks.live import NetworkSettings
from ..keypoints import RegistrationSettings
from .dfecs.settings import DfecsSettings
from .expression.labels import ExpressionSettings
from .facs.settings import FacsSettings
from .output_settings import OutputSettings


@dataclass(frozen=True)
class CodingSettings:
    """registration: how the faces that are coded were registered; models made for another way are refused. outputs:
    what is coded at all.
    """

    facs: FacsSettings = field(default_factory=FacsSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    dfecs: DfecsSettings = field(default_factory=DfecsSettings)
    expression: ExpressionSettings = field(default_factory=ExpressionSettings)
    registration: RegistrationSettings = field(default_factory=RegistrationSettings)
    outputs: OutputSettings = field(default_factory=OutputSettings)
