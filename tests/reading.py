"""What a reader makes of its files, as plain Python values, for comparison with a slow, obvious reader."""

from __future__ import annotations

from typing import Any, NamedTuple

import pyarrow as pa

from newsreplay.datasets.base import EXTRA, FACTS, Plan, Raw, gather
from newsreplay.log.rows import READ

IDS = ("publisher", "user", "session", "item")
COLUMNS = ("kind", *IDS, "time", "pool", "clicked", "published", *FACTS, "active", "dwell", "withheld")


class Row(NamedTuple):
    """One raw row; ids are strings, what is not told is None."""

    kind: int
    time: int
    item: str | None
    user: str | None = None
    session: str | None = None
    publisher: str | None = None
    pool: tuple[str, ...] | None = None
    clicked: tuple[bool, ...] | None = None
    published: int | None = None
    facts: tuple[tuple[str, str], ...] = ()  #: (name, text) of those told, by name
    active: float | None = None
    dwell: tuple[float | None, ...] | None = None
    withheld: str | None = None


class Article(NamedTuple):
    """What is told of an article outside the rows."""

    item: str
    publisher: str | None = None
    published: int | None = None
    facts: tuple[tuple[str, str], ...] = ()


class Profile(NamedTuple):
    """What a user read before the log."""

    user: str
    time: int
    items: tuple[str, ...]


def _records(table: pa.Table | None) -> list[dict[str, Any]]:
    return [] if table is None else table.to_pylist()


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _facts(record: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, record[name]) for name in FACTS if record.get(name) is not None))


def rows_of(raw: Raw) -> list[Row]:
    unknown = {name for name in raw.rows.column_names if not name.startswith(EXTRA)} - {*COLUMNS, "recommendable"}
    assert not unknown, f"columns nobody reads: {unknown}"
    return [
        Row(
            kind=record.get("kind", READ),
            time=record["time"],
            item=_text(record.get("item")),
            user=_text(record.get("user")),
            session=_text(record.get("session")),
            publisher=_text(record.get("publisher")),
            pool=None if record.get("pool") is None else tuple(str(item) for item in record["pool"]),
            clicked=None if record.get("clicked") is None else tuple(record["clicked"]),
            published=record.get("published"),
            facts=_facts(record),
            active=record.get("active"),
            dwell=tuple(record["dwell"]) if any(record.get("dwell") or ()) else None,
            withheld=record.get("withheld"),
        )
        for record in _records(raw.rows)
    ]


def articles_of(raw: Raw) -> list[Article]:
    return [
        Article(str(record["item"]), _text(record.get("publisher")), record.get("published"), _facts(record))
        for record in _records(raw.articles)
    ]


def profiles_of(raw: Raw) -> list[Profile]:
    return [
        Profile(str(record["user"]), record["time"], tuple(str(item) for item in record["items"]))
        for record in _records(raw.profiles)
    ]


def read(plan: Plan) -> Raw:
    """All of a plan, with the account checked: records in = kept + rejects + dropped."""
    raw = gather(plan)
    assert raw.rows_in == raw.kept + len(raw.rejects) + sum(raw.dropped.values())
    return raw
