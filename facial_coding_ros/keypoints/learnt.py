# SPDX-License-Identifier: Apache-2.0
"""Arrays that were learnt and lie in models/, each file with a card that describes it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from ..models import model_path
from ..npz import open_npz
from ..types import FloatArray
from ..yaml_files import read_yaml_file


def load_arrays(name: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, FloatArray]:
    """Arrays of models/NAME.npz as float32. A 0 in a shape stands for any size.

    Raises FileNotFoundError without the file or its card, ValueError when it is not the card's file or does not fit.
    """
    path = model_path(f"{name}.npz")
    card = read_yaml_file(model_path(f"{name}.yaml"))
    if hashlib.sha256(path.read_bytes()).hexdigest() != card.get("sha256"):
        raise ValueError(f"{path} is not the file that its card describes: the sha256 differs.")
    try:
        with open_npz(path) as arrays:
            found = {key: np.asarray(arrays[key], np.float32) for key in shapes}
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    for key, shape in shapes.items():
        fits = len(shape) == found[key].ndim and all(
            want in (0, have) for want, have in zip(shape, found[key].shape, strict=True)
        )
        if not fits:
            raise ValueError(f"{path}: {key} has shape {found[key].shape}; {shape} is expected.")
    return found
