# SPDX-License-Identifier: Apache-2.0
"""ME-GraphAU: a graph of action units over a ResNet (Luo et al., IJCAI 2022), and its wide form OpenGraphAU.

Stage 1 (ANFL) gives each action unit a node and lets it talk to its nearest neighbours; stage 2 (MEFL) adds a feature
for each pair of action units. Tensor names are those of the published checkpoints.

Products that depend on one node are computed once per node rather than once per pair, and means over the image are
taken before linear layers: the same numbers for less than half of the published stage 2's work.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .backbones import resnet

IMAGE_SIZE = 224


@dataclass(frozen=True)
class MeGraphAuConfig:
    """aus: number of action units. sides: for each pair of left and right outputs, the node it belongs to.
    neighbours: K of the facial graph. width: channels of the backbone's first group.
    """

    aus: int
    neighbours: int
    backbone: str = "resnet50"
    stage: int = 1
    sides: tuple[int, ...] = ()
    width: int = 64


class LinearBlock(nn.Module):
    """Linear, batch norm over all leading axes, ReLU."""

    def __init__(self, features_in: int, features_out: int) -> None:
        super().__init__()
        self.fc = nn.Linear(features_in, features_out)
        self.bn = nn.BatchNorm1d(features_out)
        nn.init.normal_(self.fc.weight, 0.0, math.sqrt(2.0 / features_out))
        nn.init.zeros_(self.fc.bias)

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the one linear map that fc and bn are when not training."""
        scale = self.bn.weight / torch.sqrt(_stat(self.bn.running_var) + self.bn.eps)
        bias = (self.fc.bias - _stat(self.bn.running_mean)) * scale + self.bn.bias
        return self.fc.weight * scale[:, None], bias

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return torch.relu(F.linear(x, *self.folded()))
        flat = self.fc(x).flatten(0, -2)
        return torch.relu(self.bn(flat)).view(*x.shape[:-1], -1)


def _stat(buffer: Tensor | None) -> Tensor:
    assert buffer is not None
    return buffer


def facial_graph(nodes: Tensor, neighbours: int) -> Tensor:
    """Normalised adjacency (B, N, N) of nodes (B, N, C): each node's `neighbours` nearest by dot product, itself
    among the candidates; whoever ties with the last one is in too.

    A = D^-1/2 adjacency D^-1/2 with D the row sums; no gradient passes.
    """
    nodes = nodes.detach().float()
    likeness = torch.matmul(nodes, nodes.transpose(1, 2))
    threshold = likeness.topk(neighbours, dim=-1).values[..., -1:]
    adjacency = (likeness >= threshold).to(nodes.dtype)
    scale = adjacency.sum(-1).pow(-0.5)
    return scale[:, :, None] * adjacency * scale[:, None, :]


class FacialGraphGnn(nn.Module):
    """Stage 1's graph layer: x <- ReLU(x + BN(A V(x) + U(x))), with batch norm per node."""

    def __init__(self, features: int, aus: int, neighbours: int) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.U = nn.Linear(features, features)
        self.V = nn.Linear(features, features)
        self.bnv = nn.BatchNorm1d(aus)
        for linear in (self.U, self.V):
            nn.init.normal_(linear.weight, 0.0, math.sqrt(2.0 / features))

    def forward(self, nodes: Tensor) -> Tensor:
        graph = facial_graph(nodes, self.neighbours)
        return torch.relu(nodes + self.bnv(torch.matmul(graph, self.V(nodes)) + self.U(nodes)))


class CrossAttention(nn.Module):
    """Scaled dot-product attention of one head, queries and keys of half the features."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.linear_q = nn.Linear(features, features // 2)
        self.linear_k = nn.Linear(features, features // 2)
        self.linear_v = nn.Linear(features, features)
        self.scale = (features // 2) ** -0.5
        for linear in (self.linear_q, self.linear_k, self.linear_v):
            nn.init.normal_(linear.weight, 0.0, math.sqrt(2.0 / linear.out_features))
            nn.init.zeros_(linear.bias)

    def weights(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Attention (..., Q, K) of projected queries (..., Q, C / 2) to projected keys (..., K, C / 2)."""
        return torch.softmax(torch.matmul(queries, keys.transpose(-1, -2)) * self.scale, -1)


class EdgeExtractor(nn.Module):
    """Features of each pair of action units: FAM (where on the face), then ARM (what the two have in common).

    Pair (j, k) is row j N + k; the pairs of an action unit with itself are there too.
    """

    def __init__(self, features: int, aus: int) -> None:
        super().__init__()
        self.FAM = CrossAttention(features)
        self.ARM = CrossAttention(features)
        self.edge_proj = nn.Linear(features, features)
        self.bn = nn.BatchNorm2d(aus * aus)
        nn.init.normal_(self.edge_proj.weight, 0.0, math.sqrt(2.0 / features))
        nn.init.zeros_(self.edge_proj.bias)

    def forward(self, nodes: Tensor, face: Tensor) -> Tensor:
        """nodes: (B, N, D, C), face: (B, D, C). Returns (B, N^2, C), the mean over the D places."""
        batch, count, places, features = nodes.shape
        face = face[:, None]
        seen = torch.matmul(
            self.FAM.weights(self.FAM.linear_q(nodes), self.FAM.linear_k(face)), self.FAM.linear_v(face)
        )
        queries = self.ARM.linear_q(seen)[:, None]
        keys, values = self.ARM.linear_k(seen)[:, :, None], self.ARM.linear_v(seen)[:, :, None]
        weights = self.ARM.weights(queries, keys)
        if not self.training:  # batch norm is affine here: take the mean over the places as early as possible
            mean = torch.matmul(weights.mean(-2, keepdim=True), values)
            edges = self.edge_proj(mean.view(batch, count * count, features))
            return self._normalised(edges)
        edges = self.edge_proj(torch.matmul(weights, values)).view(batch, count * count, places, features)
        return self.bn(edges).mean(2)

    def _normalised(self, edges: Tensor) -> Tensor:
        return self.bn(edges[:, :, None])[:, :, 0]


class GatedGnn(nn.Module):
    """Two layers of GatedGCN over the full graph (Bresson & Laurent 2017), gates normalised by softmax."""

    def __init__(self, features: int, aus: int) -> None:
        super().__init__()
        self.aus = aus
        for layer in "12":
            for name in "UVABE":
                linear = nn.Linear(features, features, bias=False)
                nn.init.normal_(linear.weight, 0.0, math.sqrt(2.0 / features))
                self.add_module(name + layer, linear)
            self.add_module("bnv" + layer, nn.BatchNorm1d(aus))
            self.add_module("bne" + layer, nn.BatchNorm1d(aus * aus))

    def forward(self, nodes: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """nodes: (B, N, C), edges: (B, N^2, C); both come back in their shapes."""
        for layer in "12":
            nodes, edges = self._layer(layer, nodes, edges)
        return nodes, edges

    def _layer(self, layer: str, nodes: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        batch, count, features = nodes.shape
        U, V, A, B, E, bnv, bne = (self.get_submodule(name + layer) for name in ("U", "V", "A", "B", "E", "bnv", "bne"))
        square = (batch, count, count, features)
        pair = A(nodes)[:, :, None] + B(nodes)[:, None]
        edges = edges + torch.relu(bne((pair + E(edges).view(square)).flatten(1, 2)))
        gates = torch.softmax(torch.sigmoid(edges).view(square), dim=2)
        message = (gates * V(nodes)[:, None]).sum(2) / count
        nodes = torch.relu(nodes + bnv(U(nodes) + message))
        return nodes, edges


class Head(nn.Module):
    """From the face's features (B, D, C) to cosines (B, N + 2 S) and, in stage 2, pair scores (B, N^2, 4)."""

    def __init__(self, features: int, config: MeGraphAuConfig) -> None:
        super().__init__()
        self.sides = config.sides
        self.stage = config.stage
        prefix = "main_" if config.sides else ""
        self.linears_name, self.centres_name = prefix + "class_linears", prefix + "sc"
        linears = nn.ModuleList(LinearBlock(features, features) for _ in range(config.aus))
        self.add_module(self.linears_name, linears)
        self.register_parameter(self.centres_name, _centres(config.aus, features))
        if config.sides:
            self.sub_sc = _centres(2 * len(config.sides), features)
        if config.stage == 1:
            self.gnn: nn.Module = FacialGraphGnn(features, config.aus, config.neighbours)
        else:
            self.edge_extractor = EdgeExtractor(features, config.aus)
            self.gnn = GatedGnn(features, config.aus)
            self.edge_fc = nn.Linear(features, 4)
            nn.init.xavier_uniform_(self.edge_fc.weight)

    def per_place(self, face: Tensor) -> Tensor:
        """(B, N, D, C): the linear blocks of all action units."""
        blocks = [block for block in self.get_submodule(self.linears_name).children() if isinstance(block, LinearBlock)]
        if self.training:
            return torch.stack([block(face) for block in blocks], dim=1)
        folded = [block.folded() for block in blocks]
        weight, bias = torch.cat([w for w, _ in folded]), torch.cat([b for _, b in folded])
        batch, places, features = face.shape
        return torch.relu(F.linear(face, weight, bias)).view(batch, places, len(blocks), features).transpose(1, 2)

    def forward(self, face: Tensor) -> tuple[Tensor, ...]:
        features = self.per_place(face)
        nodes = features.mean(2)
        pairs = None
        if self.stage == 1:
            nodes = self.gnn(nodes)
        else:
            nodes, edges = self.gnn(nodes, self.edge_extractor(features, face))
            pairs = self.edge_fc(edges)
        directions = F.normalize(nodes, dim=-1)
        centres = F.normalize(torch.relu(self.get_parameter(self.centres_name)), dim=-1)
        cosines = (directions * centres).sum(-1)
        if self.sides:
            sided = directions[:, [node for node in self.sides for _ in range(2)]]
            sub_centres = F.normalize(torch.relu(self.sub_sc), dim=-1)
            cosines = torch.cat([cosines, (sided * sub_centres).sum(-1)], 1)
        return (cosines,) if pairs is None else (cosines, pairs)


def _centres(count: int, features: int) -> nn.Parameter:
    return nn.Parameter(nn.init.xavier_uniform_(torch.empty(count, features)))


class MeGraphAu(nn.Module):
    """Images (B, 3, 224, 224), RGB, normalised with ImageNet's mean and deviation -> cosines (B, N [+ left and right
    outputs]) in 0..1, present from 0.5 on; in stage 2 also scores (B, N^2, 4) of (y_j, y_k) = 00, 01, 10, 11.
    """

    def __init__(self, config: MeGraphAuConfig) -> None:
        super().__init__()
        if config.stage not in (1, 2):
            raise ValueError(f"Stage {config.stage}; ME-GraphAU has stages 1 and 2.")
        if not 1 <= config.neighbours <= config.aus:
            raise ValueError(f"{config.neighbours} neighbours for {config.aus} action units.")
        self.config = config
        self.backbone = resnet(config.backbone, config.width)
        features = self.backbone.channels // 4
        self.global_linear = LinearBlock(self.backbone.channels, features)
        self.head = Head(features, config)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        places = self.backbone(images).flatten(2).transpose(1, 2)
        return self.head(self.global_linear(places))
