# SPDX-License-Identifier: Apache-2.0
"""The three networks behind one interface: aligned crops in, probabilities out, and a loss to train with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...au_networks.attention import INNER_49
from ...au_networks.specs import OPENGRAPHAU_SIDE_NODES, NetworkSpec
from . import losses
from .eac_net import IMAGENET_MEAN, IMAGENET_STD, EacNet, EacNetConfig
from .jaa_net import JaaNet, JaaNetConfig
from .me_graphau import MeGraphAu, MeGraphAuConfig

LANDMARK_WEIGHT = 0.5
"""Of JAA-Net's landmark loss against those of its action units."""


@dataclass(frozen=True)
class Batch:
    """faces: (B, 3, crop, crop), RGB, 0..255, float. landmarks: (B, 68, 2), pixels of the crop. labels: (B, N), 1, 0
    or -1.
    """

    faces: Tensor
    landmarks: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(*(t.to(device, non_blocking=True) for t in (self.faces, self.landmarks, self.labels)))


class AuModel(nn.Module):
    """A network with its input normalisation and its loss.

    forward(faces, landmarks) -> probabilities (B, outputs) in 0..1, present from 0.5 on; takes what Batch holds. A
    network that does not look at landmarks ignores them.
    """

    net: nn.Module

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.spec = spec

    def loss(self, batch: Batch, weights: Tensor) -> dict[str, Tensor]:
        """Terms of the loss, already weighted: they are summed. weights: (N,) of the action units."""
        raise NotImplementedError

    def forward(self, faces: Tensor, landmarks: Tensor) -> Tensor:
        raise NotImplementedError


class EacModel(AuModel):
    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__(spec)
        self.net = EacNet(EacNetConfig(len(spec.aus), spec.stage, spec.width))

    def forward(self, faces: Tensor, landmarks: Tensor) -> Tensor:
        return self.net(faces.flip(1), landmarks)

    def loss(self, batch: Batch, weights: Tensor) -> dict[str, Tensor]:
        probability = self(batch.faces, batch.landmarks).float()
        return {"cross_entropy": losses.eac_cross_entropy(probability, batch.labels)}


class JaaModel(AuModel):
    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__(spec)
        self.net = JaaNet(JaaNetConfig(spec.aus, spec.width // 8))

    @staticmethod
    def normalised(faces: Tensor) -> Tensor:
        return faces / 127.5 - 1

    def forward(self, faces: Tensor, landmarks: Tensor) -> Tensor:
        return self.net(self.normalised(faces)).log_probability[:, 1].exp()

    def loss(self, batch: Batch, weights: Tensor) -> dict[str, Tensor]:
        outputs = self.net(self.normalised(batch.faces))
        terms = {}
        for name, scores in (("whole", outputs.log_probability.float()), ("local", outputs.local.float())):
            terms[f"{name}_nll"] = losses.weighted_nll(scores, batch.labels, weights)
            terms[f"{name}_dice"] = losses.weighted_dice(scores, batch.labels, weights)
        inner = batch.landmarks[:, list(INNER_49)]
        terms["landmarks"] = LANDMARK_WEIGHT * losses.landmark_loss(outputs.landmarks.float(), inner)
        return terms


class MeGraphAuModel(AuModel):
    """edge_weight: lambda of the edge loss in stage 2."""

    mean: Tensor
    std: Tensor

    def __init__(self, spec: NetworkSpec, edge_weight: float = 0.05) -> None:
        super().__init__(spec)
        self.edge_weight = edge_weight
        sides = OPENGRAPHAU_SIDE_NODES if spec.sided else ()
        self.net = MeGraphAu(
            MeGraphAuConfig(len(spec.aus), spec.neighbours, spec.backbone, spec.stage, sides, spec.width)
        )
        shape = (1, 3, 1, 1)
        self.register_buffer("mean", 255 * torch.tensor(IMAGENET_MEAN).view(shape), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(IMAGENET_STD).view(shape), persistent=False)

    def normalised(self, faces: Tensor) -> Tensor:
        return (faces - self.mean) / self.std

    def forward(self, faces: Tensor, landmarks: Tensor) -> Tensor:
        return self.net(self.normalised(faces))[0]

    def loss(self, batch: Batch, weights: Tensor) -> dict[str, Tensor]:
        outputs = self.net(self.normalised(batch.faces))
        terms = {"asymmetric": losses.weighted_asymmetric(outputs[0].float(), batch.labels, weights)}
        if self.spec.stage == 2:
            terms["edges"] = self.edge_weight * losses.edge_cross_entropy(outputs[1].float(), batch.labels)
        return terms


def build(spec: NetworkSpec, edge_weight: float = 0.05) -> AuModel:
    """The network of a spec with random weights."""
    if spec.network == "eac_net":
        return EacModel(spec)
    if spec.network == "jaa_net":
        return JaaModel(spec)
    return MeGraphAuModel(spec, edge_weight)
