"""The catalog: what a plain-Python recommender may look up of articles, and nothing that is not known yet."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa

from newsreplay.log.rows import NOTHING_KEPT, Column, Event, Log


class Profiles(NamedTuple):
    """What readers read before the log, without times (MIND), as their first row has it; handed over with that row."""

    user: Column  #: int32[profiles], reader codes, ascending
    row: Column  #: int64[profiles], the reader's first row
    at: Column  #: int64[profiles + 1], profile i has the places at[i] … at[i + 1] - 1
    item: Column  #: int32[places], article codes, oldest first; -2 - j is article j of `outside`
    outside: Any  #: record batch: id and texts of articles that no row of the log carries
    frozen: bool  #: what readers read in the log is not appended to their history


class Updates(NamedTuple):
    """Publish rows that change whether their article may be recommended (NewsREEL's flag), in log order."""

    row: Column  #: int64[updates]
    item: Column  #: int32[updates]
    recommendable: Column  #: bool[updates]


class Articles(NamedTuple):
    """One publisher's articles by code, with the rows from which on each fact is known."""

    id: pa.Array  #: string[articles], the publisher's own ids
    published: Column  #: int64[articles], ms: the time of the row that made it known
    category: Column  #: int32[articles], -1 = none
    category_row: Column  #: int64[articles], the first row that has it
    texts: dict[str, tuple[pa.Array, Column]]  #: fact → string[articles] (null = none), the first row that has it
    categories: pa.Array  #: string[categories], names by code
    profiles: Profiles | None = None
    updates: Updates | None = None
    readers: Any = None  #: string[readers], the source's own ids of readers by code; None = the codes as text


def bare_articles(log: Log) -> Articles:
    """Articles without ids and texts of their own, for logs made by hand.

    Ids and category names are the codes as text.
    """
    items, first = np.unique(log.item[log.item >= 0], return_index=True)
    first = np.flatnonzero(log.item >= 0)[first]
    n, rows = len(items), len(log.item)
    category = np.full(n, -1, np.int32)
    category_row = np.full(n, rows, np.int64)
    row = np.flatnonzero(log.category >= 0)[::-1]  # the first row of an article is written last
    category[log.item[row]] = log.category[row]
    category_row[log.item[row]] = row
    count = int(category.max(initial=-1)) + 1
    return Articles(
        pa.array([str(item) for item in range(n)], pa.large_string()),
        log.time[first],
        category,
        category_row,
        {},
        pa.array([str(code) for code in range(count)], pa.large_string()),
    )


NOT_HANDED_OVER = np.iinfo(np.int64).max
TOGETHER = 1 << 16  #: profiles looked through at a time, so that few rows are spread over places at once


def handed_over(articles: Articles, together: int = TOGETHER) -> Column:
    """The row with which the first profile that holds an article is handed over; `NOT_HANDED_OVER` = no profile does.

    int64[articles + outside]: articles of the log by code, then those of `Profiles.outside`. `together` profiles are
    looked through at a time.
    """
    profiles, count = articles.profiles, len(articles.id)
    if profiles is None:
        return np.full(count, NOT_HANDED_OVER)
    first = np.full(count + profiles.outside.num_rows, NOT_HANDED_OVER)
    for begin in range(0, len(profiles.user), together):
        at = profiles.at[begin : begin + together + 1]
        item = profiles.item[at[0] : at[-1]].astype(np.int64)
        row = np.repeat(profiles.row[begin : begin + together], np.diff(at))
        np.minimum.at(first, np.where(item >= 0, item, count - 2 - item), row)
    return first


class Revealed:
    """How far a replay has come; the engine moves it along, and the catalog answers by it."""

    __slots__ = ("known", "row")

    def __init__(self) -> None:
        self.row = -1  #: the row revealed last
        self.known = 0  #: number of known articles


_NOBODY: Column = np.empty(0, np.int32)


class Catalog:
    """The known articles: codes 0 … `known` - 1. Any other raises KeyError.

    Articles that readers read before the log (`before`) have their `id`, `category` and `text`, all that
    the source tells of them, from the first row on with which somebody's profile that holds them was handed over.
    That makes them no more known than they were.
    """

    __slots__ = ("_articles", "_codes", "_handed", "_looked", "_readers", "_revealed", "_user")

    def __init__(self, articles: Articles, revealed: Revealed, user: Column = _NOBODY):
        """`user` is the log's column of that name."""
        self._articles = articles
        self._revealed = revealed
        self._user = user
        self._readers = 0  # how many have appeared, as far as `user_id` has looked
        self._looked = 0  # rows
        self._codes: dict[str, int] = {}  # of the known articles by id, as far as `code` has looked
        self._handed: Column | None = None  # made at its first use: few recommenders look there

    @property
    def row(self) -> int:
        """The row revealed last, -1 before the first."""
        return self._revealed.row

    @property
    def known(self) -> int:
        """Number of known articles."""
        return self._revealed.known

    def _check(self, item: int) -> int:
        if not 0 <= item < self.known:
            raise KeyError(f"article {item} is not known yet; known are the codes 0 to {self.known - 1}")
        return item

    def _was_handed_over(self, item: int) -> bool:
        if self._articles.profiles is None:
            return False
        if self._handed is None:
            self._handed = handed_over(self._articles)
        count = len(self._articles.id)
        place = item if item >= 0 else count - 2 - item
        if item == -1 or place >= (count if item >= 0 else len(self._handed)):
            return False
        return bool(self._handed[place] <= self.row)

    def _check_handle(self, item: int) -> None:
        if not (0 <= item < self.known or self._was_handed_over(item)):
            self._check(item)

    def id(self, item: int) -> str:
        """The publisher's own id of an article."""
        self._check_handle(item)
        return str(self._outside(item, "id") if item < 0 else self._articles.id[item].as_py())

    def code(self, id: str) -> int:
        """The code of a known article with this id, the publisher's own. Raises KeyError where there is none yet."""
        if len(self._codes) < self.known:
            fresh = range(len(self._codes), self.known)
            self._codes.update(zip(self._articles.id[fresh.start : fresh.stop].to_pylist(), fresh, strict=True))
        try:
            return self._codes[id]
        except KeyError:
            raise KeyError(f"no article known by now has the id {id!r}") from None

    def user_id(self, user: int) -> str:
        """The source's own id of a reader who has appeared by now, nobody.N without. Raises KeyError for any other."""
        if user >= self._readers:
            fresh = self._user[self._looked : self.row + 1]
            self._readers = max(self._readers, int(fresh.max(initial=-1)) + 1)
            self._looked = self.row + 1
        if not 0 <= user < self._readers:
            raise KeyError(f"reader {user} has not appeared yet; known are the codes 0 to {self._readers - 1}")
        readers = self._articles.readers
        return str(user if readers is None else readers[user].as_py())

    def _outside(self, handle: int, fact: str) -> str | None:
        """A fact of an article that no row of the log carries."""
        profiles = self._articles.profiles
        if profiles is None or fact not in profiles.outside.schema.names:
            return None
        text: str | None = profiles.outside.column(fact)[-2 - handle].as_py()
        return text

    def published(self, item: int) -> int:
        """When the article became known, ms since the epoch, UTC."""
        return int(self._articles.published[self._check(item)])

    def category(self, item: int) -> str | None:
        """The article's category, if it is known by now."""
        self._check_handle(item)
        if item < 0:
            return self._outside(item, "category")
        if self._articles.category_row[item] > self.row and not self._was_handed_over(item):
            return None
        code = int(self._articles.category[item])
        return str(self._articles.categories[code].as_py()) if code >= 0 else None

    def title(self, item: int) -> str | None:
        """The article's title, if it is known by now."""
        return self.text(item, "title")

    def text(self, item: int, fact: str) -> str | None:
        """Title, abstract, body, subcategory, entities, image or sentiment of an article, if it is known by now."""
        self._check_handle(item)
        if fact not in self._articles.texts:
            return None
        if item < 0:
            return self._outside(item, fact)
        texts, row = self._articles.texts[fact]
        if row[item] > self.row and not self._was_handed_over(item):
            return None
        text: str | None = texts[item].as_py()
        return text

    def has_fact(self, fact: str) -> bool:
        """Whether the publisher has such a fact (category, title, abstract …) of any article, by now or later."""
        return len(self._articles.categories) > 0 if fact == "category" else fact in self._articles.texts

    def recommendable(self, item: int) -> bool:
        """Whether the publisher lets the article be recommended, as far as it is known by now."""
        self._check(item)
        updates = self._articles.updates
        if updates is None:
            return True
        known = int(np.searchsorted(updates.row, self.row, side="right"))
        flags = updates.recommendable[:known][updates.item[:known] == item]
        return bool(flags[-1]) if len(flags) else True

    def before(self, user: int) -> list[int]:
        """What a reader read before the log, oldest first, once the reader's first row is revealed.

        Handles for `id`, `category`, `title` and `text`: codes ≥ 0, also of articles that are not known
        yet, and ≤ -2 for articles that no row of the log carries. Only sources whose histories have no times (MIND)
        have profiles; they make no article known.
        """
        profiles = self._articles.profiles
        if profiles is None:
            return []
        at = int(np.searchsorted(profiles.user, user))
        if at == len(profiles.user) or profiles.user[at] != user or profiles.row[at] > self.row:
            return []
        items: list[int] = profiles.item[profiles.at[at] : profiles.at[at + 1]].tolist()
        return items

    def profile(self, user: int) -> list[str]:
        """The publisher's ids of what a reader read before the log, as `before` gives it."""
        return [self.id(item) for item in self.before(user)]

    @property
    def frozen(self) -> bool:
        """Whether histories are to stay as they came, without what readers read in the log (`--history static`)."""
        return self._articles.profiles is not None and self._articles.profiles.frozen


class GrowingCatalog(Catalog):
    """The catalog of a log that grows."""

    __slots__ = ()

    def grow(self, articles: Articles, user: Column) -> None:
        """Go on with the articles and the column of readers of the longer log."""
        self._articles, self._user = articles, user

    def has_fact(self, fact: str) -> bool:
        """Any may come."""
        return True


class _Shown(Event):
    """An event of a replay, which knows ids."""

    __slots__ = ()
    catalog: ClassVar[Catalog]

    @property
    def item_id(self) -> str | None:
        # The catalog may not know it yet: a row makes its article known as it is learned, and may be asked before.
        return str(self.catalog._articles.id[self.item].as_py()) if self.item >= 0 else None

    @property
    def user_id(self) -> str | None:
        return self.catalog.user_id(self.user) if self.user >= 0 else None

    @property
    def pool_ids(self) -> tuple[str, ...]:
        return tuple(map(self.catalog.id, self.pool))

    def __reduce__(self) -> tuple[Any, ...]:
        return Event, tuple(self)  # in another process it has no catalog


class _ShownWhole(_Shown):
    """The same, of a log with columns that were kept."""

    extra = NOTHING_KEPT

    def _replace(self, **fields: Any) -> _ShownWhole:
        event = super()._replace(**fields)
        event.extra = self.extra
        return event


def shown_events(catalog: Catalog, extra: bool = False) -> type[Event]:
    """The class of the events of one replay: they have its catalog in common. `extra`: columns were kept."""
    kind = _ShownWhole if extra else _Shown
    return type("Event", (kind,), {"catalog": catalog} | ({} if extra else {"__slots__": ()}))
