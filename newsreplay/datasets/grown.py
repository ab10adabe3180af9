"""Whether a log begins with an earlier one: what must be known before a run is extended.

Codes are given by first appearance, so of a log to which rows are added at its end every column begins with that of the
earlier one. Rows that came in between, sessions that are others with what came since, articles of which something else
is told: all of that is seen there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.log.catalog import Articles, Profiles
from newsreplay.log.publisher import UPDATE_DTYPES, Publisher
from newsreplay.log.rows import LOG_DTYPES, OUTCOME, Column, Log


class _Compared(NamedTuple):
    """The same of both logs, NumPy or Arrow arrays; `what` stands for places where they differ."""

    what: str
    then: Column | pa.Array
    now: Column | pa.Array

    def differing(self) -> int:
        """In how many places they differ; a shorter one differs in what it lacks."""
        then, now = self.then, self.now
        both = min(len(then), len(now))
        if isinstance(then, np.ndarray) and isinstance(now, np.ndarray):
            same = then[:both] == now[:both]
            if then.dtype.kind == "f":
                same |= np.isnan(then[:both]) & np.isnan(now[:both])
        else:
            equal = pc.fill_null(pc.equal(then[:both], now[:both]), False)
            neither = pc.and_(pc.is_null(then[:both]), pc.is_null(now[:both]))
            same = pc.or_(equal, neither).to_numpy(zero_copy_only=False)
        return int(np.count_nonzero(~same)) + abs(len(then) - len(now))


def differences(earlier: Publisher, later: Publisher) -> list[str]:
    """In words and counted, why `later` is not `earlier` with rows after its last moment; empty where it is."""
    then, now = earlier.whole_log, later.whole_log
    rows = len(then.time)
    before = int(np.searchsorted(now.time, then.time[-1], side="right"))
    if before > rows:
        return [f"rows at or before the last moment of the run's log that are not in it ({before - rows:,})"]
    if before < rows:
        return [f"rows of the run's log that are missing ({rows - before:,})"]
    pairs = [*_rows(then, now), *_ids(earlier, later), *_told(earlier.articles, later.articles, then)]
    for column in then.extra:
        none = column._replace(code=column.code[:0], values=())
        [kept] = [other for other in now.extra if other.name == column.name] or [none]
        codes = {text: code for code, text in enumerate(column.values)}
        code = np.array([*(codes.get(text, -2) for text in kept.values), -1], np.int32)  # -2 = a text that is new
        pairs.append(_Compared(f"rows with another {column.name}", column.code, code[kept.code[:rows]]))
    # How long reads took is not compared: nobody but the judge is told, who judges all anew, and views tell it late.
    return [f"{pair.what} ({count:,})" for pair in pairs if (count := pair.differing())]


def _rows(then: Log, now: Log) -> Iterator[_Compared]:
    rows, shown, places = len(then.time), len(then.pools.at), len(then.pools.item)
    for name in LOG_DTYPES:
        yield _Compared(f"rows with another {name}", getattr(then, name), getattr(now, name)[:rows])
    yield _Compared("impressions with another pool", then.pools.at, now.pools.at[:shown])
    yield _Compared("other candidates", then.pools.item, now.pools.item[:places])
    # A click is known by its outcome, which may have come since.
    told = np.zeros(shown - 1, np.bool_)
    told[then.impression[then.kind == OUTCOME]] = True
    known = np.repeat(told, np.diff(then.pools.at))
    clicked = now.pools.clicked[:places]
    if len(clicked) == places:
        yield _Compared("candidates with another outcome", then.pools.clicked[known], clicked[known])


def _ids(earlier: Publisher, later: Publisher) -> Iterator[_Compared]:
    log = earlier.log
    users, sessions, articles, categories = (
        int(column.max(initial=-1)) + 1 for column in (log.user, log.session, log.item, log.category)
    )
    for what, count, then, now in (
        ("readers with another id", users, earlier.users, later.users),
        ("sessions with another id", sessions, earlier.sessions.id, later.sessions.id),
        ("articles with another id", articles, earlier.articles.id, later.articles.id),
        ("categories with another name", categories, earlier.articles.categories, later.articles.categories),
    ):
        yield _Compared(what, then[:count], now[:count])


def _told(then: Articles, now: Articles, log: Log) -> Iterator[_Compared]:
    """What the rows of the earlier log tell of articles."""
    rows, articles = len(log.time), int(log.item.max(initial=-1)) + 1
    for fact in sorted(then.texts.keys() | now.texts.keys()):
        texts = [_text_by(one, fact, articles, rows) for one in (then, now)]
        yield _Compared(f"articles with another {fact}", *texts)
    if then.updates is not None and now.updates is not None:
        parts = [update.row < rows for update in (then.updates, now.updates)]
        for name in UPDATE_DTYPES:
            ours, theirs = getattr(then.updates, name)[parts[0]], getattr(now.updates, name)[parts[1]]
            yield _Compared(f"updates with another {name}", ours, theirs)
    if then.profiles is not None and now.profiles is not None:
        histories = (_histories(profiles, rows, articles) for profiles in (then.profiles, now.profiles))
        for ours, theirs in zip(*histories, strict=True):
            yield _Compared("other reads from before the log", ours, theirs)


def _text_by(articles: Articles, fact: str, count: int, rows: int) -> pa.Array:
    """A fact of the first `count` articles as the first `rows` rows tell it; null where they do not."""
    if fact not in articles.texts:
        return pa.nulls(count, pa.large_string())
    texts, row = articles.texts[fact]
    return pc.if_else(pa.array(row[:count] < rows), texts[:count], pa.scalar(None, texts.type))


def _histories(profiles: Profiles, rows: int, articles: int) -> tuple[Column, Column, Column]:
    """Readers, lengths, and articles of the first `rows` rows, of the profiles that these hand over.

    All others are -2: by now a row may carry them, whose codes are `articles` and above then, or they are numbered
    otherwise.
    """
    early = profiles.row < rows
    lengths = np.diff(profiles.at)
    items = profiles.item[np.repeat(early, lengths)]
    return profiles.user[early], lengths[early], np.where(items < articles, np.maximum(items, -2), -2)
