# SPDX-License-Identifier: Apache-2.0
"""`facial_coding COMMAND ...`: one module of `commands/` per job, imported when it is called."""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
from collections.abc import Sequence

from . import __version__
from .command_line import run_command
from .errors import missing_module

# Words of the command -> module in commands/, and what it does. A module has `add_arguments(parser)` and
# `run(arguments) -> int`, the exit code.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "camera, node and dialogue manager as three processes; leaves a report"),
    "view": ("view", "a clip, a camera, a bag, a run or the running node in Rerun, to look at"),
    "watch": ("watch", "the running node in a terminal: a line for each person, and keys for their neutral"),
    "replay": ("replay", "face codes of videos, folders of images or ROS 2 bags"),
    "summarize": ("summarize", "what the people of a replayed recording did, in plain sentences"),
    "evaluate": ("evaluate", "face codes of a run against labels, as figures and a page"),
    "compare": ("compare", "two runs: what got better or worse, and whether that is more than chance"),
    "datasets check": ("datasets_check", "what a data set holds, or what is wrong with it"),
    "synthesize": ("synthesize", "rendered people whose action units are known, seen through the tracker"),
    "train facs": ("train_facs", "the FACS estimator, from rendered people"),
    "refine facs": ("refine_facs", "the FACS estimator trained further, on portraits of real people"),
    "evaluate facs": ("evaluate_facs", "FACS action units on rendered people or on labelled recordings"),
    "train perceptual": ("train_perceptual", "a perceptual latent model: VAE, M1 or M2, and the robot's files from it"),
    "evaluate perceptual": ("evaluate_perceptual", "perceptual models compared, drawn and reported"),
    "train dfecs": ("train_dfecs", "data-driven action units from motions without labels"),
    "evaluate dfecs": ("evaluate_dfecs", "data-driven action units judged and compared, with a sheet for raters"),
    "train expression": (
        "train_expression",
        "expressions from appearance, and their fusion, from stills of real faces",
    ),
    "evaluate expression": ("evaluate_expression", "expressions on labelled stills: tables, reliability, errors"),
    "prepare au": ("prepare_au", "cuts the faces out of BP4D or DISFA, for the image networks"),
    "train au": ("train_au", "EAC-Net, JAA-Net or ME-GraphAU on BP4D or DISFA"),
    "evaluate au": ("evaluate_au", "image networks tested by fold, with heat maps and a comparison page"),
    "import-checkpoint": ("import_checkpoint", "a published ME-GraphAU, OpenGraphAU or JAA-Net checkpoint"),
    "export au": ("export_au", "an image network as ONNX with its card"),
    "export coding": ("export_coding", "the coding models joined into one ONNX graph"),
    "doctor": ("doctor", "whether this machine sees and codes as it should, one line for each check"),
    "convert-tracker": ("convert_tracker", "the tracker's networks as a folder, for robots without MediaPipe"),
    "engines": ("engines", "TensorRT's engines of the models: build, list, verify, clear"),
    "similar": ("similar", "moments of a recording that look like a given one"),
}


def main(argv: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    if words == ["--version"]:
        print(f"facial_coding {__version__}")
        return 0
    for length in (2, 1):
        name = " ".join(words[:length])
        if name in COMMANDS:
            return _run(name, words[length:])
    parser = argparse.ArgumentParser(
        prog="facial_coding",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="commands:\n" + "\n".join(f"  {name:22}{about}" for name, (_, about) in COMMANDS.items()),
        usage="facial_coding [--version] COMMAND ...",
    )
    if words and words[0] not in ("-h", "--help"):
        group = [name for name in COMMANDS if name.startswith(words[0] + " ")]
        group = group or difflib.get_close_matches(name, COMMANDS)
        parser.error(f"no command {name!r}; " + ("try " + ", ".join(group) if group else "see facial_coding --help"))
    parser.print_help()
    return 0 if words else 2


def _run(name: str, words: list[str]) -> int:
    module_name, about = COMMANDS[name]
    try:
        module = importlib.import_module(f"{__package__}.commands.{module_name}")
    except ModuleNotFoundError as error:
        print(f"facial_coding {name}: {missing_module(error)}", file=sys.stderr)
        return 1
    return run_command(f"facial_coding {name}", module.__doc__ or about, module.add_arguments, module.run, words)


if __name__ == "__main__":
    sys.exit(main())
