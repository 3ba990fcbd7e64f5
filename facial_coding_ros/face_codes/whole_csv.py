# SPDX-License-Identifier: Apache-2.0
"""A CSV file that is whole or not there."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

Writer = TypeVar("Writer", bound="WholeCsvWriter")


class WholeCsvWriter:
    """A CSV file, UTF-8, that appears when the writer is closed without an error; a context manager."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._columns = columns

    def __enter__(self: Writer) -> Writer:
        self._file = self._part.open("w", newline="", encoding="utf-8")
        self._csv = csv.writer(self._file)
        self._csv.writerow(self._columns)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        if kind is None:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)
