# SPDX-License-Identifier: Apache-2.0
"""Results of one network over its folds, as a file, and the page that puts networks side by side."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ...au_networks.specs import NETWORKS, NetworkSpec
from ...yaml_files import YamlFileError, read_yaml_file
from .cost import Cost
from .evaluation import Predictions
from .metrics import FAILURE, AuScore, score
from .published import PUBLISHED_F1

NAMES = {"eac_net": "EAC-Net", "jaa_net": "JAA-Net", "me_graphau": "ME-GraphAU"}
STYLE = (
    "body{font-family:system-ui,sans-serif;max-width:1100px;margin:auto;padding:1rem;line-height:1.45}"
    "table{border-collapse:collapse;margin:.6rem 0;font-size:.92rem}"
    "td,th{padding:.25rem .55rem;border-bottom:1px solid #ddd;text-align:right}"
    "td:first-child,th:first-child{text-align:left}img{max-width:100%}.note{color:#5a6470}"
)


@dataclass(frozen=True)
class FoldResult:
    """landmark_error: mean over frames, in distances between the eye centres; nan where there are no landmarks."""

    fold: int
    people: tuple[str, ...]
    score: AuScore
    landmark_error: float
    failure_rate: float


@dataclass(frozen=True)
class NetworkResult:
    """total: over all frames of all folds tested."""

    spec: NetworkSpec
    dataset: str
    parameters_million: float
    folds: tuple[FoldResult, ...]
    total: FoldResult
    cost: Cost | None = None


def fold_result(fold: int, predictions: Predictions, aus: tuple[int, ...]) -> FoldResult:
    """What the answers for one fold (0: all) amount to."""
    errors = predictions.landmark_error
    return FoldResult(
        fold,
        tuple(np.unique(predictions.people).tolist()),
        score(predictions.probability, predictions.labels, predictions.people, aus),
        float("nan") if errors is None else float(errors.mean()),
        float("nan") if errors is None else float((errors > FAILURE).mean()),
    )


def joined(predictions: Sequence[Predictions]) -> Predictions:
    """Predictions of several folds together."""
    errors = [each.landmark_error for each in predictions if each.landmark_error is not None]
    return Predictions(
        np.concatenate([each.probability for each in predictions]),
        np.concatenate([each.labels for each in predictions]),
        np.concatenate([each.people for each in predictions]),
        np.concatenate(errors) if len(errors) == len(predictions) else None,
    )


def write_result(result: NetworkResult, path: Path) -> None:
    """As YAML."""
    values = dataclasses.asdict(result) | {"spec": result.spec.to_mapping()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(_plain(values), sort_keys=False, default_flow_style=None, width=110))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return [round(float(item), 4) for item in value]
    return round(float(value), 4) if isinstance(value, (float, np.floating)) else value


def read_result(path: Path) -> NetworkResult:
    """The reverse. Raises ValueError when the file is no result."""
    try:
        values = read_yaml_file(path)
        cost = values["cost"]
        return NetworkResult(
            NetworkSpec.from_mapping(values["spec"]),
            values["dataset"],
            values["parameters_million"],
            tuple(_fold(fold) for fold in values["folds"]),
            _fold(values["total"]),
            Cost(cost["gmac"], dict(cost["ms"]), cost["size_mb"]) if cost else None,
        )
    except (OSError, KeyError, TypeError, AttributeError, YamlFileError) as error:
        raise ValueError(f"{path} is no result of `evaluate au`: {error!r}") from None


def _fold(values: Mapping[str, Any]) -> FoldResult:
    arrays = {"f1", "accuracy", "f1_low", "f1_high"}
    parts: dict[str, Any] = {k: np.array(v, np.float32) if k in arrays else v for k, v in values["score"].items()}
    parts["aus"] = tuple(parts["aus"])
    return FoldResult(
        values["fold"], tuple(values["people"]), AuScore(**parts), values["landmark_error"], values["failure_rate"]
    )


def write_page(results: Sequence[NetworkResult], path: Path, pictures: Sequence[tuple[str, str]] = ()) -> None:
    """Networks side by side: accuracy by fold, F1 by action unit beside the published rows, speed and size.

    pictures: what they show and file name beside the page, of heat maps.
    """
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>Image networks for action units</title>",
        f"<style>{STYLE}</style><h1>Image networks for action units</h1>",
        "<h2>Each fold</h2>" + _fold_table(results),
    ]
    for dataset in dict.fromkeys(result.dataset for result in results):
        of_it = [result for result in results if result.dataset == dataset]
        parts.append(f"<h2>F1 of each action unit, {html.escape(dataset)}, in percent</h2>" + _f1_table(of_it, dataset))
    parts.append("<h2>Speed and size</h2>" + _cost_table(results))
    parts += [f"<h2>{html.escape(what)}</h2><img src='{html.escape(name)}' alt='heat maps'>" for what, name in pictures]
    parts.append(
        "<p class=note>Brackets: 95 % intervals from drawing the tested people anew. Published rows are over the same "
        "three folds, without intervals; repeated folds by subject move F1 by about 6.5 points.</p></html>"
    )
    path.write_text("\n".join(parts), encoding="utf-8")


def _row(cells: Sequence[str], tag: str = "td") -> str:
    return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"


def title(spec: NetworkSpec) -> str:
    """Name of a network for people."""
    backbone = f" {spec.backbone}" if spec.network == "me_graphau" else ""
    return f"{NAMES[spec.network]}{backbone}, stage {spec.stage}"


def _title(result: NetworkResult) -> str:
    return html.escape(title(result.spec))


def _number(value: float, form: str) -> str:
    return "–" if value != value else format(value, form)


def _fold_table(results: Sequence[NetworkResult]) -> str:
    head = ("network", "fold", "people", "frames", "F1 mean", "95 %", "accuracy mean", "mean error", "failure rate")
    rows = [_row(head, "th")]
    for result in results:
        for fold in (*result.folds, result.total):
            s = fold.score
            rows.append(
                _row(
                    (
                        _title(result),
                        str(fold.fold or "all"),
                        str(s.people),
                        str(s.frames),
                        f"{s.mean_f1:.3f}",
                        f"{s.mean_f1_low:.3f} to {s.mean_f1_high:.3f}",
                        f"{s.mean_accuracy:.3f}",
                        _number(fold.landmark_error, ".4f"),
                        _number(fold.failure_rate, ".4f"),
                    )
                )
            )
    return "<table>" + "".join(rows) + "</table>"


def _f1_table(results: Sequence[NetworkResult], dataset: str) -> str:
    aus = tuple(dict.fromkeys(au for result in results for au in result.spec.aus))
    rows = [_row(("network", *(f"AU{au}" for au in aus), "mean"), "th")]
    for result in results:
        s = result.total.score
        cells = []
        for au in aus:
            i = s.aus.index(au) if au in s.aus else -1
            shown = f"{100 * s.f1[i]:.1f}<br><small>[{100 * s.f1_low[i]:.0f}, {100 * s.f1_high[i]:.0f}]</small>"
            cells.append("–" if i < 0 or s.f1[i] != s.f1[i] else shown)
        mean = f"{100 * s.mean_f1:.1f}<br><small>[{100 * s.mean_f1_low:.0f}, {100 * s.mean_f1_high:.0f}]</small>"
        rows.append(_row((_title(result), *cells, mean)))
    for network in NETWORKS:
        published = PUBLISHED_F1.get((network, dataset))
        if published is not None:
            by_au = dict(zip(published.aus, published.f1, strict=True))
            cells = [f"{by_au[au]:.1f}" if au in by_au else "–" for au in aus]
            rows.append(
                _row((f"{NAMES[network]}, published<br><small>{published.source}</small>", *cells, f"{published.mean}"))
            )
    return "<table>" + "".join(rows) + "</table>"


def _cost_table(results: Sequence[NetworkResult]) -> str:
    batches = sorted({count for result in results if result.cost for count in result.cost.ms})
    head = ("network", "million parameters", "GMAC a face", "file, MB", *(f"ms a face, batch {b}" for b in batches))
    rows = [_row(head, "th")]
    for result in results:
        cells = [_title(result), f"{result.parameters_million:.1f}"]
        if result.cost is not None:
            cells += [f"{result.cost.gmac:.2f}", f"{result.cost.size_mb:.0f}"]
            cells += [_number(result.cost.ms.get(b, float("nan")), ".1f") for b in batches]
        rows.append(_row(cells))
    return "<table>" + "".join(rows) + "</table>"
