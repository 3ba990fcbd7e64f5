# SPDX-License-Identifier: Apache-2.0
"""What a network is: its kind, its action units, its stage. The same words in recipes, checkpoints and model cards."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .alignment import ALIGNMENTS, Alignment

BP4D_AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
DISFA_AUS = (1, 2, 4, 6, 9, 12, 25, 26)
OPENGRAPHAU_AUS = (
    1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 25, 26, 27, 32, 38, 39,
)  # fmt: skip
OPENGRAPHAU_SIDED = (1, 2, 4, 6, 10, 12, 14)
"""Action units with a left and a right output as well, in this order, left first."""
OPENGRAPHAU_SIDE_NODES = (0, 1, 2, 4, 7, 8, 11)
"""The node each pair of sided outputs reads, as the authors' code has it: AU 12's pair reads node 8, which is AU 11's;
the published weights were trained with it.
"""

NETWORKS = ("eac_net", "jaa_net", "me_graphau")
BACKBONES = ("resnet50", "resnet18")


@dataclass(frozen=True)
class NetworkSpec:
    """stage: 1 or 2 for eac_net (E-Net, C-Net) and me_graphau (ANFL, MEFL), 1 for jaa_net. backbone, neighbours:
    me_graphau alone; neighbours 0 is the published number. sided: action units with left and right outputs, those of
    OpenGraphAU or none. width: channels of the first layers, 64 in all published networks.

    Raises ValueError when there is no such network.
    """

    network: str
    aus: tuple[int, ...]
    stage: int = 1
    backbone: str = "resnet50"
    neighbours: int = 0
    sided: tuple[int, ...] = ()
    width: int = 64

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise ValueError(f"Network {self.network!r}; there are {', '.join(NETWORKS)}.")
        stages = (1,) if self.network == "jaa_net" else (1, 2)
        if self.stage not in stages:
            raise ValueError(f"Stage {self.stage} of {self.network}; there are {stages}.")
        if not self.aus or len(set(self.aus)) != len(self.aus):
            raise ValueError(f"Action units {self.aus}; at least one, none twice.")
        if self.network == "me_graphau" and self.backbone not in BACKBONES:
            raise ValueError(f"Backbone {self.backbone!r}; there are {', '.join(BACKBONES)}.")
        if self.sided and (self.network, self.stage, self.aus, self.sided) != (
            "me_graphau", 1, OPENGRAPHAU_AUS, OPENGRAPHAU_SIDED,
        ):  # fmt: skip
            raise ValueError("Left and right outputs are OpenGraphAU's (stage 1): with its 27 action units alone.")
        if self.width < 8 or self.width % 8:
            raise ValueError(f"Width {self.width}; a multiple of 8 is expected.")
        if self.network == "me_graphau" and self.neighbours == 0:
            object.__setattr__(self, "neighbours", min(3 if self.aus == DISFA_AUS else 4, len(self.aus)))

    @property
    def alignment(self) -> Alignment:
        return ALIGNMENTS[self.network]

    @property
    def takes_landmarks(self) -> bool:
        """Whether the network needs the landmarks beside the image."""
        return self.network == "eac_net"

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs in order: AU1 ..., then AU1L, AU1R ..."""
        both = tuple(f"AU{au}{side}" for au in self.sided for side in "LR")
        return tuple(f"AU{au}" for au in self.aus) + both

    def to_mapping(self) -> dict[str, Any]:
        """Plain values for YAML and checkpoints."""
        values = dataclasses.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> NetworkSpec:
        """The reverse. Raises ValueError naming a setting that is unknown or of the wrong kind."""
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ValueError(f"Unknown settings of a network: {', '.join(unknown)}; there are {sorted(known)}.")
        if missing := {"network", "aus"} - set(values):
            raise ValueError(f"A network needs {', '.join(sorted(missing))}.")
        plain = {}
        for name, value in values.items():
            if name in ("aus", "sided"):
                if not isinstance(value, (list, tuple)) or not all(type(item) is int for item in value):
                    raise ValueError(f"{name} is {value!r}; a list of whole numbers is expected.")
                value = tuple(value)
            elif type(value) is not (str if name in ("network", "backbone") else int):
                raise ValueError(f"{name} is {value!r}.")
            plain[name] = value
        return cls(**plain)


def opengraphau(backbone: str = "resnet50") -> NetworkSpec:
    """OpenGraphAU's stage 1."""
    return NetworkSpec("me_graphau", OPENGRAPHAU_AUS, backbone=backbone, sided=OPENGRAPHAU_SIDED)
