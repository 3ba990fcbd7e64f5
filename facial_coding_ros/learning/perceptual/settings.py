# SPDX-License-Identifier: Apache-2.0
"""How a model is trained: the paper's figures, and every reading of what it leaves open."""

from __future__ import annotations

from dataclasses import dataclass

from ...options import Settings, option


@dataclass(frozen=True)
class TrainingSettings(Settings):
    """Defaults are those of Mikheeva et al. section V-C and D (posed data); M2's best configuration."""

    model: str = option(
        "m2",
        "vae: the face alone; m1: with the neutral face; m2: m1 with the topological prior",
        choices=("vae", "m1", "m2"),
    )
    latent: int = option(30, "dimensions of the latent", low=1)
    encoder: str = option("480,240,120,60", "widths of the encoder's hidden layers")
    decoder: str = option("300,400,300", "widths of the decoder's hidden layers; a VAE mirrors its encoder instead")
    variance: float = option(
        0.001, "reconstruction variance sigma^2 (see variance_is), squared eye distances", low=1e-9
    )
    variance_is: str = option(
        "variance", "what the paper's 'reconstruction variance 0.001' is", choices=("variance", "deviation")
    )
    gamma: float = option(0.04, "topological variance", low=1e-9)
    dropout: float = option(0.9, "the paper's 'dropout 0.9'", low=0.0, high=1.0)
    dropout_is: str = option(
        "kept", "which share that is: of the units kept, or of those dropped", choices=("kept", "dropped")
    )
    posterior: str = option(
        "diagonal", "a variance for each latent dimension, or one for all", choices=("diagonal", "isotropic")
    )
    distance: str = option("euclidean", "d of the triplet term", choices=("euclidean", "squared"))
    distance_epsilon: float = option(1e-8, "added under the root, so that equal points have a gradient", low=0.0)
    triplet_weight: str = option(
        "votes", "w: difference of the votes 5/3/1, or the same for all", choices=("votes", "equal")
    )
    triplet_scale: str = option(
        "set", "triplet term scaled T/V to the whole set, or left as the batch's sum", choices=("set", "batch")
    )
    data_scale: str = option(
        "set", "data term scaled N/B to the whole set, or left as the batch's sum", choices=("set", "batch")
    )
    reduction: str = option("sum", "squared error summed over the coordinates, or their mean", choices=("sum", "mean"))
    neutral_centre: str = option(
        "expression", "mean the neutral input is centred with: that of the faces, or that of the neutrals",
        choices=("expression", "neutral"),
    )  # fmt: skip
    annealing: str = option(
        "kl", "what beta weighs: the KL divergence (eq. 13), or the whole prior", choices=("kl", "prior", "none")
    )
    anneal_iterations: int = option(100_000, "iterations over which beta grows linearly from 0 to 1", low=1)
    iterations: int = option(100_000, "steps of Adam", low=1)
    learning_rate: float = option(1e-4, "of Adam", low=0.0)
    batch: int = option(200, "B: faces a step", low=1)
    triplet_batch: int = option(10, "V: triplets a step", low=1)
    samples: int = option(3, "L: samples of the latent a face", low=1)
    triplet_samples: int = option(10, "M: samples of the latents a triplet", low=1)
    evaluate_every: int = option(2_500, "iterations between two validation ELBOs; the best one is the model", low=1)
    seed: int = option(0, "of the weights, the batches and the samples", low=0)

    @property
    def sigma2(self) -> float:
        """Reconstruction variance."""
        return self.variance if self.variance_is == "variance" else self.variance**2

    @property
    def drop_probability(self) -> float:
        return 1 - self.dropout if self.dropout_is == "kept" else self.dropout

    def beta(self, iteration: int) -> float:
        """Weight of the divergence at an iteration, counted from 0."""
        return 1.0 if self.annealing == "none" else min(1.0, iteration / self.anneal_iterations)


def widths(text: str) -> list[int]:
    """'480,240' -> [480, 240]. Raises ValueError."""
    try:
        values = [int(word) for word in text.split(",")] if text else []
    except ValueError:
        values = [0]
    if any(value < 1 for value in values):
        raise ValueError(f"{text!r} is no list of layer widths; whole numbers such as 480,240,120 are expected")
    return values
