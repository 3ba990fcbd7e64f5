# SPDX-License-Identifier: Apache-2.0
"""VAE, M1 and M2 as networks (Mikheeva et al., figures 1 and 2). M1 and M2 are the same network."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from .settings import TrainingSettings, widths


def _layers(sizes: list[int], drop: float) -> nn.Sequential:
    modules: list[nn.Module] = []
    for a, b in pairwise(sizes):
        modules += [nn.Linear(a, b), nn.ELU(), nn.Dropout(drop)]
    return nn.Sequential(*modules)


class PerceptualVae(nn.Module):
    """Encoder and decoder over flat faces of `size` coordinates.

    `mean_x` and `mean_y` (size,) are taken from faces and neutrals before anything else, and added to what is decoded.
    A VAE takes no neutral: what is given is not looked at.
    """

    mean_x: Tensor
    mean_y: Tensor

    def __init__(self, size: int, settings: TrainingSettings) -> None:
        super().__init__()
        self.size, self.latent = size, settings.latent
        self.with_neutral = settings.model != "vae"
        drop = settings.drop_probability
        encoder = widths(settings.encoder)
        decoder = widths(settings.decoder) if self.with_neutral else encoder[::-1]
        inputs = 2 * size if self.with_neutral else size
        self.encoder = _layers([inputs, *encoder], drop)
        last = encoder[-1] if encoder else inputs
        self.mu = nn.Linear(last, settings.latent)
        self.log_variance = nn.Linear(last, settings.latent if settings.posterior == "diagonal" else 1)
        inputs = settings.latent + (size if self.with_neutral else 0)
        self.decoder = _layers([inputs, *decoder], drop)
        self.output = nn.Linear(decoder[-1] if decoder else inputs, size)
        self.register_buffer("mean_x", torch.zeros(size))
        self.register_buffer("mean_y", torch.zeros(size))

    def encode(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Faces and neutrals (n, size) -> mean and log variance of q(z | x, y), both (n, latent) (eq. 3)."""
        x = x - self.mean_x
        hidden = self.encoder(torch.cat([x, y - self.mean_y], 1) if self.with_neutral else x)
        mu = self.mu(hidden)
        return mu, self.log_variance(hidden).expand_as(mu)

    def decode(self, z: Tensor, y: Tensor) -> Tensor:
        """Latents (n, latent) and neutrals (n, size) -> faces (n, size): f(y, z) of eq. 2."""
        inputs = torch.cat([z, y - self.mean_y], 1) if self.with_neutral else z
        return self.output(self.decoder(inputs)) + self.mean_x


def sample(mu: Tensor, log_variance: Tensor, count: int, generator: torch.Generator | None = None) -> Tensor:
    """(count, n, latent) samples z = mu + sigma * epsilon."""
    noise = torch.randn((count, *mu.shape), generator=generator, device=mu.device, dtype=mu.dtype)
    return mu + torch.exp(0.5 * log_variance) * noise
