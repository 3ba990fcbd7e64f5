# SPDX-License-Identifier: Apache-2.0
"""Trains a network further on another skin, held near what it says of the people it was trained on."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...action_units import CODES
from ...types import FloatArray
from .motion_sets import MotionSet
from .network import FURTHEST, FacsNetwork
from .scoring import PRESENT_FROM
from .study import SMILE_COMPANIONS
from .training import concordance, overtaken, squared_errors

if TYPE_CHECKING:
    from torch import Tensor, nn

_UNITS = len(CODES)
_AT_12 = CODES.index(12)
_NO_COMPANIONS = [k for k, code in enumerate(CODES) if code not in SMILE_COMPANIONS]
_OTHERS = [k for k in range(_UNITS) if k != _AT_12]


@dataclass(frozen=True)
class RefinementOptions:
    """How a network is trained further.

    renders, simulated, portraits, smiles: motions of each kind in a step. keep: weight of the squared difference from
    what the first network says of rendered and simulated people. hold: weight of the weights' own squared difference.
    share: how far of the way from the first network's weights to the trained ones the result lies (Wortsman et al.
    2022, Robust fine-tuning of zero-shot models).
    """

    steps: int = 600
    renders: int = 256
    simulated: int = 192
    portraits: int = 384
    smiles: int = 96
    learning_rate: float = 5e-4
    dropout: float = 0.15
    concordance: float = 1.0
    rank: float = 0.3
    keep: float = 4.0
    hold: float = 0.01
    share: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class _Source:
    """Motions along the network's directions with their mirror images.

    truth: (n, 2 units). noise: (m, directions), what is added to them. count: in a step. known: of rendered people,
    whom the first network knows. learnt: their truth counts.
    """

    motion: FloatArray
    truth: FloatArray
    noise: FloatArray
    count: int
    known: bool
    learnt: bool = True


def refine(
    first: FacsNetwork,
    renders: MotionSet,
    portraits: MotionSet,
    smiles: FloatArray,
    simulated: tuple[FloatArray, FloatArray],
    neutral_errors: FloatArray,
    options: RefinementOptions,
    progress: Callable[[str], None] = lambda line: None,
) -> FacsNetwork:
    """A network that has learnt from portraits and still says of rendered people what `first` says.

    smiles: (n, 468, 3) motions of real smiles, of which only is known that AU12 leads; each a person. simulated: as for
    `training.train`; of these only the first network's answers count. Directions, thresholds and scales stay as they
    are. The losses are those of `training.train`; of real smiles, by how much other units exceed AU12, and those that
    come with no smile a level of intensity.
    """
    import torch
    from torch import nn

    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    rng = np.random.default_rng(options.seed)

    def along(motion: FloatArray) -> FloatArray:
        z = first.projection(motion)
        return np.concatenate([z, z * first.projection.parity])

    sources = []
    for data, count, known_already in ((renders, options.renders, True), (portraits, options.portraits, False)):
        quiet = along(data.motion[data.resting | data.turned])
        sources.append(_Source(along(data.motion), _both_ways(data.sides), quiet, count, known_already))
    motion, sides = simulated
    if options.simulated:
        sources.append(_Source(along(motion), _both_ways(sides), sources[0].noise, options.simulated, True, False))
    smiling, errors = along(smiles), along(neutral_errors)
    body, direct = _as_modules(first, options.dropout)
    before, before_direct = copy.deepcopy(body).eval(), copy.deepcopy(direct)
    parameters = [*body.parameters(), *direct.parameters()]
    start = [parameter.detach().clone() for parameter in parameters]
    optimiser = torch.optim.Adam(parameters, lr=options.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, options.steps)
    threshold, scale = torch.tensor(first.threshold), torch.tensor(first.scale)
    counts = [s.count for s in sources]
    known, learnt = (
        torch.tensor(np.repeat([[float(flag)] for flag in flags], counts, 0), dtype=torch.float32)
        for flags in ([s.known for s in sources], [s.learnt for s in sources])
    )
    skins = [known[:, 0] == kind for kind in (0, 1)]

    def disturbed(z: FloatArray, noise: FloatArray) -> FloatArray:
        """Every other one with noise of a resting face, and every other one with an error of the neutral."""
        amount = rng.uniform(0, 0.7, (len(z), 1)) * (rng.random((len(z), 1)) < 0.5)
        off = np.abs(rng.normal(size=(len(z), 1))) * (rng.random((len(z), 1)) < 0.5)
        z = z + amount * noise[rng.integers(0, len(noise), len(z))] + off * errors[rng.integers(0, len(errors), len(z))]
        return np.asarray(z, np.float32)

    def drawn() -> tuple[Tensor, Tensor]:
        rows = [rng.integers(0, len(s.motion), s.count) for s in sources]
        parts = [disturbed(s.motion[at], s.noise) for s, at in zip(sources, rows, strict=True)]
        at = rng.integers(0, len(smiling), options.smiles)
        parts.append(disturbed(smiling[at], sources[1].noise) * rng.uniform(0.6, 1.2, (len(at), 1)).astype(np.float32))
        truth = np.concatenate([s.truth[at] for s, at in zip(sources, rows, strict=True)])
        return torch.tensor(np.concatenate(parts)).clip(-FURTHEST, FURTHEST), torch.tensor(truth)

    body.train()
    for step in range(options.steps):
        batch, truth = drawn()
        value, logit = (body(batch) + direct(batch)).split(2 * _UNITS, 1)
        both = logit.sigmoid() * value
        estimate, logit, real = both[: len(truth)], logit[: len(truth)], both[len(truth) :]
        with torch.no_grad():
            old_value, old_logit = (before(batch) + before_direct(batch)).split(2 * _UNITS, 1)
            old = (old_logit.sigmoid() * old_value)[: len(truth)]
        loss = (
            10 * (learnt * squared_errors(estimate, truth)).mean()
            + 10 * options.keep * (known * (estimate - old) ** 2).mean()
            + options.concordance * sum(1 - concordance(estimate[rows], truth[rows]) for rows in skins) / len(skins)
            + options.rank * overtaken(estimate, truth)
            + 0.1 * nn.functional.binary_cross_entropy_with_logits(logit, (truth >= PRESENT_FROM).float())
            + _unlike_smiles(((real.reshape(-1, 2, _UNITS) - threshold) * scale).amax(1))
            + options.hold * sum(((new - was) ** 2).sum() for new, was in zip(parameters, start, strict=True))
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            progress(f"step {step} of {options.steps}: loss {float(loss.detach()):.4f}")
    return _between(first, body, direct, options.share)


def _both_ways(sides: FloatArray) -> FloatArray:
    """(2 n, 2 units): of faces (n, 2, units) and of their mirror images."""
    return np.concatenate([sides, sides[:, ::-1]]).reshape(2 * len(sides), -1)


def _unlike_smiles(told: Tensor) -> Tensor:
    """Of intensities (n, units) of real smiles: what exceeds AU12 where it is seen, and what comes with no smile."""
    seen = (told[:, _AT_12] > 0.15).float()
    exceeding = (told[:, _OTHERS].amax(1) - told[:, _AT_12] + 0.08).clamp(min=0) * seen
    return exceeding.mean() + (told[:, _NO_COMPANIONS] - 0.2).clamp(min=0).sum(1).mean()


def _as_modules(network: FacsNetwork, dropout: float) -> tuple[nn.Sequential, nn.Linear]:
    import torch
    from torch import nn

    def linear(weights: FloatArray, bias: FloatArray | None) -> nn.Linear:
        layer = nn.Linear(weights.shape[0], weights.shape[1], bias=bias is not None)
        layer.weight.data = torch.tensor(weights.T.copy())
        if bias is not None:
            layer.bias.data = torch.tensor(bias.copy())
        return layer

    modules: list[nn.Module] = []
    for weights, bias in network.layers:
        modules += [linear(weights, bias), nn.SiLU(), nn.Dropout(dropout)]
    return nn.Sequential(*modules[:-2]), linear(network.direct, None)


def _between(first: FacsNetwork, body: nn.Sequential, direct: nn.Linear, share: float) -> FacsNetwork:
    """The network at that share of the way from the first one to the trained one."""
    from torch import nn

    def mixed(was: FloatArray, new: Tensor) -> FloatArray:
        return np.asarray((1 - share) * was + share * new.detach().numpy(), np.float32)

    trained = [module for module in body if isinstance(module, nn.Linear)]
    layers = [
        (mixed(weights, layer.weight.T), mixed(bias, layer.bias))
        for (weights, bias), layer in zip(first.layers, trained, strict=True)
    ]
    network = FacsNetwork(first.projection, layers, mixed(first.direct, direct.weight.T))
    for name in ("threshold", "scale", "slope", "offset"):
        setattr(network, name, getattr(first, name).copy())
    return network
