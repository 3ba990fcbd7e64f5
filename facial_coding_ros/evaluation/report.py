# SPDX-License-Identifier: Apache-2.0
"""The page of an evaluation: one HTML file that needs no network and reads on a phone."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import plotly.graph_objects as go

from ..coding.expression import EXPRESSION_LABELS
from ..drawing.overlay import AU_NAMES
from .evaluate import Evaluation
from .html import chart, document, write
from .moments import Moment, thumbnails, worst_moments
from .people import NOTE, Person, overview, people_of, timelines
from .results import Result, Row
from .runs import RunRecording

_COLUMNS = {
    "f1": "F1", "balanced_accuracy": "balanced acc.", "accuracy": "accuracy", "auc": "AUC", "icc31": "ICC(3,1)",
    "pearson": "r", "mae": "MAE", "onset_delay_s": "onset delay (s)", "onsets_missed": "onsets missed",
    "answered": "answered",
}  # fmt: skip
_FACTS = {
    "frames": ("frames", "{:.0f}"),
    "seconds": ("seconds", "{:.1f}"),
    "rate_hz": ("frames a second", "{:.1f}"),
    "frames_lost": ("frames missing between others", "{:.0f}"),
    "frames_without_face": ("frames without a face", "{:.0f}"),
    "faces": ("different faces", "{:.0f}"),
    "parts_left_out": ("parts that could not be read", "{:.0f}"),
    "latency_p50_ms": ("latency, median (ms)", "{:.1f}"),
    "latency_p95_ms": ("latency, 95 % (ms)", "{:.1f}"),
    "processing_p95_ms": ("processing, 95 % (ms a frame)", "{:.1f}"),
    "labels": ("labelled moments", "{:.0f}"),
    "labels_without_face": ("of them without a face", "{:.0f}"),
    "labels_without_frame": ("of them without a frame", "{:.0f}"),
    "labels_without_recording": ("labels of recordings that the run does not have", "{:.0f}"),
}


def write_report(
    page: Path, run: Sequence[RunRecording], found: Evaluation, result: Result, with_thumbnails: bool = False
) -> Path:
    """Writes the page. Faces are shown only with_thumbnails. Raises OSError."""
    moments = worst_moments(found.aligned)
    people = _as_labelled(people_of(run, found.aligned), moments)
    rows = {row.name: row for row in result.rows}
    parts = [_cards(found.facts, rows)]
    if result.units:
        count = f"{len(result.units)} {result.unit}"
        parts.append(f"<p class=note>In brackets: 95 % intervals, drawing {html.escape(count)} anew.</p>")
        parts += [f"<p class=note>Note: {html.escape(note)}.</p>" for note in found.notes]
    parts += [_action_units(rows), _expressions(rows, found), _others(rows)]
    parts.append(_moments(moments, people, thumbnails(moments) if with_thumbnails else {}))
    parts.append("<h2>People</h2>" + (overview(people) if people else "<p>No face was seen.</p>"))
    parts += [*timelines(people), NOTE, _made_by(run, found)]
    names = ", ".join(recording.name for recording in run[:3]) + (" ..." if len(run) > 3 else "")
    return write(page, document(f"Evaluation: {names}", parts))


def _as_labelled(people: Sequence[Person], moments: Sequence[Moment]) -> list[Person]:
    """People under their labels' names as well, with the labels of every moment that leads to their charts: also of a
    person who was, for a short time, taken for another."""
    named = []
    for person in people:
        rows = set(person.rows.tolist())
        own = [m.labels for m in moments if m.recording is person.recording and m.row in rows]
        labels = tuple({id(one): one for one in (*person.labels, *own)}.values())
        names = dict.fromkeys(one.labels.subject for one in labels)
        title = person.name if not names or person.name in names else f"{', '.join(names)} ({person.name})"
        named.append(replace(person, name=title, labels=labels))
    return named


def _number(value: float, form: str = "{:.3f}") -> str:
    return "–" if math.isnan(value) else form.format(value)


def _with_ends(row: Row | None) -> str:
    if row is None or math.isnan(row.value):
        return "–"
    return f"{row.value:.2f} {_ends_of(row)}"


def _ends_of(row: Row) -> str:
    return "" if math.isnan(row.low) else f"<small>[{row.low:.2f}, {row.high:.2f}]</small>"


def _cards(facts: Mapping[str, float], rows: Mapping[str, Row]) -> str:
    shown = [
        ("mean F1", rows.get("au/mean/f1")),
        ("mean ICC(3,1)", rows.get("au/mean/icc31")),
        ("expressions right", rows.get("expression/accuracy")),
        ("labels without a face", rows.get("tracking/missed")),
    ]
    cards = [
        f"<div class=card>{name}<b>{row.value:.2f}</b>{_ends_of(row)}</div>" for name, row in shown if row is not None
    ]
    lines = [
        f"<tr><td>{about}<td class=n>{_number(facts[name], form)}"
        for name, (about, form) in _FACTS.items()
        if name in facts and not math.isnan(facts[name])
    ]
    return f"<div class=cards>{''.join(cards)}</div><div class=wide><table>{''.join(lines)}</table></div>"


def _action_units(rows: Mapping[str, Row]) -> str:
    aus = sorted(
        {int(name.split("/")[1]) for name in rows if name.startswith("au/") and not name.startswith("au/mean")}
    )
    if not aus:
        return ""
    columns = {key: about for key, about in _COLUMNS.items() if any(f"au/{au}/{key}" in rows for au in aus)}
    head = "".join(f"<th class=n>{about}" for about in columns.values())
    lines = []
    for name, about in [("mean", "mean"), *((str(au), f"AU{au} {AU_NAMES.get(au, '')}") for au in aus)]:
        cells = "".join(f"<td class=n>{_with_ends(rows.get(f'au/{name}/{key}'))}" for key in columns)
        lines.append(f"<tr><td>{about}{cells}")
    table = f"<div class=wide><table><tr><th>{head}{''.join(lines)}</table></div>"
    return f"<h2>Action units</h2>{_intervals(rows, aus)}{table}"


def _intervals(rows: Mapping[str, Row], aus: Sequence[int]) -> str:
    """F1 and ICC of each unit with their intervals."""
    figure = go.Figure()
    for key, about, colour in (("f1", "F1", "#1f77b4"), ("icc31", "ICC(3,1)", "#d62728")):
        shown = [(au, rows[f"au/{au}/{key}"]) for au in aus if f"au/{au}/{key}" in rows]
        shown = [(au, row) for au, row in shown if not math.isnan(row.value)]
        if shown:
            above, below = ([_reach(row.value, end) for row, end in ends] for ends in _ends(shown))
            figure.add_scatter(
                x=[f"AU{au}" for au, _ in shown], y=[round(row.value, 4) for _, row in shown],
                mode="markers", name=about, marker={"color": colour, "size": 8},
                error_y={"type": "data", "symmetric": False, "array": above, "arrayminus": below},
            )  # fmt: skip
    if not figure.data:
        return ""
    figure.update_layout(
        height=280, margin={"l": 38, "r": 8, "t": 6, "b": 6}, template="plotly_white",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )  # fmt: skip
    lowest = min((row.low for row in rows.values() if row.name.endswith("icc31")), default=0.0)
    figure.update_yaxes(range=[min(lowest, 0.0) if lowest == lowest else 0.0, 1], fixedrange=True)
    figure.update_xaxes(fixedrange=True, type="category")
    return chart(figure)


def _ends(shown: Sequence[tuple[int, Row]]) -> tuple[list[tuple[Row, float]], list[tuple[Row, float]]]:
    return [(row, row.high) for _, row in shown], [(row, row.low) for _, row in shown]


def _reach(value: float, end: float) -> float:
    return 0.0 if math.isnan(end) else round(abs(end - value), 4)


def _expressions(rows: Mapping[str, Row], found: Evaluation) -> str:
    if not found.confusion.any():
        return ""
    truth, said = list(EXPRESSION_LABELS), [*EXPRESSION_LABELS, "unsure"]
    there = [i for i in range(len(truth)) if found.confusion[i].any()]
    cells = found.confusion[there]
    shares = cells / cells.sum(1, keepdims=True)
    figure = go.Figure()
    figure.add_heatmap(
        x=said, y=[truth[i] for i in there], z=shares.round(4).tolist(), zmin=0, zmax=1, colorscale="Blues",
        text=cells.astype(int).tolist(), texttemplate="%{text}", showscale=False,
        hovertemplate="%{y}, said %{x}: %{z:.0%}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(
        height=90 + 36 * len(there), margin={"l": 75, "r": 8, "t": 6, "b": 60}, template="plotly_white"
    )
    figure.update_yaxes(autorange="reversed", fixedrange=True)
    figure.update_xaxes(fixedrange=True)
    return f"<h2>Expressions</h2>{_list(rows, 'expression/')}<h3>labelled (rows) and said (columns)</h3>{chart(figure)}"


def _others(rows: Mapping[str, Row]) -> str:
    tables = [(title, _list(rows, prefix)) for title, prefix in (("Neutral", "neutral/"), ("Tracking", "tracking/"))]
    return "".join(f"<h2>{title}</h2>{table}" for title, table in tables if table)


_ABOUT = {
    "expression/accuracy": "right, of all",
    "expression/macro_f1": "macro F1",
    "expression/answered": "not unsure",
    "expression/accuracy_when_sure": "right, when not unsure",
    "expression/calibration_error": "calibration error",
    "neutral/ready": "labelled moments with a ready neutral",
    "neutral/until_ready_s": "seconds until it is ready",
    "neutral/intensity_at_rest": "mean intensity of action units at rest",
    "tracking/missed": "labelled moments without a face",
    "tracking/switches": "changes of the face id in 1000 labelled moments",
    "tracking/mota": "MOTA",
}


def _list(rows: Mapping[str, Row], prefix: str) -> str:
    lines = [f"<tr><td>{_ABOUT[n]}<td class=n>{_with_ends(row)}" for n, row in rows.items() if n.startswith(prefix)]
    return f"<div class=wide><table>{''.join(lines)}</table></div>" if lines else ""


def _moments(moments: Sequence[Moment], people: Sequence[Person], pictures: Mapping[tuple[str, int], str]) -> str:
    if not moments:
        return ""
    person_of = {(id(person.recording), int(row)): person for person in people for row in person.rows}
    lines = []
    for moment in moments:
        person = person_of[id(moment.recording), moment.row]
        picture = pictures.get((moment.recording.name, moment.row))
        face = f"<img class=face alt='' src='{picture}'>" if picture else ""
        link = f"<a href='#{person.anchor}' data-at='{moment.seconds:.3f}'>{moment.seconds:.2f} s</a>"
        cells = [
            html.escape(moment.recording.name),
            html.escape(person.name),
            link,
            str(moment.frame),
            str(moment.stamp_ns),
        ]
        shown = (f"<td>{face}" if pictures else "") + "".join(
            f"<td>{cell}" for cell in [*cells, html.escape(moment.what)]
        )
        lines.append(f"<tr>{shown}")
    head = ("<th>" if pictures else "") + "<th>recording<th>person<th>at<th>frame<th>stamp (ns)<th>what"
    about = "<p class=note>Most wrong first; the link shows the moment in the person's charts.</p>"
    return f"<h2>Worst moments</h2>{about}<div class=wide><table><tr>{head}{''.join(lines)}</table></div>"


def _made_by(run: Sequence[RunRecording], found: Evaluation) -> str:
    """Settings and model cards; once for all recordings that share them."""
    parts = ["<h2>What made it</h2>", _details("evaluation", vars(found.options))]
    seen: dict[str, list[str]] = {}
    for recording in run:
        metadata = {
            name: recording.metadata[name] for name in ("settings", "models", "neutral") if name in recording.metadata
        }
        if metadata:
            seen.setdefault(json.dumps(metadata, sort_keys=True), []).append(recording.name)
    for text, names in seen.items():
        metadata = json.loads(text)
        who = "" if len(seen) == 1 else f" of {', '.join(names[:5])}"
        parts.append(_details(f"settings{who}", metadata.get("settings", {})))
        parts += [_details(f"model {name}{who}", card) for name, card in metadata.get("models", {}).items()]
    left_out = [problem for recording in run for problem in recording.metadata.get("problems", {}).get("first", [])]
    if left_out:
        parts.append(_details("left out of the recordings", left_out[:50]))
    return "".join(parts)


def _details(title: str, content: object) -> str:
    text = html.escape(json.dumps(content, indent=1, default=str))
    return f"<details><summary>{html.escape(title)}</summary><pre>{text}</pre></details>"
