"""Hypothesis strategies: small logs with the corners that tell a right recommender from a wrong one."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from newsreplay.log.rows import DAY, HOUR, IMPRESSION, OUTCOME, PUBLISH, READ, Log, make_log
from tests.naive.baselines import code_by_first_appearance, split_sessions

MINUTE = 60_000

# Time between two rows. Whole hours alone put reads exactly on the borders of windows and bins; the mixed
# palette passes them by a millisecond on either side. Repeated entries are more likely; simplest first.
WHOLE_HOURS = [0, 0, 0, HOUR, HOUR, 0, 2 * HOUR, 4 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 4 * DAY]
MIXED = [
    *[0, 0, MINUTE, 1, 10 * MINUTE, MINUTE, 30 * MINUTE],
    *[HOUR, HOUR - 1, HOUR + 1, 2 * HOUR, 6 * HOUR - 1, 6 * HOUR],
    *[DAY, 2 * DAY + 1, 4 * DAY - 1, 4 * DAY, 4 * DAY + 1, 10 * DAY],
]
CALM = [0, MINUTE, 1, 10 * MINUTE, 20 * MINUTE, 30 * MINUTE]  # everything within the same hours
INSTANTS = [0, 0, 0, MINUTE]  # most reads of a session share their time with another
STARTS = [0, 1_488_326_400_000, 1_488_326_400_000 + 17 * HOUR + 12_345, DAY - 1]


def digits(drawn: bytes, *bases: int) -> list[int]:
    """Whole numbers below each of `bases`: the digits of one number, the lowest first.

    >>> digits(b"\\x07", 3, 4)
    [1, 2]
    """
    result = []
    number = int.from_bytes(drawn, "big")
    for base in bases:
        number, digit = divmod(number, base)
        result.append(digit)
    return result


@st.composite
def logs(
    draw: st.DrawFn,
    *,
    max_rows: int = 60,
    max_items: int = 8,
    max_users: int = 4,
    max_categories: int = 3,
    publishes: bool = True,
    palettes: Sequence[list[int]] = (CALM, WHOLE_HOURS, MIXED),
) -> Log:
    """Valid logs with at least one read; `publishes=False` for logs of reads only. `palettes` are of time between rows.

    Times may repeat (publish rows first, as in every log), sessions are cut after 60 minutes or come with
    the log, in which case they interleave and return after days. Any row may tell an article's category; the
    first to tell it counts, and some articles never get one.
    """
    n_items = draw(st.integers(1, max_items))
    n_users = draw(st.integers(1, max_users))
    never_told = draw(st.integers(0, n_items))  # articles 0 … never_told - 1 have no category
    own_sessions = draw(st.booleans())
    palette = draw(st.sampled_from(palettes))
    start = draw(st.sampled_from(STARTS))
    kinds = [READ, READ, READ, PUBLISH] if publishes else [READ]
    at_least = draw(st.sampled_from([n for n in (1, 5, 15, 40, max_rows) if n <= max_rows]))
    # Three bytes a row, drawn at once: as varied as rows whose columns are drawn one by one, and many times as quick.
    drawn = draw(st.binary(min_size=3 * at_least, max_size=3 * max_rows))
    choices = (len(palette), len(kinds), n_items, n_users, 3, max_categories + 1)

    rows = []
    time = start
    for row in range(len(drawn) // 3):
        # A visit is the reader's first, second or third session, if the log brings them.
        gap, kind, item, user, visit, category = digits(drawn[3 * row : 3 * row + 3], *choices)
        time += palette[gap]
        rows.append((time, kinds[kind], item, user, visit, category - 1 if item >= never_told else -1))
    if all(row[1] == PUBLISH for row in rows):
        rows[-1] = (rows[-1][0], READ, *rows[-1][2:])
    rows.sort(key=lambda row: row[:2])  # by time, publish first; else as drawn

    # Publish rows have neither reader nor session.
    at_read = [i for i, row in enumerate(rows) if row[1] == READ]
    users = [-1] * len(rows)
    sessions = [-1] * len(rows)
    user_codes = code_by_first_appearance(rows[i][3] for i in at_read)
    if own_sessions:
        session_codes = code_by_first_appearance((rows[i][3], rows[i][4]) for i in at_read)
    else:
        session_codes = split_sessions([rows[i][0] for i in at_read], user_codes)
    for i, user, session in zip(at_read, user_codes, session_codes, strict=True):
        users[i], sessions[i] = user, session

    told: dict[int, int] = {}  # article -> category, once a row has told it
    categories: list[int] = []
    for _, _, item, _, _, category in rows:
        if category >= 0:
            told.setdefault(item, category)
        categories.append(told.get(item, -1))
    dense = iter(code_by_first_appearance(category for category in categories if category >= 0))

    return make_log(
        time=[row[0] for row in rows],
        kind=[row[1] for row in rows],
        session=sessions,
        user=users,
        item=code_by_first_appearance(row[2] for row in rows),
        category=[next(dense) if category >= 0 else -1 for category in categories],
    )


def pool_of(picks: list[int], known: int, *, repeats: bool) -> list[int]:
    """Articles below `known`, at these places among those that are left; among all where they may repeat."""
    left = list(range(known))
    if repeats:
        return [left[pick] for pick in picks]
    return [left.pop(pick % len(left)) for pick in picks[:known]]


@st.composite
def logs_with_impressions(
    draw: st.DrawFn,
    *,
    max_rows: int = 40,
    repeats: bool = False,
    palettes: Sequence[list[int]] = (CALM, WHOLE_HOURS, MIXED),
) -> Log:
    """Logs as `logs` makes them, with impressions before the reads of an instant, and the outcomes of most.

    Readers and sessions may have nothing but impressions so far; candidates are known, and each stands once in a pool
    unless it may repeat.
    """
    log = draw(logs(max_rows=max_rows, palettes=palettes))
    # Nine bytes a row: one for how many impressions stand before it, four for each of two; over and over again.
    pattern = bytes(draw(st.lists(st.integers(0, 255), min_size=9, max_size=36)))
    drawn = pattern * (9 * len(log.time) // len(pattern) + 1)
    rows: list[tuple[int, ...]] = []  # time, kind, session, user, item, category, impression
    pools: list[list[int]] = []
    clicked: list[list[bool]] = []
    told: dict[int, int] = {-1: -1}  # article -> category
    for row in range(len(log.time)):
        time, kind, item = int(log.time[row]), int(log.kind[row]), int(log.item[row])
        known = int(log.item[:row].max(initial=-1)) + 1
        begins = kind != PUBLISH and (row == 0 or log.time[row - 1] < time or log.kind[row - 1] == PUBLISH)
        outcomes: list[tuple[int, ...]] = []
        for number in range((1, 2, 0)[drawn[9 * row] % 3] if begins and known else 0):
            choices = (known + 1, 4, 2, *([2] * 4), *([known] * 4))
            first = 9 * row + 1 + 4 * number
            on_screen, size, is_told, *rest = digits(drawn[first : first + 4], *choices)
            shown = on_screen - 1
            carried = (int(log.session[row]), int(log.user[row]), shown, told.get(shown, -1), len(pools))
            pools.append(pool_of(rest[4 : 5 + size], known, repeats=repeats))
            clicked.append([bool(is_told and mark) for mark in rest[: len(pools[-1])]])
            rows.append((time, IMPRESSION, *carried))
            outcomes += [(time, OUTCOME, *carried)] if is_told else []
        category = int(log.category[row])
        if category >= 0:
            told[item] = category
        rows += [*outcomes, (time, kind, int(log.session[row]), int(log.user[row]), item, category, -1)]
    columns = ("time", "kind", "session", "user", "item", "category", "impression")
    return make_log(
        pools={
            "at": [sum(map(len, pools[:n])) for n in range(len(pools) + 1)],
            "item": [candidate for pool in pools for candidate in pool],
            "clicked": [mark for marks in clicked for mark in marks],
        },
        **dict(zip(columns, zip(*rows, strict=True), strict=True)),
    )


def keys() -> st.SearchStrategy[int]:
    """Keys of random draws."""
    return st.integers(0, 2**64 - 1)


def cut_offs() -> st.SearchStrategy[int]:
    """Slate lengths: shorter than, as long as and longer than what the small logs have to offer."""
    return st.sampled_from([1, 2, 3, 5, 10])
