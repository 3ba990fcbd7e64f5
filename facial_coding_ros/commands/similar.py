# SPDX-License-Identifier: Apache-2.0
"""Finds, in the face codes of a recording, the moments most like a given one.

Looks are compared by the distance of the perceptual latents, which leave out who the person is: a smile of one person
finds the smiles of others. The table is what `facial_coding replay` writes.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

from ..coding.perceptual.similarity import Moments, moment_at, most_like, read_moments
from ..errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", type=Path, help="face_codes.csv of the recording that is searched")
    parser.add_argument("--at", type=float, metavar="S", help="the moment: seconds since the recording's first face")
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
    moments = _read(arguments.table)
    source = _read(arguments.of) if arguments.of else moments
    if source.latent.shape[1] != moments.latent.shape[1]:
        raise UserError(
            f"{arguments.of} has latents of {source.latent.shape[1]} dimensions, {arguments.table} of "
            f"{moments.latent.shape[1]}: they were made with different models"
        )
    row = _moment(source, arguments)
    print(f"looked for: {_line(source, row)}")
    apart_ns = round(arguments.apart * 1e9)
    found = most_like(moments, source.latent[row], arguments.count, apart_ns, row if source is moments else None)
    start = moments.stamp_ns.min()
    rows: list[tuple[int, float, int, str, float, str]] = []
    for number, match in enumerate(found, 1):
        at, seconds = match.row, (moments.stamp_ns[match.row] - start) / 1e9
        face, expression = moments.face_id[at], moments.expression[at]
        rows.append((number, float(seconds), int(moments.frame[at]), face, match.distance, expression))
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


def _read(path: Path) -> Moments:
    try:
        return read_moments(path)
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from error


def _moment(moments: Moments, arguments: argparse.Namespace) -> int:
    """Row of the moment asked for. Raises UserError when it is not there."""
    span = (moments.stamp_ns.max() - moments.stamp_ns.min()) / 1e9
    if arguments.frame is not None:
        if arguments.frame not in moments.frame:
            raise UserError(
                f"no face with a latent in frame {arguments.frame}; "
                f"frames {moments.frame.min()} to {moments.frame.max()}"
            )
        stamp_ns = int(moments.stamp_ns[moments.frame == arguments.frame][0])
    elif not 0 <= arguments.at <= span:
        raise UserError(f"--at is {arguments.at:g}; the faces are from 0 to {span:.2f} s")
    else:
        stamp_ns = int(moments.stamp_ns.min() + arguments.at * 1e9)
    try:
        return moment_at(moments, stamp_ns, arguments.face)
    except KeyError:
        raise UserError(f"no face {arguments.face!r}; there are {', '.join(sorted(set(moments.face_id)))}") from None


def _line(moments: Moments, row: int) -> str:
    seconds = (moments.stamp_ns[row] - moments.stamp_ns.min()) / 1e9
    return f"{seconds:.2f} s, frame {moments.frame[row]}, {moments.face_id[row]} {moments.expression[row]}".rstrip()
