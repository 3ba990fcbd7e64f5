# SPDX-License-Identifier: Apache-2.0
"""Events as rows of a table: one row for each word about an event."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from ..events import Event, Phase
from .whole_csv import WholeCsvWriter

COLUMNS = (
    "stamp_ns", "face_id", "person_id", "kind", "phase", "event_id", "start_ns", "apex_ns", "end_ns", "peak", "mean",
    "side", "confidence", "label",
)  # fmt: skip


class EventTableWriter(WholeCsvWriter):
    """Writes events to a CSV file that appears, whole, when the writer is closed without an error."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, COLUMNS)

    def write(self, events: Iterable[Event]) -> None:
        for event in events:
            end_ns = "" if event.end_ns is None else event.end_ns
            self._csv.writerow(
                (
                    event.stamp_ns, event.face_id, event.person_id, event.kind, event.phase.name.lower(),
                    event.event_id, event.start_ns, event.apex_ns, end_ns, f"{event.peak:.6g}", f"{event.mean:.6g}",
                    event.side, f"{event.confidence:.4f}", event.label,
                )
            )  # fmt: skip


def read_events(path: Path) -> tuple[Event, ...]:
    """Raises ValueError naming the line that is none, and OSError."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames is None or (missing := set(COLUMNS) - set(reader.fieldnames)):
            raise ValueError(f"{path} is no table of events; it lacks {', '.join(sorted(missing or COLUMNS))}")
        found = []
        for number, row in enumerate(reader, start=2):
            try:
                found.append(_event(row))
            except (TypeError, ValueError, KeyError) as error:
                raise ValueError(f"{path}, line {number}: {error}") from None
    return tuple(found)


def _event(row: dict[str, str]) -> Event:
    return Event(
        row["kind"],
        row["face_id"],
        row["person_id"],
        int(row["stamp_ns"]),
        row["event_id"],
        Phase[row["phase"].upper()],
        int(row["start_ns"]),
        int(row["apex_ns"]),
        int(row["end_ns"]) if row["end_ns"] else None,
        float(row["peak"]),
        float(row["mean"]),
        row["side"],
        float(row["confidence"]),
        row["label"],
    )
