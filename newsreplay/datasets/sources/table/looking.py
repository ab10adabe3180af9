"""The units of a text table's times: assumed of some lines that agree, else found by a look through all of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

import pyarrow as pa

from newsreplay.datasets.base import Part
from newsreplay.datasets.reading.forms import FormTally
from newsreplay.datasets.reading.times import chunk_times
from newsreplay.datasets.sources.table.files import File
from newsreplay.datasets.sources.table.rows import EmptyError, TableRows
from newsreplay.machine import cores

LOOK = 1 << 20  #: bytes looked at at once


class Look(NamedTuple):
    """What a look at some lines has counted."""

    tallies: dict[str, FormTally]  #: by column of times
    records: int  #: lines that are not blank


class LookedAt(ABC):
    """A table whose times have the unit of most of their values.

    Where the first lines of all its parts are of one form, that is taken for it; the blocks count what is of another
    (`rows.block_of`), and `settle` looks at all lines.
    """

    file: File
    parts: list[Part]
    times: list[str]  #: columns of times
    units: dict[str, int]
    assumed: bool  #: whether the units are those of some lines only
    empty: str  #: how a file without rows is told

    def look(self) -> None:
        """Find the units. Raises `DataError` if the file should have rows and has none."""
        look = self._look(1)
        self.units, self.assumed = {name: tally.only for name, tally in look.tallies.items()}, True
        if not look.records or not all(self.units.values()):
            self.settle()

    def settle(self) -> None:
        """Find the units by a look at all lines. Raises `DataError` if the file should have rows and has none."""
        look = self._look(None)
        if not look.records and self.file.role == "reads":
            raise EmptyError(f"{self.file.name} {self.empty}; export it again")
        self.units, self.assumed = {name: tally.unit for name, tally in look.tallies.items()}, False

    @abstractmethod
    def _looks(self, part: Part) -> Iterator[Look]:
        """Looks at the lines of a part, some `LOOK` bytes at a time."""

    def _look(self, most: int | None) -> Look:
        with ThreadPoolExecutor(cores()) as pool:
            looks = pool.map(lambda part: self._together(islice(self._looks(part), most)), self.parts)
            return self._together(looks)

    def _together(self, looks: Iterable[Look]) -> Look:
        tallies, records = {name: FormTally() for name in self.times}, 0
        for look in looks:
            records += look.records
            for name, tally in tallies.items():
                tally.append(look.tallies[name])
        return Look(tallies, records)

    def _look_at(self, rows: TableRows) -> Look:
        look = Look({name: FormTally() for name in self.times}, rows.begin.size + len(rows.rejects))
        for name, tally in look.tallies.items():
            for chunk in rows.columns[name].chunks:
                tally.add(chunk_times(chunk.cast(pa.string()))[1])
        return look
