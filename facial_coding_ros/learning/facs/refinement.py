# SPDX-License-Identifier: Apache-2.0
"""Trains the outputs of some units further on another skin, held near what they say of rendered people."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...action_units import CODES
from ...types import FloatArray
from .layers import LEAST_SPREAD, linear_of
from .motion_sets import MotionSet
from .network import FURTHEST, FacsNetwork
from .scoring import PRESENT_FROM
from .study import SMILE_COMPANIONS
from .training import concordance_of_units, overtaken, squared_errors

if TYPE_CHECKING:
    from torch import Tensor

_UNITS = len(CODES)
_AT_12 = CODES.index(12)
_NO_COMPANIONS = [k for k, code in enumerate(CODES) if code not in SMILE_COMPANIONS]
_OTHERS = [k for k in range(_UNITS) if k != _AT_12]


@dataclass(frozen=True)
class RefinementOptions:
    """How a network is trained further.

    units: that learn; all others say what they said. renders, simulated, portraits, smiles: motions of each kind in a
    step. keep: weight of the squared difference from what the first network says of rendered and simulated people, in
    spreads of each unit. rank, real: weights of the losses on smiles. share: how far of the way from the first
    network's weights to the trained ones the result lies (Wortsman et al. 2022, Robust fine-tuning of zero-shot
    models).
    """

    units: tuple[int, ...] = (1, 4, 9, 15, 17, 24, 43, 45)
    steps: int = 400
    renders: int = 256
    simulated: int = 128
    portraits: int = 256
    smiles: int = 96
    learning_rate: float = 1e-3
    dropout: float = 0.1
    rank: float = 0.3
    real: float = 0.3
    keep: float = 3.0
    share: float = 0.75
    seed: int = 0


def refine(
    first: FacsNetwork,
    renders: MotionSet,
    portraits: MotionSet,
    smiles: FloatArray,
    simulated: FloatArray,
    neutral_errors: FloatArray,
    options: RefinementOptions,
    progress: Callable[[str], None] = lambda line: None,
) -> FacsNetwork:
    """A network whose units have learnt from portraits and still say of rendered people about what `first` says.

    smiles: (n, 468, 3) motions of real smiles, of which only is known that AU12 leads. simulated: motions (m, 468, 3)
    as for `training.train`; of these and of rendered people the first network's answers count, not the truth. Only
    weights of the last layer, and of what goes past the layers, change; thresholds and scales stay. The losses on
    portraits are those of `training.train`; of real smiles count what exceeds AU12, and what comes with no smile.
    """
    import torch
    from torch import nn

    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    rng = np.random.default_rng(options.seed)
    along = first.projection.of_both_sides

    def quiet(data: MotionSet) -> FloatArray:
        return along(data.motion[data.resting | data.turned])

    at_rest, at_rest_real, errors = quiet(renders), quiet(portraits), along(neutral_errors)
    truths = np.concatenate([portraits.sides, portraits.sides[:, ::-1]]).reshape(-1, 2 * _UNITS)
    sources = (  # portraits first
        (along(portraits.motion), at_rest_real, options.portraits),
        (along(smiles), at_rest_real, options.smiles),
        (along(renders.motion), at_rest, options.renders),
        (along(simulated), at_rest, options.simulated),
    )

    hidden = [linear_of(*pair) for pair in first.layers[:-1]]
    last = linear_of(*first.layers[-1])
    direct = linear_of(first.direct, np.zeros(first.direct.shape[1], np.float32))
    before, before_direct = copy.deepcopy(last), copy.deepcopy(direct)

    def inside(batch: Tensor, dropout: float) -> Tensor:
        for one in hidden:
            batch = nn.functional.dropout(nn.functional.silu(one(batch)), dropout)
        return batch

    def told(out: Tensor) -> tuple[Tensor, Tensor]:
        """Raw intensities and the gates' logits, each (n, 2 units)."""
        value, logit = out.split(2 * _UNITS, 1)
        return logit.sigmoid() * value, logit

    def disturbed(z: FloatArray, noise: FloatArray) -> FloatArray:
        """Every other one with noise of a resting face, and every other one with an error of the neutral."""
        amount = rng.uniform(0, 0.7, (len(z), 1)) * (rng.random((len(z), 1)) < 0.5)
        off = np.abs(rng.normal(size=(len(z), 1))) * (rng.random((len(z), 1)) < 0.5)
        z = z + amount * noise[rng.integers(0, len(noise), len(z))] + off * errors[rng.integers(0, len(errors), len(z))]
        return np.asarray(z, np.float32)

    learning = [CODES.index(code) for code in options.units]
    columns = torch.tensor([side * _UNITS + k for side in (0, 1) for k in learning])
    rows = torch.zeros(4 * _UNITS)
    rows[[part * _UNITS + k for part in range(4) for k in learning]] = 1
    parameters = [last.weight, last.bias, direct.weight]
    optimiser = torch.optim.Adam(parameters, lr=options.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, options.steps)
    threshold, scale = torch.tensor(first.threshold), torch.tensor(first.scale)
    with torch.no_grad():
        sample = torch.tensor(sources[2][0][:4000]).clip(-FURTHEST, FURTHEST)
        spread = told(before(inside(sample, 0)) + before_direct(sample))[0].std(0).clamp(min=LEAST_SPREAD)
    portraits_end, smiles_end = options.portraits, options.portraits + options.smiles
    for step in range(options.steps):
        at = [rng.integers(0, len(z), count) for z, _, count in sources]
        parts = [disturbed(z[one], noise) for (z, noise, _), one in zip(sources, at, strict=True)]
        parts[1] *= rng.uniform(0.6, 1.2, (options.smiles, 1)).astype(np.float32)
        batch = torch.tensor(np.concatenate(parts)).clip(-FURTHEST, FURTHEST)
        truth = torch.tensor(truths[at[0]])
        with torch.no_grad():
            dropped = inside(batch, options.dropout)
            old = told(before(inside(batch, 0)) + before_direct(batch))[0][smiles_end:]
        estimate, logit = told(last(dropped) + direct(batch))
        of_portraits, real = estimate[:portraits_end], estimate[portraits_end:smiles_end]
        present = (truth[:, columns] >= PRESENT_FROM).float()
        loss = (
            10 * squared_errors(of_portraits, truth)[:, columns].sum() / truth.numel()
            + (1 - concordance_of_units(of_portraits, truth))[learning].sum() / _UNITS
            + options.rank * overtaken(of_portraits, truth)
            + 0.1 * nn.functional.binary_cross_entropy_with_logits(logit[:portraits_end, columns], present)
            + options.real * _unlike_smiles(((real.reshape(-1, 2, _UNITS) - threshold) * scale).amax(1))
            + options.keep * (((estimate[smiles_end:] - old) / spread) ** 2).mean()
        )
        optimiser.zero_grad()
        loss.backward()
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad *= rows[:, None] if parameter.dim() == 2 else rows
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            progress(f"step {step} of {options.steps}: loss {float(loss.detach()):.4f}")

    def mixed(was: FloatArray, new: Tensor) -> FloatArray:
        return np.asarray((1 - options.share) * was + options.share * new.detach().numpy(), np.float32)

    weights, bias = first.layers[-1]
    layers = [*first.layers[:-1], (mixed(weights, last.weight.T), mixed(bias, last.bias))]
    return first.with_weights(layers, mixed(first.direct, direct.weight.T))


def _unlike_smiles(told: Tensor) -> Tensor:
    """Of intensities (n, units) of real smiles: what exceeds AU12 where it is seen, and what comes with no smile."""
    seen = (told[:, _AT_12] > 0.15).float()
    exceeding = (told[:, _OTHERS].amax(1) - told[:, _AT_12] + 0.08).clamp(min=0) * seen
    return exceeding.mean() + (told[:, _NO_COMPANIONS] - 0.2).clamp(min=0).sum(1).mean()
