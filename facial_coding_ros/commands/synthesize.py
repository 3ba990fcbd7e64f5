# SPDX-License-Identifier: Apache-2.0
"""Pictures of people whose action units are known, and what the tracker makes of them.

People are rendered, with the heads of ICT-FaceKit (https://github.com/ICT-VGL/ICT-FaceKit, MIT): clone it and name the
folder. Or they are photographs that are animated: --portraits. Only the tracked meshes and the truth are kept, with a
manifest and a contact sheet. No graphics card is used.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import cv2

from ..errors import UserError
from ..learning.synthesis.dataset import FEWEST_PICTURES, SetOptions, make_set
from ..learning.synthesis.portrait_set import PortraitError, make_portrait_set, portrait_files
from ..learning.synthesis.render_head import HeadError, HeadModel
from ..learning.synthesis.render_look import STYLES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "ict", type=Path, nargs="?", help="checkout of ICT-FaceKit, or a folder with the same as arrays"
    )
    parser.add_argument("out", type=Path, help="folder of the set; an unfinished one is continued")
    parser.add_argument(
        "--portraits",
        type=Path,
        metavar="FOLDER",
        help="animate the portraits there instead of rendering",
    )
    parser.add_argument(
        "--match",
        default="*",
        help="portraits to take, each of one resting person, as *_neutral.jpg; default: all",
    )
    parser.add_argument("--people", type=int, help=f"default {SetOptions.people}, or all portraits")
    parser.add_argument("--pictures", type=int, default=SetOptions.pictures, help="of each person; default %(default)s")
    parser.add_argument("--seed", type=int, default=SetOptions.seed, help="default %(default)s")
    parser.add_argument("--styles", nargs="+", choices=STYLES, default=list(STYLES), help="default: all")


def run(arguments: argparse.Namespace) -> int:
    if (arguments.ict is None) == (arguments.portraits is None):
        raise UserError("name either ICT-FaceKit's folder before the set's, or --portraits FOLDER.")
    people = SetOptions.people if arguments.people is None else arguments.people
    if people < 1 or arguments.pictures < FEWEST_PICTURES:
        raise UserError(
            f"at least one person and {FEWEST_PICTURES} pictures of each are needed (rest, turned, shown, repeated)."
        )
    cv2.setNumThreads(1)
    options = SetOptions(people, arguments.pictures, arguments.seed, tuple(arguments.styles))
    try:
        if arguments.portraits is not None:
            files = portrait_files(arguments.portraits, arguments.match)[: arguments.people]
            manifest = make_portrait_set(files, replace(options, people=len(files)), arguments.out, _say)
        else:
            manifest = make_set(HeadModel.load(arguments.ict), options, arguments.out, _say)
    except (HeadError, PortraitError, ValueError) as error:
        raise UserError(str(error)) from error
    print(f"{manifest['tracked']} of {manifest['frames']} pictures tracked; see {arguments.out}/contact_sheet.png")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)
