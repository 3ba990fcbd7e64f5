# SPDX-License-Identifier: Apache-2.0
"""Judges DFECS: every figure with what it is compared with, on people never seen in training. Writes DIR/report.html,
DIR/results.json, DIR/rating_sheet.html (to print, for human raters) and pictures. Studies that are not asked for keep
the figures that DIR/results.json holds, so that they can be run one by one.

With --ratings FILE it does nothing else than say how far the raters of a filled-in sheet agree."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from ..coding.dfecs import DfecsSettings, ModelError
from ..datasets.motions import MotionError, Motions, joined
from ..errors import UserError
from ..learning.dfecs import studies
from ..learning.dfecs.baselines import best_units, facs_units, pca_units, project, reconstruct
from ..learning.dfecs.method_comparison import FORMS, HEADERS, TRACKED_HEADER, AcrossSettings, Units, equal_terms
from ..learning.dfecs.model import DFECS
from ..learning.dfecs.muscles import INTERPRETABLE_SCORE, read
from ..learning.dfecs.pictures import embedded, gallery, png, reconstructions
from ..learning.dfecs.raters import fleiss_kappa, read_ratings, write_sheet
from ..learning.dfecs.real_motions import KINDS as REAL_KINDS
from ..learning.dfecs.real_motions import real_motions
from ..learning.dfecs.report import Report
from ..learning.motions.ict_motions import SETTINGS
from ..learning.motions.motion_data import kinds, open_data
from ..learning.motions.tracked_motions import rendered_intensities
from ..types import FloatArray

TABLES = (
    "model", "settings", "length", "training", "parts", "sparsity", "counts", "score", "tracked", "real", "number",
    "ablations", "keypoints", "subjects",
)  # fmt: skip
TITLES = {
    "settings": "From setting to setting, 16 AUs, people who were not in training, first form",
    "length": "From setting to setting, 16 AUs, people who were not in training, by length",
    "training": "On the motions of training",
    "parts": "By face part, from a setting to itself",
    "sparsity": "Sparsity, and all at the same sparsity, from a setting to itself",
    "counts": "AUs of 16 that pass the muscle score",
}
PICTURES = {"model": ("gallery", "reconstructions")}
ATOMS = {"jaw": 4, "right_eye_brow": 8, "left_eye_brow": 8, "nose": 6, "mouth": 10}


STUDIES = ("settings", "score", "number", "ablations", "keypoints", "tracked", "real", "subjects")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", default="dfecs_evaluation", metavar="DIR", help="default %(default)s")
    parser.add_argument(
        "--model", default=DfecsSettings().model, help="model to show and judge; default: the shipped one"
    )
    parser.add_argument("--data", action="append", default=[], metavar="KIND:PATH", help="; ".join(kinds()))
    parser.add_argument(
        "--renders", action="append", default=[], metavar="FOLDER",
        help="of facial_coding synthesize: motions as the tracker sees them; needed for the study `tracked`",
    )  # fmt: skip
    parser.add_argument(
        "--real", action="append", default=[], metavar="KIND:PATH",
        help="motions that people made themselves, needed for the study `real`: "
        + "; ".join(f"{kind}: {about}" for kind, about in REAL_KINDS.items()),
    )  # fmt: skip
    parser.add_argument("--studies", nargs="*", choices=STUDIES, default=list(STUDIES), help="default: all")
    parser.add_argument("--seeds", type=int, default=3, help="default %(default)s")
    parser.add_argument("--people", type=int, default=101, help="in training and in test; default %(default)s")
    parser.add_argument(
        "--ratings", metavar="CSV", help="a row for each motion, a column for each rater: Fleiss' kappa"
    )


def run(arguments: argparse.Namespace) -> int:
    try:
        if arguments.ratings:
            answers = read_ratings(Path(arguments.ratings))
            print(f"{len(answers)} motions, {len(answers[0])} raters, Fleiss' kappa {fleiss_kappa(answers):.3f}")
            return 0
        judge = _Judge(arguments, DFECS.load(arguments.model))
        judge.show(arguments.data)
        for name in tqdm([n for n in STUDIES if n in arguments.studies], desc="studies", leave=False):
            judge.study(name)
    except (MotionError, ModelError, FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from error
    print(f"{Path(arguments.out) / 'report.html'}")
    return 0


class _Judge:
    """Runs studies; after each, the figures so far are in DIR/results.json and on the page."""

    def __init__(self, arguments: argparse.Namespace, model: DFECS) -> None:
        self._model = model
        self._arguments, self._folder = arguments, Path(arguments.out)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._plan = studies.Plan(arguments.seeds, arguments.people, ATOMS)
        kept = self._folder / "results.json"
        self._results: dict[str, Any] = json.loads(kept.read_text()) if kept.is_file() else {}

    def show(self, data: Sequence[str]) -> None:
        """The AUs of the model, the sheet for raters, and how well it explains data."""
        model = self._model
        readings = [read(unit) for unit in model.components_]
        titles = [f"dfecs_{i:02d} {r.name} [{r.score:.2f}]" for i, r in enumerate(readings)]
        self._picture("gallery", gallery(model.components_, titles))
        self._reconstructions(model)
        write_sheet(self._folder / "rating_sheet.html", model.components_)
        passing = sum(r.score >= INTERPRETABLE_SCORE for r in readings)
        rows = [["AUs that pass the muscle score", f"{passing} of {len(readings)}", "", "", "", ""]]
        if data:
            others = self._of_face_model()
        for spec in data:
            x = open_data(spec, 2000).kpm.astype(np.float64)
            made = [model.inverse_transform(model.transform(x)), *(units.reconstruct(x) for units in others.values())]
            figures = [" / ".join(f"{measure(x, one):.1f}" for measure in FORMS.values()) for one in made]
            rows.append([spec, str(len(x)), *figures])
        header = ("", "number", "own codes", "optimal codes", "PCA of ICT faces", "KPM-FACS")
        self._keep("model", "The model, variance explained in the first form / by length", header, rows)

    def _of_face_model(self) -> dict[str, Units]:
        """The model, and as many PCA and KPM-FACS AUs that no tracked motion was used for."""
        few = dataclasses.replace(self._plan, people=max(1, self._plan.people // len(SETTINGS)))
        x = np.concatenate([few.sample(name, 1000).motions.kpm for name in SETTINGS]).astype(np.float64)
        count = len(self._model.components_)
        return {
            "DFECS, the model": Units(self._model.components_),
            "PCA": Units(pca_units(x, count), positive=False),
            "KPM-FACS, 1 subject": Units(best_units(x[:: max(1, len(x) // 500)], facs_units(1)[1], count)),
        }

    def _reconstructions(self, model: DFECS) -> None:
        """Five motions of new people, from the strongest to the median one."""
        few = dataclasses.replace(self._plan, people=12)
        train, test = (few.sample("talking", seed).motions.kpm for seed in (1000, 2000))
        order = np.argsort(-np.linalg.norm(test, axis=1))
        shown = test[order[(np.linspace(0.02, 0.5, 5) * len(test)).astype(int)]]
        units = model.components_
        answers = [
            ("model", model.inverse_transform(model.transform(shown))),
            ("optimal codes", reconstruct(shown, units)),
            ("PCA", project(shown, pca_units(train, len(units)))),
        ]
        self._picture("reconstructions", reconstructions(shown, answers, [f"motion {i + 1}" for i in range(5)]))

    def study(self, name: str) -> None:
        started = time.process_time()
        needed = {"tracked": self._arguments.renders, "real": self._arguments.real}
        if needed.get(name, True):
            getattr(self, f"_{name}")()
        self._results.setdefault("cpu_seconds", {})[name] = round(time.process_time() - started, 1)
        self._write()

    def _settings(self) -> None:
        for key, rows in AcrossSettings(self._plan).run().items():
            self._keep(key, TITLES[key], HEADERS[key], rows)

    def _score(self) -> None:
        rows = studies.how_often_passes(self._plan)
        title = f"What passes the muscle score ({INTERPRETABLE_SCORE})"
        self._keep("score", title, ("motions", "pass", "median score"), rows)

    def _number(self) -> None:
        header = ("AUs", "DFECS", "PCA", "DFECS pass", "PCA pass")
        self._keep("number", "More and fewer AUs, talking to posed", header, studies.by_number(self._plan))

    def _ablations(self) -> None:
        header = ("registration", "DFECS", "PCA", "DFECS pass", "AUs read from the codes, r")
        self._keep("ablations", "Without a step, talking to talking", header, studies.ablations(self._plan))

    def _keypoints(self) -> None:
        header = ("keypoints", "DFECS", "PCA", "DFECS pass", "AUs read from the codes, r")
        rows = studies.denser_keypoints(self._plan)
        self._keep("keypoints", "Open question 1: 68 against denser keypoints", header, rows)

    def _tracked(self) -> None:
        motions, labels = self._rendered()
        fixed = self._of_face_model()
        rows = equal_terms(motions, labels, self._plan, fixed)
        title = (
            f"As the tracker sees them: {len(motions)} motions of {motions.people} people; each half of the people "
            "judged by what was learnt from the other half"
        )
        self._keep("tracked", title, TRACKED_HEADER, rows)

    def _real(self) -> None:
        motions = joined([real_motions(spec) for spec in self._arguments.real])
        rows = equal_terms(motions, None, self._plan, self._of_face_model())
        title = (
            f"Motions that people made themselves: {len(motions)} of {motions.people} people ({motions.source}); each "
            "half of the people judged by what was learnt from the other half"
        )
        self._keep("real", title, TRACKED_HEADER, rows)

    def _subjects(self) -> None:
        tracked = self._rendered()[0].kpm[::4] if self._arguments.renders else None
        header = ("subjects", *SETTINGS, *(("as the tracker sees them",) if self._arguments.renders else ()))
        rows = studies.facs_of_many_subjects(self._plan, tracked)
        self._keep("subjects", "Open question 2: KPM-FACS AUs of one and of many subjects", header, rows)

    def _rendered(self) -> tuple[Motions, FloatArray]:
        folders = [Path(folder) for folder in self._arguments.renders]
        motions = joined([open_data(f"renders:{folder}") for folder in folders])
        return motions, np.concatenate([rendered_intensities(folder) for folder in folders])

    def _picture(self, name: str, figure: Figure) -> None:
        (self._folder / f"{name}.png").write_bytes(png(figure))

    def _keep(self, key: str, title: str, header: Sequence[str], rows: studies.Rows) -> None:
        self._results[key] = {"title": title, "header": list(header), "rows": rows}
        self._write()

    def _write(self) -> None:
        (self._folder / "results.json").write_text(json.dumps(self._results, indent=1, ensure_ascii=False) + "\n")
        report = Report("DFECS, judged", "facial_coding evaluate dfecs " + shlex.join(_words(self._arguments)))
        report.text(
            f"Settings {', '.join(SETTINGS)}: {self._plan.people} people x {self._plan.each} motions in training, "
            f"as many other people in test; mean ± standard deviation over {self._plan.seeds} seeds. Variance "
            "explained in percent, first form unless it says by length; the two do not compare. Codes are optimal "
            "ones where nothing else is said: PCA's unconstrained, all others non-negative. Own codes: with DFECS's L1 "
            "weight, as the node's. The studies of number, ablations and keypoints: one seed."
        )
        for key in TABLES:
            if key in self._results:
                found = self._results[key]
                report.heading(found["title"])
                report.table(found["header"], found["rows"])
                for name in PICTURES.get(key, ()):
                    path = self._folder / f"{name}.png"
                    report.html(embedded(path.read_bytes(), name) if path.is_file() else "")
        report.html('<p>For human raters: <a href="rating_sheet.html">rating_sheet.html</a></p>')
        report.write(self._folder / "report.html")


def _words(arguments: argparse.Namespace) -> list[str]:
    words = []
    for name, value in vars(arguments).items():
        if name == "studies":
            continue
        for one in value if isinstance(value, list) else [value]:
            if one not in (None, ""):
                words += [f"--{name}", str(one)]
    return words
