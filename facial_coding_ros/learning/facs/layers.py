# SPDX-License-Identifier: Apache-2.0
"""Layers of the small network between its arrays and torch, for training it further."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...types import FloatArray

if TYPE_CHECKING:
    from torch import nn

LEAST_SPREAD = 0.02
"""Of a unit's intensities over many faces, by which differences of this unit are divided."""


def linear_of(weights: FloatArray, bias: FloatArray) -> nn.Linear:
    """A layer that learns on from copies of weights (in, out) and bias (out,)."""
    import torch
    from torch import nn

    made = nn.Linear(weights.shape[0], weights.shape[1])
    made.weight.data, made.bias.data = torch.tensor(weights.T.copy()), torch.tensor(bias.copy())
    return made


def arrays_of(layer: nn.Linear) -> tuple[FloatArray, FloatArray]:
    """Copies of a layer's weights (in, out) and bias (out,)."""
    return layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy().copy()
