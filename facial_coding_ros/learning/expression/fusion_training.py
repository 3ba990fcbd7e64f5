# SPDX-License-Identifier: Apache-2.0
"""Fits what makes one expression of several witnesses, on people that the head did not see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...coding.expression.labels import EXPRESSION_LABELS
from ...coding.expression.witness_fusion import ERROR_POWER, LEAST, REST_HALF_S, ExpressionFusion, Witnesses
from ...types import FloatArray, NeutralState

LABELS = len(EXPRESSION_LABELS)
PRIOR = np.array([0.30, 0.24, 0.11, 0.105, 0.11, 0.06, 0.04, 0.035])
"""How common labels are taken to be where a robot is asked: our choice, between what news pictures show (neutral and
happiness, 93 %) and all alike.
"""
KNOWN_PRIOR = np.array([0.45, 0.24, 0.078, 0.074, 0.078, 0.042, 0.027, 0.011])
"""The same of somebody who has been looked at for some time, and mostly rests."""
STRANGER_PULL, KNOWN_PULL = 0.003, 0.1
"""Weight of the squared distance to where a fit begins."""


def prior_weights(label: NDArray[np.int64], prior: NDArray[np.float64] = PRIOR) -> NDArray[np.float64]:
    """(n,), adding up to 1: labels as common as the prior says."""
    counts = np.bincount(label, minlength=LABELS)
    weight = prior[label] / counts[label]  # of labels that are there
    return np.asarray(weight / weight.sum())


def fit_affine(
    inputs: FloatArray,
    label: NDArray[np.int64],
    weight: NDArray[np.float64],
    begin: FloatArray,
    pull: float,
    temperature: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """weight (d, 8) and bias (8,) of softmax((inputs @ weight + bias) / temperature) that make the labels likeliest.

    begin: (d, 8); each of its rows may be scaled freely, other changes cost `pull` times their square. temperature:
    (n,), 1 where it is left out. Needs torch.
    """
    import torch

    x, y = torch.from_numpy(np.asarray(inputs, np.float32)), torch.from_numpy(label)
    share = torch.from_numpy((weight / weight.sum()).astype(np.float32))
    start = torch.from_numpy(np.asarray(begin, np.float32))
    scale = torch.nn.Parameter(torch.ones(len(begin), 1))
    change = torch.nn.Parameter(torch.zeros_like(start))
    bias = torch.nn.Parameter(torch.zeros(LABELS))
    softer = torch.ones(len(y), 1) if temperature is None else torch.from_numpy(1 / temperature[:, None])
    optimiser = torch.optim.LBFGS([scale, change, bias], max_iter=80, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        answer = (x @ (scale * start + change) + bias) * softer
        value = (share * torch.nn.functional.cross_entropy(answer, y, reduction="none")).sum()
        value = value + pull * change.square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    return (scale * start + change).detach().numpy(), bias.detach().numpy()


def stranger_start() -> FloatArray:
    """Where the fit for strangers begins: appearance as it is."""
    return np.eye(LABELS, dtype=np.float32)


def known_start(stranger: FloatArray) -> FloatArray:
    """Where the fit for known neutrals begins: as strangers, with a little of latent and action units. (25, 8)."""
    little = 0.15 * np.eye(LABELS, dtype=np.float32)
    return np.concatenate([stranger, little, little, np.zeros((1, LABELS), np.float32)])


def fit_known(
    fusion: ExpressionFusion,
    told: Witnesses,
    label: NDArray[np.int64],
    weight: NDArray[np.float64],
    begin: FloatArray,
    pull: float,
) -> ExpressionFusion:
    """The fusion with its branch for known neutrals, and with how far that is trusted, fitted to n faces.

    begin: (25, 8), as in fit_affine. weight: (n,). Needs torch.
    """
    import torch

    used = np.flatnonzero(weight)

    def tensor(values: ArrayLike) -> torch.Tensor:
        return torch.from_numpy(np.asarray(values, np.float32)[used])

    stranger = tensor(fusion.stranger_logits(told.appearance))
    softer = tensor(1 / fusion.temperature(told.visible, told.size_px)[:, None])
    appearance, rest, rest_s = tensor(told.appearance), tensor(told.rest), tensor(told.rest_s)[:, None]
    others = tensor(np.log(np.maximum(np.concatenate([told.latent, told.aus], 1), LEAST)))
    states = np.array([neutral.state for neutral in told.neutrals])
    learning = tensor(states == NeutralState.LEARNING)[:, None]
    there = tensor(states != NeutralState.NONE)[:, None]
    error = tensor([neutral.uncertainty if neutral.registered is not None else 1.0 for neutral in told.neutrals])[
        :, None
    ]
    y, share = torch.from_numpy(label[used]), tensor(weight / weight.sum())
    start, resting = torch.from_numpy(np.asarray(begin, np.float32)), torch.from_numpy(fusion.resting)
    scale = torch.nn.Parameter(torch.ones(len(begin), 1))
    change = torch.nn.Parameter(torch.zeros_like(start))
    bias = torch.nn.Parameter(torch.zeros(LABELS))
    # Trust in a learning neutral before the sigmoid; logarithm of the error of half trust.
    trust = torch.nn.Parameter(torch.tensor([1.0, -3.5]))

    def answer() -> torch.Tensor:
        own = torch.log_softmax(appearance - rest_s / (rest_s + REST_HALF_S) * (rest - resting), 1)
        known = torch.cat([own, others], 1) @ (scale * start + change) + bias
        trusted = there * (1 - learning * torch.sigmoid(-trust[0])) / (1 + (error / trust[1].exp()) ** ERROR_POWER)
        return (stranger + trusted * (known - stranger)) * softer

    optimiser = torch.optim.LBFGS([scale, change, bias, trust], max_iter=120, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = (share * torch.nn.functional.cross_entropy(answer(), y, reduction="none")).sum()
        value = value + pull * change.square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    found = (scale * start + change).detach().numpy(), bias.detach().numpy()
    learnt = np.array([torch.sigmoid(trust[0]).item(), trust[1].exp().item()], np.float32)
    return replace(fusion, known_weight=found[0], known_bias=found[1], trust=learnt)


def fit_doubt(
    logits: FloatArray, label: NDArray[np.int64], weight: NDArray[np.float64], hidden: FloatArray
) -> FloatArray:
    """(4,): the logarithm of the temperature is hidden @ doubt. logits: (n, 8).

    hidden: (n, 4), see hidden_and_small.
    """
    from scipy.optimize import minimize

    share = weight / weight.sum()
    rows = np.arange(len(label))

    def loss(doubt: NDArray[np.float64]) -> float:
        z = logits / np.exp(np.maximum(hidden @ doubt, 0))[:, None]
        z = z - z.max(1, keepdims=True)
        return float(-(share * (z[rows, label] - np.log(np.exp(z).sum(1)))).sum())

    best = minimize(loss, np.full(4, 0.2), method="L-BFGS-B", bounds=[(0.0, 3.0)] * 4)
    return np.asarray(best.x, np.float32)
