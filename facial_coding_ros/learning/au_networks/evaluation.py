# SPDX-License-Identifier: Apache-2.0
"""Predictions of a network for many prepared faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader
from tqdm import tqdm

from ...au_networks.attention import INNER_49
from ...types import FloatArray
from .jaa_net import JaaNet
from .metrics import landmark_errors
from .networks import AuModel
from .prepared import PreparedFaces
from .samples import FaceSamples, collate


@dataclass(frozen=True)
class Predictions:
    """probability, labels: (n, N). people: (n,). landmark_error: (n,) of JAA-Net, else None."""

    probability: FloatArray
    labels: NDArray[np.int64]
    people: NDArray[np.str_]
    landmark_error: FloatArray | None


@torch.no_grad()
def predict(
    model: AuModel,
    faces: PreparedFaces,
    rows: NDArray[np.int64],
    device: torch.device,
    batch: int = 64,
    workers: int = 0,
    quiet: bool = False,
) -> Predictions:
    """Runs a network over rows of prepared faces. The network is left not training."""
    model.eval()
    loader = DataLoader(
        FaceSamples(faces, rows, model.spec, training=False), batch, num_workers=workers, collate_fn=collate
    )
    probability, labels, errors = [], [], []
    for samples in tqdm(loader, desc="testing", unit="batch", disable=quiet, leave=False):
        on_device = samples.to(device)
        net = model.net
        if isinstance(net, JaaNet):
            outputs = net((on_device.faces) / 127.5 - 1)
            said = outputs.log_probability[:, 1].exp()
            inner = samples.landmarks[:, list(INNER_49)].numpy()
            errors.append(landmark_errors(outputs.landmarks.float().cpu().numpy(), inner))
        else:
            said = model(on_device.faces, on_device.landmarks)
        probability.append(said.float().cpu().numpy()[:, : len(model.spec.aus)])
        labels.append(samples.labels.numpy())
    return Predictions(
        np.concatenate(probability),
        np.concatenate(labels),
        faces.subjects[rows],
        np.concatenate(errors) if errors else None,
    )
