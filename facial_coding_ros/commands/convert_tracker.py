# SPDX-License-Identifier: Apache-2.0
"""Writes the tracker's two networks, made from the installed MediaPipe, for robots on which MediaPipe is not installed.

facial_coding convert-tracker --out FOLDER

Copy the folder to the robot and set tracking.networks to it there. The networks agree with MediaPipe's own answers, or
they are not written. Licence and origin stand in their cards.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import UserError
from ..inference import ModelError
from ..tracking.conversion.convert import converted_files
from ..tracking.conversion.model_cache import tracker_models, write_files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--out", metavar="FOLDER", required=True, type=Path, help="where they go; files are replaced")


def run(arguments: argparse.Namespace) -> int:
    try:
        files = converted_files()
        write_files(arguments.out, files)
        models = tracker_models(arguments.out)
    except ModelError as error:
        raise UserError(str(error)) from None
    except OSError as error:
        raise UserError(f"{arguments.out} cannot be written: {error.strerror or error}") from None
    for model in (models.detector, models.landmarks):
        print(f"{model.path}: {len(model.graph) / 1e6:.1f} MB; {model.card['compared_with']}")
    print(f"On the robot: tracking.networks: {arguments.out.resolve()}")
    return 0
