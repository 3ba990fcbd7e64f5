# SPDX-License-Identifier: Apache-2.0
"""What each dimension of the latent does: faces decoded along it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ...datasets.expression_set import Split
from ...types import FloatArray
from .drawing import draw_traversals
from .losses import divergence
from .training import encode
from .training_runs import Run

STEPS = (-3.0, -1.5, 0.0, 1.5, 3.0)
SHOWN = 8


def decode(run: Run, latents: FloatArray, neutral: FloatArray) -> FloatArray:
    """Faces (n, k, 3) of latents (n, d) on one neutral face (k, 3)."""
    y = torch.from_numpy(np.tile(neutral.reshape(1, -1), (len(latents), 1)).astype(np.float32))
    with torch.no_grad():
        faces = run.model.decode(torch.from_numpy(latents.astype(np.float32)), y)
    return faces.numpy().reshape(len(latents), -1, 3)


def used_dimensions(run: Run, split: Split) -> NDArray[np.floating]:
    """(d,) mean divergence of each dimension on the test faces, in nats: what it tells about a face."""
    faces = split.test
    with torch.no_grad():
        mu, log_variance = run.model.encode(torch.from_numpy(faces.x), torch.from_numpy(faces.y))
        one = [divergence(mu[:, i : i + 1], log_variance[:, i : i + 1]).mean() for i in range(mu.shape[1])]
    return np.array(one)


def draw_dimensions(run: Run, split: Split, path: Path) -> None:
    """The dimensions that are used most, one a row, from -3 to 3 standard deviations of the training latents around the
    mean latent of neutral faces, on the mean neutral face."""
    latents = encode(run.model, split.training)
    spread = latents.std(0)
    neutral = split.training.classes.index("neutral") if "neutral" in split.training.classes else 0
    resting = latents[split.training.label == neutral].mean(0)
    nats = used_dimensions(run, split)
    order = np.argsort(nats)[::-1][:SHOWN]
    face = split.training.neutrals.mean(0)
    decoded = np.stack([
        decode(run, resting + np.outer(STEPS, np.eye(len(spread))[i] * spread[i]), face) for i in order
    ])  # fmt: skip
    names = [f"latent_{i:02d}\n{nats[i]:.2f} nats" for i in order]
    draw_traversals(decoded, STEPS, names, run.keypoints, path)
