# SPDX-License-Identifier: Apache-2.0
"""The terms of the objective, equations 5, 10, 11 and 13 of Mikheeva et al."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

from .networks import PerceptualVae, sample
from .settings import TrainingSettings


class Faces(NamedTuple):
    """Faces x and the neutral faces y of the same people, (n, size) each."""

    x: Tensor
    y: Tensor


class TripletFaces(NamedTuple):
    """Faces of triplets, (3 v, size) each: v references, then v closer, then v farther ones; weight w (v,)."""

    x: Tensor
    y: Tensor
    weight: Tensor


def divergence(mu: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mu, sigma^2 I) || N(0, I)) of each face, (n,)."""
    return 0.5 * (mu**2 + log_variance.exp() - 1 - log_variance).sum(-1)


def reconstruction(x: Tensor, decoded: Tensor, sigma2: float, reduction: str = "sum") -> Tensor:
    """1 / (2 sigma^2 L) sum_l (x - f(z_l, y))^2 of each face, (n,); x (n, size), decoded (L, n, size).

    Minus the log likelihood without its constant `log_normaliser`.
    """
    squares = (x - decoded) ** 2
    squares = squares.sum(-1) if reduction == "sum" else squares.mean(-1)
    return squares.mean(0) / (2 * sigma2)


def log_normaliser(size: int, sigma2: float) -> float:
    """log of (2 pi sigma^2)^(size / 2), what the reconstruction term leaves out of -log p(x | y, z)."""
    return 0.5 * size * math.log(2 * math.pi * sigma2)


def distance(a: Tensor, b: Tensor, kind: str = "euclidean", epsilon: float = 1e-8) -> Tensor:
    """d(a, b) over the last axis."""
    squares = ((a - b) ** 2).sum(-1)
    return squares if kind == "squared" else torch.sqrt(squares + epsilon)


def triplet_term(z: Tensor, weight: Tensor, gamma: float, kind: str = "euclidean", epsilon: float = 1e-8) -> Tensor:
    """1 / (gamma M) sum_t w_t sum_m ln(1 + exp(d(ref, closer) - d(ref, farther))), a scalar.

    z: (M, 3 v, latent), ordered as TripletFaces.
    """
    reference, closer, farther = z.chunk(3, dim=1)
    violation = distance(reference, closer, kind, epsilon) - distance(reference, farther, kind, epsilon)
    return (weight * softplus(violation)).sum(1).mean() / gamma


class Loss(NamedTuple):
    """total = data + divergence weight * divergence + triplet weight * triplets; each scaled to the whole set."""

    total: Tensor
    data: Tensor
    divergence: Tensor
    triplets: Tensor


def batch_loss(
    model: PerceptualVae,
    faces: Faces,
    triplets: TripletFaces | None,
    settings: TrainingSettings,
    set_size: int,
    set_triplets: int,
    beta: float = 1.0,
    generator: torch.Generator | None = None,
) -> Loss:
    """Equation 11 for a batch of faces and a batch of triplets (eq. 5 without triplets), annealed by beta (eq. 13).

    set_size, set_triplets: N and T, the faces and triplets of the whole set.
    """
    count = len(faces.x)
    x = faces.x if triplets is None else torch.cat([faces.x, triplets.x])
    y = faces.y if triplets is None else torch.cat([faces.y, triplets.y])
    mu, log_variance = model.encode(x, y)
    z = sample(mu[:count], log_variance[:count], settings.samples, generator)
    decoded = model.decode(z.flatten(0, 1), faces.y.repeat(settings.samples, 1)).view(*z.shape[:2], -1)
    scale = set_size / count if settings.data_scale == "set" else 1.0
    data = scale * reconstruction(faces.x, decoded, settings.sigma2, settings.reduction).sum()
    kl = scale * divergence(mu[:count], log_variance[:count]).sum()
    topological = torch.zeros((), dtype=data.dtype, device=data.device)
    if triplets is not None:
        z = sample(mu[count:], log_variance[count:], settings.triplet_samples, generator)
        weight = triplets.weight if settings.triplet_weight == "votes" else torch.ones_like(triplets.weight)
        scale = set_triplets / len(weight) if settings.triplet_scale == "set" else 1.0
        topological = scale * triplet_term(z, weight, settings.gamma, settings.distance, settings.distance_epsilon)
    beta_triplets = beta if settings.annealing == "prior" else 1.0
    return Loss(data + beta * kl + beta_triplets * topological, data, kl, topological)


@torch.no_grad()
def elbo(
    model: PerceptualVae, faces: Faces, triplets: TripletFaces | None, settings: TrainingSettings, seed: int = 0
) -> float:
    """The lower bound of a whole set (eq. 4; eq. 10 with triplets), per face; beta 1, the seed fixes the samples."""
    was_training = model.training
    model.eval()
    generator = torch.Generator(device=faces.x.device).manual_seed(seed)
    number = 0 if triplets is None else len(triplets.weight)
    loss = batch_loss(model, faces, triplets, settings, len(faces.x), number, 1.0, generator)
    model.train(was_training)
    size = faces.x.shape[1] if settings.reduction == "sum" else 1
    return -float(loss.total) / len(faces.x) - log_normaliser(size, settings.sigma2)
