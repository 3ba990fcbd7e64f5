"""Judges DFECS: every figure with what it is compared with, on people never seen in training. Writes DIR/report.html,
DIR/results.json, DIR/rating_sheet.html (to print, for human raters) and pictures.

With --ratings FILE it does nothing else than say how far the raters of a filled-in sheet agree."""

from __future__ import annotations

import argparse
import json
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..cli import UserError
from ..coding.dfecs import DfecsSettings, ModelError, studies
from ..coding.dfecs.baselines import pca_units, project, reconstruct
from ..coding.dfecs.measures import variance_explained, variance_explained_by_length
from ..coding.dfecs.model import DFECS
from ..coding.dfecs.muscles import INTERPRETABLE_SCORE, read
from ..coding.dfecs.pictures import gallery, inline, png, reconstructions
from ..coding.dfecs.raters import fleiss_kappa, read_ratings, write_sheet
from ..coding.dfecs.report import Report
from ..datasets.ict_motions import SETTINGS
from ..datasets.motion_data import KINDS, open_data
from ..datasets.motions import MotionError
from ..datasets.tracked_motions import rendered_intensities

ATOMS = {"jaw": 4, "right_eye_brow": 8, "left_eye_brow": 8, "nose": 6, "mouth": 10}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", default="dfecs_evaluation", metavar="DIR", help="default %(default)s")
    parser.add_argument(
        "--model", default=DfecsSettings().model, help="model to show and judge; default: the shipped one"
    )
    parser.add_argument("--data", action="append", default=[], metavar="KIND:PATH", help="; ".join(KINDS))
    parser.add_argument(
        "--renders", metavar="FOLDER", help="of facial_coding synthesize: motions as the tracker sees them"
    )
    parser.add_argument("--seeds", type=int, default=3, help="default %(default)s")
    parser.add_argument("--people", type=int, default=101, help="in training and in test; default %(default)s")
    parser.add_argument("--quick", action="store_true", help="only the model on --data, without the studies")
    parser.add_argument(
        "--ratings", metavar="CSV", help="a row for each motion, a column for each rater: Fleiss' kappa"
    )


def run(arguments: argparse.Namespace) -> int:
    try:
        if arguments.ratings:
            answers = read_ratings(Path(arguments.ratings))
            print(f"{len(answers)} motions, {len(answers[0])} raters, Fleiss' kappa {fleiss_kappa(answers):.3f}")
            return 0
        model = DFECS.load(arguments.model)
        sets = {spec: open_data(spec, 2000).kpm for spec in arguments.data}
        folder = Path(arguments.out)
        folder.mkdir(parents=True, exist_ok=True)
        page = _Page(Report("DFECS, judged", "facial_coding evaluate dfecs " + shlex.join(_words(arguments))), folder)
        page.model(model, sets)
        if not arguments.quick:
            page.studies(studies.Plan(arguments.seeds, arguments.people, ATOMS), arguments.renders)
        page.finish()
    except (MotionError, ModelError, FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from error
    print(f"{folder / 'report.html'}")
    return 0


def _words(arguments: argparse.Namespace) -> list[str]:
    words = []
    for name, value in vars(arguments).items():
        for one in value if isinstance(value, list) else [value]:
            if one is True:
                words.append(f"--{name}")
            elif one not in (None, False, ""):
                words += [f"--{name}", str(one)]
    return words


class _Page:
    """The report as it grows, and the same figures as data."""

    def __init__(self, report: Report, folder: Path) -> None:
        self._report, self._folder = report, folder
        self._tables: dict[str, Any] = {}

    def model(self, model: DFECS, sets: dict[str, np.ndarray]) -> None:
        readings = [read(unit) for unit in model.components_]
        titles = [f"dfecs_{i:02d} {r.name} [{r.score:.2f}]" for i, r in enumerate(readings)]
        passing = sum(r.score >= INTERPRETABLE_SCORE for r in readings)
        self._report.heading("The model")
        self._report.text(
            f"{passing} of {len(readings)} AUs pass the muscle score of {INTERPRETABLE_SCORE} (in brackets)."
        )
        self._picture("gallery", gallery(model.components_, titles))
        write_sheet(self._folder / "rating_sheet.html", model.components_)
        self._report.html('<p>For human raters: <a href="rating_sheet.html">rating_sheet.html</a></p>')
        rows = []
        for name, x in sets.items():
            made = model.inverse_transform(model.transform(x))
            rows.append(
                [
                    name,
                    f"{len(x)}",
                    f"{variance_explained(x, made):.1f}",
                    f"{variance_explained_by_length(x, made):.1f}",
                ]
            )
        if rows:
            self._table("model", "On data that were given", ("data", "motions", "first form", "by length"), rows)

    def studies(self, plan: studies.Plan, renders: str | None) -> None:
        self._report.text(
            f"Below, all models are learnt anew. Settings {', '.join(SETTINGS)}: {plan.people} people x {plan.each} "
            f"motions in training, as many other people in test; mean ± standard deviation over {plan.seeds} seeds. "
            "Variance explained in percent, first form unless it says by length; the two forms are not comparable. PCA's "
            "codes are unconstrained; those of the others are non-negative."
        )
        rows, parts, counts, models = self._timed("across settings", lambda: studies.across_settings(plan))
        self._table("across_settings", "From setting to setting, 16 AUs", studies.CROSS_HEADER, rows)
        self._table("parts", "By face part: DFECS / PCA", ("setting", *studies.PARTS_68), parts)
        self._table(
            "interpretable", "AUs of 16 that pass the muscle score", ("setting", "DFECS", "PCA, either sign"), counts
        )
        passes = self._timed("muscle score", lambda: studies.how_often_passes(plan))
        self._table("passes", "What passes the muscle score", ("motions", "pass", "median score"), passes)
        self._reconstructions(plan, models["talking"])
        header = ("AUs", "DFECS", "PCA", "DFECS pass", "PCA pass")
        self._table("by_number", "More and fewer AUs", header, self._timed("number", lambda: studies.by_number(plan)))
        header = ("registration", "DFECS", "PCA", "DFECS pass", "AUs read from codes, r")
        self._table("ablations", "Without a step", header, self._timed("ablations", lambda: studies.ablations(plan)))
        header = ("keypoints", "DFECS", "PCA", "DFECS pass", "AUs read from codes, r")
        dense = self._timed("keypoints", lambda: studies.denser_keypoints(plan))
        self._table("keypoints", "Open question 1: 68 against denser keypoints", header, dense)
        tracked = None
        if renders:
            motions = open_data(f"renders:{renders}")
            people = np.unique(motions.person)
            train = np.isin(motions.person, people[: len(people) // 2])
            tracked = motions.kpm[~train]
            labels = rendered_intensities(Path(renders))[train]
            header = ("AUs", "optimal codes", "by length", "LARS, 2 active", "4 active", "6 active", "pass")
            rows = self._timed(
                "tracker", lambda: studies.equal_terms(motions.kpm[train], tracked, plan, labels, plan.seeds)
            )
            title = (
                f"Seen by the tracker: {int(train.sum())} motions in training, {len(tracked)} of other people in test"
            )
            self._table("tracked", title, header, rows)
        header = ("subjects", *SETTINGS, *(("seen by the tracker",) if renders else ()))
        rows = self._timed("subjects", lambda: studies.facs_of_many_subjects(plan, tracked))
        self._table("facs_subjects", "Open question 2: KPM-FACS AUs of one and of many subjects", header, rows)

    def _reconstructions(self, plan: studies.Plan, model: DFECS) -> None:
        train, test = plan.sample("talking", 1000).motions.kpm, plan.sample("talking", 2000).motions.kpm
        strong = test[np.argsort(-np.linalg.norm(test, axis=1))[: 40 * 5 : 40]]
        axes = pca_units(train, len(model.components_))
        answers = [
            ("DFECS", model.inverse_transform(model.transform(strong))),
            ("DFECS, optimal codes", reconstruct(strong, model.components_)),
            ("PCA", project(strong, axes)),
        ]
        self._report.heading("Reconstructions")
        self._report.text("Grey: the face that was seen; red: what the codes make of it. Setting talking, new people.")
        titles = [f"motion {i + 1}" for i in range(len(strong))]
        self._picture("reconstructions", reconstructions(strong, answers, titles))

    def _picture(self, name: str, figure: Any) -> None:
        (self._folder / f"{name}.png").write_bytes(png(figure))
        self._report.html(inline(figure, name))

    def _table(self, key: str, title: str, header: tuple[str, ...], rows: studies.Rows) -> None:
        self._report.heading(title)
        self._report.table(header, rows)
        self._tables[key] = {"header": list(header), "rows": rows}
        self.finish()

    def _timed(self, name: str, work: Callable[[], Any]) -> Any:
        started = time.process_time()
        with tqdm(total=1, desc=name, leave=False) as bar:
            result = work()
            bar.update()
        self._tables.setdefault("cpu_seconds", {})[name] = round(time.process_time() - started, 1)
        return result

    def finish(self) -> None:
        """Writes what there is so far."""
        self._report.write(self._folder / "report.html")
        (self._folder / "results.json").write_text(json.dumps(self._tables, indent=1, ensure_ascii=False) + "\n")
