"""What a source hands over: raw rows of any order, and an honest account of what it left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa


class Reject(NamedTuple):
    """One row that could not be used."""

    file: str  #: file name
    line: int  #: line in the file from 1 (text files), or row from 1 (Parquet, Arrow)
    reason: str  #: what is wrong, with the value
    text: str  #: the row as it stood, shortened to 500 characters


@dataclass
class Raw:
    """A source's rows before they are sorted, split into sessions and coded.

    `reads` has one row per read, in source order, with the columns

    - `publisher` string, never null;
    - `time` int64, ms since the epoch, UTC, never null;
    - `user` string, null where unknown; `session` string, null where the source has none
      (never both null in one row; a column that is null throughout may be missing);
    - `item` string, never null;
    - optionally `published` int64 (ms, may be null), `category` string and `title` string (null = not told).

    String columns may be dictionary-encoded. `articles` has what the source knows about articles outside its
    reads: `item`, and optionally `publisher`, `published`, `category`, `title`, typed as above. Without
    `publisher`, an article belongs to the only publisher there is.

    Rows in = rows in `reads` + `rejects` + the sum of `dropped`.
    """

    reads: pa.Table
    articles: pa.Table | None = None
    rows_in: int = 0
    rejects: list[Reject] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)  #: rule → rows left out by it
    notes: list[str] = field(default_factory=list)  #: said to whoever prepares: units, sorting, duplicates
    made_up: list[str] = field(default_factory=list)  #: what in these data was not measured
    source: str = ""  #: where it comes from, for the card
    licence: str = ""  #: licence note, for the card
