"""Columns: from Arrow to NumPy without pandas, and appended to files that NumPy can map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from newsreplay.simulator.log import Column


def numbers(table: Any, name: str | None = None) -> Column:
    """A column of numbers without nulls as NumPy sees it; `Array.to_numpy` would import pandas first."""
    array = table if name is None else table.column(name)
    dtype = array.type.to_pandas_dtype()
    values: Column = np.frombuffer(array.buffers()[1] or b"", dtype)
    return values[array.offset : array.offset + len(array)]


def bits(array: Any) -> Column:
    """A column of booleans without nulls."""
    packed = np.frombuffer(array.buffers()[1] or b"", np.uint8)
    return np.unpackbits(packed, bitorder="little", count=array.offset + len(array))[array.offset :].astype(bool)


def filled(table: Any, name: str) -> Column:
    """Numbers or codes with -1 for null."""
    column = table.column(name)
    column = column.indices if pa.types.is_dictionary(column.type) else column
    return numbers(column.fill_null(-1) if column.null_count else column)


class ColumnFiles:
    """Columns that are appended to, each an `.npy` file that NumPy can map; written in bounded memory."""

    HEADER = 128  # bytes; written when the length is known

    def __init__(self, folder: Path, dtypes: dict[str, np.dtype[Any]]):
        folder.mkdir(parents=True)
        self.dtypes = dtypes
        self.lengths = dict.fromkeys(dtypes, 0)
        self.files = {name: (folder / f"{name}.npy").open("wb") for name in dtypes}
        for file in self.files.values():
            file.write(bytes(self.HEADER))

    def add(self, **columns: Column) -> None:
        """Append to columns."""
        for name, values in columns.items():
            np.ascontiguousarray(values, self.dtypes[name]).tofile(self.files[name])
            self.lengths[name] += len(values)

    def __enter__(self) -> ColumnFiles:
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        for name, file in self.files.items():
            with file:
                shape = {"descr": self.dtypes[name].str, "fortran_order": False, "shape": (self.lengths[name],)}
                text = repr(shape).encode()
                magic = b"\x93NUMPY\x01\x00" + (self.HEADER - 10).to_bytes(2, "little")
                file.seek(0)
                file.write(magic + text.ljust(self.HEADER - 11) + b"\n")
