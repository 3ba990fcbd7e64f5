# SPDX-License-Identifier: Apache-2.0
"""Files of several arrays, read so that a damaged one is told from all else."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

# What zipfile and numpy raise, beside ValueError, over a byte that is not as it was.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, tokenize.TokenError)


@contextmanager
def open_npz(path: Path) -> Iterator[NpzFile]:
    """The arrays of a file, by name, read when asked for. Never unpickles.

    Raises FileNotFoundError; ValueError naming the file when it, or an array asked for in the block, is damaged.
    """
    try:
        file = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise
    except (*_DAMAGE, ValueError) as error:
        raise ValueError(f"{path} is damaged or no .npz file ({error})") from None
    if not isinstance(file, NpzFile):
        raise ValueError(f"{path} is no .npz file but a single array")
    with file:
        try:
            yield file
        except _DAMAGE as error:
            raise ValueError(f"{path} is damaged ({error})") from None
