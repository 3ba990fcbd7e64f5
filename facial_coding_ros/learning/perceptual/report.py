# SPDX-License-Identifier: Apache-2.0
"""One page of everything an evaluation left in a folder, self-contained."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import Any

from .evaluation import ROWS, summary

PAPER = {"None": (0.72, 0.593), "PCA": (0.676, 0.592), "VAE": (0.64, 0.592), "M1": (0.72, 0.67), "M2": (0.736, 0.798)}
"""The paper's Table II: accuracy and satisfied triplets, on BU-3DFE."""

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:1080px;margin:2rem auto;padding:0 1rem;color:#1d2733}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.2rem}img{max-width:100%}
table{border-collapse:collapse;margin:.8rem 0}
th,td{padding:.3rem .8rem;border-bottom:1px solid #d9dee5;text-align:right}
th:first-child,td:first-child{text-align:left}.note{color:#5a6675}
"""

# File -> heading and what is to be seen.
_PICTURES = {
    "latent_maps.png": (
        "Latent maps",
        "Test faces in the first three principal components of each representation: 1 and 2 above, 1 and 3 below.",
    ),
    "reliability.png": (
        "Are the probabilities right?",
        "Of the faces classified with a confidence, the share that is classified correctly; bars are standard errors.",
    ),
    "opinions.png": (
        "The latent and the action unit rules",
        "The same pictures of people that nothing was fitted to; the last column is unsure.",
    ),
    "courses.png": ("Filtering over time", "One made sequence: rest, surprise, rest; shares of the labels over time."),
}


def write_report(folder: Path) -> Path:
    """folder/report.html, from table.json, runs.json, live.json and the pictures, as far as they are there."""
    parts = ["<h1>Perceptual latents and expressions</h1>"]
    table, runs, live = (_read(folder / name) for name in ("table.json", "runs.json", "live.json"))
    if table:
        parts += ["<h2>Posed set: the paper's Table II</h2>", _table(table)]
    if runs:
        parts += ["<h2>Runs</h2>", _runs(runs)]
    for name, (heading, note) in _PICTURES.items():
        if (folder / name).is_file():
            parts += [f"<h2>{heading}</h2><p class=note>{note}</p>", _image(folder / name)]
            if live and name == "opinions.png":
                parts.append(_rows(live["opinions"]))
            if live and name == "courses.png":
                parts.append(_rows(live["filters"]))
            if live and name == "reliability.png":
                parts.append(_rows(live["classifier"]))
    for path in sorted(folder.glob("traversals_*.png")):
        name = path.stem.removeprefix("traversals_")
        note = "Each row is one dimension, the most used first; grey: the neutral face's own latent."
        parts += [f"<h2>What the dimensions of {html.escape(name)} do</h2><p class=note>{note}</p>", _image(path)]
    page = folder / "report.html"
    body = "\n".join(parts)
    page.write_text(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Perceptual latents</title>"
        f"<style>{_STYLE}</style><body>{body}</body></html>\n"
    )
    return page


def _read(path: Path) -> Any:
    return json.loads(path.read_text()) if path.is_file() else None


def _table(table: dict[str, Any]) -> str:
    rows = summary(table["seeds"])
    lines = []
    for name in ROWS:
        row = rows[name]
        paper = "".join(f"<td>{value:.3f}</td>" for value in PAPER[name]) if name in PAPER else "<td></td><td></td>"
        cells = "".join(f"<td>{row[m][0]:.3f} ± {row[m][1]:.3f}</td>" for m in ("accuracy", "triplets"))
        lines.append(f"<tr><td>{name}</td><td>{row['dimensions'][0]:.0f}</td>{cells}{paper}</tr>")
    head = (
        "<th>Representation</th><th>Dim</th><th>Accuracy</th><th>Triplets</th><th>paper: accuracy</th><th>triplets</th>"
    )
    settings = ", ".join(f"{k} {v}" for k, v in table["settings"].items())
    return (
        f"<table><tr>{head}</tr>{''.join(lines)}</table><p class=note>Mean of {len(table['seeds'])} seeds and half its "
        "95 % interval; each seed draws people, poses, split, triplets and weights anew. The paper's figures are of "
        "BU-3DFE and stand here for comparison of the order only.</p>"
        f"<details><summary>Settings</summary>{html.escape(settings)}</details>"
    )


def _runs(runs: dict[str, Any]) -> str:
    lines = []
    for name, row in runs["rows"].items():
        votes = ", ".join(f"{k}: {v:.3f}" for k, v in row["by_votes"].items())
        lines.append(
            f"<tr><td>{html.escape(name)}</td><td>{row['dimensions']}</td><td>{row['accuracy']:.3f}</td>"
            f"<td>{row['triplets']:.3f}</td><td>{votes}</td></tr>"
        )
    head = "<th>Representation</th><th>Dim</th><th>Accuracy</th><th>Triplets</th><th>by confidence (votes)</th>"
    return f"<table><tr>{head}</tr>{''.join(lines)}</table><p class=note>{html.escape(json.dumps(runs['data']))}</p>"


def _rows(rows: dict[str, dict[str, float]]) -> str:
    """One table for each set of measures."""
    tables: dict[tuple[str, ...], list[str]] = {}
    for name, row in rows.items():
        cells = "".join(f"<td>{value:.3g}</td>" for value in row.values())
        tables.setdefault(tuple(row), []).append(f"<tr><td>{html.escape(name)}</td>{cells}</tr>")
    return "".join(
        f"<table><tr><th></th>{''.join(f'<th>{html.escape(m)}</th>' for m in measures)}</tr>{''.join(lines)}</table>"
        for measures, lines in tables.items()
    )


def _image(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return f"<img alt='{html.escape(path.stem)}' src='data:image/png;base64,{data}'>"
