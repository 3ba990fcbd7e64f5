# SPDX-License-Identifier: Apache-2.0
"""Charts of one person over time: action units, DFECS, expression, valence and arousal, neutral state and events."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from ..datasets.labelled import LEVELS
from ..drawing.overlay import AU_NAMES
from ..events import Event, Phase
from ..events.kinds import read_kinds
from .align import Aligned
from .moments import worst_moments
from .runs import NEUTRAL_STATES, RunRecording

SHOWN_AUS = 8
LEAST_PEAK = 0.15
MOST_POINTS = 1000
"""Of a line; longer ones are thinned, peaks kept."""
COLOURS = {
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
_LINES = (
    "#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22",
    "#393b79", "#ad494a",
)  # fmt: skip
_SHOWN_PHASES = (Phase.MOMENT, Phase.BEGIN)
_ROW_PX, _BETWEEN_PX, _AROUND_PX, _BARE_PX = 18, 12, 100, 160
_STATE_COLOURS = ("#c7cbd1", "#f2b134", "#5aa469", "#d1495b")


def charts(recording: RunRecording, rows: NDArray[np.int64], labels: Sequence[Aligned] = ()) -> dict[str, go.Figure]:
    """Name -> chart, of the rows of one face or person; a chart without content is left out."""
    seconds = recording.seconds[recording.at[rows]]
    units = _action_units(recording, rows, seconds, labels) or _figure(_BARE_PX, 0, 1.02)
    _add_states(units, recording, rows, seconds)
    found = {
        "action units, neutral and events": units,
        "expression": _expression(recording, rows, seconds),
        "valence and arousal": _affect(recording, rows, seconds),
        "DFECS action units": _matrix(recording, rows, seconds, "dfecs_"),
    }
    shown = {name: figure for name, figure in found.items() if figure is not None}
    for figure in shown.values():  # all begin and end at the same time, wherever their lines do
        figure.update_xaxes(range=[float(seconds[0]), max(float(seconds[-1]), float(seconds[0]) + 0.1)])
    return shown


def strongest(recording: RunRecording, rows: NDArray[np.int64]) -> list[tuple[int, float]]:
    """Action units and their peaks, the highest first; units that are never known are left out."""
    peaks = [(au, recording.number(f"au{au:02d}")[rows]) for au in recording.aus]
    known = [(au, float(np.nanmax(values))) for au, values in peaks if np.isfinite(values).any()]
    return sorted(known, key=lambda entry: -entry[1])


def thinned(
    seconds: NDArray[np.float64], values: NDArray[np.float64], peaks: bool
) -> tuple[list[float], list[float | None]]:
    """At most MOST_POINTS points: the highest (peaks) or the mean of each stretch; unknown stretches are None."""
    if len(seconds) > MOST_POINTS:
        edges = np.linspace(0, len(seconds), MOST_POINTS + 1).astype(int)
        seconds = np.array([seconds[a:b].mean() for a, b in itertools.pairwise(edges)])
        pick = np.max if peaks else np.mean
        parts = [values[a:b][np.isfinite(values[a:b])] for a, b in itertools.pairwise(edges)]
        values = np.array([pick(part) if len(part) else np.nan for part in parts])
    shown = [round(float(v), 3) if np.isfinite(v) else None for v in values]
    return [round(float(s), 3) for s in seconds], shown


def _figure(height: int, low: float, high: float) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(
        height=height, margin={"l": 38, "r": 8, "t": 6, "b": 6}, template="plotly_white", hovermode="x unified",
        legend={"orientation": "h", "y": -0.16, "yanchor": "top", "font": {"size": 11}}, dragmode="zoom",
    )  # fmt: skip
    figure.update_yaxes(range=[low, high], fixedrange=True)
    figure.update_xaxes(ticksuffix=" s")
    return figure


def _action_units(
    recording: RunRecording, rows: NDArray[np.int64], seconds: NDArray[np.float64], labels: Sequence[Aligned]
) -> go.Figure | None:
    peaks = strongest(recording, rows)
    labelled = {
        au for one in labels for au in one.labels.aus if (one.labels.present[:, one.labels.aus.index(au)] == 1).any()
    }
    # The page's worst moments link here: all their units are shown, however weakly they were said.
    first = {moment.au for moment in worst_moments(labels) if moment.au}
    others = [au for au, _ in peaks if au in labelled - first]
    left = [au for au, peak in peaks if au not in first | labelled and peak >= LEAST_PEAK]
    told = _told_from({event.kind for event in _events(recording, rows)})
    others += sorted(left, key=lambda au: au not in told)  # what an event is told from, then the strongest
    shown = sorted([*first, *others[: max(SHOWN_AUS - len(first), 0)]])
    if not shown:
        return None
    figure = _figure(330, 0, 1.02)
    for number, au in enumerate(shown):
        colour = _LINES[number % len(_LINES)]
        x, y = thinned(seconds, recording.number(f"au{au:02d}")[rows], peaks=True)
        name = f"AU{au} {AU_NAMES.get(au, '')}"
        figure.add_scatter(x=x, y=y, name=name, line={"color": colour, "width": 1.6}, legendgroup=name)
        for one in labels:
            if au in one.labels.aus:
                truth, at = _truth(one, au)
                x, y = thinned(at, truth, peaks=True)
                figure.add_scatter(
                    x=x, y=y, name=f"AU{au} labelled", line={"color": colour, "width": 1, "dash": "dot", "shape": "hv"},
                    legendgroup=name, showlegend=False,
                )  # fmt: skip
    return figure


def _events(recording: RunRecording, rows: NDArray[np.int64]) -> list[Event]:
    """Those of one face or person that are drawn."""
    faces = set(recording.words("face_id")[rows].tolist())
    return [event for event in recording.events if event.face_id in faces and event.phase in _SHOWN_PHASES]


def _told_from(kinds: set[str]) -> set[int]:
    """Action units that the package's kinds of events are told from; not the lids, as everybody blinks."""
    measures = {name for rule in read_kinds() if rule.kind in kinds for name in getattr(rule, "measures", ())}
    return {int(name[2:4]) for name in measures if name.startswith("au")} - {43, 45}


def _truth(one: Aligned, au: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Labelled intensity 0..1, where none is coded 0.5 for present; and its seconds."""
    column = one.labels.aus.index(au)
    level = one.labels.intensity[:, column].astype(np.float64) / LEVELS
    present = one.labels.present[:, column]
    value = np.where(np.isfinite(level), level, np.select([present == 1, present == 0], [0.5, 0.0], np.nan))
    there = one.frame >= 0
    return value[there], one.recording.seconds[one.frame[there]]


def _matrix(
    recording: RunRecording, rows: NDArray[np.int64], seconds: NDArray[np.float64], prefix: str
) -> go.Figure | None:
    names = [name for name in recording.columns if name.startswith(prefix)]
    if not names:
        return None
    lines = [thinned(seconds, recording.number(name)[rows], peaks=True) for name in names]
    figure = _figure(60 + 9 * len(names), -0.5, len(names) - 0.5)
    figure.add_heatmap(
        x=lines[0][0], y=list(range(len(names))), z=[line[1] for line in lines], colorscale="Blues", showscale=False,
        hovertemplate="component %{y}: %{z:.2f}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(hovermode="closest")
    return figure


def _expression(recording: RunRecording, rows: NDArray[np.int64], seconds: NDArray[np.float64]) -> go.Figure | None:
    if not recording.labels:
        return None
    shares = {label: recording.number(f"p_{label}")[rows] for label in recording.labels}
    shares["unsure"] = np.maximum(1 - np.sum(list(shares.values()), axis=0), 0)
    figure = _figure(240, 0, 1)
    for label, values in shares.items():
        x, y = thinned(seconds, values, peaks=False)
        figure.add_scatter(
            x=x, y=y, name=label, stackgroup="one", line={"width": 0, "color": COLOURS.get(label, "#777")},
            fillcolor=COLOURS.get(label, "#777"),
        )  # fmt: skip
    return figure


def _affect(recording: RunRecording, rows: NDArray[np.int64], seconds: NDArray[np.float64]) -> go.Figure:
    figure = _figure(210, -1.02, 1.02)
    for name, colour in (("valence", "#1f77b4"), ("arousal", "#d62728")):
        x, y = thinned(seconds, recording.number(name)[rows], peaks=False)
        figure.add_scatter(x=x, y=y, name=name, line={"color": colour, "width": 1.6})
    return figure


def _add_states(
    figure: go.Figure, recording: RunRecording, rows: NDArray[np.int64], seconds: NDArray[np.float64]
) -> None:
    """Below the curves, on their time axis: the neutral's state as a band, and a row of events of each kind."""
    states = recording.words("neutral_state")[rows]
    events = _events(recording, rows)
    kinds = sorted({event.kind for event in events})
    strip = _ROW_PX * (1 + len(kinds))
    curves = figure.layout.height - _AROUND_PX
    figure.update_layout(height=figure.layout.height + strip + _BETWEEN_PX)
    whole = curves + strip + _BETWEEN_PX
    figure.update_layout(
        yaxis={"domain": [(strip + _BETWEEN_PX) / whole, 1]},
        yaxis2={
            "domain": [0, strip / whole], "range": [-0.6, len(kinds) + 0.6], "visible": False, "fixedrange": True,
            "autorange": False,
        },
        xaxis={"anchor": "y2"},
        margin={"b": _AROUND_PX - 6},
        legend={"y": -26 / whole},
    )  # fmt: skip
    for state, colour in zip(NEUTRAL_STATES, _STATE_COLOURS, strict=True):
        x: list[float | None] = []
        for begin, end in stretches(states == state, seconds):
            x += [begin, max(end, begin + 0.02), None]
        if x:
            figure.add_scatter(
                x=x, y=[0.0] * len(x), mode="lines", name=f"neutral {state}", line={"color": colour, "width": 10},
                hoverinfo="skip", yaxis="y2",
            )  # fmt: skip
    first_ns = int(recording.stamp_ns[0])
    for row, kind in enumerate(kinds, start=1):
        own = [event for event in events if event.kind == kind]
        words = [" ".join(part for part in (event.side, event.label) if part) for event in own]
        figure.add_scatter(
            x=[round((event.start_ns - first_ns) / 1e9, 3) for event in own], y=[row] * len(own), mode="markers",
            name=kind.replace("_", " "), text=words, yaxis="y2", hovertemplate=f"{kind} %{{text}}",
            marker={"symbol": "diamond", "size": 8, "color": _LINES[(row + 4) % len(_LINES)]},
        )  # fmt: skip


def stretches(chosen: NDArray[np.bool_], seconds: NDArray[np.float64], gap_s: float = 0.5) -> list[tuple[float, float]]:
    """Begin and end of the times in which `chosen` holds without a gap."""
    found: list[tuple[float, float]] = []
    for at in seconds[chosen]:
        if found and at - found[-1][1] < gap_s:
            found[-1] = (found[-1][0], round(float(at), 3))
        else:
            found.append((round(float(at), 3), round(float(at), 3)))
    return found
