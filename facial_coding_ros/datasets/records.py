# SPDX-License-Identifier: Apache-2.0
"""Frames of recordings with their action units, whichever data set they come from."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..types import ImageArray

UNKNOWN = -1
"""Label of an action unit that was not coded in a frame."""

Labels = NDArray[np.int8]
ImageReader = Callable[[Sequence[int]], Iterator[ImageArray | None]]


class DatasetError(ValueError):
    """A folder or file that is not as the data set's release has it; the text says which, what was found and what was
    expected.
    """


def text_of(path: Path) -> str:
    """A text file of a release; some hold stray bytes, so latin-1, without the mark that editors put before UTF-8."""
    return path.read_bytes().removeprefix(codecs.BOM_UTF8).decode("latin-1")


Row = tuple[int, list[str]]
"""Line of the file it ends in, and its cells."""


def csv_rows(path: Path) -> list[Row]:
    """The rows of a user's CSV file, blank ones left out. Raises DatasetError naming file and line."""
    if path.is_dir():
        raise DatasetError(f"{path} is a folder; a CSV file is expected")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise DatasetError(f"{path}, line {reader.line_num}: {error}; a CSV file is expected") from None
    except UnicodeDecodeError:
        raise DatasetError(f"{path} is not in UTF-8; save it as UTF-8") from None
    if rows and any("\0" in cell for cell in rows[0][1]):  # UTF-16 of plain letters also passes for UTF-8
        raise DatasetError(f"{path} is not in UTF-8; save it as UTF-8")
    return rows


@dataclass(frozen=True)
class AuSequence:
    """One recording of one person.

    frames: (n,) as the release counts them, rising. aus: the action units. present: (n, len(aus)) 1, 0 or UNKNOWN.
    fps: rate of the recording. images: gives the image of each frame asked for, RGB, in rising order; None where the
    release has none.
    """

    dataset: str
    subject: str
    name: str
    frames: NDArray[np.int64]
    aus: tuple[int, ...]
    present: Labels
    fps: float
    images: ImageReader
