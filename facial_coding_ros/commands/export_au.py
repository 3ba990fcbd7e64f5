# SPDX-License-Identifier: Apache-2.0
"""Writes a network as ONNX with its card, for `facs.source: network`; refused when its answers differ."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import UserError
from ..learning.au_networks.checkpoints import CheckpointError, load
from ..learning.au_networks.export import ExportError, export


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="from `train au` or `import-checkpoint`")
    parser.add_argument("--out", type=Path, required=True, help="file to write (.onnx); its card goes beside it")
    parser.add_argument("--licence", required=True, help="for the card: what the weights may be used for")


def run(arguments: argparse.Namespace) -> int:
    if arguments.out.suffix != ".onnx":
        raise UserError(f"--out {arguments.out}: a name that ends in .onnx is expected.")
    try:
        model, values = load(arguments.checkpoint)
        about = values.get("about", {})
        history = values.get("history") or [{}]
        card = {
            "what": f"FACS action units from aligned face images: {model.spec.network}, stage {model.spec.stage}",
            "trained_on": about or "unknown",
            "licence": arguments.licence,
            "metrics": {name: round(v, 4) for name, v in history[-1].items() if name.startswith("test_")},
        }
        difference = export(model, arguments.out, card)
    except (CheckpointError, ExportError) as error:
        raise UserError(str(error)) from None
    print(f"{arguments.out}: largest difference to PyTorch {difference:.1e}")
    return 0
