"""A log that grows: messages in event order become rows with the codes that preparing all of them gives.

The rules are those of docs/design.md, section 3, which `newsreplay.datasets.preparing` has for whole logs. Codes are
given by first appearance and nothing looks ahead, so the log of what came so far is the beginning of the log of all.
One rule does look ahead: that a session id under which several users occur is split. Here it is split from the second
user on, so rows without a user may stand in another session than they do in the end, when all messages are prepared.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa

from newsreplay.datasets.base import FACTS
from newsreplay.datasets.messages import TopicMessage
from newsreplay.log.catalog import Articles, Updates
from newsreplay.log.growing import with_room
from newsreplay.log.publisher import NOBODY, UPDATE_DTYPES
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
    DType,
    Log,
    make_log,
)

NOT_YET = 2**62  #: a row that has not come
#: Of articles: when they became known, the code of their category (-1 = none yet), and the row of each fact.
KNOWN_DTYPES: dict[str, DType] = {
    "published": np.dtype(np.int64),
    "code": np.dtype(np.int32),
    **dict.fromkeys(FACTS, np.dtype(np.int64)),
}


class GrowingColumns:
    """Columns that are appended to, with room to spare."""

    def __init__(self, dtypes: dict[str, DType]):
        self.arrays: dict[str, Column] = {name: np.empty(0, dtype) for name, dtype in dtypes.items()}
        self.lengths = dict.fromkeys(dtypes, 0)

    def add(self, **values: list[Any]) -> None:
        """Append to columns."""
        for name, more in values.items():
            begin = self.lengths[name]
            end = self.lengths[name] = begin + len(more)
            self.arrays[name] = with_room(self.arrays[name], end, None)
            self.arrays[name][begin:end] = more

    def columns(self) -> dict[str, Column]:
        """What they hold by now, as views."""
        return {name: array[: self.lengths[name]] for name, array in self.arrays.items()}


class GrowingTexts:
    """Texts by code, null where there is none yet."""

    def __init__(self) -> None:
        self.values: list[str | None] = []
        self._done = pa.array([], pa.large_string())
        self._changed = False  # one of those that are done

    def put(self, code: int, value: str | None) -> None:
        """Set a text; codes up to it have none."""
        self._changed |= code < len(self._done)
        self.values += [None] * (code + 1 - len(self.values))
        self.values[code] = value

    def array(self, length: int) -> pa.Array:
        """All of them up to a length."""
        self.values += [None] * (length - len(self.values))
        done = 0 if self._changed else len(self._done)
        if done < length or self._changed:
            fresh = pa.array(self.values[done:], pa.large_string())
            self._done = pa.concat_arrays([self._done, fresh]) if done else fresh
            self._changed = False
        return self._done


class GrowingLog:
    """One publisher's log and articles so far."""

    def __init__(self) -> None:
        self.rows = 0
        self.impressions = 0
        self._fresh: list[tuple[int, ...]] = []  # rows in the order of LOG_DTYPES, not in the columns yet
        self._log = GrowingColumns(LOG_DTYPES)
        self._pools = GrowingColumns(POOL_DTYPES)
        self._pools.add(at=[0])
        self._updates = GrowingColumns(UPDATE_DTYPES)
        self._owners = OwnerCodes()
        self._items: dict[str, int] = {}
        self._categories: dict[str, int] = {}
        self._known = GrowingColumns(KNOWN_DTYPES)
        self._texts = {name: GrowingTexts() for name in ("id", "categories", *FACTS)}

    def add(self, instant: list[TopicMessage]) -> None:
        """Append what happened in one instant, all of it, later than all before."""
        publishes = [message for message in instant if message.kind == PUBLISH]
        shown = [message for message in instant if message.kind == IMPRESSION]
        # As preparing has it: what an impression shows first becomes known at its time, in the order of ids.
        told = {message.item for message in publishes}
        candidates = (item for message in shown for item in (*message.pool, message.item) if item is not None)
        fresh = {item for item in candidates if item not in self._items and item not in told}
        for item in sorted(fresh, key=str.encode):
            self._row(PUBLISH, TopicMessage(PUBLISH, instant[0].time, "", None, None, item), item)
        for message in publishes:
            self._row(PUBLISH, message, message.item)
            if message.recommendable is not None:
                code = self._items[str(message.item)]
                self._updates.add(row=[self.rows - 1], item=[code], recommendable=[message.recommendable])
        first = self.impressions
        for message in shown:
            self._row(IMPRESSION, message, message.item, self.impressions)
            self._show(message)
        for number, message in enumerate(shown, first):
            if message.clicked is not None:
                self._row(OUTCOME, message, message.item, number)
        for message in instant:
            read = [message.item] if message.kind == READ else []
            for each in message.clicks or read:
                self._row(READ, message, each)
        for message in instant:
            if message.kind == HISTORY:
                self._row(HISTORY, message, message.item)
        self._owners.forget_instant()

    def _row(self, kind: int, message: TopicMessage, item: str | None, impression: int = -1) -> None:
        code = category = -1
        if item is not None:
            code = self._item(item, message.time)
            for fact, text in message.facts if item == message.item else ():
                if self._known.arrays[fact][code] == NOT_YET:
                    self._tell(code, fact, text)
            category = int(self._known.arrays["code"][code])
        user, session = (-1, -1) if kind == PUBLISH else self._owners.of(message, kind)
        self._fresh.append((message.time, kind, session, user, code, category, impression))
        self.rows += 1

    def _item(self, item: str, time: int) -> int:
        code = self._items.get(item)
        if code is None:
            code = self._items[item] = len(self._items)
            self._texts["id"].put(code, item)
            self._known.add(published=[time], code=[-1], **{fact: [NOT_YET] for fact in FACTS})
        return code

    def _tell(self, code: int, fact: str, text: str) -> None:
        """A fact of an article is told at the row that is made."""
        self._known.arrays[fact][code] = self.rows
        if fact != "category":
            self._texts[fact].put(code, text)
            return
        category = self._categories.setdefault(text, len(self._categories))
        self._texts["categories"].put(category, text)
        self._known.arrays["code"][code] = category

    def _show(self, message: TopicMessage) -> None:
        items = [self._items[item] for item in message.pool]
        marks = [False] * len(items) if message.clicked is None else message.clicked
        end = self._pools.lengths["item"] + len(items)
        self._pools.add(at=[end], item=items, clicked=list(marks))
        self.impressions += 1

    def log(self) -> Log:
        """The rows so far."""
        if self._fresh:
            columns = zip(*self._fresh, strict=True)
            self._log.add(**{name: list(values) for name, values in zip(LOG_DTYPES, columns, strict=True)})
            self._fresh.clear()
        return make_log(pools=self._pools.columns(), **self._log.columns())

    def articles(self) -> Articles:
        """The articles so far, and the ids of readers."""
        count, known = len(self._items), self._known.columns()
        return Articles(
            id=self._texts["id"].array(count),
            published=known["published"],
            category=known["code"],
            category_row=known["category"],
            texts={fact: (self._texts[fact].array(count), known[fact]) for fact in FACTS if fact != "category"},
            categories=self._texts["categories"].array(len(self._categories)),
            updates=Updates(**self._updates.columns()),
            readers=self._owners.ids(),
        )

    def unsure(self) -> int:
        """How many rows may stand in another session than in the log of all."""
        return self._owners.unsure()


class OwnerCodes:
    """Whose rows are: codes of readers and sessions by first appearance."""

    def __init__(self) -> None:
        self._ids = GrowingTexts()  # of readers
        self._users: dict[tuple[str, str], int] = {}  # by what their ids are of: users, or sessions in their place
        self._sessions = 0
        self._whole: dict[str, tuple[int, str | None]] = {}  # by session id: its code, and the one user so far
        self._parts: dict[tuple[str, str | None], int] = {}  # of ids under which several users occur
        self._visits: dict[int, tuple[int, int]] = {}  # by reader: code, time of its last read, or of its beginning
        self._unnamed: Counter[str] = Counter()  # messages without a user, by session id
        self._alone: dict[int, tuple[int, int]] = {}  # by message of this instant that is nobody's
        self._nobodies = 0

    def of(self, message: TopicMessage, kind: int) -> tuple[int, int]:
        """The reader and the session of a message's row, -1 = none."""
        if message.user is None and message.session is None:
            return (-1, -1) if kind == HISTORY else self._nobody(message)
        told = ("user", message.user) if message.user is not None else ("session", str(message.session))
        user = self._user(told)
        if kind == HISTORY:
            return user, -1
        return user, self._visit(user, message.time, kind) if message.session is None else self._own(message)

    def ids(self) -> pa.Array:
        """The ids of readers."""
        return self._ids.array(len(self._users))

    def unsure(self) -> int:
        """Rows without a user under a session id of several users: those may stand in another session in the end."""
        return sum(self._unnamed[session] for session in {session for session, _ in self._parts})

    def forget_instant(self) -> None:
        """No message of the instant comes again."""
        self._alone.clear()

    def _nobody(self, message: TopicMessage) -> tuple[int, int]:
        if id(message) not in self._alone:
            self._nobodies += 1
            user = self._user((NOBODY, f"{NOBODY}.{self._nobodies}"))
            self._alone[id(message)] = user, self._open()
        return self._alone[id(message)]

    def _user(self, told: tuple[str, str]) -> int:
        code = self._users.get(told)
        if code is None:
            code = self._users[told] = len(self._users)
            self._ids.put(code, told[1])
        return code

    def _open(self) -> int:
        self._sessions += 1
        return self._sessions - 1

    def _own(self, message: TopicMessage) -> int:
        """The session of the source's own id; from a second user on, the part that is this user's."""
        session, user = str(message.session), message.user
        if user is None:
            self._unnamed[session] += 1
        if session not in self._whole:
            self._whole[session] = self._open(), user
        code, owner = self._whole[session]
        if (session, owner) not in self._parts:
            if user is None or owner in (None, user):
                self._whole[session] = code, owner or user
                return code
            self._parts[session, owner] = code
        if (session, user) not in self._parts:
            self._parts[session, user] = self._open()
        return self._parts[session, user]

    def _visit(self, user: int, time: int, kind: int) -> int:
        """The session of a reader without session ids, split by time."""
        code, last = self._visits.get(user, (-1, 0))
        if code < 0 or time - last > SESSION_GAP:
            code, last = self._open(), time
        elif kind == READ:
            last = time
        self._visits[user] = code, last
        return code
