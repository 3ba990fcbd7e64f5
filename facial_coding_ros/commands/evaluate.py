# SPDX-License-Identifier: Apache-2.0
"""Judges a run of `facial_coding replay`, or a bag of the live node's messages, against labels: figures with intervals
over people, and a page to read. Without labels the page shows what was said, and the figures that need none.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..datasets.labelled import LEVELS, LabelledSequence, presence
from ..datasets.records import DatasetError
from ..datasets.registry import Dataset, find, read_recordings, recognise
from ..datasets.registry import recordings as recording_readers
from ..errors import UserError
from ..evaluation.align import TOLERANCE_S, LabelError
from ..evaluation.evaluate import Evaluation, Options, evaluate
from ..evaluation.report import write_report
from ..evaluation.results import Row, write_result
from ..evaluation.runs import RunError, RunRecording, read_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run", metavar="RUN", type=Path, help="folder of `facial_coding replay`, or a bag of the node's messages"
    )
    parser.add_argument("--out", metavar="DIR", type=Path, help="where the results go; default: RUN/evaluation")
    parser.add_argument(
        "--thumbnails", action="store_true", help="show the faces of the worst moments; they are recognisable"
    )
    add_label_arguments(parser)


def add_label_arguments(parser: argparse.ArgumentParser) -> None:
    labels = parser.add_argument_group("labels")
    add = labels.add_argument
    add("--labels", metavar="PATH", type=Path, help="a data set's folder, or a CSV file (see docs/evaluation.md)")
    add("--kind", choices=sorted(recording_readers()), default="", help="of labels; default: recognised")
    tolerance = "between label and frame; default %(default)s"
    add("--tolerance", type=float, default=TOLERANCE_S, metavar="S", help=tolerance)
    level = (
        "labelled intensity from which a unit is present, A 1 .. E 5; default 2, 1 for data sets coded by occurrence"
    )
    add("--present-from", type=float, metavar="LEVEL", help=level)
    threshold = "intensity from which a unit counts as said; default: half a level below --present-from"
    add("--threshold", type=float, metavar="X", help=threshold)


def run(arguments: argparse.Namespace) -> int:
    folder = arguments.out or (arguments.run if arguments.run.is_dir() else arguments.run.parent) / "evaluation"
    try:
        recordings, found = evaluated(arguments.run, arguments)
        result = write_result(folder, found, str(arguments.labels or ""), arguments.run)
        _write_table(folder / "figures.csv", result.rows)
        page = write_report(folder / "report.html", recordings, found, result, arguments.thumbnails)
    except (DatasetError, LabelError, OSError, RunError) as error:
        raise UserError(str(error)) from None
    for row in result.rows:
        if not row.name.startswith("au/") or row.name.startswith("au/mean/"):
            ends = "" if math.isnan(row.low) else f"  [{row.low:.3f}, {row.high:.3f}]"
            print(f"{row.name:32}{row.value:9.3f}{ends}")
    for note in found.notes:
        print(f"note: {note}")
    print(f"intervals: 95 %, over {len(result.units)} {result.unit}\n{page}" if result.units else page)
    return 0


def evaluated(path: Path, arguments: argparse.Namespace) -> tuple[list[RunRecording], Evaluation]:
    """The run's recordings and their evaluation. Raises DatasetError, LabelError, OSError, RunError and UserError."""
    _check(arguments)
    recordings = read_run(path)
    kind = ""
    if arguments.labels:
        kind = arguments.kind or recognise(arguments.labels, recording_readers())
    stated = arguments.present_from is not None
    dataset = find(kind) if kind else None
    present_from = arguments.present_from if stated else dataset.present_from if dataset else Dataset.present_from
    threshold = math.nan if arguments.threshold is None else arguments.threshold
    options = Options(arguments.tolerance, threshold, present_from)
    labels = list(_labels(arguments.labels, kind, present_from if stated else math.nan)) if kind else []
    if kind and not any(map(len, labels)):
        raise DatasetError(f"{arguments.labels}: no labelled frame")
    return recordings, evaluate(recordings, labels, options)


def _check(arguments: argparse.Namespace) -> None:
    """Raises UserError for what no label or intensity can be."""
    level, threshold = arguments.present_from, arguments.threshold
    if not 0 < arguments.tolerance < math.inf:
        raise UserError(f"--tolerance is {arguments.tolerance:g}; seconds above 0 are expected, such as {TOLERANCE_S}")
    if level is not None and not 0 < level <= LEVELS:
        raise UserError(f"--present-from is {level:g}; a level above 0, at most {LEVELS:g}, is expected: A 1 .. E 5")
    if threshold is not None and not 0 <= threshold <= 1:
        raise UserError(f"--threshold is {threshold:g}; an intensity of 0 to 1 is expected, where E is 1")


def _labels(path: Path, kind: str, present_from: float) -> Iterator[LabelledSequence]:
    for one in read_recordings(path, kind):
        if math.isnan(present_from):
            yield one
        else:  # intensities decide anew; what was only coded as present stays
            anew = presence(one.intensity, present_from)
            anew[anew == -1] = one.present[anew == -1]
            yield replace(one, present=anew)


def _write_table(path: Path, rows: tuple[Row, ...]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("figure", "value", "low", "high"))
        writer.writerows((row.name, row.value, row.low, row.high) for row in rows)
