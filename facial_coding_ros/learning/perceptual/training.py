# SPDX-License-Identifier: Apache-2.0
"""Training with Adam, validation ELBO and checkpoints that can be taken up again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...datasets.expression_set import ExpressionSet
from ...npz import open_npz
from .losses import Faces, TripletFaces, batch_loss, elbo
from .networks import PerceptualVae
from .settings import TrainingSettings
from .triplets import Triplets


@dataclass(frozen=True)
class TrainingData:
    """Triplets are looked at by M2 only."""

    training: ExpressionSet
    validation: ExpressionSet
    training_triplets: Triplets | None = None
    validation_triplets: Triplets | None = None


class Training:
    """One run. After `run`, `model` holds the weights with the best validation ELBO.

    Raises ValueError when M2 has no triplets. torch's and numpy's random numbers are the run's own: the same settings
    and data give the same model on the same machine, also when the run is taken up from a checkpoint.
    """

    def __init__(self, data: TrainingData, settings: TrainingSettings, device: str = "cpu") -> None:
        if settings.model == "m2" and (data.training_triplets is None or data.validation_triplets is None):
            raise ValueError("M2 learns from triplets, and there are none for training or for validation")
        self.settings = settings
        self._data = _digest(data, settings.model == "m2")
        self._device = torch.device(device)
        torch.manual_seed(settings.seed)
        self._rng = np.random.default_rng(settings.seed)
        self._faces = _faces(data.training, self._device)
        self._validation = _faces(data.validation, self._device)
        self._triplets = data.training_triplets if settings.model == "m2" else None
        self._validation_triplets: TripletFaces | None = None
        if settings.model == "m2" and data.validation_triplets is not None:
            self._validation_triplets = _triplet_faces(self._validation, data.validation_triplets, slice(None))
        self.model = PerceptualVae(self._faces.x.shape[1], settings)
        self.model.mean_x.copy_(self._faces.x.mean(0).cpu())
        # Each person's neutral counts as often as the person has faces.
        self.model.mean_y.copy_(
            (self._faces.x if settings.neutral_centre == "expression" else self._faces.y).mean(0).cpu()
        )
        self.model.to(self._device)
        self._adam = torch.optim.Adam(self.model.parameters(), lr=settings.learning_rate)
        self.iteration = 0
        self.history: list[dict[str, float]] = []
        self.best_elbo = -np.inf
        self._best = self._weights()

    def run(
        self, checkpoint: Path | None = None, progress: Callable[[int, dict[str, float]], None] | None = None
    ) -> PerceptualVae:
        """Trains up to `settings.iterations`, from where `checkpoint` left off when that file exists.

        The checkpoint is written at every evaluation. progress: called with the iteration and the last evaluation.
        """
        if checkpoint is not None and checkpoint.is_file():
            self.load(checkpoint)
        settings = self.settings
        while self.iteration < settings.iterations:
            self._step()
            self.iteration += 1
            if self.iteration % settings.evaluate_every == 0 or self.iteration == settings.iterations:
                self._evaluate()
                if checkpoint is not None:
                    self.save(checkpoint)
            if progress is not None:
                progress(self.iteration, self.history[-1] if self.history else {})
        self.model.load_state_dict(self._best)
        self.model.eval()
        return self.model

    def _step(self) -> None:
        settings, count = self.settings, len(self._faces.x)
        self.model.train()
        rows = torch.from_numpy(self._rng.choice(count, min(settings.batch, count), replace=False)).to(self._device)
        triplets, number = None, 0
        if self._triplets is not None:
            number = len(self._triplets)
            chosen = self._rng.choice(number, min(settings.triplet_batch, number), replace=False)
            triplets = _triplet_faces(self._faces, self._triplets, chosen)
        batch = Faces(self._faces.x[rows], self._faces.y[rows])
        loss = batch_loss(self.model, batch, triplets, settings, count, number, settings.beta(self.iteration))
        self._adam.zero_grad(set_to_none=True)
        loss.total.backward()
        self._adam.step()
        self._last = {name: float(value.detach()) / count for name, value in loss._asdict().items()}

    def _evaluate(self) -> None:
        bound = elbo(self.model, self._validation, self._validation_triplets, self.settings)
        self.history.append({"iteration": self.iteration, "validation_elbo": bound, **self._last})
        if bound > self.best_elbo:
            self.best_elbo, self._best = bound, self._weights()

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.model.state_dict().items()}

    def save(self, path: Path) -> None:
        """Everything needed to go on, as an npz."""
        arrays: dict[str, np.ndarray] = {"torch_random": torch.get_rng_state().numpy()}
        for group, weights in (("model", self.model.state_dict()), ("best", self._best)):
            arrays |= {f"{group}/{name}": value.cpu().numpy() for name, value in weights.items()}
        for number, state in self._adam.state_dict()["state"].items():
            arrays |= {f"adam/{number}/{name}": value.cpu().numpy() for name, value in state.items()}
        about = {
            "settings": asdict(self.settings),
            "data_sha256": self._data,
            "iteration": self.iteration,
            "history": self.history,
            "best_elbo": self.best_elbo,
            "numpy_random": self._rng.bit_generator.state,
        }
        part = path.with_name(path.name + ".part.npz")
        np.savez(part, about=np.array(json.dumps(about)), **arrays)
        part.replace(path)

    def load(self, path: Path) -> None:
        """Takes up a run. Raises ValueError when the file is damaged or of other settings or other data; more
        iterations may be asked for.
        """
        try:
            with open_npz(path) as file:
                arrays = {name: file[name] for name in file.files}
        except ValueError as error:
            raise ValueError(f"{error}; delete it to begin anew, or give another folder") from None
        if "about" not in arrays:
            raise ValueError(f"{path} is no checkpoint of a perceptual model; give another folder")
        about = json.loads(str(arrays["about"]))
        was, now = dict(about["settings"]), asdict(self.settings)
        differing = [name for name in now if was.get(name) != now[name] and name != "iterations"]
        if differing:
            changed = "; ".join(f"{name} was {was.get(name)!r}, is {now[name]!r}" for name in differing)
            raise ValueError(f"{path} is a checkpoint of another run: {changed}. Give those settings or another file.")
        if about.get("data_sha256") != self._data:
            raise ValueError(
                f"{path} is a checkpoint of a run on other faces or triplets. Give the data it was begun with (the "
                "same files, people and seed of the set), or another folder (--out)."
            )
        state = self._adam.state_dict()
        state["state"] = {}
        for key, value in arrays.items():
            if key.startswith("adam/"):
                _, number, name = key.split("/", 2)
                state["state"].setdefault(int(number), {})[name] = torch.from_numpy(value)
        if state["state"]:
            self._adam.load_state_dict(state)
        self.model.load_state_dict(_group(arrays, "model/"))
        self._best = {name: value.to(self._device) for name, value in _group(arrays, "best/").items()}
        torch.set_rng_state(torch.from_numpy(arrays["torch_random"]))
        self._rng.bit_generator.state = about["numpy_random"]
        self.iteration, self.history, self.best_elbo = about["iteration"], about["history"], about["best_elbo"]


def _digest(data: TrainingData, with_triplets: bool) -> str:
    """Tells data from other data: of all that is learnt from and all that picks the best weights."""
    arrays: list[np.ndarray] = [array for faces in (data.training, data.validation) for array in (faces.x, faces.y)]
    if with_triplets:
        for triplets in (data.training_triplets, data.validation_triplets):
            arrays += [triplets.faces, triplets.weight] if triplets is not None else []
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr((array.shape, array.dtype)).encode() + array.tobytes())
    return digest.hexdigest()


def _group(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, Tensor]:
    return {key[len(prefix) :]: torch.from_numpy(array) for key, array in arrays.items() if key.startswith(prefix)}


def _faces(faces: ExpressionSet, device: torch.device) -> Faces:
    return Faces(torch.from_numpy(faces.x).to(device), torch.from_numpy(faces.y).to(device))


def _triplet_faces(faces: Faces, triplets: Triplets, chosen: slice | np.ndarray) -> TripletFaces:
    rows = torch.from_numpy(triplets.faces[chosen].T.reshape(-1)).to(faces.x.device)
    return TripletFaces(faces.x[rows], faces.y[rows], torch.from_numpy(triplets.weight[chosen]).to(faces.x.device))


@torch.no_grad()
def encode(model: PerceptualVae, faces: ExpressionSet) -> np.ndarray:
    """Means of the posterior (n, latent)."""
    was_training = model.training
    model.eval()
    device = model.mean_x.device
    mu, _ = model.encode(*_faces(faces, device))
    model.train(was_training)
    return mu.cpu().numpy()
