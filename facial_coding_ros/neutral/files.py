# SPDX-License-Identifier: Apache-2.0
"""A neutral from chosen frames, and as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..npz import open_npz
from ..types import SURFACE_POINTS, Registered

FORM = "facial_coding neutral 1"
_SHAPES = {"sparse": (68, 2), "dense": (SURFACE_POINTS, 3)}


def fit_neutral(registered: Sequence[Registered]) -> Registered:
    """The neutral of frames that are said to show it: the median of every coordinate. Raises ValueError without any."""
    if not registered:
        raise ValueError("no face was found in the frames that should show the neutral")
    return Registered(
        sparse=np.median([r.sparse for r in registered], axis=0).astype(np.float32),
        dense=np.median([r.dense for r in registered], axis=0).astype(np.float32),
    )


def write_neutral(path: Path, registered: Registered) -> None:
    """Writes an npz file: `form`, `sparse` (68, 2), `dense` (468, 3)."""
    with open(path, "wb") as file:
        np.savez(file, form=np.array(FORM), sparse=registered.sparse, dense=registered.dense)


def read_neutral(path: Path) -> Registered:
    """Reads what `write_neutral` wrote. Raises FileNotFoundError, or ValueError when the file is damaged or another."""
    try:
        with open_npz(path) as arrays:
            form = str(arrays["form"])
            found = {name: np.asarray(arrays[name], np.float32) for name in _SHAPES}
    except (KeyError, ValueError, OSError, RuntimeError) as error:  # RuntimeError: zipfile, of flags it does not know
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path} is not a neutral that facial_coding wrote, or it is damaged: {error}") from error
    if form != FORM:
        raise ValueError(f"{path} holds {form!r}; {FORM!r} is expected: write it again with this version")
    for name, shape in _SHAPES.items():
        if found[name].shape != shape or not np.isfinite(found[name]).all():
            raise ValueError(f"{path}: {name} has shape {found[name].shape}; {shape} of finite numbers is expected")
    return Registered(**found)
