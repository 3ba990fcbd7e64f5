# SPDX-License-Identifier: Apache-2.0
"""The part of a page about each person: an overview, and the charts over time."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..drawing.overlay import AU_NAMES
from .align import Aligned
from .html import chart, explained
from .runs import RunRecording
from .timelines import MOST_POINTS, charts, strongest

NOTE = (
    "<p class=note>Action units are measured against each person's own neutral face; before it is ready they say "
    "little. Dotted lines are labels. What a face shows is not what a person feels.</p>"
    "<p class='note screen'>Drag to zoom, double-click for all; the charts of one person go together. With the "
    "keyboard: Tab to a person, then arrows, + and -, 0 for all. Underlined words explain themselves.</p>"
    f"<p class=note>A line has at most {MOST_POINTS} points: of action units the highest of each stretch, else the "
    "mean. Every frame's numbers stand in face_codes.csv.</p>"
)


@dataclass(frozen=True)
class Person:
    """Rows (a face in a frame) of one person in one recording. anchor: of the charts in the page."""

    recording: RunRecording
    name: str
    rows: NDArray[np.int64]
    anchor: str
    labels: tuple[Aligned, ...] = ()


def people_of(run: Sequence[RunRecording], aligned: Sequence[Aligned] = ()) -> list[Person]:
    """By person_id where known, else by face_id; with the labels that are about them."""
    found: list[Person] = []
    for number, recording in enumerate(run):
        ids, persons = recording.words("face_id"), recording.words("person_id")
        subject_key = np.where(persons != "", persons, ids)
        for name in dict.fromkeys(subject_key.tolist()):
            rows = np.flatnonzero(subject_key == name)
            own = set(rows.tolist())
            labels = tuple(one for one in aligned if one.recording is recording and _about(one, own))
            found.append(Person(recording, str(name), rows, f"r{number}-{len(found)}", labels))
    return found


def _about(one: Aligned, rows: set[int]) -> bool:
    """Whether most of these labels are about these rows."""
    return 2 * len(rows.intersection(one.row.tolist())) > int((one.row >= 0).sum())


_ABOUT = {
    "recording": "The file or topic that was read.",
    "person": "Who it is, where that is known; else the track of a face, which ends when the face leaves.",
    "seen (s)": "From the first to the last image with this person, in seconds since the recording's first image.",
    "frames": "Images in which this person was seen.",
    "strongest action units": "FACS action units and their highest intensity: 0 none, 0.2 a trace (A), 1 the most (E).",
    "expressions": "Share of the images in which the expression was the likeliest; unsure: no label stood out.",
}
_CHARTS = {
    "action units, neutral and events": "FACS intensity of single facial movements, 0 to 1, against the person's own "
    "resting face. Below: how well that neutral is known (none, learning, ready, stale), and when each kind of event "
    "began.",
    "expression": "How the probability is shared between the labels; grey: unsure, no label earns it.",
    "valence and arousal": "Valence: unpleasant (-1) to pleasant (1). Arousal: calm (-1) to excited (1). Of the face, "
    "not of the person.",
    "DFECS action units": "Movements that were learnt from data, without labels: a row each, the darker the stronger.",
}


def overview(people: Sequence[Person]) -> str:
    head = "".join(f"<th>{explained(word, meaning)}" for word, meaning in _ABOUT.items())
    lines = [f"<table class=people><tr>{head}"]
    for person in people:
        seconds = person.recording.seconds[person.recording.at[person.rows]]
        peaks = [
            f"AU{au} {AU_NAMES.get(au, '')} {peak:.2f}" for au, peak in strongest(person.recording, person.rows)[:4]
        ]
        names, counts = np.unique(person.recording.words("expression")[person.rows], return_counts=True)
        common = sorted(zip(counts / len(person.rows), names, strict=True), reverse=True)[:4]
        shares = ", ".join(f"{html.escape(str(name))} {share:.0%}" for share, name in common)
        link = f"<a href='#{person.anchor}'>{html.escape(person.name)}</a>"
        cells = [
            html.escape(person.recording.name),
            link,
            f"{seconds[0]:.1f} to {seconds[-1]:.1f}",
            str(len(person.rows)),
            ", ".join(peaks),
            shares,
        ]
        lines.append("<tr>" + "".join(f"<td data-about='{a}'>{c}" for a, c in zip(_ABOUT, cells, strict=True)))
    return "\n".join(lines) + "</table>"


def timelines(people: Sequence[Person]) -> list[str]:
    parts = []
    for person in people:
        title = f"{html.escape(person.name)} in {html.escape(person.recording.name)}"
        parts.append(f"<section id='{person.anchor}' data-group='{person.anchor}' tabindex=0><h2>{title}</h2>")
        for name, figure in charts(person.recording, person.rows, person.labels).items():
            parts.append(f"<h3>{explained(name, _CHARTS[name])}</h3>{chart(figure)}")
        parts.append("</section>")
    return parts
