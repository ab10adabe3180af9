"""Ids and texts that every block codes by itself, united: codes that are good for all of a publisher's blocks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from newsreplay.arrow import to_numpy
from newsreplay.datasets.reading.words import encoded, places_of
from newsreplay.log.rows import Column

GROUP = 64 << 20  #: bytes of dictionaries united at once


class United(NamedTuple):
    """Distinct strings of all blocks, and each block's own codes among them."""

    values: pa.Array  #: large_string
    codes: list[Column]  #: int32 per dictionary, by its own codes; behind the last stands -1: none leads to none


class Uniting:
    """Makes one dictionary out of many, without ever holding all of them."""

    def __init__(self, group: int = GROUP) -> None:
        self.group = group
        self.pending: list[pa.Array] = []
        self.size = 0
        self.groups: list[United] = []

    def add(self, dictionary: pa.Array) -> None:
        """Take in the next dictionary, large_string without nulls."""
        self.pending.append(dictionary)
        self.size += dictionary.nbytes
        if self.size >= self.group:
            self._unite_pending()

    def _unite_pending(self) -> None:
        if self.pending:
            self.groups.append(_united(self.pending))
        self.pending, self.size = [], 0

    def done(self) -> United:
        """All distinct values, by first appearance, and the codes of all dictionaries."""
        self._unite_pending()
        if len(self.groups) < 2:
            return self.groups[0] if self.groups else United(pa.array([], pa.large_string()), [])
        top = _united([group.values for group in self.groups])
        codes = [places[codes] for group, places in zip(self.groups, top.codes, strict=True) for codes in group.codes]
        return United(top.values, codes)


def _united(dictionaries: list[pa.Array]) -> United:
    united = encoded(*places_of(pa.concat_arrays(dictionaries)))
    ends = np.cumsum([len(values) for values in dictionaries])
    codes = [np.append(own, np.int32(-1)) for own in np.split(to_numpy(united), ends[:-1])]
    return United(united.dictionary, codes)
