"""Joins the coding models (DFECS, FACS, latent, expression) into one graph: one call for all faces of a frame."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..cli import UserError
from ..inference import ModelError
from ..inference.fusion import MODEL, coding_parts, fuse
from ..models import share_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=Path, default=None, help="folder of the single models; else the shipped ones")
    parser.add_argument("--out", type=Path, default=None, help=f"file to write; else {MODEL} in that folder")


def run(arguments: argparse.Namespace) -> int:
    folder = arguments.models or share_folder("models")
    out = arguments.out or folder / MODEL
    try:
        parts = coding_parts(folder)
        if len(parts) < 2:
            raise UserError(f"{folder} holds {len(parts)} of the coding models; two or more are joined.")
        difference = fuse(parts, out)
    except ImportError as error:
        raise UserError(f"The onnx package is needed ({error}); standalone/setup tensorrt brings it.") from None
    except (FileNotFoundError, ModelError) as error:
        raise UserError(str(error)) from None
    print(f"{out}: {', '.join(part.model.name for part in parts)}; largest difference {difference:.2g}")
    return 0
