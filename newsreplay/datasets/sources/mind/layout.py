"""The columns of MIND-like files, and the reasons for which rows are rejected."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from newsreplay.datasets.base import Reject

PAGE = "https://msnews.github.io/"
BLANK = "blank line"
NO_CANDIDATES = "impression without candidates"


class Layout(NamedTuple):
    """What sets one log in MIND's layout apart from another."""

    cells: tuple[str, ...]  #: of a line of `behaviors.tsv`; without a time, its number in the block stands for it
    prefix: bytes  #: of article ids; what follows is a number
    facts: dict[str, int]  #: the cells of a line of `news.tsv` that hold facts, counted from 0
    widths: tuple[int, ...]  #: how many cells a line of `news.tsv` may have
    entities: bool  #: whether its cells 6 and 7 hold the entities of title and abstract
    page: str  #: where to get the data
    #: what words of the fact `sentiment` stand for; others are kept as they are
    sentiments: Mapping[str, str] = MappingProxyType({})
    header: bytes = b""  #: the line that may stand above those of `news.tsv`; "" = none may


MIND = Layout(
    cells=("impression id", "user", "time", "history", "candidates"),
    prefix=b"N",
    facts={"category": 1, "subcategory": 2, "title": 3, "abstract": 4},
    widths=(6, 7, 8),
    entities=True,
    page=PAGE,
)

#: xMIND: titles and abstracts of MIND's articles in other languages, beside its behaviours.
XMIND = MIND._replace(facts={"title": 1, "abstract": 2}, widths=(3,), entities=False, header=b"nid\ttitle\tabstract")


def text_of(line: bytes) -> str:
    """A line as text; `ValueError` where it is none, with the reason."""
    if b"\0" in line:
        raise ValueError("the line holds a NUL byte")
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start + 1:,} of the line is not UTF-8") from None


def quoted(value: bytes) -> str:
    """The first 60 bytes of a value, for a message."""
    return repr(value[:60].decode("utf-8", "replace"))


def reject(file: str, line: int, error: ValueError, text: bytes) -> Reject:
    """A line that cannot be used, because of `error`."""
    return Reject(file, line, str(error), text[:2000].decode("utf-8", "replace")[:500])
