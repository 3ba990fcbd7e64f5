# SPDX-License-Identifier: Apache-2.0
"""Trains EAC-Net, JAA-Net or ME-GraphAU on BP4D, DISFA or prepared faces.

Several GPUs: torchrun --nproc-per-node 4 -m facial_coding_ros.cli train au ... (prepare the faces before). The people
of one of three folds are tested after each epoch; the last epoch is the result.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from ..au_networks.specs import BACKBONES, NETWORKS
from ..datasets.records import DatasetError
from ..errors import UserError, make_folder
from ..learning.au_networks.checkpoints import CheckpointError
from ..learning.au_networks.folds import split
from ..learning.au_networks.initialization import initialize
from ..learning.au_networks.prepared import INDEX
from ..learning.au_networks.recipes import Recipe, RecipeError, read_recipe, recipe_names
from ..learning.au_networks.training import LAST, Trainer, this_place
from .au_data import dataset_of, open_faces


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--network", choices=NETWORKS, help="its published recipe for the data set is used")
    what.add_argument("--recipe", help=f"file, or one of {', '.join(recipe_names())}")
    parser.add_argument("--stage", type=int, default=1, choices=(1, 2), help="with --network")
    parser.add_argument("--backbone", choices=BACKBONES, help="of ME-GraphAU, in place of the recipe's")
    parser.add_argument("--data", type=Path, required=True, help="folder of BP4D, DISFA or prepared faces")
    parser.add_argument("--faces", type=Path, help="where the data set's prepared faces are kept")
    parser.add_argument("--fold", type=int, default=1, choices=(1, 2, 3), help="the fold whose people are tested")
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint and the history")
    parser.add_argument("--imagenet", type=Path, help="ImageNet weights of the backbone (.pth)")
    parser.add_argument("--caffe", action="store_true", help="VGG-19's ImageNet weights expect BGR, 0..255")
    parser.add_argument("--start", type=Path, help="checkpoint of stage 1, or of JAA-Net on another data set")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change of the recipe")
    parser.add_argument("--resume", action="store_true", help="go on after the last finished epoch in --out")


def run(arguments: argparse.Namespace) -> int:
    try:
        return _train(arguments)
    except (CheckpointError, DatasetError, RecipeError, ValueError) as error:
        raise UserError(str(error)) from None


def _recipe(arguments: argparse.Namespace) -> Recipe:
    name = arguments.recipe
    if name is None:
        dataset = dataset_of(arguments.data)
        if dataset == "prepared":
            dataset = open_faces(arguments.data, None).dataset
        name = f"{arguments.network}_{dataset}_stage{arguments.stage}"
    changes = list(arguments.set)
    if arguments.backbone:
        changes.append(f"backbone={arguments.backbone}")
    recipe = read_recipe(name)
    return recipe.changed(changes) if changes else recipe


def _train(arguments: argparse.Namespace) -> int:
    if (arguments.out / LAST).is_file() and not arguments.resume:
        raise UserError(f"{arguments.out} holds a training already: go on with --resume, or name another folder.")
    recipe = _recipe(arguments)
    make_folder(arguments.out)
    with this_place() as place:
        if place.world > 1 and dataset_of(arguments.data) != "prepared":
            raise UserError("With torchrun, prepare the faces before: facial_coding prepare au.")
        faces = open_faces(arguments.data, arguments.faces)
        trained, tested = split(faces, arguments.fold)
        model = initialize(recipe, faces, faces.rows(trained), arguments.imagenet, arguments.start, arguments.caffe)
        people = {"trained_on": list(trained), "tested_on": list(tested)}
        index = hashlib.sha256((faces.root / INDEX).read_bytes()).hexdigest()
        about = {"dataset": faces.dataset, "fold": arguments.fold, **people, "index_sha256": index}
        trainer = Trainer(model, faces, trained, tested, recipe.settings, arguments.out, place, about)
        if arguments.resume:
            trainer.resume()
        history = trainer.run()
        if place.first:
            print(f"{arguments.out / LAST}: test F1 {history[-1]['test_f1']:.3f}, fold {arguments.fold}")
    return 0
