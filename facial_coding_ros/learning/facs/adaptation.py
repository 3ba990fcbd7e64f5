# SPDX-License-Identifier: Apache-2.0
"""Trains a network further when faces are registered otherwise than it was learnt with."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...action_units import CODES
from ...types import FloatArray
from .layers import LEAST_SPREAD, arrays_of, linear_of
from .motion_sets import MotionSet
from .network import FURTHEST, FacsNetwork

if TYPE_CHECKING:
    from torch import Tensor

_UNITS = len(CODES)


@dataclass(frozen=True)
class AdaptationOptions:
    """How a network is trained further.

    batch: pictures of each kind of people in a step. gates: weight of the loss on gates, beside that on intensities.
    """

    steps: int = 800
    batch: tuple[int, ...] = (384, 192)
    learning_rate: float = 3e-4
    gates: float = 0.03
    seed: int = 0


def adapt(
    first: FacsNetwork,
    people: Sequence[tuple[MotionSet, MotionSet]],
    turns: tuple[FloatArray, FloatArray],
    neutral_errors: FloatArray,
    options: AdaptationOptions,
    progress: Callable[[str], None] = lambda line: None,
) -> FacsNetwork:
    """A network that says of motions registered anew about what `first` said of them as they were registered before.

    people: of each kind of people the same pictures (rows alike), registered before and anew; the first kind gives the
    units' spreads. turns: motions (n, 468, 3) of turned resting heads, registered before and anew, that are added to
    every other picture, so that all expressions are learnt in turned heads. neutral_errors: motions (m, 468, 3).
    All weights learn, on the same disturbances in both; directions of motion, thresholds, scales and calibration stay.
    The loss is the squared difference from what the first network said, in spreads of each unit, and that of the gates.
    The true intensities are not used.
    """
    import torch
    from torch import nn

    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    rng = np.random.default_rng(options.seed)
    along = first.projection.of_both_sides
    errors, turns_before, turns_anew = (along(motions) for motions in (neutral_errors, *turns))
    sources = []
    for (data_before, data), count in zip(people, options.batch, strict=True):
        resting = np.tile((data.resting | data.turned) & (data.sides.max((1, 2)) == 0), 2)
        sources.append((along(data_before.motion), along(data.motion), np.flatnonzero(resting), count))

    layers = [linear_of(*pair) for pair in first.layers]
    direct = linear_of(first.direct, np.zeros(first.direct.shape[1], np.float32))
    layers_before, direct_before = copy.deepcopy(layers), copy.deepcopy(direct)

    def told(body: list[nn.Linear], past: nn.Linear, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Raw intensities and gates, each (n, 2 units)."""
        hidden = batch
        for one in body[:-1]:
            hidden = nn.functional.silu(one(hidden))
        value, logit = (body[-1](hidden) + past(batch)).split(2 * _UNITS, 1)
        return logit.sigmoid() * value, logit.sigmoid()

    def clipped(parts: list[FloatArray]) -> Tensor:
        return torch.tensor(np.concatenate(parts).astype(np.float32)).clip(-FURTHEST, FURTHEST)

    with torch.no_grad():
        spread = told(layers_before, direct_before, clipped([sources[0][0][:4000]]))[0].std(0).clamp(min=LEAST_SPREAD)
    parameters = [*(parameter for one in layers for parameter in one.parameters()), direct.weight]
    optimiser = torch.optim.Adam(parameters, lr=options.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, options.steps)
    for step in range(options.steps):
        was, now = [], []
        for before, anew, at_rest, count in sources:
            rows, noise = rng.integers(0, len(before), count), rng.choice(at_rest, count)
            amount = rng.uniform(0, 0.7, (count, 1)) * (rng.random((count, 1)) < 0.5)
            off = np.abs(rng.normal(size=(count, 1))) * (rng.random((count, 1)) < 0.5)
            off = off * errors[rng.integers(0, len(errors), count)]
            turn = rng.integers(0, len(turns_before), count)
            far = rng.uniform(0, 1, (count, 1)) * (rng.random((count, 1)) < 0.5)
            was.append(before[rows] + amount * before[noise] + far * turns_before[turn] + off)
            now.append(anew[rows] + amount * anew[noise] + far * turns_anew[turn] + off)
        with torch.no_grad():
            wanted, wanted_gates = told(layers_before, direct_before, clipped(was))
        estimate, gates = told(layers, direct, clipped(now))
        loss = (((estimate - wanted) / spread) ** 2).mean() + options.gates * ((gates - wanted_gates) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            progress(f"step {step} of {options.steps}: loss {float(loss.detach()):.4f}")
    return first.with_weights([arrays_of(one) for one in layers], direct.weight.detach().numpy().T.copy())
