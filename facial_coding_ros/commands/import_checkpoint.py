# SPDX-License-Identifier: Apache-2.0
"""Turns a published checkpoint of ME-GraphAU, OpenGraphAU or JAA-Net into one of this package.

Nothing in the file is run. Every tensor must be used and every parameter filled; else what does not fit is listed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import UserError
from ..learning.au_networks.checkpoints import CheckpointError, import_published, save


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="file, or the folder with JAA-Net's six files")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write (.pth)")
    parser.add_argument("--aus", type=int, nargs="+", default=[], help="its action units, if not the published lists")
    parser.add_argument("--epoch", type=int, help="which of JAA-Net's epochs")


def run(arguments: argparse.Namespace) -> int:
    try:
        model = import_published(arguments.checkpoint, tuple(arguments.aus), arguments.epoch)
    except (CheckpointError, ValueError) as error:
        raise UserError(str(error)) from None
    save(arguments.out, model, about={"imported_from": arguments.checkpoint.name})
    spec = model.spec
    parameters = sum(p.numel() for p in model.net.parameters()) / 1e6
    print(
        f"{arguments.out}: {spec.network}, stage {spec.stage}, {parameters:.1f} M parameters, {', '.join(spec.outputs)}"
    )
    return 0
