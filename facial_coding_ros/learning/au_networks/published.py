# SPDX-License-Identifier: Apache-2.0
"""Published results of the three networks, in percent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...au_networks.specs import BP4D_AUS, DISFA_AUS


@dataclass(frozen=True)
class PublishedF1:
    """f1: of each action unit in the order of `aus`; mean as published. source: where it stands."""

    aus: tuple[int, ...]
    f1: tuple[float, ...]
    mean: float
    source: str


_LI = "Li et al. 2017, as listed by Luo et al. 2022"
_SHAO, _LUO = "Shao et al. 2021", "Luo et al. 2022, ResNet-50"

PUBLISHED_F1: Mapping[tuple[str, str], PublishedF1] = {
    ("eac_net", "bp4d"): PublishedF1(
        BP4D_AUS, (39.0, 35.2, 48.6, 76.1, 72.9, 81.9, 86.2, 58.8, 37.5, 59.1, 35.9, 35.8), 55.9, _LI
    ),
    ("jaa_net", "bp4d"): PublishedF1(
        BP4D_AUS, (53.8, 47.8, 58.2, 78.5, 75.8, 82.7, 88.2, 63.7, 43.3, 61.8, 45.6, 49.9), 62.4, _SHAO
    ),
    ("me_graphau", "bp4d"): PublishedF1(
        BP4D_AUS, (53.7, 46.9, 59.0, 78.5, 80.0, 84.4, 87.8, 67.3, 52.5, 63.2, 50.6, 52.4), 64.7, _LUO
    ),
    ("eac_net", "disfa"): PublishedF1(DISFA_AUS, (41.5, 26.4, 66.4, 50.7, 80.5, 89.3, 88.9, 15.6), 48.5, _LI),
    ("jaa_net", "disfa"): PublishedF1(DISFA_AUS, (62.4, 60.7, 67.1, 41.1, 45.1, 73.5, 90.9, 67.4), 63.5, _SHAO),
    ("me_graphau", "disfa"): PublishedF1(DISFA_AUS, (54.6, 47.1, 72.9, 54.0, 55.7, 76.7, 91.1, 53.0), 63.1, _LUO),
}
"""(network, data set) -> result. EAC-Net's row on DISFA does not average to its published mean of 48.5 (57.4)."""
