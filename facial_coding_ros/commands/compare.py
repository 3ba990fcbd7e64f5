# SPDX-License-Identifier: Apache-2.0
"""Compares two evaluated runs over the same labels: what got better or worse, by how much, and whether that is more
than chance. With --thresholds the exit code is 3 when one is broken; without, it only tells.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Sequence
from pathlib import Path

from ..datasets.records import DatasetError
from ..errors import UserError
from ..evaluation.align import LabelError
from ..evaluation.comparison import Change, ComparisonError, broken, compare, read_thresholds
from ..evaluation.results import Result, ResultError, read_result, result_of
from ..evaluation.runs import RunError
from .evaluate import add_label_arguments, evaluated

BROKEN = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "first", metavar="RUN_A", type=Path, help="folder of a run, evaluated before unless --labels is given"
    )
    parser.add_argument("second", metavar="RUN_B", type=Path, help="the other one")
    parser.add_argument("--thresholds", metavar="YAML", type=Path, help="what must hold, for the exit code")
    parser.add_argument("--all", action="store_true", help="list every figure, not only changes and means")
    parser.add_argument("--csv", metavar="FILE", type=Path, help="write the list here too")
    add_label_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    try:
        thresholds = read_thresholds(arguments.thresholds) if arguments.thresholds else {}
        first, second = (_result(path, arguments) for path in (arguments.first, arguments.second))
        changes = compare(first, second)
    except (ComparisonError, DatasetError, LabelError, OSError, ResultError, RunError) as error:
        raise UserError(str(error)) from None
    print(f"{'':32}{'A':>9}{'B':>9}{'B - A':>9}   95 % interval      drawn anew: {len(first.units)} {first.unit}")
    for change in changes:
        if arguments.all or change.sure or change.name.startswith("au/mean/") or not change.name.startswith("au/"):
            ends = "" if math.isnan(change.low) else f"{change.low:+.3f} to {change.high:+.3f}"
            print(f"{_line(change.name, change.first, change.second)}   {ends:18} {change.verdict}")
    for name in second.facts:
        if name in first.facts and first.facts[name] != second.facts[name]:
            print(_line(name, first.facts[name], second.facts[name]))
    sure = [change for change in changes if change.sure]
    better = sum(change.loss < 0 for change in sure)
    print(f"{len(changes)} figures: {better} better, {len(sure) - better} worse, the others no more than chance")
    for note in dict.fromkeys((*first.notes, *second.notes)):
        print(f"note: {note}")
    if arguments.csv:
        _write_table(arguments.csv, changes)
    said = broken(thresholds, changes, first, second)
    for line in said:
        print(f"broken: {line}")
    return BROKEN if said else 0


def _write_table(path: Path, changes: Sequence[Change]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("figure", "a", "b", "difference", "low", "high", "p", "verdict"))
        writer.writerows((c.name, c.first, c.second, c.difference, c.low, c.high, c.p, c.verdict) for c in changes)


def _line(name: str, first: float, second: float) -> str:
    return f"{name:32}{first:9.3f}{second:9.3f}{second - first:+9.3f}"


def _result(path: Path, arguments: argparse.Namespace) -> Result:
    return result_of(evaluated(path, arguments)[1]) if arguments.labels else read_result(path)
