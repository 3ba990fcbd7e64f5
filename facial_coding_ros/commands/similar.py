# SPDX-License-Identifier: Apache-2.0
"""Finds, in the face codes of a recording, the moments most like a given one.

Looks are compared by the distance of the perceptual latents, which leave out who the person is: a smile of one person
finds the smiles of others. The table is what `facial_coding replay` writes.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import NamedTuple

from ..coding.perceptual.similarity import Moments, moment_at, most_like, read_moments
from ..errors import UserError
from ..evaluation.replay_folder import CODES, RECORDING


class Recording(NamedTuple):
    """moments: its faces. first_ns: stamp of its first frame, from which its seconds count."""

    moments: Moments
    first_ns: int

    def seconds(self, row: int) -> float:
        return (int(self.moments.stamp_ns[row]) - self.first_ns) / 1e9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", type=Path, help="what is searched: folder of a replay, or its face_codes.csv")
    parser.add_argument("--at", type=float, metavar="S", help="the moment: seconds since the first frame")
    parser.add_argument("--frame", type=int, help="the moment: number of the frame")
    parser.add_argument("--face", default="", help="its face_id; default: any face of that moment")
    parser.add_argument("--of", type=Path, metavar="TABLE", help="the recording the moment is from, when another one")
    parser.add_argument("--count", type=int, default=10, help="moments to list; default %(default)s")
    parser.add_argument(
        "--apart", type=float, default=1.0, help="least seconds between two of a face; default %(default)s"
    )
    parser.add_argument("--csv", type=Path, help="write the list here too")


def run(arguments: argparse.Namespace) -> int:
    if (arguments.at is None) == (arguments.frame is None):
        raise UserError("name the moment by --at SECONDS or by --frame NUMBER, one of them")
    if arguments.count < 1 or not arguments.apart >= 0:
        raise UserError("--count must be at least 1, --apart 0 or more")
    searched = _read(arguments.table)
    source = _read(arguments.of) if arguments.of else searched
    moments = searched.moments
    if source.moments.latent.shape[1] != moments.latent.shape[1]:
        raise UserError(
            f"{arguments.of} has latents of {source.moments.latent.shape[1]} dimensions, {arguments.table} of "
            f"{moments.latent.shape[1]}: they were made with different models"
        )
    row = _moment(source, arguments)
    print(f"looked for: {_line(source, row)}")
    apart_ns = round(arguments.apart * 1e9)
    itself = row if source is searched else None
    found = most_like(moments, source.moments.latent[row], arguments.count, apart_ns, itself)
    rows: list[tuple[int, float, int, str, float, str]] = []
    for number, match in enumerate(found, 1):
        at, seconds = match.row, searched.seconds(match.row)
        face, expression = moments.face_id[at], moments.expression[at]
        rows.append((number, seconds, int(moments.frame[at]), face, match.distance, expression))
    if not rows:
        print("nothing else: the recording holds no other moment")
    for number, seconds, frame, face, distance, expression in rows:
        print(f"{number:3}  {seconds:9.2f} s  frame {frame:6}  {face}  distance {distance:.3f}  {expression}")
    if arguments.csv:
        with arguments.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("rank", "seconds", "frame", "face_id", "distance", "expression"))
            writer.writerows(rows)
        print(f"written to {arguments.csv}", file=sys.stderr)
    return 0


def _read(path: Path) -> Recording:
    """Raises UserError where there is no table of faces."""
    table = path / CODES if path.is_dir() else path
    try:
        moments = read_moments(table)
    except FileNotFoundError:
        raise UserError(f"{table} does not exist; `facial_coding replay` writes such tables") from None
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from error
    try:  # what lies beside the table knows of the frames before the first face
        first_ns = int(json.loads(table.with_name(RECORDING).read_text(encoding="utf-8"))["first_stamp_ns"])
    except (OSError, ValueError, KeyError, TypeError):
        first_ns = int(moments.stamp_ns.min())
    return Recording(moments, first_ns)


def _moment(source: Recording, arguments: argparse.Namespace) -> int:
    """Row of the moment asked for. Raises UserError when it is not there."""
    moments = source.moments
    stamps = (moments.stamp_ns.min(), moments.stamp_ns.max())
    begin, end = ((int(stamp_ns) - source.first_ns) / 1e9 for stamp_ns in stamps)
    if arguments.frame is not None:
        if arguments.frame not in moments.frame:
            raise UserError(
                f"no face with a latent in frame {arguments.frame}; "
                f"frames {moments.frame.min()} to {moments.frame.max()}"
            )
        stamp_ns = int(moments.stamp_ns[moments.frame == arguments.frame][0])
    elif not 0 <= arguments.at <= end:
        raise UserError(f"--at is {arguments.at:g}; the faces are from {begin:.2f} to {end:.2f} s")
    else:
        stamp_ns = source.first_ns + round(arguments.at * 1e9)
    try:
        return moment_at(moments, stamp_ns, arguments.face)
    except KeyError:
        raise UserError(f"no face {arguments.face!r}; there are {', '.join(sorted(set(moments.face_id)))}") from None


def _line(source: Recording, row: int) -> str:
    of = source.moments
    frame, face_id, expression = of.frame[row], of.face_id[row], of.expression[row]
    return f"{source.seconds(row):.2f} s, frame {frame}, {face_id} {expression}".rstrip()
