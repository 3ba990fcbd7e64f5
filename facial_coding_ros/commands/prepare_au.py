# SPDX-License-Identifier: Apache-2.0
"""Cuts the faces out of BP4D or DISFA once, with landmarks and labels, for `train au` and `evaluate au`.

Labelled frames without an image and images without a face are counted and left out. The result holds pictures of
people: the data set's licence holds for it too.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..datasets.records import DatasetError
from ..errors import UserError
from .au_data import prepare_dataset, print_card


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder of BP4D or DISFA")
    parser.add_argument("--out", type=Path, required=True, help="folder for the prepared faces")


def run(arguments: argparse.Namespace) -> int:
    try:
        print_card(prepare_dataset(arguments.data, arguments.out))
    except DatasetError as error:
        raise UserError(str(error)) from None
    return 0
