# SPDX-License-Identifier: Apache-2.0
"""Names of files for libraries that do not take every name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def plain_name(path: Path) -> Iterator[str]:
    """Another name of a file that can be read, good for as long as the block.

    FFmpeg takes what stands before a colon for a protocol, `%03d` is a row of pictures to OpenCV, and names that are
    not UTF-8 end its process. Raises OSError when the file cannot be opened.
    """
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{number}"
    finally:
        os.close(number)


@contextmanager
def plain_folder(path: Path) -> Iterator[str]:
    """The same for a folder in which a file is to be written."""
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{number}"
    finally:
        os.close(number)
