"""Where records end in text whose quoted fields may run over lines, found at full speed.

Neat are records as `newsreplay.datasets.reading.lines` accepts them over several lines: as many fields as there are
columns, quotes only around whole fields or doubled inside these. All else is left to it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.datasets.reading.lines import count_lines
from newsreplay.datasets.reading.sizes import SIZES
from newsreplay.kernels.compiling import compiled, int64
from newsreplay.log.rows import Column

_WHOLE, _OPEN, _DOUBT = range(3)


class Neat(NamedTuple):
    """The neat records at the beginning of some whole lines."""

    begin: Column  #: int64, the line each begins on, from 1
    at: Column  #: int64, and the byte, from 0
    blank: Column  #: bool, lines without anything
    size: int  #: bytes of all of them
    is_open: bool  #: what follows may be one too, if more lines follow


def neat_records(data: bytes, delimiter: str, width: int, longest: int = SIZES.longest_record) -> Neat:
    """The neat records of `width` fields and up to `longest` further lines with which some lines begin."""
    begin, at = np.empty((2, count_lines(data)), np.int64)
    records, size, state = _walk(np.frombuffer(data, np.uint8), ord(delimiter), width, longest, begin, at)
    found = begin[:records]
    return Neat(np.abs(found), at[:records], found < 0, size, state == _OPEN)


@compiled
def _walk(data: Any, delimiter: int, width: int, longest: int, begin: Any, starts: Any) -> tuple[int, int, int]:
    """Write where each record begins, its line negative if it is blank; records, bytes, and why it ends there."""
    at, line, records, size = int64(0), int64(1), int64(0), int64(0)
    total = int64(data.size)
    while at < total:
        first = line
        field = 0
        is_blank = data[at] == 10 or data[at] == 13
        while not is_blank:
            if at < total and data[at] == 34:  # "
                at += 1
                while at < total and (data[at] != 34 or (at + 1 < total and data[at + 1] == 34)):
                    if data[at] == 34:
                        at += 1
                    elif data[at] == 10 or (data[at] == 13 and not (at + 1 < total and data[at + 1] == 10)):
                        line += 1
                        if line - first > longest:
                            return records, size, _DOUBT
                    at += 1
                if at >= total:
                    return records, size, _OPEN
                at += 1
            else:
                while at < total and data[at] != delimiter and data[at] != 10 and data[at] != 13:
                    if data[at] == 34:
                        return records, size, _DOUBT
                    at += 1
            if at >= total or data[at] != delimiter:
                break
            field += 1
            at += 1
        if not is_blank and (field != width - 1 or (at < total and data[at] != 10 and data[at] != 13)):
            return records, size, _DOUBT
        if at < total and data[at] == 13:
            at += 1
            if at < total and data[at] == 10:
                at += 1
        else:
            at += 1
        begin[records], starts[records] = -first if is_blank else first, size
        records += 1
        line += 1
        size = min(at, total)
    return records, size, _WHOLE
