"""Answers made elsewhere, from tables to arrays: one list a request, sorted so that a replay walks them in its order.

Lists and long tables come to the same: what each answer answers, where its places begin, and the article of each place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.arrow import in_one_piece, to_numpy
from newsreplay.errors import RecommenderError
from newsreplay.log.rows import Column
from newsreplay.recommenders.references.answer_files import (
    NUMBERED,
    AnswerTable,
    as_text,
    counts,
    read_answers,
    read_names,
)

What: TypeAlias = Literal["slates", "scores"]
_MANUAL = "docs/answers-made-elsewhere.md has the forms"


class AnswerShape(NamedTuple):
    """Which columns of a file say what."""

    key: tuple[str, ...]  #: what an answer answers: row, with time where the file has it, or time and user
    lists: tuple[str, ...]  #: columns of lists or of numbered places; none where each place has a row of its own
    what: tuple[What, ...]  #: what the file can be read as
    publisher: bool  #: each row says whose it is

    def columns(self, what: What) -> list[str]:
        """The columns that are read."""
        places = self.lists or ("item", "rank" if what == "slates" else "score")
        return [*self.key, *places, *(["publisher"] if self.publisher else [])]


class MadeAnswers(NamedTuple):
    """Answers that were made elsewhere, each a stretch of places; sorted by row, or by time and then reader."""

    row: Column  #: int64[answers], log rows, ascending; empty where they go by time and reader
    time: Column  #: int64[answers], ms UTC; empty where the file has none
    user: Column  #: int32[answers], codes into `users`; empty where they go by row
    users: pa.Array  #: string[users]
    at: Column  #: int64[answers + 1], answer i has the places at[i] … at[i + 1] - 1
    item: Column  #: int32[places], codes into `ids`; best first where they are slates
    score: Column  #: float64[places], -inf = not ranked; empty where they are slates
    ids: pa.Array  #: string[ids], distinct


def shape_of(path: Path) -> AnswerShape:
    """What a file holds, by the names of its columns. Raises `RecommenderError` where it holds no answers."""
    names = read_names(path)
    twice = sorted({name for name in names if counts(name) and names.count(name) > 1})
    if twice:
        raise RecommenderError(f"{path} has the column {twice[0]} twice; name each once")
    key = tuple(name for name in ("row", "time") if name in names) if "row" in names else ("time", "user")
    if not set(key) <= set(names):
        raise _unfit(path, names, "row, or time and user, which say what each answer answers")
    publisher = "publisher" in names
    numbered = sorted((name for name in names if NUMBERED.fullmatch(name)), key=lambda name: int(name[4:]))
    if {"candidates", "scores"} <= set(names):
        return AnswerShape(key, ("candidates", "scores"), ("scores",), publisher)
    for lists in (["slate"], ["items"], numbered):
        if lists and set(lists) <= set(names):
            return AnswerShape(key, tuple(lists), ("slates",), publisher)
    readings: tuple[tuple[What, str], ...] = (("slates", "rank"), ("scores", "score"))
    what = tuple(told for told, column in readings if {"item", column} <= set(names))
    if not what:
        raise _unfit(
            path, names, "slate (a list), item and rank, item1, item2 …, or, for scores, item and score, candidates "
            "and scores (lists)"
        )  # fmt: skip
    return AnswerShape(key, (), what, publisher)


def _unfit(path: Path, names: list[str], lacks: str) -> RecommenderError:
    return RecommenderError(f"{path} has the columns {', '.join(names)[:200] or '(none)'}; it lacks {lacks}. {_MANUAL}")


def read_made(path: Path, what: What, publisher: str) -> MadeAnswers:
    """The answers of a file, those of one publisher where it says whose each is.

    Raises `RecommenderError` that names file, line and value where a value is not what it must be, and where two rows
    claim the same place, the same request, or the score of the same candidate.
    """
    shape = shape_of(path)
    if what not in shape.what:
        raise RecommenderError(f"{path} holds {shape.what[0]}, no {what}; name it as {shape.what[0]}='{path}'")
    told = read_answers(path, shape.columns(what))
    number = np.arange(len(told.table))
    if shape.publisher:
        number = _of_publisher(told, publisher)
    columns = _AnswerColumns(
        told._replace(table=told.table.take(pa.array(number)) if shape.publisher else told.table), number
    )
    key = _key(columns, shape)
    if not shape.lists:
        return _from_long(columns, key, what)
    return _from_lists(columns, key, shape.lists)


def _of_publisher(told: AnswerTable, publisher: str) -> npt.NDArray[np.int64]:
    names = as_text(told.table.column("publisher"))
    number = np.flatnonzero(to_numpy(pc.equal(names, publisher), missing=False))
    if not number.size and len(names):
        others = ", ".join(map(repr, pc.unique(names).to_pylist()[:5]))
        raise RecommenderError(f"{told.path} has no answers for publisher {publisher!r}; it has {others}")
    return number


# --- columns --------------------------------------------------------------------------------------------


class _AnswerColumns:
    """The columns of a table as arrays; whoever finds a value wrong names its row of the file."""

    def __init__(self, told: AnswerTable, number: npt.NDArray[np.int64]):
        self.told, self.number, self.path = told, number, told.path

    def __len__(self) -> int:
        return len(self.told.table)

    def place(self, row: int) -> str:
        return self.told.place(int(self.number[row]))

    def error(self, row: int, value: object, name: str, must: str) -> RecommenderError:
        return RecommenderError(f"{self.place(row)}: {str(value)[:60]!r} as {name}; it must be {must}")

    def whole(self, name: str) -> Column:
        """int64[rows]; whole numbers, also where they are written as text."""
        column = self._filled(name)
        if pa.types.is_floating(column.type):
            raise RecommenderError(f"{self.path}: the column {name} is of type {column.type}; write whole numbers")
        return self._cast(column, name, pa.int64(), int, "a whole number")

    def score(self) -> Column:
        """float64[rows]; null is -inf, which is not ranked at all."""
        values = self._cast(self.told.table.column("score"), "score", pa.float64(), float, "a number", missing=-np.inf)
        return self._finite(values, "score", np.arange(len(values)))

    def _finite(self, values: Column, name: str, row: Column) -> Column:
        bad = np.flatnonzero(~(values < np.inf))
        if bad.size:
            raise self.error(int(row[bad[0]]), values[bad[0]], name, "below inf; null is not ranked at all")
        return values

    def time(self) -> Column:
        """int64[rows], ms UTC: times, ISO 8601 (UTC where no zone is told), or whole numbers, ms since 1970."""
        column = self._filled("time")
        if pa.types.is_timestamp(column.type):
            return to_numpy(pc.cast(pc.cast(column, pa.timestamp("ms", column.type.tz), safe=False), pa.int64()))
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            return self.whole("time")
        for kind in (pa.timestamp("ms", "UTC"), pa.timestamp("ms"), pa.int64()):
            try:
                return to_numpy(pc.cast(pc.cast(column, kind), pa.int64()))
            except pa.ArrowInvalid:
                continue
        must = "ISO 8601 throughout, 2019-11-09T18:00:00.000Z, or ms since 1970"
        for row, value in enumerate(column.to_pylist()):
            try:
                pa.scalar(value).cast(pa.timestamp("ms", "UTC"))
            except pa.ArrowInvalid:
                raise self.error(row, value, "time", must) from None
        raise RecommenderError(f"{self.path}: the column time; it must be {must}")

    def coded(self, name: str) -> tuple[Column, pa.Array]:
        """Codes, int32[rows], into distinct texts; every row must have one."""
        return _coded(self._ids(self._filled(name), name))

    def _ids(self, column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
        try:
            return as_text(column)
        except pa.ArrowException as error:
            raise RecommenderError(f"{self.path}: {name} is {error}; ids are text") from None

    def places(self, names: tuple[str, ...]) -> tuple[Column, Column, pa.Array]:
        """Places by row: where each row's begin, int64[rows + 1], and codes, int32[places], into distinct ids."""
        if NUMBERED.fullmatch(names[0]):
            chunks = [chunk for name in names for chunk in self._ids(self.told.table.column(name), name).chunks]
            codes, ids = _coded(pa.chunked_array(chunks, pa.large_string()))
            codes = codes.reshape(len(names), len(self)).T
            empty = np.flatnonzero(np.array(ids.to_pylist(), object) == "")  # a place that is left out
            taken = (codes >= 0) & ~np.isin(codes, empty)
            return np.concatenate([[0], np.cumsum(taken.sum(axis=1))]), codes[taken], ids
        at, flat = self._flat(names[0])
        codes, ids = _coded(self._ids(pa.chunked_array([flat]), names[0]))
        if codes.min(initial=0) < 0:
            raise self.error(_owner(at, codes < 0), None, names[0], "a list of ids")
        return at, codes, ids

    def scores(self, at: Column) -> Column:
        """float64[places] of the column `scores`, whose lists are as long as those of the candidates."""
        begin, flat = self._flat("scores")
        different = np.flatnonzero(np.diff(begin) != np.diff(at))
        if different.size:
            row = int(different[0])
            lengths = f"{begin[row + 1] - begin[row]} scores for {at[row + 1] - at[row]} candidates"
            raise RecommenderError(f"{self.place(row)}: {lengths}; it must have one each")
        values = to_numpy(pc.cast(flat, pa.float64()), missing=-np.inf)
        return self._finite(values, "scores", np.repeat(np.arange(len(at) - 1), np.diff(at)))

    def _flat(self, name: str) -> tuple[Column, pa.Array]:
        column = self._filled(name)
        kind = column.type
        if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
            raise RecommenderError(f"{self.path}: the column {name} is of type {kind}; it must hold lists")
        lists = in_one_piece(pc.cast(column, pa.large_list(_plain(kind.value_type))))
        return to_numpy(lists.offsets) - to_numpy(lists.offsets)[0], lists.flatten()

    def _filled(self, name: str) -> pa.ChunkedArray:
        column = self.told.table.column(name)
        if column.null_count:
            row = int(np.flatnonzero(to_numpy(pc.is_null(column)))[0])
            raise RecommenderError(f"{self.place(row)}: no {name}; every row needs one")
        return column

    def _cast(
        self,
        column: pa.ChunkedArray,
        name: str,
        kind: pa.DataType,
        read: type[int] | type[float],
        must: str,
        missing: float | None = None,
    ) -> Column:
        try:
            return to_numpy(pc.cast(column, kind), missing)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            for row, value in enumerate(column.to_pylist()):
                try:
                    read(value)
                except (ValueError, TypeError):
                    raise self.error(row, value, name, must) from None
            raise RecommenderError(
                f"{self.path}: the column {name} is of type {column.type}; it must be {must}"
            ) from None


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _coded(texts: pa.ChunkedArray) -> tuple[Column, pa.Array]:
    """Codes, int32[n], -1 = null, into distinct texts."""
    coded = in_one_piece(texts.dictionary_encode().unify_dictionaries())
    return to_numpy(coded, missing=-1), coded.dictionary


def _owner(at: Column, bad: npt.NDArray[np.bool_]) -> int:
    return int(np.searchsorted(at, np.flatnonzero(bad)[0], side="right")) - 1


# --- what is answered -----------------------------------------------------------------------------------


class _AnswerKey(NamedTuple):
    row: Column
    time: Column
    user: Column
    users: pa.Array

    def orders(self) -> tuple[Column, ...]:
        """What rows are sorted by, the last first."""
        return (self.row,) if len(self.row) else (self.user, self.time)

    def same(self, order: Column) -> npt.NDArray[np.bool_]:
        """Which of the sorted rows answer the same as the one before: bool[rows]; the first does not."""
        same = np.ones(max(len(order) - 1, 0), np.bool_)
        for column in self.orders():
            same &= column[order][1:] == column[order][:-1]
        return np.concatenate([np.zeros(min(len(order), 1), np.bool_), same])

    def shown(self, row: int) -> str:
        if len(self.row):
            return f"row {self.row[row]}"
        return f"time {self.time[row]} and user {self.users[int(self.user[row])].as_py()!r}"

    def taken(self, order: Column) -> tuple[Column, Column, Column, pa.Array]:
        row, time, user = (column[order] if len(column) else column for column in self[:3])
        return row, time, user, self.users


def _key(columns: _AnswerColumns, shape: AnswerShape) -> _AnswerKey:
    none, nobody = np.empty(0, np.int64), pa.array([], pa.large_string())
    time = columns.time() if "time" in shape.key else none
    if "row" not in shape.key:
        return _AnswerKey(none, time, *columns.coded("user"))
    row = columns.whole("row")
    if row.min(initial=0) < 0:
        bad = int(np.argmin(row))
        raise columns.error(bad, row[bad], "row", "a row of the log, which count from 0")
    return _AnswerKey(row, time, np.empty(0, np.int32), nobody)


def _from_lists(columns: _AnswerColumns, key: _AnswerKey, names: tuple[str, ...]) -> MadeAnswers:
    at, item, ids = columns.places(names)
    score = columns.scores(at) if names[-1] == "scores" else np.empty(0)
    order = np.lexsort(key.orders())
    again = np.flatnonzero(key.same(order))
    if again.size:
        first, second = sorted(order[[again[0] - 1, again[0]]].tolist())
        raise RecommenderError(
            f"{columns.place(second)}: {key.shown(second)} is answered as in {columns.place(first)}; {again.size:,} "
            "rows answer what another one does. Keep one"
        )
    lengths = np.diff(at)[order]
    begin = np.concatenate([[0], np.cumsum(lengths)])
    place = np.arange(begin[-1]) + np.repeat(at[:-1][order] - begin[:-1], lengths)
    return MadeAnswers(*key.taken(order), begin, item[place], score[place] if len(score) else score, ids)


def _from_long(columns: _AnswerColumns, key: _AnswerKey, what: What) -> MadeAnswers:
    item, ids = columns.coded("item")
    rank = columns.whole("rank") if what == "slates" else item
    order = np.lexsort((rank, *key.orders()))
    same = key.same(order)
    again = np.flatnonzero(same & np.concatenate([same[:1], rank[order][1:] == rank[order][:-1]]))
    if again.size:
        first, second = sorted(order[[again[0] - 1, again[0]]].tolist())
        claim = f"rank {rank[second]}" if what == "slates" else f"a score of {ids[int(item[second])].as_py()!r}"
        raise RecommenderError(
            f"{columns.place(second)}: {claim} for {key.shown(second)}, as in {columns.place(first)}; {again.size:,} "
            "rows say what another one does. Keep one"
        )
    score = columns.score()[order] if what == "scores" else np.empty(0)
    first_places = np.flatnonzero(~same)
    at = np.append(first_places, len(order)).astype(np.int64)
    return MadeAnswers(*key.taken(order[first_places]), at, item[order], score, ids)
