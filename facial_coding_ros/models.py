# SPDX-License-Identifier: Apache-2.0
"""Where the data that comes with the package is: models, config, demo clip, examples, message definitions."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def share_folder(name: str) -> Path:
    """A folder of the package's data: models, config, demo, examples.

    In a checkout it stands beside the package, in an installed package inside it, in `share` (setup.py). Raises
    FileNotFoundError when it is in neither.
    """
    beside = _PACKAGE.parent / name
    if (_PACKAGE.parent / "package.xml").is_file() and beside.is_dir():
        return beside
    inside = _PACKAGE / "share" / name
    if inside.is_dir():
        return inside
    raise FileNotFoundError(
        f"The data folder {name} of facial_coding_ros is neither in {inside.parent} nor beside {_PACKAGE}; install the "
        "package again."
    )


def model_path(name: str) -> Path:
    """A file of models/. Raises FileNotFoundError naming what is there when it is missing."""
    path = share_folder("models") / name
    if not path.is_file():
        there = ", ".join(sorted(p.name for p in path.parent.glob("*"))) or "nothing"
        raise FileNotFoundError(f"No model file {path}; the folder holds {there}.")
    return path
