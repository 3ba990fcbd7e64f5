# SPDX-License-Identifier: Apache-2.0
"""ResNet-18, ResNet-50 and VGG-19 with the tensor names of the published ImageNet weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with a shortcut (He et al. 2016, figure 5 left)."""

    expansion = 1

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = _shortcut(channels_in, channels * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(x)) + shortcut)


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 (which takes the stride), 1 x 1, with a shortcut (He et al. 2016, figure 5 right)."""

    expansion = 4

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, channels * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels * self.expansion)
        self.downsample = _shortcut(channels_in, channels * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)))
        return torch.relu(self.bn3(self.conv3(x)) + shortcut)


def _shortcut(channels_in: int, channels_out: int, stride: int) -> nn.Module | None:
    if stride == 1 and channels_in == channels_out:
        return None
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out))


class ResNet(nn.Module):
    """The convolutional part: images (B, 3, H, W) -> (B, channels, H / 32, W / 32)."""

    def __init__(self, block: type[BasicBlock] | type[Bottleneck], blocks: Sequence[int], width: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = width
        for index, count in enumerate(blocks):
            stage = []
            for position in range(count):
                stride = 2 if index > 0 and position == 0 else 1
                stage.append(block(channels, width << index, stride))
                channels = (width << index) * block.expansion
            self.add_module(f"layer{index + 1}", nn.Sequential(*stage))
        self.channels = channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        x = self.maxpool(torch.relu(self.bn1(self.conv1(images))))
        for index in range(1, 5):
            x = self.get_submodule(f"layer{index}")(x)
        return x


def resnet(name: str, width: int = 64) -> ResNet:
    """`resnet18` or `resnet50`; width: channels of the first group, 64 in the published ones."""
    if name == "resnet18":
        return ResNet(BasicBlock, (2, 2, 2, 2), width)
    if name == "resnet50":
        return ResNet(Bottleneck, (3, 4, 6, 3), width)
    raise ValueError(f"Backbone {name!r}; there are resnet18 and resnet50.")


VGG19_GROUPS = (2, 2, 4, 4, 4)
"""Convolutions of each group."""


def vgg19_features(width: int = 64, groups: int = 5) -> nn.Sequential:
    """The first `groups` groups of VGG-19 as one sequence, each ending in its max pooling; the indices are those of
    the published `features.N` tensors.

    width: channels of the first group, 64 in the published one.
    """
    layers: list[nn.Module] = []
    channels = 3
    for index, count in enumerate(VGG19_GROUPS[:groups]):
        out = width * min(1 << index, 8)
        for _ in range(count):
            layers += [nn.Conv2d(channels, out, 3, padding=1), nn.ReLU()]
            channels = out
        layers.append(nn.MaxPool2d(2))
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def load_imagenet(backbone: nn.Module, tensors: dict[str, Tensor], unused: tuple[str, ...]) -> None:
    """Fills a backbone with published ImageNet weights.

    unused: prefixes of the tensors that the backbone has no place for (`fc.`, `classifier.`). Every other tensor must
    fit and every parameter must be filled: ValueError lists what does not.
    """
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(unused)}
    try:
        backbone.load_state_dict(kept, strict=True)
    except RuntimeError as error:
        raise ValueError(f"These are not the ImageNet weights of this backbone. {error}") from None
