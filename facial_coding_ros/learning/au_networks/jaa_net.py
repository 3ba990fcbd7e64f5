# SPDX-License-Identifier: Apache-2.0
"""JAA-Net: action units and landmarks together, one helping the other (Shao et al., IJCV 2021).

The six parts carry the names of the published checkpoint files, their tensors the published names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...au_networks.attention import INNER_49, inner_to_68, jaa_attention

CROP = 176
LANDMARKS = len(INNER_49)
PARTS = ("region_learning", "align_net", "local_attention_refine", "local_au_net", "global_au_feat", "au_net")
"""One checkpoint file each."""


@dataclass(frozen=True)
class JaaNetConfig:
    """aus: the action units. unit: width, 8 in the published network; layers have multiples of it as channels."""

    aus: tuple[int, ...]
    unit: int = 8


class JaaOutputs(NamedTuple):
    """log_probability: (B, 2, N) of absent and present. landmarks: (B, 49, 2), pixels of the crop. local: (B, 2, N),
    each action unit from its own region. attention: (B, N, 44, 44), refined, 0..1; initial: (B, N, 52, 52).
    """

    log_probability: Tensor
    landmarks: Tensor
    local: Tensor
    attention: Tensor
    initial: Tensor


class PatchConvolution(nn.Module):
    """BN, ReLU and a 3 x 3 convolution, with own weights in each of grid x grid patches of the map.

    All patches run as one grouped convolution; each is padded with zeros by itself.
    """

    def __init__(self, grid: int, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.grid = grid
        self.bns = nn.ModuleList(nn.BatchNorm2d(channels_in) for _ in range(grid * grid))
        self.convs = nn.ModuleList(nn.Conv2d(channels_in, channels_out, 3, padding=1) for _ in range(grid * grid))

    def _gather(self, modules: nn.ModuleList, name: str) -> Tensor:
        return torch.cat([getattr(module, name) for module in modules])

    def forward(self, x: Tensor) -> Tensor:
        grid = self.grid
        _, channels, height, width = x.shape
        h, w = height // grid, width // grid
        x = x.view(-1, channels, grid, h, grid, w).permute(0, 2, 4, 1, 3, 5).reshape(-1, grid * grid * channels, h, w)
        mean, var = self._gather(self.bns, "running_mean"), self._gather(self.bns, "running_var")
        first = self.bns[0]
        assert isinstance(first, nn.BatchNorm2d)
        scale, shift = self._gather(self.bns, "weight"), self._gather(self.bns, "bias")
        x = F.batch_norm(x, mean, var, scale, shift, self.training, first.momentum or 0.1, first.eps)
        if self.training:
            self._keep_statistics(mean, var)
        weight, bias = self._gather(self.convs, "weight"), self._gather(self.convs, "bias")
        x = F.conv2d(torch.relu(x), weight, bias, padding=1, groups=grid * grid)
        out = weight.shape[0] // (grid * grid)
        return x.view(-1, grid, grid, out, h, w).permute(0, 3, 1, 4, 2, 5).reshape(-1, out, height, width)

    @torch.no_grad()
    def _keep_statistics(self, mean: Tensor, var: Tensor) -> None:
        """batch_norm changed the gathered copies; each patch's module gets its own part back."""
        channels = mean.shape[0] // len(self.bns)
        for module, new_mean, new_var in zip(self.bns, mean.split(channels), var.split(channels), strict=True):
            buffers = dict(module.named_buffers())
            buffers["running_mean"].copy_(new_mean)
            buffers["running_var"].copy_(new_var)
            buffers["num_batches_tracked"].add_(1)


class RegionLayer(nn.Module):
    """Hierarchical multi-scale region layer: a convolution, then patches of 8 x 8, 4 x 4 and 2 x 2 one after the
    other, their outputs side by side as a residual.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.local_conv_branch1 = PatchConvolution(8, channels_out, channels_out // 2)
        self.local_conv_branch2 = PatchConvolution(4, channels_out // 2, channels_out // 4)
        self.local_conv_branch3 = PatchConvolution(2, channels_out // 4, channels_out // 4)
        self.bn = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        fine = self.local_conv_branch1(x)
        middle = self.local_conv_branch2(fine)
        coarse = self.local_conv_branch3(middle)
        return torch.relu(self.bn(x + torch.cat([fine, middle, coarse], 1)))


class RegionLearning(nn.Module):
    """Images (B, 3, 176, 176) -> features shared by all parts (B, 8 units, 44, 44)."""

    def __init__(self, unit: int) -> None:
        super().__init__()
        self.multiscale_feat = nn.Sequential(
            RegionLayer(3, 4 * unit), nn.MaxPool2d(2), RegionLayer(4 * unit, 8 * unit), nn.MaxPool2d(2)
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.multiscale_feat(images)


class FeatureExtractor(nn.Module):
    """(B, 8 units, 44, 44) -> (B, 20 units, 5, 5): three times two convolutions and a pooling."""

    def __init__(self, unit: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 8 * unit
        for out in (12 * unit, 16 * unit, 20 * unit):
            for _ in range(2):
                layers += [nn.Conv2d(channels, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU()]
                channels = out
            layers.append(nn.MaxPool2d(2))
        self.feat_extract = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.feat_extract(x)


class AlignNet(nn.Module):
    """Features and the landmarks (B, 98), x and y in turns, pixels of the crop."""

    def __init__(self, unit: int) -> None:
        super().__init__()
        self.align_feat = FeatureExtractor(unit)
        self.align_output = _two_linear(500 * unit, 64 * unit, 2 * LANDMARKS)

    def forward(self, region: Tensor) -> tuple[Tensor, Tensor]:
        features = self.align_feat(region)
        return features, self.align_output(features.flatten(1))


class LocalAttentionRefine(nn.Module):
    """Initial attention maps (B, N, 52, 52) -> refined ones (B, N, 44, 44), each by its own small network."""

    def __init__(self, count: int, unit: int) -> None:
        super().__init__()
        self.local_aus_attention = nn.ModuleList(self._refiner(8 * unit) for _ in range(count))

    @staticmethod
    def _refiner(channels: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        for channels_in in (1, channels, channels):
            layers += [nn.Conv2d(channels_in, channels, 3), nn.BatchNorm2d(channels), nn.ReLU()]
        return nn.Sequential(*layers, nn.Conv2d(channels, 1, 3), nn.Sigmoid())

    def forward(self, maps: Tensor) -> Tensor:
        refined = [net(maps[:, i : i + 1]) for i, net in enumerate(self.local_aus_attention)]
        return torch.cat(refined, 1)


class LocalAuNet(nn.Module):
    """Each action unit from the features under its own map: their mean (B, 20 units, 5, 5) and the log-probabilities
    (B, 2, N).
    """

    def __init__(self, count: int, unit: int) -> None:
        super().__init__()
        self.local_aus_branch = nn.ModuleList(FeatureExtractor(unit) for _ in range(count))
        self.local_aus_output = nn.ModuleList(_two_linear(500 * unit, 8 * unit, 2) for _ in range(count))

    def forward(self, region: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
        features = [branch(region * maps[:, i : i + 1]) for i, branch in enumerate(self.local_aus_branch)]
        scores = [
            torch.log_softmax(output(one.flatten(1)), 1)
            for output, one in zip(self.local_aus_output, features, strict=True)
        ]
        return torch.stack(features).mean(0), torch.stack(scores, 2)


class AuNet(nn.Module):
    """All features (B, 60 units, 5, 5) -> log-probabilities (B, 2, N)."""

    def __init__(self, count: int, unit: int) -> None:
        super().__init__()
        self.au_output = _two_linear(1500 * unit, 64 * unit, 2 * count)
        self.count = count

    def forward(self, features: Tensor) -> Tensor:
        return torch.log_softmax(self.au_output(features.flatten(1)).view(-1, 2, self.count), 1)


def _two_linear(features_in: int, hidden: int, features_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(features_in, hidden), nn.Linear(hidden, features_out))


class JaaNet(nn.Module):
    """Images (B, 3, 176, 176), RGB, mean and deviation 0.5."""

    def __init__(self, config: JaaNetConfig) -> None:
        super().__init__()
        self.config = config
        count, unit = len(config.aus), config.unit
        self.region_learning = RegionLearning(unit)
        self.align_net = AlignNet(unit)
        self.local_attention_refine = LocalAttentionRefine(count, unit)
        self.local_au_net = LocalAuNet(count, unit)
        self.global_au_feat = FeatureExtractor(unit)
        self.au_net = AuNet(count, unit)
        initial_weights: dict[type[nn.Module], Callable[[Tensor], Tensor]] = {
            nn.Conv2d: lambda t: nn.init.kaiming_normal_(t, nonlinearity="relu"),
            nn.Linear: nn.init.xavier_uniform_,
        }
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                initial_weights[type(module)](module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def initialize_landmarks(self, mean: Tensor) -> None:
        """Before training: landmarks begin at those of the mean training face (49, 2), pixels of the crop, rather than
        in the corner, where the attention maps would be empty and the first steps large.
        """
        last = self.align_net.align_output[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            last.weight.mul_(0.1)
            last.bias.copy_(mean.flatten())

    def forward(self, images: Tensor) -> JaaOutputs:
        region = self.region_learning(images)
        align_features, flat = self.align_net(region)
        landmarks = flat.view(-1, LANDMARKS, 2)
        initial = jaa_attention(inner_to_68(landmarks), self.config.aus, CROP)
        attention = self.local_attention_refine(initial)
        local_features, local = self.local_au_net(region, attention)
        whole = torch.cat([align_features, self.global_au_feat(region), local_features.detach()], 1)
        return JaaOutputs(self.au_net(whole), landmarks, local, attention, initial)
