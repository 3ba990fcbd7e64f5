"""The part of a page about each person: an overview, and the charts over time."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..drawing.overlay import AU_NAMES
from .align import Aligned
from .html import chart
from .runs import RunRecording
from .timelines import charts, strongest

NOTE = (
    "<p class=note>Action units are measured against each person's own neutral face; before it is ready they say "
    "little. Dotted lines are labels. What a face shows is not what a person feels.</p>"
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


def overview(people: Sequence[Person]) -> str:
    head = "<th>recording<th>person<th>seen (s)<th>frames<th>strongest action units<th>expressions"
    lines = [f"<div class=wide><table><tr>{head}"]
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
        ]
        lines.append("<tr>" + "".join(f"<td>{cell}" for cell in [*cells, ", ".join(peaks), shares]))
    return "\n".join(lines) + "</table></div>"


def timelines(people: Sequence[Person]) -> list[str]:
    parts = []
    for person in people:
        title = f"{html.escape(person.name)} in {html.escape(person.recording.name)}"
        parts.append(f"<section id='{person.anchor}' data-group='{person.anchor}'><h2>{title}</h2>")
        for name, figure in charts(person.recording, person.rows, person.labels).items():
            parts.append(f"<h3>{name}</h3>{chart(figure)}")
        parts.append("</section>")
    return parts
