"""Files of several arrays, read so that a damaged one is told from all else."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile


@contextmanager
def open_npz(path: Path) -> Iterator[NpzFile]:
    """The arrays of a file, by name, read when asked for. Never unpickles.

    Raises FileNotFoundError; ValueError naming the file when it, or an array asked for in the block, is damaged.
    """
    try:
        file = np.load(path, allow_pickle=False)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        raise ValueError(f"{path} is damaged or no .npz file ({error})") from None
    if not isinstance(file, NpzFile):
        raise ValueError(f"{path} is no .npz file but a single array")
    with file:
        try:
            yield file
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise ValueError(f"{path} is damaged ({error})") from None
