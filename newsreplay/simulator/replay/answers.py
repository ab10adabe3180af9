"""A plain-Python recommender's answers, copied the moment they are given.

Whatever it answers with may be an object of its own, a `deque` or an array that it goes on writing to: read any later,
such an answer would tell what only later rows did.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Mapping, MappingView, Sequence, Set
from itertools import accumulate, islice
from textwrap import shorten
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from newsreplay.log.catalog import Catalog

Answer: TypeAlias = Any  #: whatever a stranger's method returns; looked at before it is used

_PLAIN = (list, tuple, range, deque, array)
_TEXT = (str, bytes, bytearray)


LARGEST_CODE = np.iinfo(np.int32).max


class AnswerError(ValueError):
    """What is wrong with an answer, and what would be right; the replay adds whose it is, and where."""

    def __init__(self, what: str, wanted: str):
        super().__init__(what, wanted)
        self.what, self.wanted = what, wanted


WANTED_SLATE = "return a sequence of article codes, or of ids, empty for no answer"
WANTED_SCORES = "return one finite number per candidate, or -inf for one that is not to be ranked"


def frozen_slate(answer: Answer, k: int) -> list[Answer]:
    """The first k entries of an answer, any sized, ordered sequence; what they are is looked at by `check_codes`.

    Raises `AnswerError` for sets, dicts and their views, generators, text, and whatever else has no order or no length.
    """
    return list(islice(_in_order(answer, k, WANTED_SLATE), k))


class Collected(NamedTuple):
    """The answers to some requests, one behind the other: a list each would be looked at by the garbage collector."""

    entries: list[Answer]
    ends: list[int]  #: for each answer how many entries there are up to its last one

    def each(self) -> list[list[Answer]]:
        """The answers, one by one."""
        return [self.entries[begin:end] for begin, end in zip([0, *self.ends], self.ends, strict=False)]

    def part(self, begin: int, end: int) -> Collected:
        """Answers begin … end - 1."""
        first, *ends = [0, *self.ends][begin : end + 1]
        return Collected(self.entries[first : ends[-1] if ends else first], [place - first for place in ends])


def collected(answers: Iterable[Sequence[Answer]]) -> Collected:
    """Answers one behind the other.

    >>> collected([[5, 6], [], [7]])
    Collected(entries=[5, 6, 7], ends=[2, 2, 3])
    """
    answers = list(answers)
    return Collected([entry for answer in answers for entry in answer], list(accumulate(map(len, answers))))


class Codes(NamedTuple):
    """How entries of slates become article codes."""

    catalog: Catalog
    ids: bool = False  #: numbers are ids, too; text always is one

    def of(self, answer: Sequence[Answer]) -> list[Answer]:
        """The entries, ids as the codes of the articles known by now. Raises `AnswerError` for any other id."""
        return [self._of(entry) for entry in answer]

    def _of(self, entry: Answer) -> Answer:
        is_id = isinstance(entry, str) or (self.ids and isinstance(entry, int | np.integer) and entry is not True)
        if not is_id:
            return entry
        try:
            return self.catalog.code(str(entry))
        except KeyError:
            raise AnswerError(f"{str(entry)!r} in a slate", "no article known by then has this id") from None


def check_codes(answer: Sequence[Answer]) -> None:
    """Raise `AnswerError` unless all entries of a slate are whole numbers that an article can have.

    An array or tensor without dimension is none: it may be a view of something that is written to again.
    """
    for code in answer:
        if not isinstance(code, int | np.integer) or isinstance(code, bool):
            raise AnswerError(f"{code!r} in a slate", "article codes are whole numbers, ids are text")
        if not 0 <= code <= LARGEST_CODE:
            raise AnswerError(f"{code} in a slate", "article codes count from 0")


def frozen_scores(answer: Answer, candidates: int) -> array[float]:
    """The scores of an answer: any sized, ordered sequence of as many numbers as there are candidates.

    Raises `AnswerError` as `frozen_slate` does, for another length, and for scores that are no real numbers.
    """
    scores = _in_order(answer, None, WANTED_SCORES)
    if len(scores) != candidates:
        raise AnswerError(f"{len(scores)} scores for {candidates} candidates", WANTED_SCORES)
    try:
        return array("d", scores)
    except (TypeError, OverflowError):
        bad = next(score for score in scores if not _is_number(score))
        raise AnswerError(f"{bad!r} as a score", WANTED_SCORES) from None


def _in_order(answer: Answer, most: int | None, wanted: str) -> Sequence[Answer]:
    """The answer, or the first `most` entries of an array-like one, as something that can be walked in its order."""
    if isinstance(answer, _PLAIN):
        return answer
    if not isinstance(answer, (*_TEXT, Set, Mapping, MappingView)):
        if hasattr(answer, "tolist") or hasattr(answer, "__array__"):
            if np.ndim(answer):
                return _listed(answer, most)
        elif isinstance(answer, Sequence):
            return answer
    raise AnswerError(_kind_of(answer), wanted)


def _listed(answer: Answer, most: int | None) -> list[Answer]:
    """The first entries of a Series, a tensor or the like."""
    few = answer[:most]
    values: list[Answer] = few.tolist() if hasattr(few, "tolist") else np.asarray(few).tolist()
    return values


def _kind_of(answer: Answer) -> str:
    """What an answer is, for an error: a small value as it is, anything else by its type."""
    if isinstance(answer, np.ndarray | np.generic):
        return repr(answer.item())
    if answer is None or isinstance(answer, int | float):
        return repr(answer)
    if isinstance(answer, _TEXT):
        return f"the text {shorten(repr(answer), 60)}"
    return f"an object of type {type(answer).__name__}, which has no order or no length"


def _is_number(value: Answer) -> bool:
    try:
        array("d", [value])
    except (TypeError, OverflowError):
        return False
    return True
