"""Impressions whose outcome is withheld: what the source calls them, and in which order it has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from newsreplay.arrow import to_numpy, write_batch
from newsreplay.datasets.preparing.gather import Blocks
from newsreplay.log.rows import Column


class WithheldRows:
    """Where the withheld impressions of a log stand in the source, and their numbers in the log: 16 bytes each."""

    def __init__(self, blocks: Blocks):
        self.blocks = blocks
        self.having = np.array([number for number, _ in blocks.tables("rows", "withheld")], np.int64)
        self.places: list[Column] = []
        self.numbers: list[Column] = []

    def add(self, places: Column, first: int) -> None:
        """Take in the log's next impressions: their places in the source (block << 32 | row); `first` is a number."""
        if len(self.having):
            some = np.flatnonzero(np.isin(places >> 32, self.having))
            self.places.append(places[some])
            self.numbers.append(first + some)

    def write(self, path: Path) -> None:
        """Write the numbers, and what the source calls them, in its order; nothing where there are none."""
        if not self.places:
            return
        place, number = np.concatenate(self.places), np.concatenate(self.numbers)
        order = np.argsort(place)
        place, number = place[order], number[order]
        ids = []
        for block, rows in zip(self.having.tolist(), self._by_block(place), strict=True):
            ids.append(self.blocks.table(block, "rows").column("withheld").take(pa.array(rows & 0xFFFFFFFF)))
        names = pa.concat_arrays(ids)
        given = to_numpy(names.is_valid())
        if given.any():
            columns = {"impression": pa.array(number[given].astype(np.int32)), "id": names.drop_null()}
            write_batch(path, columns)

    def _by_block(self, place: Column) -> list[Column]:
        """The places of each of `having`."""
        cuts = np.searchsorted(place >> 32, self.having)
        return np.split(place, cuts[1:])
