# SPDX-License-Identifier: Apache-2.0
"""Reads a data set from end to end and says what it holds, or what is not as it should be and where."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..datasets.contents import check
from ..datasets.records import DatasetError
from ..datasets.registry import recordings
from ..errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", type=Path, help="the data set's folder, or a file of labels")
    parser.add_argument("--kind", choices=sorted(recordings()), default="", help="which it is; default: recognised")


def run(arguments: argparse.Namespace) -> int:
    try:
        found = check(arguments.path, arguments.kind)
    except (DatasetError, OSError) as error:
        raise UserError(str(error)) from None
    print(
        f"{arguments.path}: {found.kind}, {found.people} people, {found.recordings} recordings, {found.frames} frames"
    )
    print(
        f"  images: of {found.images} recordings; landmarks: of {found.points} frames; at rest: {found.neutral} frames"
    )
    for au, (coded, there) in sorted(found.coded.items()):
        share = f"{there / coded:.1%}" if coded else "-"
        print(f"  AU{au:<3} coded in {coded:7} frames, there in {there:6} ({share})")
    for label, count in sorted(found.expressions.items()):
        print(f"  {label:10} {count:7} frames")
    return 0
