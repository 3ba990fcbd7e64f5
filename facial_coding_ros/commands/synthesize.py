# SPDX-License-Identifier: Apache-2.0
"""Pictures of rendered people whose action units are known, and what the tracker makes of them.

The heads are ICT-FaceKit's (https://github.com/ICT-VGL/ICT-FaceKit, MIT): clone it and name the folder. Only the
tracked meshes and the truth are kept, with a manifest and a contact sheet. No graphics card is used.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2

from ..errors import UserError
from ..learning.synthesis.dataset import FEWEST_PICTURES, SetOptions, make_set
from ..learning.synthesis.render_head import HeadError, HeadModel
from ..learning.synthesis.render_look import STYLES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ict", type=Path, help="checkout of ICT-FaceKit, or a folder with the same as arrays")
    parser.add_argument("out", type=Path, help="folder of the set; an unfinished one is continued")
    parser.add_argument("--people", type=int, default=SetOptions.people, help="default %(default)s")
    parser.add_argument("--pictures", type=int, default=SetOptions.pictures, help="of each person; default %(default)s")
    parser.add_argument("--seed", type=int, default=SetOptions.seed, help="default %(default)s")
    parser.add_argument("--styles", nargs="+", choices=STYLES, default=list(STYLES), help="default: all")


def run(arguments: argparse.Namespace) -> int:
    if arguments.people < 1 or arguments.pictures < FEWEST_PICTURES:
        raise UserError(
            f"at least one person and {FEWEST_PICTURES} pictures of each are needed (rest, turned, shown, repeated)."
        )
    cv2.setNumThreads(1)
    options = SetOptions(arguments.people, arguments.pictures, arguments.seed, tuple(arguments.styles))
    try:
        manifest = make_set(HeadModel.load(arguments.ict), options, arguments.out, lambda line: print(line, flush=True))
    except (HeadError, ValueError) as error:
        raise UserError(str(error)) from error
    print(f"{manifest['tracked']} of {manifest['frames']} pictures tracked; see {arguments.out}/contact_sheet.png")
    return 0
