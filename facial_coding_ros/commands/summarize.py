# SPDX-License-Identifier: Apache-2.0
"""Says in plain sentences what each person of a recording did between two moments: what `~/summarize` says live.

RUN is a folder of `facial_coding replay`, or a bag of the node's messages.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from pathlib import Path

from ..errors import UserError
from ..evaluation.runs import RunError, RunRecording, read_run
from ..events import Event, History, Phase, Summary, summarize
from ..face_codes.from_table import TableCodes

_COLUMNS = (
    "recording", "person", "from_s", "to_s", "seen_share", "confidence", "smiling_share", "frowning_share",
    "looking_share", "talking_share", "valence_mean", "valence_trend", "arousal_mean", "arousal_trend", "events",
    "text",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", type=Path, help="folder of a replay, or bag of the node's messages")
    parser.add_argument(
        "--from", dest="begin", metavar="S", type=float, help="seconds since the first frame; default 0"
    )
    parser.add_argument("--to", dest="end", metavar="S", type=float, help="seconds since the first frame; default: all")
    parser.add_argument("--who", default="", help="person_id or face_id; default: everybody")
    parser.add_argument("--csv", metavar="FILE", type=Path, help="write the figures here too")


def run(arguments: argparse.Namespace) -> int:
    try:
        recordings = read_run(arguments.run)
    except RunError as error:
        raise UserError(str(error)) from None
    rows = []
    for recording in recordings:
        begin_s = 0.0 if arguments.begin is None else arguments.begin
        found = _summaries(recording, begin_s, arguments.end, arguments.who)
        if len(recordings) > 1:
            print(f"{recording.name}:")
        print("\n".join(one.text for one in found) or "Nobody was in view.")
        rows += [_row(recording, one) for one in found]
    if arguments.csv:
        with arguments.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(_COLUMNS)
            writer.writerows(rows)
        print(f"written to {arguments.csv}", file=sys.stderr)
    return 0


def _summaries(recording: RunRecording, begin_s: float, end_s: float | None, who: str) -> list[Summary]:
    """Raises UserError for a span or a person that the recording has not."""
    stamps = recording.stamp_ns.tolist()
    length_s = (stamps[-1] - stamps[0]) / 1e9
    end_s = length_s if end_s is None else end_s
    if not (math.isfinite(begin_s) and 0 <= begin_s <= length_s):
        raise UserError(f"--from is {begin_s:g}; {recording.name} goes from 0 to {length_s:.2f} s")
    if not end_s >= begin_s:
        raise UserError(f"--to is {end_s:g}, before --from, {begin_s:g}")
    history = History(length_s + 1)
    by_stamp: dict[int, list[Event]] = {}
    for event in recording.events:
        by_stamp.setdefault(event.stamp_ns, []).append(event)
    frames = TableCodes(recording.columns).frames(recording.at, len(stamps))
    for stamp_ns, codes in zip(stamps, frames, strict=True):
        history.update(codes, by_stamp.get(stamp_ns, ()), stamp_ns)
    try:
        return summarize(history, stamps[0] + round(begin_s * 1e9), stamps[0] + round(end_s * 1e9), who)
    except ValueError as error:
        raise UserError(f"{recording.name}: {error}") from None


def _row(recording: RunRecording, one: Summary) -> list[object]:
    zero = int(recording.stamp_ns[0])
    numbers = [getattr(one, name) for name in _COLUMNS[4:14]]
    kinds = " ".join(event.kind for event in one.events if event.phase is not Phase.WITHDRAWN)
    who = one.person_id or " ".join(one.face_ids)
    times = [f"{(ns - zero) / 1e9:.3f}" for ns in (one.start_ns, one.end_ns)]
    return [recording.name, who, *times, *(f"{value:.4f}" for value in numbers), kinds, one.text]
