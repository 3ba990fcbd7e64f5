# SPDX-License-Identifier: Apache-2.0
"""Trains the small network with torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...action_units import CODES
from ...types import FloatArray
from .disturbances import Disturbances
from .layers import arrays_of
from .motion_sets import MotionSet
from .network import FURTHEST, FacsNetwork, Projection
from .scoring import PRESENT_FROM

if TYPE_CHECKING:
    from torch import Tensor

_UNITS = len(CODES)
_AT_12 = CODES.index(12)


@dataclass(frozen=True)
class NetworkOptions:
    """How the network is built and trained.

    batch, simulated_batch: tracked and simulated motions in a step. concordance, rank: weights of these losses,
    see `train`.
    """

    directions: int = 400
    hidden: tuple[int, ...] = (384, 192)
    dropout: float = 0.15
    steps: int = 12000
    batch: int = 768
    simulated_batch: int = 192
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    concordance: float = 1.0
    rank: float = 0.3
    seed: int = 0


def train(
    data: MotionSet,
    disturbances: Disturbances,
    options: NetworkOptions,
    simulated: tuple[FloatArray, FloatArray],
    progress: Callable[[str], None] = lambda line: None,
) -> FacsNetwork:
    """Trains on tracked motions, on `simulated` ones, and on the mirror images of both.

    simulated: motions (m, 468, 3) as a tracker may report them, without noise, and sides (m, 2, units); they keep the
    network from trusting what only this tracker does. Noise is added to both, and to every other one a neutral's error.
    The loss adds up the squared error, in which an answer beyond 0 or 1 on the right side of it counts a tenth; one
    minus the concordance of each unit over the batch, so that estimates of units hard to tell spread as the truth does;
    by how much another unit exceeds AU12 in smiles that it leads; and the cross entropy of gates and presence.
    """
    import torch
    from torch import nn

    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    rng = np.random.default_rng(options.seed)
    projection = Projection.fit(data.motion, disturbances, options.directions)
    width = options.directions

    sources = [
        (projection.of_both_sides(motion), np.concatenate([y, y[:, ::-1]]).reshape(2 * len(y), -1))
        for motion, y in ((data.motion, data.sides), simulated)
    ]
    noise = projection.of_both_sides(disturbances.noise)
    errors = projection.of_both_sides(disturbances.neutral)

    modules: list[nn.Module] = []
    for size in options.hidden:
        modules += [nn.Linear(width, size), nn.SiLU(), nn.Dropout(options.dropout)]
        width = size
    modules.append(nn.Linear(width, 4 * _UNITS))
    body, direct = nn.Sequential(*modules), nn.Linear(options.directions, 4 * _UNITS, bias=False)
    nn.init.zeros_(direct.weight)
    parameters = [*body.parameters(), *direct.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=options.learning_rate, weight_decay=options.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, options.steps)

    def disturbed(z: FloatArray, low: float, high: float, chance: float) -> FloatArray:
        amount = rng.uniform(low, high, (len(z), 1)) * (rng.random((len(z), 1)) < chance)
        off = np.abs(rng.normal(size=(len(z), 1))) * (rng.random((len(z), 1)) < 0.5)
        z = z + amount * noise[rng.integers(0, len(noise), len(z))] + off * errors[rng.integers(0, len(errors), len(z))]
        return np.asarray(z, np.float32)

    sizes = options.batch, options.simulated_batch
    amounts = (0.0, 0.7, 0.5), (0.0, 1.0, 1.0)  # tracked motions have noise of their own
    body.train()
    for step in range(options.steps):
        rows = [rng.integers(0, len(z), size) for (z, _), size in zip(sources, sizes, strict=True)]
        parts = [disturbed(z[at], *how) for (z, _), at, how in zip(sources, rows, amounts, strict=True)]
        batch = torch.tensor(np.concatenate(parts)).clip(-FURTHEST, FURTHEST)
        truth = torch.tensor(np.concatenate([y[at] for (_, y), at in zip(sources, rows, strict=True)]))
        value, logit = (body(batch) + direct(batch)).split(2 * _UNITS, 1)
        estimate = logit.sigmoid() * value
        loss = (
            10 * squared_errors(estimate, truth).mean()
            + options.concordance * (1 - concordance(estimate, truth))
            + options.rank * overtaken(estimate, truth)
            + 0.1 * nn.functional.binary_cross_entropy_with_logits(logit, (truth >= PRESENT_FROM).float())
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 500 == 0:
            progress(f"step {step} of {options.steps}: loss {float(loss.detach()):.4f}")

    layers = [arrays_of(module) for module in body if isinstance(module, nn.Linear)]
    return FacsNetwork(projection, layers, direct.weight.detach().numpy().T.copy())


def squared_errors(estimate: Tensor, truth: Tensor) -> Tensor:
    """Of each answer; one beyond 0 or 1 on the right side of it counts a tenth."""
    error = estimate - truth
    beyond = ((truth <= 0) & (estimate < 0)) | ((truth >= 1) & (estimate > 1))
    return (error * (1 - 0.9 * beyond.float())) ** 2


def concordance(estimate: Tensor, truth: Tensor) -> Tensor:
    """Mean of `concordance_of_units`."""
    return concordance_of_units(estimate, truth).mean()


def concordance_of_units(estimate: Tensor, truth: Tensor) -> Tensor:
    """Lin's concordance correlation coefficient (1989) of each unit, both sides of a face as two cases."""
    a, b = (estimate * (1 - 0.9 * (estimate < 0).float())).reshape(-1, _UNITS), truth.reshape(-1, _UNITS)
    together = ((a - a.mean(0)) * (b - b.mean(0))).mean(0)
    apart = a.var(0, unbiased=False) + b.var(0, unbiased=False) + (a.mean(0) - b.mean(0)) ** 2
    return 2 * together / (apart + 1e-6)


def overtaken(estimate: Tensor, truth: Tensor, margin: float = 0.05) -> Tensor:
    """Mean over the faces that AU12 leads of how much the strongest other unit comes closer to it than `margin`."""
    estimated, true = (both.reshape(-1, 2, _UNITS).amax(1) for both in (estimate, truth))
    led = (true.argmax(1) == _AT_12) & (true[:, _AT_12] > 0.2)
    others = [k for k in range(_UNITS) if k != _AT_12]
    exceeded = (estimated[:, others].amax(1) - estimated[:, _AT_12] + margin).clamp(min=0)
    return (exceeded * led).sum() / led.sum().clamp(min=1)
