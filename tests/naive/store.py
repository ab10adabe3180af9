"""The slow, obvious preparation: raw rows become logs with lists, dicts and one sort, written from the rules.

Quadratic and worse; for logs of some dozens of rows.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from newsreplay.datasets.base import FACTS
from newsreplay.log.rows import HISTORY, HOUR, IMPRESSION, OUTCOME, PUBLISH, READ
from tests.naive.baselines import code_by_first_appearance

Row = dict[
    str, Any
]  #: a raw row, article or profile, as in `newsreplay.datasets.base.Block`; None where nothing is told
Reader = tuple[str, str]  #: ("user", id), ("session", id) where the session stands for the user, ("nobody", position)
#: ("own", id) of the source, ("part", id, *reader) of it, ("visit", *user), or ("nobody", position)
Whole = tuple[str, ...]
BEFORE_ALL = -1  #: the source position of publish rows that no row of the source is


class Session(NamedTuple):
    """A session of the log."""

    whole: Whole  #: what it belongs to before anything is split by time
    number: int  #: of it, 0 = not split
    name: str


class Line(NamedTuple):
    """One row of a log, before ids become codes."""

    time: int
    kind: int
    position: int  #: of the source's row that it is or comes from
    item: str | None
    user: Reader | None
    own: str | None  #: the source's own session
    row: Row  #: that row, for what it tells
    told: bool = False  #: whether this is the publish row that a publication time stands for


class Prepared(NamedTuple):
    """A publisher's log with what goes with it, all as lists."""

    log: dict[str, list[int]]
    pools: dict[str, list[Any]]
    articles: dict[str, list[Any]]
    texts: dict[str, tuple[list[str | None], list[int]]]  #: per fact but the category
    users: list[str]
    profiles: dict[int, tuple[int, list[str]]]  #: user code → first row, articles
    outside: list[dict[str, Any]]  #: articles that only profiles have, by id
    requests: list[tuple[int, int]]  #: row, previous
    active: list[float] | None
    sessions: list[tuple[str, int, int, int]]  #: id, last request, reads, time of the first read
    facts: dict[str, Any]  #: of the card


def distinct(values: Sequence[Any]) -> list[Any]:
    """What is not None, in order of first appearance."""
    return list(dict.fromkeys(value for value in values if value is not None))


def codes(values: Sequence[Any]) -> list[int]:
    """Codes by first appearance, -1 for None."""
    dense = iter(code_by_first_appearance(value for value in values if value is not None))
    return [-1 if value is None else next(dense) for value in values]


def kind_of(row: Row) -> int:
    """Rows are reads unless they say otherwise."""
    kind: int = row.get("kind", READ)
    return kind


def reader_of(row: Row, position: int) -> Reader | None:
    """The user, else the session in the user's place, else nobody."""
    if row.get("user") is not None:
        return "user", row["user"]
    if row.get("session") is not None:
        return "session", row["session"]
    return None if kind_of(row) in (PUBLISH, HISTORY) else ("nobody", str(position))


def lines_of_source(rows: Sequence[Row]) -> list[Line]:
    """The rows of the source, each impression with a known outcome followed by it and by its clicks."""
    lines: list[Line] = []
    for position, row in enumerate(rows):
        line = Line(row["time"], kind_of(row), position, row["item"], reader_of(row, position), row.get("session"), row)
        lines.append(line)
        if row.get("clicked") is not None:
            lines.append(line._replace(kind=OUTCOME))
            clicks = [item for item, clicked in zip(row["pool"], row["clicked"], strict=True) if clicked]
            dwell = row.get("dwell") or [None] * len(clicks)
            pairs = zip(clicks, dwell, strict=True)
            lines += [line._replace(kind=READ, item=item, row={"active": seconds}) for item, seconds in pairs]
    return lines


def in_order(lines: Sequence[Line]) -> list[Line]:
    """By time, kind and the source position of the row that each is or comes from."""
    return sorted(lines, key=lambda line: (line.time, line.kind, line.position))


def first_told(told: Sequence[Row], item: str, what: str) -> Any:
    """What is told of an article first; None = nothing."""
    return next((row[what] for row in told if row["item"] == item and row.get(what) is not None), None)


def publications(lines: Sequence[Line], articles: Sequence[Row]) -> Iterator[tuple[int, str, bool]]:
    """Publish rows that no row of the source is: time, article, whether a publication time says so."""
    last = max(line.time for line in lines if line.kind == READ)
    told = [*by_time(articles), *(line.row | {"item": line.item} for line in in_order(lines))]
    shown = [(line.time, item) for line in lines if line.kind == IMPRESSION for item in (line.item, *line.row["pool"])]
    for item in distinct([row["item"] for row in told] + [item for _, item in shown]):
        time = first_told(told, item, "published")
        known = [line.time + (0 if line.kind == PUBLISH else 0.5) for line in lines if makes_known(line, item)]
        if time is not None and time <= last:
            yield time, item, True
            known.append(time)
        times = [time for time, other in shown if other == item]
        if times and min(times) < min(known, default=math.inf):
            yield min(times), item, False


def makes_known(line: Line, item: str) -> bool:
    """Whether a row makes an article known by itself; of one instant with an impression, publish rows only do."""
    return line.item == item and line.kind in (PUBLISH, READ, HISTORY)


def by_time(articles: Sequence[Row]) -> list[Row]:
    """Articles by publication, those without a time last."""
    times = [article.get("published") for article in articles]
    order = sorted(range(len(articles)), key=lambda n: (times[n] is None, times[n] or 0))
    return [articles[n] for n in order]


def log_lines(rows: Sequence[Row], articles: Sequence[Row]) -> list[Line]:
    """The rows of a log, sorted."""
    lines = lines_of_source(rows)
    listed = distinct([article["item"] for article in articles])

    def place(publication: tuple[int, str, bool]) -> tuple[Any, ...]:
        # Of one instant: in the order of the tables of articles, what they do not list by id.
        time, item, _ = publication
        return time, (listed.index(item), "") if item in listed else (len(listed), item)

    implied = [
        Line(time, PUBLISH, BEFORE_ALL, item, None, None, {}, told)
        for time, item, told in sorted(publications(lines, articles), key=place)
    ]
    return in_order([*implied, *lines])


def shared_ids(lines: Sequence[Line]) -> dict[str, set[str | None]]:
    """Session ids under which several users occur, and all that occurs under them; None = unnamed rows."""
    occurring: dict[str, set[str | None]] = {}
    for line in lines:
        if line.own is not None and line.kind not in (PUBLISH, HISTORY):
            named = line.user is not None and line.user[0] == "user"
            occurring.setdefault(line.own, set()).add(line.user[1] if named and line.user else None)
    return {own: users for own, users in occurring.items() if len(users - {None}) > 1}


def whole_session(line: Line, shared: Collection[str]) -> Whole | None:
    """What a row belongs to before anything is split by time."""
    if line.user is None or line.kind == HISTORY:
        return None
    if line.own in shared:
        return ("part", str(line.own), *line.user)
    if line.own is not None:
        return "own", line.own
    return ("visit", *line.user) if line.user[0] == "user" else line.user


def sessions_of(lines: Sequence[Line], gap: int | None) -> list[Session | None]:
    """The session of each row.

    What is split by time ends when more than `gap` (60 minutes) passes since its last read, or since its opening while
    it has none: the visits of users without session ids, and if a gap is given all sessions of the source.
    """
    shared = shared_ids(lines)
    sessions: list[Session | None] = []
    visits: dict[Whole, list[float]] = {}  # number of the visit, time from which the gap counts
    nobodies: list[Whole] = []
    for line in lines:
        whole = whole_session(line, shared)
        if whole is None:
            sessions.append(None)
        elif whole[0] == "nobody":
            nobodies = distinct([*nobodies, whole])
            sessions.append(Session(whole, 0, f"nobody.{nobodies.index(whole) + 1}"))
        else:
            name = f"{whole[3]}:{whole[1]}" if whole[0] == "part" and whole[2] == "user" else whole[-1]
            if whole[0] != "visit" and gap is None:
                sessions.append(Session(whole, 0, name))
                continue
            number, since = visits.get(whole, [0, -math.inf])
            if line.time - since > (HOUR if gap is None else gap):
                visits[whole] = [number + 1, line.time]
            elif line.kind == READ:
                visits[whole][1] = line.time
            number = int(visits[whole][0])
            sessions.append(Session(whole, number, f"{name}.{number}"))
    return sessions


def known_from(lines: Sequence[Line], articles: Sequence[Row], item: str, fact: str) -> tuple[Any, int]:
    """What is known of an article in the end, and the row from which on; (None, number of rows) = nothing.

    What the tables of articles tell counts before what rows tell, and is known with the article itself. What
    rows tell is known from the publication that a time stands for, or from the row that tells it.
    """
    carrying = [n for n, line in enumerate(lines) if line.item == item]
    outside = first_told(by_time(articles), item, fact)
    if outside is not None:
        return outside, carrying[0]
    telling = [n for n in carrying if lines[n].row.get(fact) is not None]
    if not telling:
        return None, len(lines)
    return lines[telling[0]].row[fact], min([telling[0], *(n for n in carrying if lines[n].told)])


def prepare(
    rows: Sequence[Row],
    articles: Sequence[Row],
    publisher: str,
    profiles: Sequence[Row] = (),
    gap: int | None = None,
) -> Prepared | None:
    """One publisher's part of raw rows, None where it has not one read. A `gap` in ms splits all sessions."""
    timed = any(row.get("active") is not None or row.get("dwell") is not None for row in rows)
    rows = [row for row in rows if row["publisher"] == publisher]
    articles = [article for article in articles if article.get("publisher", publisher) == publisher]
    profiles = [profile for profile in profiles if profile.get("publisher", publisher) == publisher]
    if all(line.kind != READ for line in lines_of_source(rows)):
        return None
    lines = log_lines(rows, articles)
    sessions = sessions_of(lines, gap)
    items = distinct([line.item for line in lines])
    users = distinct([line.user for line in lines])
    nobodies = [name for kind, name in users if kind == "nobody"]
    shared = shared_ids(lines)
    known = {fact: [known_from(lines, articles, item, fact) for item in items] for fact in FACTS}
    category = [None if line.item is None else known["category"][items.index(line.item)] for line in lines]
    category_of_row = [told[0] if told and n >= told[1] else None for n, told in enumerate(category)]
    categories = distinct(category_of_row)
    impressions = [line for line in lines if line.kind == IMPRESSION]
    pools = [line.row["pool"] for line in impressions]
    clicks = [line.row.get("clicked") or [False] * len(line.row["pool"]) for line in impressions]
    requests = [n for n, line in enumerate(lines) if line.kind == READ]
    trails = {
        session: [at for at, n in enumerate(requests) if sessions[n] == session] for session in distinct(sessions)
    }
    previous = {at: trail[place - 1] for trail in trails.values() for place, at in enumerate(trail) if place}
    reads = [lines[n] for n in requests]
    lengths = [len(trail) for trail in trails.values() if trail]
    histories: dict[int, tuple[int, list[str]]] = {}
    differing: set[int] = set()
    for profile in sorted(profiles, key=lambda profile: profile["time"]):
        if ("user", profile["user"]) in users:
            code = users.index(("user", profile["user"]))
            first = next(n for n, line in enumerate(lines) if line.user == users[code])
            histories.setdefault(code, (first, profile["items"]))
            if profile.get("differ") or profile["items"] != histories[code][1]:
                differing.add(code)
    only = {item for _, history in histories.values() for item in history} - {*items}
    return Prepared(
        log={
            "time": [line.time for line in lines],
            "kind": [line.kind for line in lines],
            "session": codes(sessions),
            "user": codes([line.user for line in lines]),
            "item": codes([line.item for line in lines]),
            "category": codes(category_of_row),
            "impression": [
                [other.position for other in impressions].index(line.position)
                if line.kind in (IMPRESSION, OUTCOME)
                else -1
                for line in lines
            ],
        },
        pools={
            "at": [sum(map(len, pools[:n])) for n in range(len(pools) + 1)],
            "item": [items.index(item) for pool in pools for item in pool],
            "clicked": [clicked for click in clicks for clicked in click],
        },
        articles={
            "id": items,
            "published": [next(line.time for line in lines if line.item == item) for item in items],
            "category": [-1 if fact is None else categories.index(fact) for fact, _ in known["category"]],
            "category_row": [row for _, row in known["category"]],
            "categories": categories,
        },
        texts={
            fact: ([text for text, _ in known[fact]], [row for _, row in known[fact]])
            for fact in FACTS
            if fact != "category"
        },
        users=[f"nobody.{nobodies.index(name) + 1}" if kind == "nobody" else name for kind, name in users],
        profiles={code: profile for code, profile in histories.items() if profile[1]},
        outside=[
            {"id": item} | {fact: first_told(by_time(articles), item, fact) for fact in FACTS} for item in sorted(only)
        ],
        requests=[(n, previous.get(at, -1)) for at, n in enumerate(requests)],
        active=[math.nan if line.row.get("active") is None else line.row["active"] for line in reads]
        if timed
        else None,
        sessions=[
            (session.name, trail[-1], len(trail), reads[trail[0]].time) if trail else (session.name, -1, 0, 0)
            for session, trail in trails.items()
        ],
        facts={
            "rows": len(lines),
            "reads": len(reads),
            "impressions": len(impressions),
            "outcomes": sum(line.kind == OUTCOME for line in lines),
            "candidates": sum(map(len, pools)),
            "clicks": sum(map(sum, clicks)),
            "history_reads": sum(line.kind == HISTORY for line in lines),
            "sessions": len(lengths),
            "single_read_sessions": lengths.count(1),
            "mean_session_length": round(len(reads) / len(lengths), 4),
            "longest_session": max(lengths),
            "users": len(users),
            "articles": len(items),
            "articles_read": len({line.item for line in reads}),
            "articles_unknown": len({article["item"] for article in articles} - {*items}),
            "categories": len(categories),
            "first": reads[0].time,
            "last": reads[-1].time,
            "duplicates": len(reads) - len({(line.time, line.user, line.own, line.item) for line in reads}),
            "inversions": sum(rows[n]["time"] < rows[n - 1]["time"] for n in range(1, len(rows))),
            "shared_ids": len(shared),
            "shared_sessions": sum(map(len, shared.values())),
            "nobody": len(nobodies),
            "session_ids": any(r.get("session") is not None and kind_of(r) not in (PUBLISH, HISTORY) for r in rows),
            "profiles_differ": len(differing),
        },
    )
