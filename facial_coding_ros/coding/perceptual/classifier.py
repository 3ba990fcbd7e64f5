# SPDX-License-Identifier: Apache-2.0
"""Expressions from latents: the paper's linear one-vs-rest classifier, with probabilities that mean what they say."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from sklearn.linear_model import Ridge
from sklearn.svm import LinearSVC

from ...types import FloatArray
from ..expression.labels import CIRCUMPLEX


@dataclass(frozen=True)
class LinearExpressionClassifier:
    """weight (d, c), bias (c,): decision values of the one-vs-rest SVMs. scale, shift (c,): calibration, probability =
    softmax(scale * decision + shift). affect_weight (d, 2), affect_bias (2,): valence and arousal."""

    weight: FloatArray
    bias: FloatArray
    scale: float
    shift: FloatArray
    affect_weight: FloatArray
    affect_bias: FloatArray

    def decision(self, latents: ArrayLike) -> FloatArray:
        """(n, c)."""
        return np.asarray(latents, np.float32) @ self.weight + self.bias

    def probability(self, latents: ArrayLike) -> FloatArray:
        """Calibrated (n, c)."""
        return softmax(self.scale * self.decision(latents) + self.shift)

    def affect(self, latents: ArrayLike) -> FloatArray:
        """Valence and arousal (n, 2)."""
        return np.clip(np.asarray(latents, np.float32) @ self.affect_weight + self.affect_bias, -1, 1)

    def folded(self) -> tuple[FloatArray, FloatArray]:
        """Weight (d, c) and bias (c,) with the calibration inside: probability = softmax(latent @ weight + bias)."""
        return (self.weight * self.scale).astype(np.float32), (self.bias * self.scale + self.shift).astype(np.float32)


def softmax(values: FloatArray) -> FloatArray:
    """Over the last axis."""
    powers = np.exp(values - values.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def fit_classifier(
    latents: FloatArray,
    label: NDArray[np.int64],
    degree: NDArray[np.int64],
    cost: float = 1.0,
    weight: FloatArray | None = None,
    seed: int = 0,
) -> LinearExpressionClassifier:
    """Not calibrated yet (scale 1, shift 0). Classes weigh the same, however many faces they have.

    degree: 0..4; the affect learnt is that of the label, times degree / 4. weight: (n,) of each face in that.
    """
    # The solver wants features of unit size; the scaling is folded into the weights.
    centre, spread = latents.mean(0), latents.std(0) + 1e-6
    svm = LinearSVC(C=cost, class_weight="balanced", dual=False, max_iter=1000, random_state=seed)
    svm.fit((latents - centre) / spread, label)
    slopes = svm.coef_.T / spread[:, None]
    target = CIRCUMPLEX[label] * (degree[:, None] / 4)
    ridge = Ridge(alpha=1.0).fit(latents, target, sample_weight=weight)
    return LinearExpressionClassifier(
        weight=slopes.astype(np.float32),
        bias=(svm.intercept_ - centre @ slopes).astype(np.float32),
        scale=1.0,
        shift=np.zeros(slopes.shape[1], np.float32),
        affect_weight=ridge.coef_.T.astype(np.float32),
        affect_bias=ridge.intercept_.astype(np.float32),
    )


def calibrated(
    classifier: LinearExpressionClassifier,
    latents: FloatArray,
    label: NDArray[np.int64],
    weight: FloatArray | None = None,
) -> LinearExpressionClassifier:
    """With the scale and shift that give the labels of these faces the highest likelihood (Platt, for many classes).

    The faces must be of people the classifier was not fitted to. weight: (n,) of each face.
    """
    decision = classifier.decision(latents).astype(np.float64)
    rows = np.arange(len(label))
    own = np.ones(len(label)) if weight is None else np.asarray(weight, np.float64)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scale, shift = np.exp(parameters[0]), parameters[1:]
        p = softmax((scale * decision + shift).astype(np.float64))
        wrong = p.copy()
        wrong[rows, label] -= 1
        wrong *= own[:, None] / own.sum()
        value = -(own * np.log(p[rows, label] + 1e-12)).sum() / own.sum() + 1e-3 * (shift**2).sum()
        return value, np.concatenate([[(wrong * decision).sum() * scale], wrong.sum(0) + 2e-3 * shift])

    best = minimize(loss, np.zeros(1 + decision.shape[1]), jac=True, method="L-BFGS-B").x
    return replace(classifier, scale=float(np.exp(best[0])), shift=best[1:].astype(np.float32))


def reliability(
    probability: FloatArray, label: NDArray[np.int64], weight: FloatArray | None = None, bins: int = 10
) -> tuple[FloatArray, float]:
    """Rows (mean confidence, accuracy, faces) of the bins of confidence that hold faces, and the expected calibration
    error: the mean gap between the first two, over the faces. weight: (n,) of each face in these means."""
    confidence, right = probability.max(1), probability.argmax(1) == label
    own = np.ones(len(label)) if weight is None else np.asarray(weight, np.float64)
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    rows, error = [], 0.0
    for b in np.unique(place):
        inside = place == b
        share = own[inside] / own[inside].sum()
        sure, true = float(share @ confidence[inside]), float(share @ right[inside])
        rows.append((sure, true, inside.sum()))
        error += abs(sure - true) * own[inside].sum() / own.sum()
    return np.array(rows, np.float32), float(error)
