# SPDX-License-Identifier: Apache-2.0
"""Learns data-driven action units (DFECS) from motions without labels: of a robot's own recordings, of landmark files,
of dataset folders or of synthetic faces. Writes NAME.npz, NAME.onnx and NAME.yaml, which the node loads with the
parameter dfecs.model, and NAME_report.html, which says whether the model is better than the shipped one on people or
minutes that were held out. Needs scikit-learn and matplotlib."""

from __future__ import annotations

import argparse
import itertools
import math
import shlex
import time
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..coding.dfecs import DfecsSettings, ModelError
from ..coding.dfecs.card import file_of
from ..coding.dfecs.layout import LAYOUT_68
from ..datasets.motions import MotionError, Motions, joined
from ..errors import UserError, make_folder
from ..learning.dfecs.measures import active_units, variance_explained, variance_explained_by_length
from ..learning.dfecs.model import DFECS
from ..learning.dfecs.muscles import INTERPRETABLE_SCORE, names_of, read
from ..learning.dfecs.pictures import gallery, inline
from ..learning.dfecs.report import Report
from ..learning.motions.ict_motions import SETTINGS
from ..learning.motions.motion_data import kinds, open_data, split
from ..models import model_path

ICT_LICENCE = (
    "MIT, as the shapes it was made from (ICT-FaceKit, (c) 2020 USC Institute for Creative Technologies); no picture "
    "of anyone"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    listed = "; ".join(f"{name}: {about}" for name, about in kinds().items())
    parser.add_argument("--data", action="append", default=[], metavar="KIND[:PATH]", help=listed.replace("%", "%%"))
    parser.add_argument("--bag", action="append", default=[], metavar="PATH", help="same as --data recording:PATH")
    parser.add_argument("--topic", default="", help="image topic of bags that have several")
    parser.add_argument("--out", default="dfecs_own", metavar="PATH", help="model to write; default %(default)s")
    parser.add_argument(
        "--units", type=int, default=16, help="number of AUs; 0: by the 95 %% rule; default %(default)s"
    )
    parser.add_argument(
        "--part-atoms", default="", metavar="PART=N,...", help="atoms of face parts; others by the 95 %% rule"
    )
    parser.add_argument("--sparsity", type=float, default=0.02, help="L1 weight of the codes; default %(default)s")
    parser.add_argument("--people", type=int, default=102, help="of ICT faces, 100 motions each; default %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the learning and of ICT faces; default %(default)s")
    parser.add_argument("--keep-motions", metavar="FILE", help="also write the motions, to learn from them again")
    parser.add_argument("--licence", default="", help="for the card; default: what the data allow, if known")


def run(arguments: argparse.Namespace) -> int:
    specs = [*arguments.data, *(f"recording:{path}" for path in arguments.bag)]
    if not specs:
        raise UserError("nothing to learn from: give --data KIND[:PATH] or --bag PATH")
    _check(arguments, specs)
    out = Path(arguments.out)
    for file in (out, Path(arguments.keep_motions or out)):
        make_folder(file.parent)
    command = "facial_coding train dfecs " + shlex.join(_words(arguments))
    try:
        motions = joined([_open(spec, arguments) for spec in specs])
        if arguments.keep_motions:
            motions.save(Path(arguments.keep_motions))
        training, held = split(motions, seed=arguments.seed)
        model, seconds = _fit(training, arguments)
        metrics = _metrics(model, training, held)
        synthetic = all(spec.startswith("ict") for spec in specs)
        names = names_of(list(model.components_))
        card = model.save(
            out,
            names,
            {
                "what": "Data-driven facial action units (DFECS, arXiv 2406.05434) from keypoint motion; no labels.",
                "trained_on": f"{len(training)} motions of {training.people} people: {motions.source}",
                "command": command,
                "licence": arguments.licence or (ICT_LICENCE if synthetic else "that of your recordings"),
                "metrics": {n: v if isinstance(v, int) else round(float(v), 4) for n, v in metrics.items()},
            },
            training.kpm[:: max(1, len(training) // 500)],
        )
        report = file_of(out, "_report.html")
        _write_report(report, command, model, names, metrics, training, held, seconds)
    except (MotionError, ModelError, FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from error
    print(f"{len(training)} motions, {seconds:.1f} s; {card.path} and {report}")
    print("\n".join(f"{name}: {value:.2f}" for name, value in metrics.items()))
    return 0


def _check(arguments: argparse.Namespace, specs: list[str]) -> None:
    """What can be wrong with the options, before hours of recordings are read. Raises UserError."""
    if not Path(arguments.out).name:
        raise UserError(f"--out is {arguments.out!r}; the name of a model is expected, such as models/mine")
    if arguments.units < 0:
        raise UserError(f"--units is {arguments.units}; at least 1 is expected, or 0 for the 95 % rule")
    if not 0 <= arguments.sparsity < math.inf:
        raise UserError(f"--sparsity is {arguments.sparsity:g}; a number of at least 0 is expected")
    if arguments.seed < 0:
        raise UserError(f"--seed is {arguments.seed}; at least 0 is expected")
    for part, count in _part_atoms(arguments.part_atoms).items():
        if part not in LAYOUT_68.parts or count < 1:
            parts = ", ".join(LAYOUT_68.parts)
            raise UserError(f"--part-atoms has {part}={count}; at least 1 is expected for a part of {parts}")
    kinds = [spec.partition(":")[0] for spec in specs]
    settings = [len(SETTINGS) if kind == "ict" else 1 for kind in kinds if kind.startswith("ict")]
    if settings:
        # Data that hold no other people are split by person, see `split`.
        wanted = 4 if len(settings) == len(kinds) else 0
        fewest = next(
            n for n in itertools.count(max(settings)) if sum(n // count * count for count in settings) >= wanted
        )
        if arguments.people < fewest:
            raise UserError(
                f"--people is {arguments.people}; at least {fewest} are expected for {', '.join(kinds)}: as many in "
                "each setting, and some to hold out"
            )


def _words(arguments: argparse.Namespace) -> list[str]:
    words = []
    for name, value in vars(arguments).items():
        option = "--" + name.replace("_", "-")
        if isinstance(value, list):
            words += [word for one in value for word in (option, one)]
        elif value not in (None, "") and name != "keep_motions":
            words += [option, str(value)]
    return words


def _open(spec: str, arguments: argparse.Namespace) -> Motions:
    with tqdm(desc=spec, unit="frame", leave=False) as bar:

        def on_frame(done: int, expected: int) -> None:
            bar.total = expected or None
            bar.update(done - bar.n)

        # People of the training never come back in `evaluate dfecs`, which uses seeds from 1000 on.
        return open_data(spec, arguments.seed, arguments.topic, on_frame, arguments.people)


def _fit(training: Motions, arguments: argparse.Namespace) -> tuple[DFECS, float]:
    with tqdm(total=100, desc="learning", unit="%", leave=False) as bar:

        def progress(stage: str, done: float) -> None:
            bar.set_postfix_str(stage)
            bar.update(round(100 * done) - bar.n)

        started = time.perf_counter()
        model = DFECS(
            arguments.units or None,
            n_part_components=_part_atoms(arguments.part_atoms) or None,
            sparsity=arguments.sparsity,
            random_state=arguments.seed,
            progress=progress,
        ).fit(training.kpm)
        return model, time.perf_counter() - started


def _part_atoms(text: str) -> dict[str, int]:
    try:
        return {part: int(count) for part, count in (pair.split("=") for pair in text.split(",") if pair)}
    except ValueError:
        raise UserError(f"--part-atoms {text!r}; PART=N,PART=N is expected") from None


def _metrics(model: DFECS, training: Motions, held: Motions) -> dict[str, float]:
    """Figures of the card, by name."""
    codes = model.transform(held.kpm)
    made = model.inverse_transform(codes)
    axes = np.linalg.svd(training.kpm.astype(np.float64), full_matrices=False)[2][: len(model.components_)]
    metrics = {
        "training_variance_explained": model.variance_explained_,
        "held_out_variance_explained": variance_explained(held.kpm, made),
        "held_out_variance_explained_by_length": variance_explained_by_length(held.kpm, made),
        "held_out_pca_variance_explained": variance_explained(held.kpm, held.kpm @ axes.T @ axes),
        "held_out_active_units": active_units(codes),
        "interpretable_units": int(sum(read(u).score >= INTERPRETABLE_SCORE for u in model.components_)),
    }
    try:
        shipped = DFECS.load(model_path(DfecsSettings().model))
    except (FileNotFoundError, ModelError):
        return metrics
    theirs = shipped.inverse_transform(shipped.transform(held.kpm))
    metrics["held_out_variance_explained_of_shipped"] = variance_explained(held.kpm, theirs)
    return metrics


def _write_report(
    path: Path,
    command: str,
    model: DFECS,
    names: tuple[str, ...],
    metrics: dict[str, float],
    training: Motions,
    held: Motions,
    seconds: float,
) -> None:
    report = Report("DFECS: data-driven action units", command)
    report.text(
        f"Learnt from {len(training)} motions of {training.people} people in {seconds:.1f} s ({training.source}). Held "
        f"out: {len(held)} motions of {held.people} people, not in training where there are four people or more, "
        "else the last quarter of each recording."
    )
    shipped = metrics.get("held_out_variance_explained_of_shipped")
    if shipped is not None:
        own = metrics["held_out_variance_explained"]
        verdict = "better than" if own > shipped + 0.5 else "worse than" if own < shipped - 0.5 else "as good as"
        report.text(
            f"On the held-out motions this model is {verdict} the shipped one: {own:.1f} against {shipped:.1f} percent "
            "of variance explained (first form)."
        )
    report.table(["figure", "value"], [[name.replace("_", " "), f"{value:.2f}"] for name, value in metrics.items()])
    readings = [read(unit) for unit in model.components_]
    titles = [f"dfecs_{i:02d} {name} [{r.score:.2f}]" for i, (name, r) in enumerate(zip(names, readings, strict=True))]
    report.heading("The action units")
    report.text(
        f"Arrows: how the points move, largest first. In brackets the muscle score; {INTERPRETABLE_SCORE} passes."
    )
    report.html(inline(gallery(model.components_, titles), "the action units as motion arrows"))
    report.table(
        ["AU", "name", "muscles", "score"],
        [
            [f"dfecs_{i:02d}", name, ", ".join(a.muscle for a, _ in r.actions) or "-", f"{r.score:.2f}"]
            for i, (name, r) in enumerate(zip(names, readings, strict=True))
        ],
    )
    parameters: dict[str, Any] = model.get_params()
    report.table(["setting", "value"], [[k, str(parameters[k])] for k in parameters if k not in ("layout", "progress")])
    report.write(path)
