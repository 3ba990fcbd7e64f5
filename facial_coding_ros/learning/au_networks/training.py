# SPDX-License-Identifier: Apache-2.0
"""Training: the published recipes, on one device or on several through torchrun, resumable after each epoch."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.data import DataLoader, DistributedSampler, RandomSampler
from tqdm import tqdm

from ...options import Settings, option
from . import checkpoints, losses
from .eac_net import EacNet
from .evaluation import predict
from .metrics import FAILURE, score
from .networks import AuModel, Batch
from .prepared import PreparedFaces
from .samples import FaceSamples, collate

LAST, HISTORY = "last.pth", "history.json"


@dataclass(frozen=True)
class AuTrainingSettings(Settings):
    """How a network is trained. The defaults are ME-GraphAU's first stage."""

    epochs: int = option(20, "passes over the training faces", low=1)
    batch: int = option(64, "faces in a step, over all devices", low=1)
    optimizer: str = option("adamw", "AdamW, or SGD with Nesterov momentum 0.9", choices=("adamw", "sgd"))
    learning_rate: float = option(1e-4, "at the start", low=1e-9, high=10.0)
    weight_decay: float = option(5e-4, "decay of the weights", low=0.0, high=1.0)
    schedule: str = option(
        "cosine", "cosine: down to 0 over all steps; step: times step_factor", choices=("cosine", "step", "constant")
    )
    step_epochs: int = option(2, "epochs between two changes, for the schedule 'step'", low=1)
    step_factor: float = option(0.3, "factor of a change, for the schedule 'step'", low=0.001, high=1.0)
    edge_weight: float = option(0.05, "lambda of ME-GraphAU's edge loss", low=0.0, high=10.0)
    frozen_groups: int = option(
        0, "groups of EAC-Net's VGG that do not learn: 2 in stage 1, 4 in stage 2", low=0, high=4
    )
    jitter: float = option(0.0, "change of brightness, contrast and saturation in training", low=0.0, high=0.9)
    mixed_precision: bool = option(True, "half precision where it is safe; on CUDA devices alone")
    workers: int = option(4, "processes that read faces, per device", low=0, high=64)
    seed: int = option(0, "of weights, order and crops", low=0)


class _Loss(nn.Module):
    """The sum of a network's losses as a module's output, which is what parallel training synchronises."""

    def __init__(self, model: AuModel, weights: Tensor) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, faces: Tensor, landmarks: Tensor, labels: Tensor) -> dict[str, Tensor]:
        return self.model.loss(Batch(faces, landmarks, labels), self.get_buffer("weights"))


@dataclass(frozen=True)
class ComputePlace:
    """Where this process computes: its device, its rank among `world` processes."""

    device: torch.device
    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0


@contextlib.contextmanager
def this_place() -> Iterator[ComputePlace]:
    """The place torchrun gave this process; without torchrun the GPU, or else the CPU."""
    cuda = torch.cuda.is_available()
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield ComputePlace(torch.device("cuda" if cuda else "cpu"))
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", local) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield ComputePlace(device, dist.get_rank(), world)
    finally:
        dist.destroy_process_group()


def make_optimizer(model: AuModel, settings: AuTrainingSettings) -> torch.optim.Optimizer:
    parameters = [p for p in model.parameters() if p.requires_grad]
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(parameters, settings.learning_rate, weight_decay=settings.weight_decay)
    return torch.optim.SGD(
        parameters, settings.learning_rate, momentum=0.9, weight_decay=settings.weight_decay, nesterov=True
    )


def make_schedule(
    optimizer: torch.optim.Optimizer, settings: AuTrainingSettings, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """Moves on with each step; steps: of one epoch."""
    if settings.schedule == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs * steps)
    if settings.schedule == "step":
        return torch.optim.lr_scheduler.StepLR(optimizer, settings.step_epochs * steps, settings.step_factor)
    return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0, total_iters=0)


class Trainer:
    """Trains one network on some subjects of prepared faces and tests it on others after each epoch.

    Writes last.pth (the network and all that resuming needs) and history.json into `out`. The last epoch is the
    result: none is picked by its score on the tested people.
    Raises ValueError when an action unit is never present in the training faces.
    """

    def __init__(
        self,
        model: AuModel,
        faces: PreparedFaces,
        train_subjects: tuple[str, ...],
        test_subjects: tuple[str, ...],
        settings: AuTrainingSettings,
        out: Path,
        place: ComputePlace,
        about: dict[str, Any] | None = None,
    ) -> None:
        self.model, self.faces, self.settings, self.out, self.place = model, faces, settings, out, place
        self.about = about or {}
        self.test_rows = faces.rows(test_subjects)
        rows = faces.rows(train_subjects)
        if set(train_subjects) & set(test_subjects) or not len(rows) or not len(self.test_rows):
            raise ValueError("Training and testing need faces each, of different people.")
        rates = losses.occurrence_rates(faces.columns(model.spec.aus)[rows])
        self.weights = losses.class_weights(rates)
        if isinstance(model.net, EacNet):
            model.net.freeze_groups(settings.frozen_groups)
        model.to(place.device)
        self.samples = FaceSamples(faces, rows, model.spec, True, settings.jitter, settings.seed)
        order = torch.Generator().manual_seed(settings.seed)
        parallel = place.world > 1
        self.sampler: DistributedSampler | RandomSampler = (
            DistributedSampler(self.samples, place.world, place.rank, seed=settings.seed, drop_last=True)
            if parallel
            else RandomSampler(self.samples, generator=order)
        )
        per_device = max(1, settings.batch // place.world)
        self.loader = DataLoader(
            self.samples,
            per_device,
            sampler=self.sampler,
            num_workers=settings.workers,
            collate_fn=collate,
            drop_last=len(self.samples) // place.world > per_device,
            pin_memory=place.device.type == "cuda",
        )
        module: nn.Module = _Loss(model, torch.from_numpy(self.weights)).to(place.device)
        self.module = nn.parallel.DistributedDataParallel(module) if parallel else module
        self.optimizer = make_optimizer(model, settings)
        self.schedule = make_schedule(self.optimizer, settings, max(1, len(self.loader)))
        self.half = settings.mixed_precision and place.device.type == "cuda"
        self.scaler = torch.amp.GradScaler("cuda", enabled=self.half)
        self.history: list[dict[str, float]] = []

    def resume(self) -> bool:
        """Goes on after the last finished epoch, if there is one in `out`. Raises CheckpointError when that is of
        another network, other settings or, by `about`, other faces or another fold.
        """
        path = self.out / LAST
        if not path.is_file():
            return False
        saved, values = checkpoints.load(path)
        if saved.spec != self.model.spec or values.get("settings") != dataclasses.asdict(self.settings):
            raise checkpoints.CheckpointError(f"{path} is of another network or other settings; use another folder.")
        # Else people who were trained on would be tested.
        changed = _changes(values.get("about") or {}, self.about)
        if changed:
            raise checkpoints.CheckpointError(
                f"{path} is of other faces or another fold: {changed}. Give those it was begun with, or another folder."
            )
        self.model.net.load_state_dict(values["state_dict"])
        self.optimizer.load_state_dict(values["optimizer"])
        self.schedule.load_state_dict(values["schedule"])
        self.scaler.load_state_dict(values["scaler"])
        self.history = values["history"]
        return True

    def run(self) -> list[dict[str, float]]:
        """All remaining epochs; returns each epoch's loss terms, test F1 and accuracy."""
        for epoch in range(len(self.history), self.settings.epochs):
            record = self._epoch(epoch)
            if self.place.first:
                record |= self._test()
            self.history.append(record)
            if self.place.first:
                self._save()
                shown = ", ".join(f"{name} {value:.4f}" for name, value in record.items())
                tqdm.write(f"epoch {epoch + 1} of {self.settings.epochs}: {shown}")
        return self.history

    def _epoch(self, epoch: int) -> dict[str, float]:
        self.module.train()
        self.samples.epoch = epoch
        if isinstance(self.sampler, DistributedSampler):
            self.sampler.set_epoch(epoch)
        elif self.sampler.generator is not None:
            self.sampler.generator.manual_seed(self.settings.seed + epoch)
        torch.manual_seed(self.settings.seed * 1000003 + epoch)  # dropout
        sums: dict[str, Tensor] = {}
        bar = tqdm(self.loader, desc=f"epoch {epoch + 1}", unit="batch", disable=not self.place.first, leave=False)
        for batch in bar:
            on_device = batch.to(self.place.device)
            with torch.autocast(self.place.device.type, torch.float16, enabled=self.half):
                terms = self.module(on_device.faces, on_device.landmarks, on_device.labels)
            loss = torch.stack(list(terms.values())).sum()
            if not self.half and not torch.isfinite(loss):
                raise ValueError(f"The loss is {loss.item()} in epoch {epoch + 1}; a lower learning rate may help.")
            self.optimizer.zero_grad(set_to_none=True)
            self.scaler.scale(loss).backward()
            self.scaler.step(self.optimizer)
            self.scaler.update()
            self.schedule.step()
            for name, value in {"loss": loss, **terms}.items():
                sums[name] = sums.get(name, torch.zeros((), device=value.device)) + value.detach()
        return {name: float(value) / max(1, len(self.loader)) for name, value in sums.items()}

    def _test(self) -> dict[str, float]:
        predictions = predict(self.model, self.faces, self.test_rows, self.place.device, workers=self.settings.workers)
        result = score(predictions.probability, predictions.labels, predictions.people, self.model.spec.aus, draws=1)
        record = {"test_f1": result.mean_f1, "test_accuracy": result.mean_accuracy}
        if predictions.landmark_error is not None:
            record["test_landmark_error"] = float(predictions.landmark_error.mean())
            record["test_failure_rate"] = float((predictions.landmark_error > FAILURE).mean())
        return record

    def _save(self) -> None:
        checkpoints.save(
            self.out / LAST,
            self.model,
            settings=dataclasses.asdict(self.settings),
            optimizer=self.optimizer.state_dict(),
            schedule=self.schedule.state_dict(),
            scaler=self.scaler.state_dict(),
            history=self.history,
            about=self.about,
        )
        part = self.out / (HISTORY + ".part")
        part.write_text(json.dumps(self.history, indent=1))
        part.replace(self.out / HISTORY)


def _changes(was: dict[str, Any], now: dict[str, Any]) -> str:
    """What differs, in words; a tuple is as good as a list, and long values are not shown."""
    changes = []
    for name in {**was, **now}:
        old, new = json.dumps(was.get(name)), json.dumps(now.get(name))
        if old != new:
            changes.append(f"{name} was {old}, is {new}" if len(old + new) < 60 else f"{name} differs")
    return "; ".join(changes)
