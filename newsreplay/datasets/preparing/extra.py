"""Further columns that are kept: the value of every row of the log, in codes by first appearance."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.arrow import to_numpy, write_batch
from newsreplay.datasets.base import EXTRA
from newsreplay.datasets.preparing.gather import Blocks
from newsreplay.datasets.preparing.uniting import Uniting
from newsreplay.datasets.store import ColumnFiles
from newsreplay.log.rows import Column


class _Values(NamedTuple):
    """One kept column of a publisher's blocks."""

    values: pa.Array  # large_string, distinct
    code_of: dict[int, Column]  # block → interim code by the block's own, see `United`


class ExtraColumns:
    """Writes the kept columns of a publisher's log to `folder`/extra, bucket by bucket; without any, nothing."""

    def __init__(self, blocks: Blocks, folder: Path):
        names = sorted({name for _, rows in blocks.tables("rows") for name in rows.schema.names if _is_kept(name)})
        self.blocks, self.folder = blocks, folder / "extra"
        self.kept = {name: _values_of(blocks, name) for name in names}
        # Final codes by interim ones; the last one, -1, is for none: -1 wraps around.
        self.final = [np.full(len(values.values) + 1, -1, np.int32) for values in self.kept.values()]
        self.order: list[list[Column]] = [[] for _ in names]  # interim codes by final ones
        self.known = [0] * len(names)
        self.empty = dict.fromkeys(names, 0)  # rows of the source without a value
        dtypes = {str(number): np.dtype(np.int32) for number in range(len(names))}
        self.files = ColumnFiles(self.folder, dtypes) if names else None

    def add(self, place: Column) -> None:
        """Append rows that stand at `place` (int64, see `gather`) in the source; made-up ones have no value."""
        if self.files is not None:
            codes = [self._final(number, name, place) for number, name in enumerate(self.kept)]
            self.files.add(**{str(number): column for number, column in enumerate(codes)})

    @property
    def facts(self) -> dict[str, tuple[int, int]]:
        """By column, its distinct values, and the rows of the source without one."""
        known = zip(self.kept, self.known, strict=True)
        return {name.removeprefix(EXTRA): (values, self.empty[name]) for name, values in known}

    def __enter__(self) -> ExtraColumns:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the files of codes, and write the values beside them."""
        if self.files is None:
            return
        self.files.__exit__(kind, error, trace)
        for number, (name, values) in enumerate(self.kept.items() if error is None else ()):
            order = pa.array(np.concatenate([np.zeros(0, np.int64), *self.order[number]]))
            write_batch(self.folder / f"{number}.arrow", {name.removeprefix(EXTRA): pc.take(values.values, order)})

    def _final(self, number: int, name: str, place: Column) -> Column:
        interim = self._interim(name, place)
        final = self.final[number]
        told = interim[interim >= 0]
        self.empty[name] += int(np.count_nonzero((interim < 0) & (place >= 0)))
        new, first = np.unique(told[final[told] < 0], return_index=True)
        new = new[np.argsort(first)]
        final[new] = self.known[number] + np.arange(len(new))
        self.known[number] += len(new)
        self.order[number].append(new.astype(np.int64))
        return final[interim]

    def _interim(self, name: str, place: Column) -> Column:
        interim = np.full(len(place), -1, np.int64)
        block, row = np.where(place >= 0, place >> 32, -1), place & 0xFFFFFFFF
        for number in np.unique(block[block >= 0]).tolist():
            rows = self.blocks.table(number, "rows")
            if name in rows.schema.names:
                own = block == number
                interim[own] = self.kept[name].code_of[number][to_numpy(rows.column(name), -1)[row[own]]]
        return interim


def _is_kept(name: str) -> bool:
    return name.startswith(EXTRA)


def _values_of(blocks: Blocks, name: str) -> _Values:
    uniting, numbers = Uniting(), []
    for number, rows in blocks.tables("rows", name):
        uniting.add(rows.column(name).dictionary)
        numbers.append(number)
    united = uniting.done()
    return _Values(united.values, dict(zip(numbers, united.codes, strict=True)))
