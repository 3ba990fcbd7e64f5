# SPDX-License-Identifier: Apache-2.0
"""Runs to be evaluated: folders of `facial_coding replay`, or a bag recorded from the live node."""

from __future__ import annotations

import csv
import json
import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..events import Event, standard_detectors
from ..face_codes.bag import CODES_TYPE, EVENT_TYPE
from ..face_codes.events_table import read_events
from ..face_codes.fields import event_of
from ..face_codes.from_table import TableCodes
from ..image.bags import BagError, is_bag, open_bag, unreadable_errors
from .replay_folder import BAG, CODES, EVENTS, FRAMES, RECORDING, WORK

WORDS = ("face_id", "person_id", "neutral_state", "expression")
NEUTRAL_STATES = ("none", "learning", "ready", "stale")

_logger = logging.getLogger(__name__)


class RunError(ValueError):
    """A folder or bag that holds no face codes; the text says which and what was expected."""


@dataclass(frozen=True)
class RunRecording:
    """One recording of a run: F frames, R rows (a face in a frame).

    frame, stamp_ns: (F,) of all frames, also those without a face. at: (R,) the row's frame, as place in `frame`.
    columns: name -> (R,), float32 or text, as in face_codes.csv. latency_s: (F,), NaN where not known. metadata: what
    recording.json says.
    """

    name: str
    frame: NDArray[np.int64]
    stamp_ns: NDArray[np.int64]
    at: NDArray[np.int64]
    columns: Mapping[str, NDArray[Any]]
    latency_s: NDArray[np.float64]
    events: tuple[Event, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> NDArray[np.float64]:
        """(F,) since the first frame."""
        return (self.stamp_ns - self.stamp_ns[:1]) / 1e9

    @property
    def aus(self) -> tuple[int, ...]:
        return tuple(int(name[2:]) for name in self.columns if name.startswith("au") and name[2:].isdigit())

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(name[2:] for name in self.columns if name.startswith("p_"))

    def number(self, name: str) -> NDArray[np.float64]:
        """(R,) of a column; NaN where the table has none."""
        if name not in self.columns:
            return np.full(len(self.at), np.nan)
        return np.asarray(self.columns[name], np.float64)

    def words(self, name: str) -> NDArray[np.str_]:
        return np.asarray(self.columns[name]) if name in self.columns else np.full(len(self.at), "", dtype=np.str_)


def read_run(path: Path) -> list[RunRecording]:
    """Every recording of a run. Raises RunError when there is none, or one is damaged."""
    if not path.exists():
        raise RunError(f"{path} does not exist")
    if is_bag(path):
        return [_of_bag(path)]
    folders = sorted(f.parent for f in path.glob(f"*/{CODES}") if not f.parent.name.startswith(WORK))
    if (path / CODES).is_file():
        if folders:
            raise RunError(
                f"{path} holds {CODES}, and so does {folders[0]}; they are of different replays: remove those of one, "
                "or replay again into another folder"
            )
        folders = [path]
    if not folders:
        raise RunError(f"{path} holds no {CODES}, nor do its folders; a folder of `facial_coding replay` is expected")
    return [_of_folder(folder) for folder in folders]


def read_table(path: Path) -> RunRecording:
    """Of a single table of face codes, whose frames without a face are not known. Raises RunError and OSError.

    Events are those of events.csv beside it; without that, what the node's detectors say of the table.
    """
    columns = _table(path)
    _check_columns(path, columns, ("frame", "stamp_ns", "face_id", "person_id"))
    numbers = columns.pop("frame").astype(np.int64)
    frame, first = np.unique(numbers, return_index=True)
    stamp_ns = columns.pop("stamp_ns").astype(np.int64)
    at = np.searchsorted(frame, numbers)
    if path.with_name(EVENTS).is_file():
        try:
            events = read_events(path.with_name(EVENTS))
        except ValueError as error:
            raise RunError(str(error)) from None
    else:
        events = _events_of_table(stamp_ns[first], at, columns)
    return RunRecording(path.parent.name, frame, stamp_ns[first], at, columns, np.full(len(frame), np.nan), events)


def _of_folder(folder: Path) -> RunRecording:
    recording = read_table(folder / CODES)
    if not (folder / RECORDING).is_file() or not (folder / FRAMES).is_file():
        return recording
    metadata = _metadata(folder / RECORDING)
    listing = _table(folder / FRAMES)
    _check_columns(folder / FRAMES, listing, ("frame", "stamp_ns"))
    frame, stamp_ns = listing["frame"].astype(np.int64), listing["stamp_ns"].astype(np.int64)
    at = np.searchsorted(frame, recording.frame[recording.at])
    if len(frame) == 0 or (at >= len(frame)).any() or not np.array_equal(frame[at], recording.frame[recording.at]):
        raise RunError(f"{folder}/{CODES} and {FRAMES} are not of the same replay")
    # A bag that recording.json does not name is another one.
    if EVENTS in metadata.get("files", ()) and (folder / EVENTS).is_file():
        events = recording.events
    elif BAG in metadata.get("files", ()) and (folder / BAG).is_dir():
        events = _events(folder / BAG)
    else:
        events = _events_of_table(stamp_ns, at, recording.columns)
    latency = np.full(len(frame), np.nan)
    return RunRecording(Path(metadata["input"]).name, frame, stamp_ns, at, recording.columns, latency, events, metadata)


def _metadata(path: Path) -> dict[str, Any]:
    try:
        metadata = json.loads(path.read_text(encoding="utf-8"))
        if not (isinstance(metadata, dict) and isinstance(metadata.get("input"), str)):
            raise ValueError("it names no input")
        return metadata
    except ValueError as error:
        raise RunError(f"{path} is damaged ({error}); replay the recording again") from None


def _table(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
    except UnicodeDecodeError as error:
        raise RunError(f"{path} is not in UTF-8 (byte {error.start}); replay the recording again") from None
    except csv.Error as error:
        raise RunError(f"{path} is no CSV file: {error}") from None
    if not rows:
        raise RunError(f"{path} is empty")
    header = rows[0]
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise RunError(f"{path}, line {number}: {len(row)} cells; the header has {len(header)}")
    columns: dict[str, NDArray[Any]] = {}
    for place, name in enumerate(header):
        cells = [row[place] for row in rows[1:]]
        try:
            if name in WORDS:
                columns[name] = np.array(cells, dtype=np.str_)
            elif name in ("frame", "stamp_ns"):
                columns[name] = np.array([int(cell) for cell in cells], np.int64)
            else:
                columns[name] = np.array([float(cell) if cell else math.nan for cell in cells], np.float32)
        except (ValueError, OverflowError) as error:
            raise RunError(f"{path}, column {name}: {error}") from None
    return columns


def _check_columns(path: Path, columns: Mapping[str, NDArray[Any]], expected: Iterable[str]) -> None:
    """Raises RunError for the first that is missing."""
    for name in expected:
        if name not in columns:
            raise RunError(f"{path}: no column {name} among {', '.join(list(columns)[:8])}; replay the recording again")


def _events_of_table(
    stamp_ns: NDArray[np.int64], at: NDArray[np.int64], columns: Mapping[str, NDArray[Any]]
) -> tuple[Event, ...]:
    """What the node's detectors say of a table's face codes. stamp_ns: (F,); at: (R,)."""
    detectors = standard_detectors()
    frames = TableCodes(columns).frames(at, len(stamp_ns))
    return tuple(
        event
        for stamp, codes in zip(stamp_ns.tolist(), frames, strict=True)
        for event in detectors.update(codes, stamp)
    )


def _messages(path: Path, kinds: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    from ..face_codes.definitions import typestore

    try:
        bag = open_bag(path)
    except BagError as error:
        raise RunError(f"{path} is not a readable bag: {error}") from None
    types = {topic.name: topic.type for topic in bag.topics if topic.type in kinds}
    store = typestore()
    unreadable = unreadable_errors()
    for topic, _, raw in bag.messages(tuple(types), _logger.warning):
        try:
            message = store.deserialize_cdr(raw, types[topic])
        except unreadable as error:
            kind = types[topic]
            raise RunError(f"{path}: a message on {topic} is no {kind} of this version ({error})") from None
        yield types[topic], message


def _events(path: Path) -> tuple[Event, ...]:
    return tuple(event_of(message) for _, message in _messages(path, (EVENT_TYPE,)))


def _stamp(header: Any) -> int:
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def _of_bag(path: Path) -> RunRecording:
    """The messages of the live node, as it was recorded on the robot."""
    stamps: list[int] = []
    latency: list[float] = []
    at: list[int] = []
    rows: list[dict[str, Any]] = []
    events: list[Event] = []
    for kind, message in _messages(path, (CODES_TYPE, EVENT_TYPE)):
        if kind == EVENT_TYPE:
            events.append(event_of(message))
            continue
        for face in message.faces:
            at.append(len(stamps))
            rows.append(_row(face))
        stamps.append(_stamp(message.header))
        latency.append(message.processing_latency_s)
    if not stamps:
        raise RunError(f"{path} holds no {CODES_TYPE}; a bag of the node's messages is expected")
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {
        name: np.array([row.get(name, "") for row in rows], dtype=np.str_)
        if name in WORDS
        else np.array([row.get(name, math.nan) for row in rows], np.float32)
        for name in names
    }
    stamp_ns = np.array(stamps, np.int64)
    return RunRecording(
        path.name, np.arange(len(stamps)), stamp_ns, np.array(at, np.int64), columns,
        np.array(latency, np.float64), tuple(events),
    )  # fmt: skip


_SAME = (
    "face_id", "person_id", "visibility", "yaw_deg", "pitch_deg", "roll_deg", "roi_xmin", "roi_ymin", "roi_xmax",
    "roi_ymax", "expression", "expression_confidence", "valence", "arousal", "talking", "gaze_yaw_deg",
    "gaze_pitch_deg", "gaze_confidence", "attention",
)  # fmt: skip


def _row(face: Any) -> dict[str, Any]:
    row = {name: getattr(face, name) for name in _SAME}
    row["neutral_state"] = NEUTRAL_STATES[face.neutral_state]
    row |= {f"p_{n}": p for n, p in zip(face.expression_label, face.expression_probability, strict=True)}
    for suffix, values in (
        ("", face.au_intensity), ("_confidence", face.au_confidence), ("_presence", face.au_presence),
    ):  # fmt: skip
        row |= {f"au{au:02d}{suffix}": value for au, value in zip(face.au, values, strict=False)}
    row |= {f"dfecs_{i:02d}": value for i, value in enumerate(face.dfecs)}
    row |= {f"latent_{i:02d}": value for i, value in enumerate(face.latent)}
    return row
