"""An evaluation on disk: evaluation.json, which holds all that a comparison needs, but no label and no face."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .evaluate import Evaluation, Row, table
from .statistics import Statistic

FILE = "evaluation.json"
FORMAT = "facial_coding_ros evaluation 1"


class ResultError(ValueError):
    """A file that is no evaluation; the text says which."""


@dataclass(frozen=True)
class Result:
    """What evaluation.json holds: figures by unit, facts, and the table with intervals."""

    figures: Mapping[str, Statistic]
    unit: str
    units: tuple[str, ...]
    facts: Mapping[str, float]
    rows: tuple[Row, ...]


def result_of(found: Evaluation) -> Result:
    return Result(found.figures, found.unit, found.units, found.facts, tuple(table(found)))


def write_result(folder: Path, found: Evaluation, labels: str) -> Result:
    """Writes evaluation.json into the folder. Raises OSError."""
    result = result_of(found)
    told: dict[str, Any] = {
        "format": FORMAT,
        "labels": labels,
        "options": asdict(found.options),
        "notes": list(found.notes),
        "unit": result.unit,
        "units": list(result.units),
        "facts": dict(result.facts),
        "table": [asdict(row) for row in result.rows],
        "confusion": found.confusion.tolist(),
        "figures": {name: statistic.as_json() for name, statistic in result.figures.items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{FILE}.part"
    part.write_text(json.dumps(told) + "\n", encoding="utf-8")
    part.replace(folder / FILE)
    return result


def read_result(path: Path) -> Result:
    """Of an evaluation's folder, a run's folder that holds one, or the file. Raises ResultError."""
    candidates = [path] if path.is_file() else [path / FILE, path / "evaluation" / FILE]
    file = next((candidate for candidate in candidates if candidate.is_file()), None)
    if file is None:
        raise ResultError(f"{path} holds no {FILE}; run `facial_coding evaluate {path} --labels ...` first")
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        if told["format"] != FORMAT:
            raise ResultError(f"{file} has format {told['format']!r}; {FORMAT!r} is expected")
        figures = {name: Statistic.from_json(entry) for name, entry in told["figures"].items()}
        rows = tuple(Row(**row) for row in told["table"])
        return Result(figures, told["unit"], tuple(told["units"]), told["facts"], rows)
    except (KeyError, TypeError, ValueError) as error:
        raise error if isinstance(error, ResultError) else ResultError(f"{file} is no evaluation: {error!r}") from None
