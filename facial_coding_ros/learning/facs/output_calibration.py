# SPDX-License-Identifier: Apache-2.0
"""How the network's raw answers become intensities and probabilities, from people it was not trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...action_units import CODES
from ...types import FloatArray
from .motion_sets import MotionSet
from .network import FacsNetwork
from .scoring import PRESENT_FROM

_UNSCALED = tuple(CODES.index(code) for code in (6, 10, 12, 14, 16, 25, 26))
_LARGEST_SCALE = 1.5
_MOST_FALSE = 0.035


def calibrate(network: FacsNetwork, data: MotionSet) -> None:
    """Sets threshold and scale of each intensity, slope and offset of each probability, from people not trained on.

    The scale gives estimates the spread that the true intensities have (a squared error shrinks what it is unsure of,
    by as much as it explains); between 1 and 1.5, and 1 for AU12 and what would overtake it: AU6, 10, 25 and 26, which
    come with it, and AU14 and AU16, which the beginning of a smile resembles.
    The threshold, times the noise scale, keeps the same share of resting faces, turned or not, below 0.3 in each unit:
    so many that no more than 35 in 1000 of them show any unit above 0.3.
    """
    # Without those that blink. People trained on would be of no use here: the network knows their resting faces.
    resting = (data.resting | data.turned) & (data.sides.max((1, 2)) == 0)
    raw, noise_scale = network.raw(data.motion), data.noise_scale[:, None]
    quiet, usual = raw[resting].max(1), float(np.median(noise_scale[resting]))
    relative = quiet / noise_scale[resting] * usual
    both, strongest = data.sides.max(1), raw.max(1)
    spread = both.std(0)
    for k in range(len(CODES)):
        # Times 10, about the size of a logit.
        slope, network.offset[k] = platt(10 * strongest[:, k], both[:, k] >= PRESENT_FROM)
        network.slope[k] = 10 * slope

    def settle(share: float) -> None:
        network.threshold[:], network.scale[:] = 0, 1
        for k, highest in enumerate(np.quantile(relative, share, axis=0)):
            for _ in range(3):  # the two depend on each other
                if k not in _UNSCALED and spread[k] > 0:
                    above = np.clip(raw[:, :, k] - network.threshold[k] * noise_scale, 0, 1).max(1)
                    network.scale[k] = np.clip(spread[k] / max(above.std(), 1e-6), 1.0, _LARGEST_SCALE)
                network.threshold[k] = np.clip((highest - 0.3 / network.scale[k]) / usual, 0.015, 0.095)

    low, high = 0.97, 1.0
    for _ in range(9):
        middle = (low + high) / 2
        settle(middle)
        shown = (quiet - network.threshold * noise_scale[resting]) * network.scale
        if (shown > 0.3).any(1).mean() <= _MOST_FALSE:
            high = middle
        else:
            low = middle
    settle(high)


def platt(logit: FloatArray, present: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and offset of a logistic regression of `present` on `logit`, with Platt's soft targets."""
    from scipy.optimize import minimize
    from scipy.special import expit

    logit = np.asarray(logit, np.float64)
    positive, negative = present.sum(), (~present).sum()
    target = np.where(present, (positive + 1) / (positive + 2), 1 / (negative + 2))

    def loss(solution: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = solution[0] * logit + solution[1]
        away = solution - [1, 0]
        slopes = expit(z) - target
        gradient = np.array([(slopes * logit).mean(), slopes.mean()]) + 2e-6 * away
        return float((np.logaddexp(0, z) - target * z).mean() + 1e-6 * (away**2).sum()), gradient

    slope, offset = minimize(loss, [1.0, 0.0], jac=True, method="BFGS").x
    return float(max(slope, 0.05)), float(offset)
