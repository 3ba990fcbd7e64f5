# SPDX-License-Identifier: Apache-2.0
"""Initial weights of a network: random, from ImageNet's weights, or from an earlier stage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...au_networks.attention import INNER_49
from . import checkpoints
from .backbones import load_imagenet
from .eac_net import EacNet, load_vgg19
from .jaa_net import JaaNet
from .me_graphau import MeGraphAu
from .networks import AuModel, build
from .prepared import PreparedFaces
from .recipes import Recipe
from .samples import FaceSamples, collate

MEAN_FACES = 500
"""Training faces whose mean landmarks JAA-Net is initialized with."""
STANDARDIZED_FACES = 16
"""Training faces over which EAC-Net's responses are standardized."""


def initialize(
    recipe: Recipe,
    faces: PreparedFaces,
    rows: NDArray[np.int64],
    imagenet: Path | None = None,
    start: Path | None = None,
    caffe: bool = False,
) -> AuModel:
    """The network of a recipe, ready to be trained on rows of prepared faces.

    imagenet: published weights of the backbone, from torchvision; caffe: VGG-19's weights expect BGR, 0..255, instead.
    start: a checkpoint of this package, of the stage before or (JAA-Net) of another data set.
    Raises CheckpointError when either does not fit the network.
    """
    torch.manual_seed(recipe.settings.seed)
    model = build(recipe.spec, recipe.settings.edge_weight)
    net = model.net
    if imagenet is not None:
        tensors = checkpoints.tensors_of(checkpoints.load_file(imagenet), imagenet)
        try:
            if isinstance(net, MeGraphAu):
                load_imagenet(net.backbone, tensors, unused=("fc.",))
            elif isinstance(net, EacNet):
                load_vgg19(net, tensors, normalised_rgb=not caffe)
            else:
                raise ValueError("JAA-Net has no published backbone; leave --imagenet out.")
        except ValueError as error:
            raise checkpoints.CheckpointError(f"{imagenet}: {error}") from None
    if start is not None:
        checkpoints.initialize_from(model, checkpoints.load(start)[0])
    elif isinstance(net, JaaNet):
        net.initialize_landmarks(torch.from_numpy(mean_landmarks(model, faces, rows)))
    elif isinstance(net, EacNet) and imagenet is None:
        standardize_responses(model, faces, rows)
    return model


@torch.no_grad()
def standardize_responses(model: AuModel, faces: PreparedFaces, rows: NDArray[np.int64]) -> None:
    """Scales and shifts each convolution so that its channels have mean 0 and deviation 1 over some training faces,
    as batch normalisation would (Kraehenbuehl et al., Data-dependent initializations, ICLR 2016).

    Sixteen layers without batch normalisation make all aligned faces nearly the same; from plain random weights
    training may stay with one answer for all for hundreds of steps.
    """
    samples = FaceSamples(faces, rows[np.linspace(0, len(rows) - 1, STANDARDIZED_FACES).astype(int)], model.spec, False)
    batch = collate([samples[i] for i in range(STANDARDIZED_FACES)])

    def standardize(layer: nn.Module, _inputs: object, response: Tensor) -> Tensor:
        assert isinstance(layer, nn.Conv2d) and layer.bias is not None
        mean, deviation = response.mean((0, 2, 3)), response.std((0, 2, 3)).clamp(min=1e-3)
        layer.weight /= deviation[:, None, None, None]
        layer.bias.copy_((layer.bias - mean) / deviation)
        return (response - mean[:, None, None]) / deviation[:, None, None]

    hooks = [layer.register_forward_hook(standardize) for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    model.eval()
    model(batch.faces, batch.landmarks)
    model.train()
    for hook in hooks:
        hook.remove()


def mean_landmarks(model: AuModel, faces: PreparedFaces, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Mean inner 49 landmarks (49, 2), pixels of the middle crop, of at most 500 faces."""
    alignment = model.spec.alignment
    offset = (alignment.size - alignment.crop) // 2
    chosen = rows[np.linspace(0, len(rows) - 1, min(MEAN_FACES, len(rows))).astype(int)]
    aligned = []
    for row in chosen:
        matrix = alignment.matrix(faces.landmarks[row])
        aligned.append(faces.landmarks[row] @ matrix[:, :2].T + matrix[:, 2] - offset)
    return np.mean(aligned, axis=0)[list(INNER_49)].astype(np.float32)
