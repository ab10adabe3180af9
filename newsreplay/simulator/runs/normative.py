"""Normative diversity: how far slates are from what readers read, from what there was, and from one another.

The measures of RADio* (Vrijenhoek et al. 2025, ACM TORS 3(1), sections 3 and 4) as far as their attributes are known of
articles: calibration, fragmentation, activation, representation. A measure is the mean over requests of the rank-aware
Jensen-Shannon distance between two distributions of an attribute, from 0 (the same) to 1 (nothing in common). Which of
the two is wanted depends on what a publisher stands for: they describe recommenders and do not judge them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from newsreplay.errors import DataError, NewsreplayError, SpecError, did_you_mean
from newsreplay.log.entities import entity_names
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import HOUR, READ, Column
from newsreplay.simulator.judgement.clusters import first_rows
from newsreplay.simulator.runs.judged import JudgedColumns, Ratio
from newsreplay.spec import number, whole

ATTRIBUTES = ("article", "category", "subcategory", "entities", "complexity", "activation")
TOGETHER = 1 << 14  #: requests worked out at a time


class Attribute(NamedTuple):
    """The values of articles: none, one or several each."""

    begin: Column  #: int64[articles + 1], article i has the values begin[i] … begin[i + 1] - 1
    value: Column  #: int64[…], codes below `values`
    row: Column  #: int64[articles], the log row from which on an article's values are known
    values: int


class Distributions(NamedTuple):
    """One distribution a request, as the masses that are not zero."""

    key: Column  #: int64[masses], request · values + value, ascending
    mass: Column  #: float64[masses]
    there: Column  #: bool[requests], whether a request has one


class SlatesAsked(NamedTuple):
    """The requests of a publisher's scored sessions, and what one recommender answered."""

    data: Publisher
    values: Attribute
    rows: Column  #: int64[requests], ascending
    slates: Column  #: int32[requests, k], padded with -1


class Measure:
    """Base class: how far slates are from something, by an attribute of articles."""

    def __init__(self, by: str):
        if by not in ATTRIBUTES:
            hint = did_you_mean(by, ATTRIBUTES) or "There are " + ", ".join(ATTRIBUTES) + "."
            raise SpecError(f"no attribute is called {by!r}. {hint}")
        self.by = by
        self._of: tuple[Publisher, Attribute] | None = None

    def __call__(self, judged: JudgedColumns) -> Ratio:
        """The mean of distances over the requests of scored sessions for which there are both distributions.

        Raises `NewsreplayError` where the publisher does not tell the attribute, and where late answers count as none,
        since a run does not keep which were late; `RunError` without data or slates.
        """
        if judged.strict_deadline:
            raise NewsreplayError("late answers count as none here, and the run does not keep which were late")
        order = np.argsort(judged.requests.row, kind="stable")
        values = self._values(judged.data)
        asked = SlatesAsked(judged.data, values, judged.requests.row[order], judged.slates[order])
        against = self.against(asked)
        found = np.full(len(order), np.nan)
        for begin in range(0, len(order), TOGETHER):
            part = slice(begin, begin + TOGETHER)
            slates = of_slates(values, asked.rows[part], asked.slates[part])
            found[order[part]] = distance(against(part, slates), slates, values.values)
        return judged.per_request(found)

    def against(self, asked: SlatesAsked) -> Callable[[slice, Distributions], Distributions]:
        """A function of a slice of the requests and of their slates: the distributions that slates are set against."""
        raise NotImplementedError(f"{type(self).__name__} has no against(asked)")

    def _values(self, data: Publisher) -> Attribute:
        """The attribute, worked out once for all recommenders of a publisher."""
        if self._of is None or self._of[0] is not data:
            self._of = data, attribute(data, self.by)
        return self._of[1]


class Calibration(Measure):
    """Distance between a slate and what the reader read before, the newest `history` reads, by `by`.

    RADio*, calibration: the history is not discounted, the slate by 1 / rank. Reads from before the log count.
    """

    def __init__(self, by: str = "category", history: int = 50):
        super().__init__(by)
        self.history = whole("history", history, at_least=1)

    def against(self, asked: SlatesAsked) -> Callable[[slice, Distributions], Distributions]:
        """See `Measure.against`."""
        histories = ReadsSoFar(asked.data, self.history)

        def read(part: slice, _: Distributions) -> Distributions:
            request, article = histories.reads(asked.rows[part])
            return spread(asked.values, asked.rows[part], request, article, np.ones(len(article)))

        return read


class Fragmentation(Measure):
    """Distance between a slate and the one before it that another reader was offered, by `by`.

    RADio*, fragmentation, over pairs of readers who were answered one after the other, both discounted by 1 / rank. The
    paper's news stories are unknown here: by articles, slates are far apart that tell the same story by different ones.
    """

    def __init__(self, by: str = "article"):
        super().__init__(by)

    def against(self, asked: SlatesAsked) -> Callable[[slice, Distributions], Distributions]:
        """See `Measure.against`."""
        before = _before(asked.data.log.user[asked.rows])

        def other(part: slice, _: Distributions) -> Distributions:
            slates = np.where(before[part, None] >= 0, asked.slates[before[part]], -1)
            return of_slates(asked.values, asked.rows[part], slates)

        return other


class Representation(Measure):
    """Distance between a slate and the articles of the last `hours`, by `by`.

    RADio*, representation: the articles are not discounted, the slate by 1 / rank. They are those whose attribute
    became known in (t - hours, t], t being the time of the request.
    """

    def __init__(self, by: str = "entities", hours: float = 24):
        super().__init__(by)
        self.hours = number("hours", hours, at_least=1 / 60)

    def against(self, asked: SlatesAsked) -> Callable[[slice, Distributions], Distributions]:
        """See `Measure.against`."""
        pool = Pool(asked.data, asked.values, self.hours)
        return lambda part, slates: pool.at(asked.rows[part], slates)


class Activation(Representation):
    """Distance between how stirring a slate is and the articles of the last `hours` are.

    RADio*, activation: by the absolute value of the sentiment, from 0 (neutral) to 1, in ten bins.
    """

    def __init__(self, hours: float = 24):
        super().__init__("activation", hours)


def attribute(data: Publisher, by: str) -> Attribute:
    """The values of a publisher's articles. Raises `DataError` where it has no such attribute."""
    articles, count = data.articles, len(data.articles.id)
    if by == "article":
        known = first_rows(data.log.item, count, none=len(data.log.item))
        return Attribute(np.arange(count + 1), np.arange(count), known, count)
    if by == "category":
        if not len(articles.categories):
            raise DataError(f"{data.name} tells no categories of articles")
        has = articles.category >= 0
        begin = np.concatenate([[0], np.cumsum(has)])
        return Attribute(
            begin, articles.category[has].astype(np.int64), articles.category_row, len(articles.categories)
        )
    fact, parse = _PARSED[by]
    if fact not in articles.texts:
        raise DataError(f"{data.name} tells no {fact} of articles")
    texts, row = articles.texts[fact]
    codes: dict[str, int] = {}
    lists = [[codes.setdefault(name, len(codes)) for name in parse(text)] for text in texts.to_pylist()]
    begin = np.concatenate([[0], np.cumsum([len(each) for each in lists], dtype=np.int64)])
    return Attribute(begin, np.array([code for each in lists for code in each], np.int64), row, max(1, len(codes)))


def _itself(text: str | None) -> list[str]:
    return [text] if text else []


def _complexity(text: str | None) -> list[str]:
    """The tens of a text's LIX, "5" for 50 to 59; none of a text without words."""
    words = re.findall(r"\w+", text or "")
    if not words:
        return []
    sentences = max(1, len(re.findall(r"[.:!?]+(?:\s|$)", text or "")))
    long = sum(len(word) > 6 for word in words)
    return [str(int(len(words) / sentences + 100 * long / len(words)) // 10)]


def _activation(text: str | None) -> list[str]:
    """The tenth in which the absolute value of a sentiment lies, "0" … "9"; none where it is no number."""
    try:
        size = abs(float(text or "nan"))
    except ValueError:
        return []
    return [str(min(9, int(10 * size)))] if math.isfinite(size) else []


#: The fact that an attribute is worked out from, and how. Complexity is readability by LIX (Björnsson 1968), which is
#: the same in all languages with an alphabet: words a sentence plus the percentage of words of more than six letters.
_PARSED: dict[str, tuple[str, Callable[[str | None], list[str]]]] = {
    "subcategory": ("subcategory", _itself),
    "entities": ("entities", entity_names),
    "complexity": ("body", _complexity),
    "activation": ("sentiment", _activation),
}


def spread(values: Attribute, rows: Column, request: Column, article: Column, weight: Column) -> Distributions:
    """The distributions of articles' values at `rows` (int64[requests]), each of an article's values with its weight.

    `request` (ascending), `article` and `weight`, float64, have one entry for each article of each request. Values that
    are not known at the request's row count for nothing.
    """
    known = values.row[article] <= rows[request]
    request, article, weight = request[known], article[known], weight[known]
    each = values.begin[article + 1] - values.begin[article]
    place = np.repeat(values.begin[article + 1] - np.cumsum(each), each) + np.arange(each.sum())
    key, at = np.unique(np.repeat(request, each) * values.values + values.value[place], return_inverse=True)
    mass = np.bincount(at, np.repeat(weight, each), len(key))
    total = np.bincount(key // values.values, mass, len(rows))
    return Distributions(key, mass / total[key // values.values], total > 0)


def of_slates(values: Attribute, rows: Column, slates: Column) -> Distributions:
    """The distributions of slates, int32[requests, k], padded with -1, that are discounted by 1 / rank."""
    request, place = np.nonzero(slates >= 0)
    return spread(values, rows, request, slates[request, place].astype(np.int64), 1 / (1 + place))


def distance(p: Distributions, q: Distributions, values: int) -> Column:
    """The square root of the Jensen-Shannon divergence, in bits: float64[requests], NaN without one of the two.

    What only one distribution has adds half its mass; so what both have says it all.
    """
    _, of_p, of_q = np.intersect1d(p.key, q.key, assume_unique=True, return_indices=True)
    a, b = p.mass[of_p], q.mass[of_q]
    shared = (a + b) * np.log2(a + b) - a * np.log2(a) - b * np.log2(b)
    divergence = 1 - np.bincount(q.key[of_q] // values, shared, len(q.there)) / 2
    return np.where(p.there & q.there, np.sqrt(np.maximum(divergence, 0)), np.nan)


class ReadsSoFar:
    """What readers read, by reader and row, before the log too."""

    def __init__(self, data: Publisher, length: int):
        self._length, self._user = length, data.log.user
        reads = np.flatnonzero(data.log.kind >= READ)
        user, row, item = data.log.user[reads].astype(np.int64), reads, data.log.item[reads].astype(np.int64)
        if data.articles.profiles is not None:
            profiles = data.articles.profiles
            before = np.repeat(profiles.user, np.diff(profiles.at)).astype(np.int64)
            told = profiles.item >= 0  # of others no row of the log tells
            user, item = np.append(before[told], user), np.append(profiles.item[told], item)
            row = np.append(np.full(np.count_nonzero(told), -1), row)
        order = np.lexsort((row, user))
        self._rows = len(data.log.kind) + 2
        self._key, self._item = (user * self._rows + row + 1)[order], item[order]

    def reads(self, rows: Column) -> tuple[Column, Column]:
        """The newest reads up to each row of its reader: which of the `rows`, ascending, and the article."""
        user = self._user[rows].astype(np.int64) * self._rows
        end = np.searchsorted(self._key, user + rows + 1, "right")
        begin = np.maximum(np.searchsorted(self._key, user), end - self._length)
        each = end - begin
        place = np.repeat(end - np.cumsum(each), each) + np.arange(each.sum())
        return np.repeat(np.arange(len(rows)), each), self._item[place]


class Pool:
    """The values of the articles that there are at a moment: those that became known in the hours before."""

    def __init__(self, data: Publisher, values: Attribute, hours: float):
        self._time, self._span, self._values = data.log.time, round(hours * HOUR), values.values
        self._rows = len(data.log.time) + 1
        each = np.diff(values.begin)
        row = np.minimum(np.repeat(values.row, each), self._rows - 1)
        self._row = np.sort(row)
        self._key = np.sort(values.value * self._rows + row)

    def at(self, rows: Column, slates: Distributions) -> Distributions:
        """The shares of the values that slates, asked for at `rows`, have, as far as they are not zero."""
        request, value = np.divmod(slates.key, self._values)
        first = np.searchsorted(self._time, self._time[rows] - self._span, "right")
        total = np.searchsorted(self._row, rows, "right") - np.searchsorted(self._row, first)
        base = value * self._rows
        count = np.searchsorted(self._key, base + rows[request], "right") - np.searchsorted(
            self._key, base + first[request]
        )
        some = count > 0
        return Distributions(slates.key[some], count[some] / total[request[some]], total > 0)


def _before(user: Column) -> Column:
    """The place of the newest earlier entry with another user: int64[n], -1 = none."""
    begins = np.append(True, user[1:] != user[:-1])[: len(user)]
    before: Column = np.flatnonzero(begins)[np.cumsum(begins) - 1] - 1
    return before
