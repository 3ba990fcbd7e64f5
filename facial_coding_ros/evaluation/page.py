"""A page about one run: action units, expressions, valence and arousal of every face over time."""

from __future__ import annotations

import csv
import html
import math
from collections import defaultdict
from pathlib import Path

import plotly.graph_objects as go
import plotly.io as pio
from plotly.subplots import make_subplots

from ..drawing.overlay import AU_NAMES

_SHOWN_AUS = 8
_LEAST_PEAK = 0.15
_COLOURS = {
    "neutral": "#9aa0a6",
    "happy": "#f2b134",
    "sad": "#4a7fb5",
    "angry": "#d1495b",
    "surprised": "#8f5fb8",
    "disgusted": "#5b8c5a",
    "scared": "#3d5a80",
    "contempt": "#b08968",
    "unsure": "#e4e6e9",
}
_STYLE = """
body{font-family:system-ui,sans-serif;margin:0 auto;max-width:1100px;padding:1rem;color:#20242a;line-height:1.45}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
table{border-collapse:collapse;margin:.5rem 0}td,th{padding:.25rem .7rem;border-bottom:1px solid #ddd;text-align:left}
video{width:100%;max-width:760px;border-radius:6px}.note{color:#5a6470}
"""

Rows = list[dict[str, str]]


def write_page(table: Path, page: Path, title: str, video: Path | None = None) -> Path:
    """Writes a self-contained HTML page about a table of face codes; a video is linked beside it.

    Raises OSError when a file cannot be read or written.
    """
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    faces: dict[str, Rows] = defaultdict(list)
    for row in rows:
        faces[row["face_id"]].append(row)
    start_ns = min((int(row["stamp_ns"]) for row in rows), default=0)
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>",
        "<meta name=viewport content='width=device-width,initial-scale=1'>",
        f"<style>{_STYLE}</style><h1>{html.escape(title)}</h1>",
    ]
    if video is not None and video.exists():
        parts.append(f"<video controls muted src='{html.escape(video.name)}'></video>")
    parts.append(_overview(faces, start_ns))
    if not faces:
        parts.append("<p>No face was seen.</p>")
    script: bool | str = True  # plotly's script once, inside the page
    for face_id, seen in faces.items():
        parts.append(f"<h2>Face {html.escape(face_id)}</h2>")
        parts.append(pio.to_html(_figure(seen, start_ns), full_html=False, include_plotlyjs=script))
        script = False
    parts.append(
        "<p class=note>Action units are measured against each person's own neutral face; grey shading marks the time "
        "before it is ready. What a face shows is not what a person feels.</p></html>"
    )
    part = page.with_name(page.name + ".part")
    part.write_text("\n".join(parts), encoding="utf-8")
    part.replace(page)
    return page


def _overview(faces: dict[str, Rows], start_ns: int) -> str:
    lines = ["<table><tr><th>face<th>person<th>seen (s)<th>frames<th>strongest action units<th>expressions"]
    for face_id, rows in faces.items():
        first, last = ((int(rows[i]["stamp_ns"]) - start_ns) / 1e9 for i in (0, -1))
        peaks = [f"AU{au} {AU_NAMES.get(au, '')} {peak:.2f}" for au, peak in _strongest(rows)[:4]]
        labels: dict[str, int] = defaultdict(int)
        for row in rows:
            labels[row["expression"]] += 1
        common = sorted(labels.items(), key=lambda item: -item[1])
        shares = ", ".join(f"{html.escape(label)} {count / len(rows):.0%}" for label, count in common[:4])
        cells = [html.escape(face_id), html.escape(rows[0]["person_id"]) or "–", f"{first:.1f} to {last:.1f}"]
        cells += [str(len(rows)), ", ".join(peaks), shares]
        lines.append("<tr>" + "".join(f"<td>{cell}" for cell in cells))
    return "\n".join(lines) + "</table>"


def _strongest(rows: Rows) -> list[tuple[int, float]]:
    codes = [name for name in rows[0] if name.startswith("au") and name[2:].isdigit()]
    peaks = [(int(name[2:]), max(float(row[name]) for row in rows)) for name in codes]
    return sorted(peaks, key=lambda item: -item[1])


def _figure(rows: Rows, start_ns: int) -> go.Figure:
    seconds = [(int(row["stamp_ns"]) - start_ns) / 1e9 for row in rows]
    figure = make_subplots(
        rows=3,
        shared_xaxes=True,
        vertical_spacing=0.06,
        row_heights=[0.44, 0.31, 0.25],
        subplot_titles=("action units", "expression", "valence and arousal"),
    )
    shown = [(au, peak) for au, peak in _strongest(rows)[:_SHOWN_AUS] if peak >= _LEAST_PEAK]
    for au, _ in sorted(shown):
        name = f"AU{au} {AU_NAMES.get(au, '')}"
        figure.add_scatter(x=seconds, y=_values(rows, f"au{au:02d}"), name=name, row=1, col=1, legend="legend")
    labels = [name[2:] for name in rows[0] if name.startswith("p_")]
    unsure = [max(0.0, 1 - sum(float(row[f"p_{label}"]) for label in labels)) for row in rows]
    for label, values in [*((label, _values(rows, f"p_{label}")) for label in labels), ("unsure", unsure)]:
        figure.add_scatter(
            x=seconds, y=values, name=label, stackgroup="one", line={"width": 0},
            fillcolor=_COLOURS.get(label, "#777"), row=2, col=1, legend="legend2",
        )  # fmt: skip
    for name in ("valence", "arousal"):
        figure.add_scatter(x=seconds, y=_values(rows, name), name=name, row=3, col=1, legend="legend3")
    for begin, end in _not_ready(rows, seconds):
        figure.add_vrect(x0=begin, x1=end, fillcolor="#777", opacity=0.12, line_width=0)
    figure.update_layout(
        height=760,
        margin={"l": 45, "r": 10, "t": 30, "b": 40},
        template="plotly_white",
        hovermode="x unified",
        legend={"y": 1, "title": None},
        legend2={"y": 0.53},
        legend3={"y": 0.2},
    )
    figure.update_yaxes(range=[0, 1], row=1, col=1)
    figure.update_yaxes(range=[0, 1], row=2, col=1)
    figure.update_yaxes(range=[-1, 1], row=3, col=1)
    figure.update_xaxes(title_text="seconds", row=3, col=1)
    return figure


def _values(rows: Rows, name: str) -> list[float | None]:
    values = [float(row[name]) for row in rows]
    return [None if math.isnan(value) else value for value in values]


def _not_ready(rows: Rows, seconds: list[float]) -> list[tuple[float, float]]:
    """Stretches of time in which the neutral was not ready."""
    stretches: list[tuple[float, float]] = []
    for row, at in zip(rows, seconds, strict=True):
        if row["neutral_state"] == "ready":
            continue
        if stretches and at - stretches[-1][1] < 0.5:
            stretches[-1] = (stretches[-1][0], at)
        else:
            stretches.append((at, at))
    return stretches
