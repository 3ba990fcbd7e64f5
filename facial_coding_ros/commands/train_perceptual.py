# SPDX-License-Identifier: Apache-2.0
"""Trains a perceptual model: VAE, M1 or M2. A run that was stopped goes on where it was.

The folder --out gets checkpoint.npz, model.npz and history.csv; `facial_coding evaluate perceptual` looks at it. With
--live FOLDER the two files the robot runs are written too, with their cards.
"""

from __future__ import annotations

import argparse
import dataclasses
import shlex
from pathlib import Path

from ..datasets.registry import expression_sets, find
from ..errors import UserError, make_folder
from ..learning.perceptual.settings import TrainingSettings

MADE = ("posed", "live")
"""Sets that are made here; those of people are in datasets.registry."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 ...; default %(default)s")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU; default %(default)s")
    parser.add_argument("--live", type=Path, help="folder for the files the robot runs; needs --data live")
    add_settings(parser)


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """What to train on; read by `load_data`."""
    parser.add_argument(
        "--data",
        choices=(*MADE, *expression_sets()),
        default="posed",
        help="posed: made from ICT-FaceKit; live: the same as the tracker sees it, with --root a rendered set "
        f"(facial_coding synthesize); {', '.join(expression_sets())}: with --root; default %(default)s",
    )
    parser.add_argument("--root", type=Path, help="folder of the data")
    parser.add_argument("--people", type=int, help="people of the posed set; default 100, for live 300")
    parser.add_argument(
        "--keypoints", default="68", help="of the posed set: 68, mesh468, bu3dfe83; default %(default)s"
    )
    parser.add_argument(
        "--set-seed", type=int, default=0, help="of the posed set and of the split; default %(default)s"
    )
    parser.add_argument(
        "--stills",
        type=Path,
        help="with --data live: real people beside the made ones, from labelled stills as of `train expression`, of "
        "whom there is a neutral and another picture; those whom it keeps aside are not learnt from",
    )
    parser.add_argument("--work", type=Path, help="with --stills: folder for what is read off them, kept there")
    parser.add_argument(
        "--stills-licence", default="not given", help="of the stills, for the cards; default: %(default)s"
    )
    parser.add_argument("--triplets", type=Path, help="CSV reference,closer,farther,votes; default: artificial ones")


def add_settings(parser: argparse.ArgumentParser) -> None:
    """One option for each field of TrainingSettings."""
    group = parser.add_argument_group("model and training")
    for field in dataclasses.fields(TrainingSettings):
        option = field.metadata["option"]
        group.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=type(field.default),
            default=field.default,
            help=f"{option.description}; {option.allowed()}; default {field.default}".replace("%", "%%"),
        )


def settings_of(arguments: argparse.Namespace) -> TrainingSettings:
    """Raises UserError."""
    names = [field.name for field in dataclasses.fields(TrainingSettings)]
    try:
        return TrainingSettings(**{name: getattr(arguments, name) for name in names})
    except (ValueError, TypeError) as error:
        raise UserError(str(error)) from error


def load_data(arguments: argparse.Namespace):  # type: ignore[no-untyped-def]  # Split, without importing it for --help
    """The three parts, without the real people of --stills. Raises UserError."""
    from ..learning.motions.posed import PosedSettings, posed_set
    from ..learning.motions.rendered import live_parts

    seed = arguments.set_seed
    if arguments.data != "posed" and arguments.root is None:
        raise UserError(f"--data {arguments.data} needs --root, the folder of the data")
    try:
        if arguments.data == "posed":
            settings = PosedSettings(people=arguments.people or 100, keypoints=arguments.keypoints)
            return posed_set(settings, seed).split(seed)
        if arguments.data == "live":
            return live_parts(arguments.root, arguments.keypoints, arguments.people or 300, seed).split
        dataset = find(arguments.data)
        if dataset is None or dataset.expressions is None:
            raise UserError(f"no set of expressions {arguments.data!r}; there are {', '.join(expression_sets())}")
        return dataset.expressions.read(arguments.root).split(seed, dataset.shares)
    except (ValueError, FileNotFoundError) as error:
        raise UserError(str(error)) from error


def load_people(arguments: argparse.Namespace, keypoints: str):  # type: ignore[no-untyped-def]
    """The three parts of the real people of --stills. Raises UserError."""
    if arguments.work is None:
        raise UserError("--stills needs --work, the folder for what is read off them")
    from ..learning.perceptual.real_people import live_people, read_views

    def say(line: str) -> None:
        print(line, flush=True)

    try:
        return live_people(read_views(arguments.stills, arguments.work, say), keypoints)
    except (ValueError, OSError) as error:
        raise UserError(f"{arguments.stills}: {error}") from error


def load_triplets(arguments: argparse.Namespace, split):  # type: ignore[no-untyped-def]
    """Triplets of the three parts. Raises UserError."""
    from ..learning.perceptual.evaluation import TRIPLETS, split_triplets
    from ..learning.perceptual.triplets import read_triplets

    try:
        if arguments.triplets is not None:
            return tuple(read_triplets(arguments.triplets, part) for part in split)
        counts = [max(n, 4 * int((part.label >= 0).sum())) for n, part in zip(TRIPLETS, split, strict=True)]
        return split_triplets(split, arguments.set_seed, counts)
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from error


def run(arguments: argparse.Namespace) -> int:
    settings = settings_of(arguments)
    if arguments.live is not None and (arguments.data != "live" or settings.model != "m2"):
        raise UserError("--live needs --model m2 and --data live: what the robot sees is tracked, not ideal")
    if arguments.stills is not None and (arguments.data != "live" or arguments.work is None):
        raise UserError("--stills needs --data live, and --work, the folder for what is read off them")
    import torch
    from tqdm import tqdm

    from ..learning.perceptual.live_models import RealPeople, classifier_measures, write_live_models
    from ..learning.perceptual.real_people import triplets_with_people, with_people
    from ..learning.perceptual.training import Training, TrainingData
    from ..learning.perceptual.training_runs import CHECKPOINT, load_run, save_run

    make_folder(arguments.out)
    if arguments.live is not None:
        make_folder(arguments.live)
    torch.set_num_threads(arguments.threads)
    split, people, triplets = load_data(arguments), None, None
    if settings.model == "m2":
        triplets = load_triplets(arguments, split)
    if arguments.stills is not None:
        people = RealPeople(load_people(arguments, arguments.keypoints), arguments.stills_licence)
        if triplets is not None:
            triplets = triplets_with_people(split, triplets, people.split, arguments.set_seed)
        split = with_people(split, people.split)
    first, second, _ = triplets or (None, None, None)
    about: dict[str, object] = {"data": arguments.data, "set_seed": arguments.set_seed}
    if arguments.data != "posed":
        about["root"] = arguments.root.name
    if arguments.people:
        about["people"] = arguments.people
    if arguments.triplets:
        about["triplets"] = arguments.triplets.name
    if arguments.stills:
        about["stills"] = arguments.stills.name
    training = Training(TrainingData(split.training, split.validation, first, second), settings, arguments.device)
    with tqdm(total=settings.iterations, unit="it", desc=settings.model) as bar:

        def progress(iteration: int, last: dict[str, float]) -> None:
            bar.update(iteration - bar.n)
            if last:
                bar.set_postfix_str(f"validation ELBO {last['validation_elbo']:.2f}, best {training.best_elbo:.2f}")

        try:
            training.run(arguments.out / CHECKPOINT, progress)
        except ValueError as error:
            raise UserError(str(error)) from error
    save_run(arguments.out, training, split.training.keypoints, about)
    print(f"{arguments.out}: best validation ELBO {training.best_elbo:.2f}")
    if arguments.live is not None:
        finished = load_run(arguments.out)
        classifier = write_live_models(finished, split, arguments.live, command(arguments, settings), people)
        print(f"{arguments.live}: test people {classifier_measures(finished, classifier, split.test)}")
    return 0


def command(arguments: argparse.Namespace, settings: TrainingSettings) -> str:
    """The command line, options that differ from their defaults only; folders by their last name."""
    words = ["facial_coding", "train", "perceptual", "--data", arguments.data]
    for name in ("root", "people", "set_seed", "stills", "work"):
        value = getattr(arguments, name)
        if value:
            words += [f"--{name.replace('_', '-')}", value.name if isinstance(value, Path) else str(value)]
    for field in dataclasses.fields(TrainingSettings):
        value = getattr(settings, field.name)
        if value != field.default:
            words += [f"--{field.name.replace('_', '-')}", str(value)]
    return shlex.join([*words, "--out", "RUN", "--live", "models"])
