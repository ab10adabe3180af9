"""How much of a source is read at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReadSizes:
    """How much is read at once. What comes out does not depend on it, but for the limits."""

    stretch: int = 16 << 20  #: bytes of a plain text file per part
    chunk: int = 8 << 20  #: bytes of text handed to a parser at once
    piece: int = 64 << 10  #: bytes of a doubtful chunk of a table that are read record by record if they must
    lines: int = 1 << 16  #: JSON lines per scan, so that a file of empty lines takes no more memory than others
    rows: int = 200_000  #: rows of a block of Parquet or Arrow
    part_rows: int = 1_000_000  #: rows of a part of Parquet or Arrow, at least
    entries: int = 5_000  #: rows of a block of EB-NeRD's histories and articles, which are long ones
    longest_line: int = 64 << 20  #: limit: bytes; a longer line is an error
    longest_record: int = 1_000  #: limit: lines; a longer record is one with an open quote
    remembered: int = 1 << 18  #: limit: messages by which resends and page views are known, at least


SIZES = ReadSizes()
