# SPDX-License-Identifier: Apache-2.0
"""A finished training run as a folder: the model, its history, and what it was trained on."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from ...npz import open_npz
from .networks import PerceptualVae
from .settings import TrainingSettings
from .training import Training

CHECKPOINT, MODEL, HISTORY = "checkpoint.npz", "model.npz", "history.csv"


@dataclass(frozen=True)
class Run:
    """data: what it was trained on, in words of the command line. keypoints: scheme of the points."""

    model: PerceptualVae
    settings: TrainingSettings
    data: dict[str, object]
    keypoints: str
    validation_elbo: float


def save_run(folder: Path, training: Training, keypoints: str, data: dict[str, object]) -> None:
    """model.npz (the best weights) and history.csv."""
    about = {
        "settings": asdict(training.settings),
        "keypoints": keypoints,
        "data": data,
        "validation_elbo": training.best_elbo,
        "size": training.model.size,
    }
    weights = {name: value.cpu().numpy() for name, value in training.model.state_dict().items()}
    np.savez(folder / MODEL, about=np.array(json.dumps(about)), **weights)
    with (folder / HISTORY).open("w", newline="") as file:
        writer = csv.DictWriter(file, training.history[0])
        writer.writeheader()
        writer.writerows(training.history)


def load_run(folder: Path) -> Run:
    """Raises FileNotFoundError or ValueError when the folder holds no finished run."""
    path = folder / MODEL
    if not path.is_file():
        raise FileNotFoundError(
            f"No {MODEL} in {folder}; a run leaves one when it is finished: facial_coding train perceptual"
        )
    with open_npz(path) as arrays:
        if "about" not in arrays.files:
            raise ValueError(f"{path} is no perceptual model")
        about = json.loads(str(arrays["about"]))
        settings = TrainingSettings(**about["settings"])
        model = PerceptualVae(about["size"], settings)
        model.load_state_dict({name: torch.from_numpy(arrays[name]) for name in arrays.files if name != "about"})
    model.eval()
    return Run(model, settings, about["data"], about["keypoints"], about["validation_elbo"])
