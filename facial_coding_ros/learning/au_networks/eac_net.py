# SPDX-License-Identifier: Apache-2.0
"""EAC-Net: VGG-19 that looks harder, then closer, at where action units show (Li et al., FG 2017).

Stage 1, E-Net: the outputs of groups 3 and 4 get the group's first convolution added, weighted with an attention map.
Stage 2, C-Net: patches of E-Net's group 4 around twenty places, each with layers of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...au_networks.attention import EAC_CENTRES, au_centres, eac_attention
from .backbones import VGG19_GROUPS, vgg19_features

IMAGE_SIZE = 224
GRID = 28
"""Side of group 4's output."""
PATCHES = 2 * len(EAC_CENTRES)
ENHANCED_GROUPS = (2, 3)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class EacNetConfig:
    """aus: number of action units. stage: 1 for E-Net, 2 for C-Net on E-Net's features. width: channels of the first
    group, 64 in the published network; every other layer shrinks with it.
    """

    aus: int
    stage: int = 2
    width: int = 64


class Trunk(nn.Module):
    """Enhanced VGG-19. Images (B, 3, 224, 224), BGR, 0..255, and landmarks (B, 68, 2) in its pixels -> group 4's
    enhanced output (B, 8 width, 28, 28), before pooling.
    """

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.features = vgg19_features(width, groups)
        first = self.layers[0]
        assert isinstance(first, nn.Conv2d) and first.bias is not None
        with torch.no_grad():  # as if images were centred and scaled, not 0..255; published weights replace this
            first.weight.div_(64)
            first.bias.copy_(-first.weight.sum((1, 2, 3)) * 110)
        self.starts = [0] + [i + 1 for i, layer in enumerate(self.layers) if isinstance(layer, nn.MaxPool2d)]

    @property
    def layers(self) -> list[nn.Module]:
        return list(self.features.children())

    def group_parameters(self, groups: int) -> list[nn.Parameter]:
        """Parameters of the first `groups` groups."""
        end = self.starts[groups]
        return [p for layer in self.layers[:end] for p in layer.parameters()]

    def forward(self, images: Tensor, landmarks: Tensor) -> Tensor:
        attention = F.interpolate(
            eac_attention(landmarks, IMAGE_SIZE), size=(IMAGE_SIZE, IMAGE_SIZE), mode="bilinear", align_corners=False
        )
        x, layers = images, self.layers
        for group in range(4):
            start, pool = self.starts[group], self.starts[group + 1] - 1
            attention = F.max_pool2d(attention, 2) if group else attention
            first = x = layers[start + 1](layers[start](x))
            for layer in layers[start + 2 : pool]:
                x = layer(x)
            if group in ENHANCED_GROUPS:
                x = x + first * attention
            if group < 3:
                x = layers[pool](x)
        return x

    def last_group(self, x: Tensor) -> Tensor:
        """Group 5: group 4's output -> (B, 8 width, 7, 7)."""
        for layer in self.layers[self.starts[4] - 1 :]:
            x = layer(x)
        return x


class EnhancingHead(nn.Module):
    """E-Net's end: (B, 8 width, 7, 7) -> logits (B, N)."""

    def __init__(self, width: int, aus: int) -> None:
        super().__init__()
        self.fc6 = nn.Linear(8 * width * 49, 64 * width)
        self.au_fc = nn.Linear(64 * width, 32 * width)
        self.output = nn.Linear(32 * width, aus)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(torch.relu(self.fc6(x.flatten(1))))
        x = self.dropout(torch.relu(self.au_fc(x)))
        return self.output(x)


class CroppingHead(nn.Module):
    """C-Net: group 4's output (B, C, 28, 28) and the places to look at -> logits (B, N).

    Each patch of 3 x 3 is doubled to 6 x 6 and has a 3 x 3 convolution and a dense layer of its own; the twenty of
    each run as one grouped convolution.
    """

    def __init__(self, width: int, aus: int) -> None:
        super().__init__()
        channels = 8 * width
        hidden = max(150 * width // 64, 1)
        self.conv = nn.Conv2d(PATCHES * channels, PATCHES * channels, 3, groups=PATCHES)
        self.dense = nn.Conv2d(PATCHES * channels, PATCHES * hidden, 4, groups=PATCHES)
        self.local_fc = nn.Linear(PATCHES * hidden, 32 * width)
        self.output = nn.Linear(32 * width, aus)
        self.dropout = nn.Dropout(0.5)
        for layer in (self.conv, self.dense):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor, landmarks: Tensor) -> Tensor:
        patches = crop_patches(normalise_response(features), landmarks)
        x = torch.relu(self.dense(torch.relu(self.conv(patches)))).flatten(1)
        return self.output(self.dropout(torch.relu(self.local_fc(x))))


def normalise_response(x: Tensor) -> Tensor:
    """Local response normalisation over five channels: x (2 + 0.002 sum x^2)^-0.75, as the authors' code has it."""
    x, channels = x.float(), x.shape[1]  # squares of activations leave half precision's range
    padded = F.pad(x * x, (0, 0, 0, 0, 2, 2))
    total = sum(padded[:, i : i + channels] for i in range(5))
    return x * (2 + 0.002 * total) ** -0.75


def crop_patches(features: Tensor, landmarks: Tensor) -> Tensor:
    """Patches of 3 x 3 around the twenty centres, doubled to 6 x 6: (B, 20 C, 6, 6), the centres one after the other.

    features: (B, C, 28, 28). A centre at the edge is moved inside, so that its patch is whole.
    """
    centres = torch.floor(au_centres(landmarks, EAC_CENTRES).flatten(1, 2) * (GRID / IMAGE_SIZE)).clamp(1, GRID - 2)
    offsets = torch.tensor([-1, -1, 0, 0, 1, 1], device=centres.device)
    columns = centres[..., 0].long()[:, :, None] + offsets
    rows = centres[..., 1].long()[:, :, None] + offsets
    index = (rows[:, :, :, None] * GRID + columns[:, :, None, :]).flatten(1)
    channels = features.shape[1]
    taken = features.flatten(2).gather(2, index[:, None, :].expand(-1, channels, -1))
    return taken.view(-1, channels, PATCHES, 36).transpose(1, 2).reshape(-1, PATCHES * channels, 6, 6)


class EacNet(nn.Module):
    """Images (B, 3, 224, 224), BGR, 0..255, and landmarks (B, 68, 2) in its pixels -> probabilities (B, N)."""

    def __init__(self, config: EacNetConfig) -> None:
        super().__init__()
        if config.stage not in (1, 2):
            raise ValueError(f"Stage {config.stage}; EAC-Net has stages 1 (E-Net) and 2 (C-Net on E-Net).")
        self.config = config
        self.trunk = Trunk(config.width, groups=5 if config.stage == 1 else 4)
        head = EnhancingHead if config.stage == 1 else CroppingHead
        self.head: EnhancingHead | CroppingHead = head(config.width, config.aus)

    def freeze_groups(self, groups: int) -> None:
        """The first `groups` groups of the trunk learn no more: 2 in E-Net's training, all 4 in C-Net's."""
        for parameter in self.trunk.group_parameters(groups):
            parameter.requires_grad_(False)

    def forward(self, images: Tensor, landmarks: Tensor) -> Tensor:
        features = self.trunk(images, landmarks)
        if isinstance(self.head, EnhancingHead):
            return torch.sigmoid(self.head(self.trunk.last_group(features)))
        return torch.sigmoid(self.head(features, landmarks))


def load_vgg19(net: EacNet, tensors: Mapping[str, Tensor], normalised_rgb: bool) -> None:
    """Fills the trunk (and E-Net's fc6 with `classifier.0`) with published ImageNet weights of VGG-19.

    normalised_rgb: the weights expect RGB, 0..1, less ImageNet's mean and over its deviation, as torchvision's do; the
    first convolution is changed so that it takes BGR, 0..255. Else they expect BGR, 0..255, as Caffe's do.
    Raises ValueError naming what is missing or of another shape.
    """
    filled = {f"trunk.{name}": tensor for name, tensor in tensors.items() if name.startswith("features.")}
    if isinstance(net.head, EnhancingHead):
        filled |= {f"head.fc6.{part}": tensors[f"classifier.0.{part}"] for part in ("weight", "bias")
                   if f"classifier.0.{part}" in tensors}  # fmt: skip
    own = net.state_dict()
    wanted = {name for name in own if name.startswith(("trunk.", "head.fc6."))}
    groups = len(net.trunk.starts) - 1
    beyond = 2 * sum(VGG19_GROUPS[:groups]) + groups
    filled = {name: t for name, t in filled.items() if not _beyond(name, beyond)}
    wrong = sorted(wanted ^ set(filled)) + [n for n in wanted & set(filled) if filled[n].shape != own[n].shape]
    if wrong:
        raise ValueError(f"These are not the ImageNet weights of VGG-19: {', '.join(wrong[:8])} do not fit.")
    if normalised_rgb:
        weight, bias = filled["trunk.features.0.weight"], filled["trunk.features.0.bias"]
        mean, std = weight.new_tensor(IMAGENET_MEAN), weight.new_tensor(IMAGENET_STD)
        scaled = weight / std[None, :, None, None]
        filled["trunk.features.0.bias"] = bias - (scaled * mean[None, :, None, None]).sum((1, 2, 3))
        filled["trunk.features.0.weight"] = scaled.flip(1) / 255
    net.load_state_dict({**own, **filled})


def _beyond(name: str, layers: int) -> bool:
    """Whether a tensor belongs to a layer of the VGG that this trunk does not have."""
    return name.startswith("trunk.features.") and int(name.split(".")[2]) >= layers
