"""Text tables line by line: records of delimited fields with their true line numbers, also in damaged files."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from newsreplay.datasets.reading.sizes import SIZES

QUOTED = re.compile(r'"([^"]*+(?:""[^"]*+)*+)"')


class Lines:
    """Numbered lines with their ends; lines can be put back."""

    def __init__(self, stream: Iterable[str]) -> None:
        self.stream = enumerate(stream, 1)
        self.put_back: deque[tuple[int, str]] = deque()

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return self

    def __next__(self) -> tuple[int, str]:
        return self.put_back.popleft() if self.put_back else next(self.stream)


class Record(NamedTuple):
    """One record: where it begins, as it stands, its fields."""

    line: int
    text: str
    fields: list[str] | None  # None: a quote that does not close


def records(
    lines: Lines, delimiter: str, width: int | None = None, *, longest: int = SIZES.longest_record
) -> Iterator[Record]:
    """The records of a text, line by line; of those that run over lines only the well-formed ones.

    Where `width` fields are expected, others with quotes that close later are none; `longest` is in lines.
    """
    for number, line in lines:
        if '"' not in line:
            yield Record(number, line, line.rstrip("\r\n").split(delimiter))
            continue
        fields, _ = _split(line, delimiter)
        yield Record(number, line, fields) if fields else _long_record(lines, number, line, delimiter, width, longest)


def _long_record(lines: Lines, number: int, line: str, delimiter: str, width: int | None, longest: int) -> Record:
    taken: list[tuple[int, str]] = []
    for entry in lines:
        taken.append(entry)
        if '"' not in entry[1] and len(taken) < longest:
            continue
        text = line + "".join(more for _, more in taken)
        fields, neat = _split(text, delimiter)
        if fields and neat and width in (None, len(fields)):
            return Record(number, text, fields)
        if fields or len(taken) >= longest:
            break
    lines.put_back.extendleft(reversed(taken))
    return Record(number, line, None)


def _split(text: str, delimiter: str) -> tuple[list[str] | None, bool]:
    """The fields of a record, or None if a quote stays open; and whether all quotes stand where they should.

    As everywhere, `"` opens a field only as its first character, and what follows the closing one is kept.
    """
    text = text.rstrip("\r\n")
    fields, at, neat = [], 0, True
    while True:
        match = QUOTED.match(text, at)
        if match is None and text.startswith('"', at):
            return None, False
        end = text.find(delimiter, match.end() if match else at)
        end = len(text) if end < 0 else end
        rest = text[match.end() if match else at : end]
        fields.append(match[1].replace('""', '"') + rest if match else rest)
        neat = neat and not (match and rest) and '"' not in rest
        if end == len(text):
            return fields, neat
        at = end + 1


def is_blank(text: str) -> bool:
    """Whether a line holds nothing but blanks."""
    return not text.strip(" \r\n")


def count_lines(data: bytes) -> int:
    """Lines of a text, an unfinished last one included; they end in LF, CRLF or CR."""
    ends = data.count(b"\n")
    if b"\r" in data:
        ends += data.count(b"\r") - data.count(b"\r\n")
    return ends + (bool(data) and not data.endswith((b"\n", b"\r")))
