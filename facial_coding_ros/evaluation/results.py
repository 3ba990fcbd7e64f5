# SPDX-License-Identifier: Apache-2.0
"""An evaluation on disk: evaluation.json, which holds all that a comparison needs, but no label and no face."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.labelled import LabelledSequence
from ..image.bags import is_bag
from .evaluate import MEANS, Evaluation, Options, parts_of
from .replay_folder import CODES, FRAMES, RECORDING
from .statistics import Statistic, draws_of, interval, mean_value

FILE = "evaluation.json"
FORMAT = "facial_coding_ros evaluation 2"


class ResultError(ValueError):
    """A file that is no evaluation, or one of a replay that is gone; the text says which, and what to do."""


@dataclass(frozen=True)
class Row:
    """A figure with the ends of its 95 % interval; NaN where there is none."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Result:
    """What evaluation.json holds: figures by unit, facts, and the table with intervals. labels: a digest of them."""

    figures: Mapping[str, Statistic]
    unit: str
    units: tuple[str, ...]
    facts: Mapping[str, float]
    rows: tuple[Row, ...]
    options: Options = field(default_factory=Options)
    labels: str = ""
    notes: tuple[str, ...] = ()


def table(found: Evaluation) -> list[Row]:
    """Every figure, the means over action units first."""
    weights = draws_of(len(found.units), found.options.draws, found.options.seed) if found.units else np.zeros((0, 0))
    once = np.ones(len(found.units))
    rows = []
    for name in MEANS:
        parts = parts_of(found.figures, name)
        if parts:
            low, high = interval(mean_value(parts, weights)) if len(found.units) > 1 else (math.nan, math.nan)
            rows.append(Row(f"au/mean/{name}", float(mean_value(parts, once[None])[0]), low, high))
    for name, statistic in found.figures.items():
        low, high = interval(statistic.value(weights)) if len(found.units) > 1 else (math.nan, math.nan)
        rows.append(Row(name, statistic.total(), low, high))
    return rows


def result_of(found: Evaluation) -> Result:
    labels = _digest([*(one.labels for one in found.aligned), *found.left_out])
    rows = tuple(table(found))
    return Result(found.figures, found.unit, found.units, found.facts, rows, found.options, labels, found.notes)


def write_result(folder: Path, found: Evaluation, labels: str, run: Path) -> Result:
    """Writes evaluation.json of a run into the folder. Raises OSError."""
    result = result_of(found)
    content: dict[str, Any] = {
        "format": FORMAT,
        # From here, so that both may be moved together.
        "run": os.path.relpath(run.resolve(), folder.resolve()),
        "run_content": _content(run),
        "labels": labels,
        "labels_content": result.labels,
        "options": asdict(result.options),
        "notes": list(result.notes),
        "unit": result.unit,
        "units": list(result.units),
        "facts": dict(result.facts),
        "table": [asdict(row) for row in result.rows],
        "confusion": found.confusion.tolist(),
        "figures": {name: statistic.as_json() for name, statistic in result.figures.items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{FILE}.part"
    part.write_text(json.dumps(_nulls(content), allow_nan=False) + "\n", encoding="utf-8")
    part.replace(folder / FILE)
    return result


def read_result(path: Path) -> Result:
    """Of an evaluation's folder, a run's folder that holds one, or the file. Raises ResultError, also when the run was
    replayed again since."""
    candidates = [path] if path.is_file() else [path / FILE, path / "evaluation" / FILE]
    file = next((candidate for candidate in candidates if candidate.is_file()), None)
    if file is None:
        raise ResultError(f"{path} holds no {FILE}; run `facial_coding evaluate {path} --labels ...` first")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ResultError(
                f"{file} has format {content['format']!r}; {FORMAT!r} is expected: run `facial_coding evaluate` again"
            )
        run = Path(os.path.normpath(file.parent / content["run"]))
        # Where the run is no more, its evaluation still stands for it.
        if run.exists() and _content(run) != content["run_content"]:
            labels = f" --labels {content['labels']}" if content["labels"] else ""
            raise ResultError(
                f"{file} is of another replay than {run} holds now; run `facial_coding evaluate {run}{labels}` again"
            )
        figures = {name: Statistic.from_json(entry) for name, entry in content["figures"].items()}
        rows = tuple(Row(**_known(row)) for row in content["table"])
        facts, options = _known(content["facts"]), Options(**_known(content["options"]))
        units, notes = tuple(content["units"]), tuple(content["notes"])
        return Result(figures, content["unit"], units, facts, rows, options, content["labels_content"], notes)
    except (KeyError, TypeError, ValueError) as error:
        raise error if isinstance(error, ResultError) else ResultError(f"{file} is no evaluation: {error!r}") from None


def _nulls(value: Any) -> Any:
    """NaN as null: JSON has no NaN, and strict readers refuse it."""
    if isinstance(value, dict):
        return {name: _nulls(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_nulls(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _known(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: math.nan if value is None else value for name, value in content.items()}


def _content(run: Path) -> str:
    """Digest of what the figures were made from: a replay's tables and recording.json, which no second replay writes
    alike; of a bag, which may be large, names and sizes."""
    digest = hashlib.sha256()
    if is_bag(run):
        for file in sorted(run.iterdir()) if run.is_dir() else [run]:
            if file.is_file():
                digest.update(f"{file.name} {file.stat().st_size}\n".encode())
        return digest.hexdigest()
    folders = [run, *sorted({file.parent for file in run.glob(f"[!.]*/{CODES}")})]
    for file in [folder / name for folder in folders for name in (CODES, FRAMES, RECORDING)]:
        if file.is_file():
            digest.update(f"{file.relative_to(run)} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _digest(labels: list[LabelledSequence]) -> str:
    """Of what labels say, wherever their file lies and in whichever order."""
    if not labels:
        return ""
    parts = []
    for one in labels:
        content = (one.subject, one.name, one.aus, one.absolute, one.expression.tolist())
        arrays = (one.frames, one.seconds, one.present, one.intensity, one.neutral, one.region)
        parts.append(hashlib.sha256(repr(content).encode() + b"".join(array.tobytes() for array in arrays)).digest())
    return hashlib.sha256(b"".join(sorted(parts))).hexdigest()
