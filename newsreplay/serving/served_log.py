"""A log that grows by a row at a time, and the names behind its codes.

Codes are given by first appearance, as preparing gives them, so the log is the same as if it had been prepared.
"""

from __future__ import annotations

import time
from typing import ClassVar

import numpy as np

from newsreplay.log.catalog import Catalog
from newsreplay.log.growing import with_room
from newsreplay.log.publisher import NOBODY
from newsreplay.log.rows import (
    HISTORY,
    IMPRESSION,
    LOG_DTYPES,
    OUTCOME,
    POOL_DTYPES,
    PUBLISH,
    READ,
    SESSION_GAP,
    Column,
    Event,
    Excludes,
    Log,
    make_log,
)
from newsreplay.recommenders.base import Sizes
from newsreplay.serving.told import ToldRow

ROOM = 1024  #: rows at first


class ServedCatalog(Catalog):
    """The catalog of a growing log: whatever has come is known."""

    __slots__ = ("categories", "codes", "facts", "flags", "ids", "rows", "times", "users")

    def __init__(self) -> None:
        self.ids: list[str] = []  #: of articles, by code
        self.codes: dict[str, int] = {}  #: of articles, by id
        self.times: list[int] = []  #: when each became known, ms
        self.facts: list[dict[str, str]] = []
        self.flags: list[bool] = []  #: whether each may be recommended
        self.categories: dict[str, int] = {}
        self.users: list[str] = []
        self.rows = 0

    @property
    def row(self) -> int:
        """See `Catalog.row`."""
        return self.rows - 1

    @property
    def known(self) -> int:
        """See `Catalog.known`."""
        return len(self.ids)

    def id(self, item: int) -> str:
        """See `Catalog.id`."""
        return self.ids[self._check(item)]

    def code(self, id: str) -> int:
        """See `Catalog.code`."""
        return self.codes[id]

    def user_id(self, user: int) -> str:
        """See `Catalog.user_id`."""
        if not 0 <= user < len(self.users):
            raise KeyError(f"reader {user} has not appeared yet; known are the codes 0 to {len(self.users) - 1}")
        return self.users[user]

    def published(self, item: int) -> int:
        """See `Catalog.published`."""
        return self.times[self._check(item)]

    def category(self, item: int) -> str | None:
        """See `Catalog.category`."""
        return self.text(item, "category")

    def text(self, item: int, fact: str) -> str | None:
        """See `Catalog.text`."""
        return self.facts[self._check(item)].get(fact)

    def has_fact(self, fact: str) -> bool:
        """See `Catalog.has_fact`; nobody knows yet, so any may come."""
        return True

    def recommendable(self, item: int) -> bool:
        """See `Catalog.recommendable`."""
        return self.flags[self._check(item)]

    def before(self, user: int) -> list[int]:
        """See `Catalog.before`; services are told of no such profiles."""
        return []

    @property
    def frozen(self) -> bool:
        """See `Catalog.frozen`."""
        return False


class ServedEvent(Event):
    """An event of a growing log, which knows ids."""

    catalog: ClassVar[ServedCatalog]

    @property
    def item_id(self) -> str | None:
        """See `Event.item_id`."""
        return self.catalog.ids[self.item] if self.item >= 0 else None

    @property
    def user_id(self) -> str | None:
        """See `Event.user_id`."""
        return self.catalog.users[self.user] if self.user >= 0 else None

    @property
    def pool_ids(self) -> tuple[str, ...]:
        """See `Event.pool_ids`."""
        return tuple(map(self.catalog.ids.__getitem__, self.pool))


class ServedLog:
    """The rows so far, in arrays with room to spare; the row behind the last one may be a request."""

    def __init__(self, exclude: Excludes = "current"):
        """`exclude`: what requests exclude."""
        self.exclude = exclude
        self.catalog = ServedCatalog()
        self.event_class: type[Event] = type("Event", (ServedEvent,), {"catalog": self.catalog})
        self.now = 0  #: ms, of the last row
        self.users: dict[tuple[str, str], int] = {}  # by what their ids are of: users, or sessions in their place
        self.sessions: dict[str, int] = {}  # by the source's id
        self.session_count = 0
        self.visits: dict[int, tuple[int, int]] = {}  # by reader without session ids: code, time of its last read
        self.shown: dict[int, int] = {}  # by session: its last impression
        self.impressions = 0
        self.places = 0  # candidates of all of them
        self._columns: dict[str, Column] = {name: np.empty(ROOM, dtype) for name, dtype in LOG_DTYPES.items()}
        self._pools: dict[str, Column] = {name: np.zeros(ROOM, dtype) for name, dtype in POOL_DTYPES.items()}
        self.log: Log = self._view()

    @property
    def rows(self) -> int:
        """How many rows have been learned."""
        return self.catalog.rows

    @property
    def sizes(self) -> Sizes:
        """How many codes there are of each sort, with those that a request of nobody known takes."""
        catalog = self.catalog
        return Sizes(catalog.known, len(catalog.users) + 1, self.session_count + 1, len(catalog.categories), 0)

    def learn(self, row: ToldRow) -> list[Event]:
        """Append a row; returns its event, behind those of articles that its pool made known."""
        if row.kind == OUTCOME and row.clicked is None:
            row = self._of_last_impression(row)
        fresh = [item for item in dict.fromkeys(row.pool) if item not in self.catalog.codes]
        events = [self._append(ToldRow(PUBLISH, row.time, item=item)) for item in fresh]
        return [*events, self._append(row)]

    def request(self, row: ToldRow) -> Event:
        """Write a request behind the last row, where the next row overwrites it; an unknown article is none."""
        codes = self.catalog.codes
        item = row.item if row.item in codes else None
        return self._write(row._replace(item=item, facts=(), pool=tuple(filter(codes.__contains__, row.pool))))

    def _of_last_impression(self, row: ToldRow) -> ToldRow:
        """An outcome of which only the clicks are told, with what its session was shown last."""
        shown = self.shown.get(self._whose(row)[1])
        pool = row.clicks if shown is None else tuple(map(self.catalog.id, self._shown_pool(shown)))
        return row._replace(pool=pool, clicked=tuple(item in row.clicks for item in pool))

    def _shown_pool(self, impression: int) -> tuple[int, ...]:
        at = self._pools["at"]
        return tuple(self._pools["item"][at[impression] : at[impression + 1]].tolist())

    def _append(self, row: ToldRow) -> Event:
        if row.item is not None:
            self._note(row.item, row)
        event = self._write(row)
        self.catalog.rows += 1
        if row.user is None and row.session is None and event.session >= 0:
            self._name(("", f"{NOBODY}.{event.session}"))
            self.session_count += 1
        impression = int(self._columns["impression"][event.row])
        if impression == self.impressions:
            self.impressions += 1
            self.places += len(event.pool)
        if event.kind == IMPRESSION:
            self.shown[event.session] = impression
        return event

    def _note(self, item: str, row: ToldRow) -> None:
        """Note what a row tells of its article; what is told first counts."""
        catalog = self.catalog
        code = catalog.codes.setdefault(item, len(catalog.ids))
        if code == len(catalog.ids):
            catalog.ids.append(item)
            catalog.times.append(self._time(row))
            catalog.facts.append({})
            catalog.flags.append(True)
        for fact, text in row.facts:
            catalog.facts[code].setdefault(fact, text)
        if (category := catalog.facts[code].get("category")) is not None:
            catalog.categories.setdefault(category, len(catalog.categories))
        if row.recommendable is not None:
            catalog.flags[code] = row.recommendable

    def _time(self, row: ToldRow) -> int:
        """A row's time: now where it has none, and never before the row before it."""
        return max(self.now, time.time_ns() // 1_000_000 if row.time is None else row.time)

    def _write(self, row: ToldRow) -> Event:
        """Write a row behind the last one."""
        self.now = self._time(row)
        user, session = self._whose(row)
        item = category = -1
        if row.item is not None:
            item = self.catalog.codes[row.item]
            category = self.catalog.categories.get(self.catalog.facts[item].get("category", ""), -1)
        pool = tuple(map(self.catalog.codes.__getitem__, row.pool))
        impression = -1
        if row.kind in (IMPRESSION, OUTCOME):
            shown = self.shown.get(session, -1) if row.kind == OUTCOME else -1
            impression = shown if shown >= 0 and self._shown_pool(shown) == pool else self.impressions
        fields = (self.now, row.kind, session, user, item, category)
        self._make_room(len(pool))
        for column, value in zip(self._columns.values(), (*fields, impression), strict=True):
            column[self.rows] = value
        if impression >= 0:
            begin = self.places if impression == self.impressions else int(self._pools["at"][impression])
            end = self._pools["at"][impression + 1] = begin + len(pool)
            self._pools["item"][begin:end] = pool
            self._pools["clicked"][begin:end] = row.clicked or False
        event: Event = tuple.__new__(self.event_class, (self.rows, *fields, pool, row.clicked or (), self.exclude))
        return event

    def _whose(self, row: ToldRow) -> tuple[int, int]:
        """The reader and the session of a row; whoever is nobody gets the codes that come next."""
        if row.kind == PUBLISH:
            return -1, -1
        if row.user is None and row.session is None:
            return len(self.catalog.users), self.session_count
        user = self._name(("user", row.user) if row.user is not None else ("session", str(row.session)))
        if row.kind == HISTORY:
            return user, -1
        if row.session is None:
            return user, self._visit(user, row)
        code = self.sessions.setdefault(row.session, self.session_count)
        self.session_count = max(self.session_count, code + 1)
        return user, code

    def _name(self, told: tuple[str, str]) -> int:
        code = self.users.setdefault(told, len(self.catalog.users))
        if code == len(self.catalog.users):
            self.catalog.users.append(told[1])
        return code

    def _visit(self, user: int, row: ToldRow) -> int:
        """The visit of a reader without session ids: parted by pauses in reading."""
        now = self._time(row)
        code, last = self.visits.get(user, (-1, now))
        if code < 0 or now - last > SESSION_GAP:
            code, last = self.session_count, now
            self.session_count += 1
        self.visits[user] = code, now if row.kind == READ else last
        return code

    def _make_room(self, places: int) -> None:
        """See to it that there is room for one row more, and for so many candidates."""
        rows, impressions, end = self.rows + 1, self.impressions + 2, self.places + places
        if (
            rows <= len(self._columns["time"])
            and impressions <= len(self._pools["at"])
            and end <= len(self._pools["item"])
        ):
            return
        self._columns = {name: with_room(column, rows, None) for name, column in self._columns.items()}
        needed = {"at": impressions, "item": end, "clicked": end}
        self._pools = {name: with_room(column, needed[name]) for name, column in self._pools.items()}
        self.log = self._view()

    def _view(self) -> Log:
        return make_log(pools=self._pools, **self._columns)
