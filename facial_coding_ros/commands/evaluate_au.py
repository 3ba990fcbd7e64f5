# SPDX-License-Identifier: Apache-2.0
"""Tests image networks on the people of their folds: F1 and accuracy with intervals, landmarks, cost, heat maps.

One checkpoint for each fold, all of one network: --checkpoint fold1.pth fold2.pth fold3.pth. Leaves result.yaml,
heatmaps.png and page.html; --compare puts the results of other networks on the same page.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch

from ..datasets.records import DatasetError
from ..errors import UserError
from ..learning.au_networks import checkpoints
from ..learning.au_networks.cost import Cost, measure
from ..learning.au_networks.evaluation import predict
from ..learning.au_networks.export import ExportError, export
from ..learning.au_networks.folds import split
from ..learning.au_networks.heatmaps import attention, sheet
from ..learning.au_networks.networks import AuModel
from ..learning.au_networks.prepared import PreparedFaces
from ..learning.au_networks.results import (
    NetworkResult,
    fold_result,
    joined,
    read_result,
    title,
    write_page,
    write_result,
)
from ..learning.au_networks.samples import FaceSamples, collate
from .au_data import open_faces

SHOWN = 4
"""People whose faces are drawn with heat maps."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=Path, nargs="+", required=True, help="one for each fold to be tested")
    parser.add_argument(
        "--fold", type=int, nargs="+", help="their folds, where the checkpoints do not say (imported ones)"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of BP4D, DISFA or prepared faces")
    parser.add_argument("--faces", type=Path, help="where the data set's prepared faces are kept")
    parser.add_argument("--out", type=Path, required=True, help="folder for the result")
    parser.add_argument("--compare", type=Path, nargs="+", default=[], help="result.yaml of other networks")
    parser.add_argument("--no-heatmaps", action="store_true", help="draw no faces")
    parser.add_argument("--no-cost", action="store_true", help="measure no speed")
    parser.add_argument("--threads", type=int, default=1, help="for the speed")


def run(arguments: argparse.Namespace) -> int:
    try:
        return _evaluate(arguments)
    except (checkpoints.CheckpointError, DatasetError, ExportError, ValueError) as error:
        raise UserError(str(error)) from None


def _evaluate(arguments: argparse.Namespace) -> int:
    faces = open_faces(arguments.data, arguments.faces)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    others = [read_result(path) for path in arguments.compare]
    loaded = [checkpoints.load(path) for path in arguments.checkpoint]
    folds = arguments.fold or [values.get("about", {}).get("fold", 0) for _, values in loaded]
    if len(folds) != len(loaded) or 0 in folds or len(set(folds)) != len(folds):
        raise UserError(f"{len(loaded)} checkpoints for folds {folds}: name one fold for each with --fold.")
    spec = loaded[0][0].spec
    if any(model.spec != spec for model, _ in loaded):
        raise UserError("The checkpoints are of different networks; evaluate each network by itself, then --compare.")
    each, results = [], []
    for fold, (model, values) in sorted(zip(folds, loaded, strict=True), key=lambda pair: pair[0]):
        trained, tested = split(faces, fold)
        seen = set(values.get("about", {}).get("trained_on", trained)) & set(tested)
        if seen:
            raise UserError(f"The checkpoint tested on fold {fold} was trained on {', '.join(sorted(seen))} of it.")
        each.append(predict(model.to(device), faces, faces.rows(tested), device))
        results.append(fold_result(fold, each[-1], spec.aus))
    arguments.out.mkdir(parents=True, exist_ok=True)
    model = loaded[0][0].cpu()
    pictures = []
    if not arguments.no_heatmaps:
        _, tested = split(faces, folds[0])
        _draw(model, faces, tested, arguments.out / "heatmaps.png")
        pictures.append((f"Where {title(spec)} looks", "heatmaps.png"))
        pictures += _pictures_of(arguments.compare, others, arguments.out)
    cost = None if arguments.no_cost else _cost(model, arguments.threads)
    parameters = sum(p.numel() for p in model.net.parameters()) / 1e6
    total = fold_result(0, joined(each), spec.aus)
    result = NetworkResult(spec, faces.dataset, parameters, tuple(results), total, cost)
    write_result(result, arguments.out / "result.yaml")
    write_page([*others, result], arguments.out / "page.html", pictures)
    s = total.score
    print(
        f"{arguments.out / 'page.html'}: F1 {s.mean_f1:.3f} ({s.mean_f1_low:.3f} to {s.mean_f1_high:.3f}), accuracy "
        f"{s.mean_accuracy:.3f}, {s.people} people, {s.frames} frames"
    )
    return 0


def _draw(model: AuModel, faces: PreparedFaces, people: tuple[str, ...], path: Path) -> None:
    rows = np.array([faces.rows([person])[0] for person in people[:SHOWN]])
    samples = FaceSamples(faces, rows, model.spec, training=False)
    batch = collate([samples[i] for i in range(len(rows))])
    with torch.no_grad():
        said = model.eval()(batch.faces, batch.landmarks).numpy()
    pictures = [face.numpy().astype(np.uint8).transpose(1, 2, 0) for face in batch.faces]
    maps = attention(model, batch.faces, batch.landmarks)
    cv2.imwrite(str(path), sheet(pictures, maps, said, model.spec.aus)[:, :, ::-1])


def _pictures_of(paths: list[Path], others: list[NetworkResult], out: Path) -> list[tuple[str, str]]:
    """The heat maps that lie beside other networks' results, copied, so that the page needs its own folder alone."""
    pictures = []
    for number, (path, other) in enumerate(zip(paths, others, strict=True), start=1):
        drawn = path.with_name("heatmaps.png")
        if drawn.is_file():
            name = f"heatmaps_{number}.png"
            shutil.copyfile(drawn, out / name)
            pictures.append((f"Where {title(other.spec)} looks", name))
    return pictures


def _cost(model: AuModel, threads: int) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        export(model, path, {"what": "for measuring"})
        return measure(path, threads=threads)
