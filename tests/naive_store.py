"""The slow, obvious preparation: raw rows become logs with lists, dicts and one sort, written from the rules.

Quadratic and worse; for logs of some dozens of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from newsreplay.simulator.log import PUBLISH, READ
from tests.naive import code_by_first_appearance, split_sessions

Row = dict[str, Any]  #: a raw read or a raw article, as in `newsreplay.datasets.base.Raw`; None where nothing is told


class Line(NamedTuple):
    """One row of a log, before ids become codes."""

    time: int
    kind: int
    item: str
    user: tuple[str, str] | None  #: ("user", id), or ("session", id) where the session stands for the user
    session: tuple[str, str] | None  #: ("own", id) of the source, or ("split", name)
    category: str | None  #: as this row tells it
    title: str | None


class Prepared(NamedTuple):
    """A publisher's log with what goes with it, all as lists."""

    log: dict[str, list[int]]
    articles: dict[str, list[Any]]
    users: list[str]
    requests: list[tuple[int, int]]  #: row, previous
    sessions: list[tuple[str, int, int, int]]  #: id, last request, reads, time of the first read
    unknown: int


def distinct(values: Sequence[Any]) -> list[Any]:
    """What is not None, in order of first appearance."""
    return list(dict.fromkeys(value for value in values if value is not None))


def codes(values: Sequence[Any]) -> list[int]:
    """Codes by first appearance, -1 for None."""
    dense = iter(code_by_first_appearance(value for value in values if value is not None))
    return [-1 if value is None else next(dense) for value in values]


def first_told(facts: Sequence[Row], item: str, what: str) -> Any:
    """What is told of an article first; None = nothing."""
    return next((fact[what] for fact in facts if fact["item"] == item and fact.get(what) is not None), None)


def sessions_of(reads: Sequence[Row]) -> list[tuple[str, str]]:
    """The session of each read (in event-time order): the source's own, else by pauses of the user."""
    without = [n for n, read in enumerate(reads) if read["session"] is None]
    split = split_sessions([reads[n]["time"] for n in without], [reads[n]["user"] for n in without])
    sessions = [("own", read["session"]) for read in reads]
    for place, n in enumerate(without):
        mine = [code for m, code in zip(without, split, strict=True) if reads[m]["user"] == reads[n]["user"]]
        sessions[n] = ("split", f"{reads[n]['user']}.{distinct(mine).index(split[place]) + 1}")
    return sessions


def lines_of(reads: Sequence[Row], articles: Sequence[Row]) -> list[Line]:
    """The rows of a log, sorted."""
    reads = sorted(reads, key=lambda read: read["time"])
    by_time = sorted(articles, key=lambda article: (article["published"] is None, article["published"] or 0))
    facts = [*by_time, *reads]  # what is told outside the reads comes first
    last = reads[-1]["time"]
    # Publish rows of one instant: in the order of the source, what it does not list by id.
    listed = distinct([article["item"] for article in articles])
    items = [*listed, *sorted({read["item"] for read in reads} - {*listed})]
    published = {item: first_told(facts, item, "published") for item in items}
    lines = [
        Line(time, PUBLISH, item, None, None, first_told(facts, item, "category"), first_told(facts, item, "title"))
        for item, time in published.items()
        if time is not None and time <= last
    ]
    has_publish_row = {line.item for line in lines}
    seen: set[str] = set()
    for read, session in zip(reads, sessions_of(reads), strict=True):
        item = read["item"]
        # Without a publish row, what is told outside the reads becomes known with the first of them.
        outside = by_time if item not in has_publish_row | seen else []
        seen.add(item)
        category = first_told(outside, item, "category") or read["category"]
        title = first_told(outside, item, "title") or read["title"]
        user = ("user", read["user"]) if read["user"] is not None else ("session", read["session"])
        lines.append(Line(read["time"], READ, item, user, session, category, title))
    return sorted(lines, key=lambda line: (line.time, line.kind))


def prepare(reads: Sequence[Row], articles: Sequence[Row], publisher: str) -> Prepared:
    """One publisher's part of raw rows; articles without a publisher belong to everyone."""
    mine = [article for article in articles if article.get("publisher", publisher) == publisher]
    lines = lines_of([read for read in reads if read["publisher"] == publisher], mine)
    rows = range(len(lines))
    items = distinct([line.item for line in lines])

    def told_at(item: str, what: str) -> int:
        return next((n for n in rows if lines[n].item == item and getattr(lines[n], what) is not None), len(lines))

    told = {what: [told_at(item, what) for item in items] for what in ("category", "title")}
    facts = {what: [getattr(lines[at], what) if at < len(lines) else None for at in told[what]] for what in told}
    known = [
        facts["category"][items.index(lines[n].item)] if n >= told["category"][items.index(lines[n].item)] else None
        for n in rows
    ]
    categories = distinct(known)
    sessions = distinct([line.session for line in lines])
    requests = [n for n in rows if lines[n].kind == READ]
    trails = [[at for at, n in enumerate(requests) if lines[n].session == session] for session in sessions]
    previous = {at: trail[place - 1] for trail in trails for place, at in enumerate(trail) if place}
    return Prepared(
        log={
            "time": [line.time for line in lines],
            "kind": [line.kind for line in lines],
            "session": codes([line.session for line in lines]),
            "user": codes([line.user for line in lines]),
            "item": codes([line.item for line in lines]),
            "category": codes(known),
        },
        articles={
            "id": items,
            "published": [next(line.time for line in lines if line.item == item) for item in items],
            "category": [-1 if fact is None else categories.index(fact) for fact in facts["category"]],
            "category_row": told["category"],
            "title": facts["title"],
            "title_row": told["title"],
            "categories": categories,
        },
        users=[name for _, name in distinct([line.user for line in lines])],
        requests=[(n, previous.get(at, -1)) for at, n in enumerate(requests)],
        sessions=[
            (session[1], trail[-1], len(trail), lines[requests[trail[0]]].time)
            for session, trail in zip(sessions, trails, strict=True)
        ],
        unknown=len({article["item"] for article in mine} - {*items}),
    )
