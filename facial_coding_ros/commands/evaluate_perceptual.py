# SPDX-License-Identifier: Apache-2.0
"""Perceptual models compared, drawn and reported.

--table N: none, PCA, VAE, M1 and M2 with N seeds on the posed set, in the form of the paper's Table II; seeds that are
in OUT/table.json are not computed again. RUNS (folders of `facial_coding train perceptual`): accuracy, satisfied
triplets by confidence, latent maps and what each dimension does. --live RUN --root SET: the robot's classifier on
rendered people it was not trained on. OUT/report.html shows all that OUT holds.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import UserError
from .train_perceptual import add_settings, load_data, load_people, load_triplets, settings_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", type=Path, nargs="*", help="folders of runs on the same data")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--table", type=int, metavar="N", help="seeds of the table")
    parser.add_argument("--people", type=int, default=100, help="people of the posed set; default %(default)s")
    parser.add_argument("--live", type=Path, metavar="RUN", help="run of the live model")
    parser.add_argument("--root", type=Path, help="the rendered set, or the folder of BU-3DFE or BP4D")
    parser.add_argument("--stills", type=Path, help="with --live: the real people that it was trained on too")
    parser.add_argument("--work", type=Path, help="with --stills: folder of what is read off them")
    parser.add_argument("--triplets", type=Path, help="CSV reference,closer,farther,votes; default: artificial ones")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU; default %(default)s")
    add_settings(parser)


def run(arguments: argparse.Namespace) -> int:
    import torch

    torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    try:
        if arguments.table:
            _table(arguments)
        if arguments.runs:
            _runs(arguments)
        if arguments.live:
            _live(arguments)
    except (ValueError, FileNotFoundError) as error:
        raise UserError(str(error)) from error
    from ..learning.perceptual.report import write_report

    print(f"written: {write_report(arguments.out)}")
    return 0


def _table(arguments: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ..learning.motions.posed import PosedSettings
    from ..learning.perceptual.evaluation import markdown, summary, table

    with tqdm(unit=" evaluations", desc="table") as bar:

        def progress(text: str) -> None:
            bar.set_postfix_str(text[:90], refresh=False)
            bar.update()

        posed = PosedSettings(people=arguments.people)
        results = table(settings_of(arguments), posed, range(arguments.table), arguments.out / "table.json", progress)
    text = markdown(summary(results))
    (arguments.out / "table.md").write_text(text + "\n")
    print(text)


def _runs(arguments: argparse.Namespace) -> None:
    from ..learning.perceptual.drawing import draw_maps
    from ..learning.perceptual.evaluation import baselines, table_row
    from ..learning.perceptual.training import encode
    from ..learning.perceptual.training_runs import load_run
    from ..learning.perceptual.traversals import draw_dimensions
    from ..learning.perceptual.triplets import satisfied_by_level

    runs = {folder.name: load_run(folder) for folder in arguments.runs}
    about = [run.data for run in runs.values()]
    if any(data != about[0] for data in about):
        raise UserError(f"the runs are of different data: {', '.join(json.dumps(data) for data in about)}")
    first = next(iter(runs.values()))
    data = argparse.Namespace(
        **{"root": None, "people": None, **vars(arguments), **about[0]}, keypoints=first.keypoints
    )
    data.root = arguments.root
    split = load_data(data)
    triplets = load_triplets(data, split)[2]
    representations = baselines(split, first.settings.latent)
    representations |= {name: partial(encode, run.model) for name, run in runs.items()}
    rows = {}
    for name, representation in representations.items():
        latents = representation(split.test)
        rows[name] = {**table_row(split, triplets, representation), "by_votes": satisfied_by_level(latents, triplets)}
        print(name, rows[name])
    maps = {name: representations[name](split.test) for name in ("None", "PCA", *runs)}
    draw_maps(maps, split.test.label, split.test.classes, arguments.out / "latent_maps.png")
    for name, run in runs.items():
        draw_dimensions(run, split, arguments.out / f"traversals_{name}.png")
    (arguments.out / "runs.json").write_text(json.dumps({"data": about[0], "rows": rows}, indent=1))


def _live(arguments: argparse.Namespace) -> None:
    from ..learning.motions.rendered import live_parts
    from ..learning.perceptual.live_models import classifier_measures, fit_live_classifier
    from ..learning.perceptual.live_study import calibration_study, filter_study, opinions_study
    from ..learning.perceptual.real_people import with_people
    from ..learning.perceptual.training_runs import load_run
    from ..learning.perceptual.traversals import draw_dimensions

    if arguments.root is None:
        raise UserError("--live needs --root, the rendered set the run was trained on")
    finished = load_run(arguments.live)
    people, seed = (finished.data.get(name) for name in ("people", "set_seed"))
    parts = live_parts(arguments.root, finished.keypoints, int(str(people or 300)), int(str(seed or 0)))
    if "stills" in finished.data and arguments.stills is None:
        raise UserError(f"{arguments.live} was trained with real people too: name them with --stills and --work")
    people = None if arguments.stills is None else load_people(arguments, finished.keypoints)
    split = parts.split if people is None else with_people(parts.split, people)
    parts = parts._replace(split=split)
    classifier = fit_live_classifier(finished, split)
    results: dict[str, dict[str, Any]] = {
        "people": {name: len(set(part.person)) for name, part in zip(parts.split._fields, parts.split, strict=True)},
        "calibration": calibration_study(finished, classifier, parts, arguments.out),
        "classifier": {
            "pictures of test people": classifier_measures(finished, classifier, parts.split.test),
            "posed, residuals of test people": classifier_measures(finished, classifier, parts.posed_test),
        },
        "opinions": opinions_study(finished, classifier, parts.split, arguments.root, arguments.out),
        "filters": filter_study(finished, classifier, parts.test_response, arguments.out),
    }
    if people is not None:
        results["classifier"]["real people kept aside"] = classifier_measures(finished, classifier, people.test)
    draw_dimensions(finished, parts.split, arguments.out / "traversals_live.png")
    (arguments.out / "live.json").write_text(json.dumps(results, indent=1))
    print(json.dumps(results, indent=1))
