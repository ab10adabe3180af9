"""Hypothesis strategies: small logs with the corners that tell a right recommender from a wrong one."""

from __future__ import annotations

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
STARTS = [0, 1_488_326_400_000, 1_488_326_400_000 + 17 * HOUR + 12_345, DAY - 1]


@st.composite
def logs(
    draw: st.DrawFn,
    *,
    max_rows: int = 60,
    max_items: int = 8,
    max_users: int = 4,
    max_categories: int = 3,
    publishes: bool = True,
) -> Log:
    """Valid logs with at least one read; `publishes=False` for logs of reads only.

    Times may repeat (publish rows first, as in every log), sessions are cut after 60 minutes or come with
    the log, in which case they interleave and return after days. Any row may tell an article's category; the
    first to tell it counts, and some articles never get one.
    """
    n_items = draw(st.integers(1, max_items))
    n_users = draw(st.integers(1, max_users))
    never_told = draw(st.integers(0, n_items))  # articles 0 … never_told - 1 have no category
    own_sessions = draw(st.booleans())
    palette = draw(st.sampled_from([CALM, WHOLE_HOURS, MIXED]))
    start = draw(st.sampled_from(STARTS))
    kinds = [READ, READ, READ, PUBLISH] if publishes else [READ]
    at_least = draw(st.sampled_from([n for n in (1, 5, 15, 40, max_rows) if n <= max_rows]))
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from(palette),
                st.sampled_from(kinds),
                st.integers(0, n_items - 1),
                st.integers(0, n_users - 1),
                st.integers(0, 2),  # the reader's first, second or third session, if the log brings them
                st.integers(-1, max_categories - 1),
            ),
            min_size=at_least,
            max_size=max_rows,
        )
    )

    rows = []
    time = start
    for gap, kind, item, user, visit, category in steps:
        time += gap
        rows.append((time, kind, item, user, visit, category if item >= never_told else -1))
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


@st.composite
def logs_with_impressions(draw: st.DrawFn, *, max_rows: int = 40, repeats: bool = False) -> Log:
    """Logs as `logs` makes them, with impressions before the reads of an instant, and the outcomes of most.

    Readers and sessions may have nothing but impressions so far; candidates are known, and each stands once in a pool
    unless it may repeat.
    """
    log = draw(logs(max_rows=max_rows))
    rows: list[tuple[int, ...]] = []  # time, kind, session, user, item, category, impression
    pools: list[list[int]] = []
    clicked: list[list[bool]] = []
    told: dict[int, int] = {-1: -1}  # article -> category
    for row in range(len(log.time)):
        time, kind, item = int(log.time[row]), int(log.kind[row]), int(log.item[row])
        known = int(log.item[:row].max(initial=-1)) + 1
        begins = kind != PUBLISH and (row == 0 or log.time[row - 1] < time or log.kind[row - 1] == PUBLISH)
        outcomes: list[tuple[int, ...]] = []
        for _ in range(draw(st.integers(0, 2)) if begins and known else 0):
            shown = draw(st.integers(-1, known - 1))
            carried = (int(log.session[row]), int(log.user[row]), shown, told.get(shown, -1), len(pools))
            pools.append(draw(st.lists(st.integers(0, known - 1), min_size=1, max_size=4, unique=not repeats)))
            is_told = draw(st.booleans())
            clicked.append([is_told and draw(st.booleans()) for _ in pools[-1]])
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
