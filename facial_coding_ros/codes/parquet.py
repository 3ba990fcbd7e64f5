"""The table of face codes as a Parquet file: typed columns, a fraction of the size of CSV."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from ..types import CodeForm, FaceCode
from .table import columns, row

_ROWS_IN_MEMORY = 4096
_WHOLE_NUMBERS = ("frame", "stamp_ns")
_WORDS = ("face_id", "person_id", "neutral_state", "expression")


class ParquetWriter:
    """Writes the rows of `table.row` as they come; the file appears, whole, when closed without an error.

    Raises ModuleNotFoundError when pyarrow is not installed.
    """

    def __init__(self, path: Path, form: CodeForm) -> None:
        import pyarrow

        self._pyarrow = pyarrow
        self._path = path
        self._part = path.with_name(path.name + ".part")
        kinds = {name: pyarrow.int64() for name in _WHOLE_NUMBERS} | {name: pyarrow.string() for name in _WORDS}
        self._schema = pyarrow.schema([(name, kinds.get(name, pyarrow.float32())) for name in columns(form)])
        self._rows: list[list[Any]] = []

    def __enter__(self) -> ParquetWriter:
        from pyarrow import parquet

        self._file = parquet.ParquetWriter(self._part, self._schema)
        return self

    def write(self, index: int, stamp_ns: int, codes: Iterable[FaceCode]) -> None:
        """Adds the rows of one frame."""
        self._rows += [row(index, stamp_ns, code) for code in codes]
        if len(self._rows) >= _ROWS_IN_MEMORY:
            self._flush()

    def _flush(self) -> None:
        pa = self._pyarrow
        arrays = []
        for number, field in enumerate(self._schema):
            values = [entry[number] for entry in self._rows]
            arrays.append(pa.array(map(float, values) if pa.types.is_floating(field.type) else values, field.type))
        self._file.write_batch(pa.record_batch(arrays, schema=self._schema))
        self._rows = []

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None and self._rows:
            self._flush()
        self._file.close()
        if kind is None:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)
