"""The eleven-event example of the 22 baselines (reference/neural-models.md, section 12.5), as data.

Three readers, four articles, one morning. Each column of the table says which article a baseline offers
after each read (k = 1), which reads are hits, and what that makes of the four scored sessions.
"""

from __future__ import annotations

from typing import NamedTuple

from newsreplay.log.rows import PUBLISH, READ, Log, make_log

MIDNIGHT = 1_488_326_400_000  #: 1 March 2017, UTC
MINUTE = 60_000

ROWS = [  # (clock, reader or None for a publish row, session, article)
    ("08:00", None, None, "D"),
    ("09:00", None, None, "A"),
    ("09:30", None, None, "B"),
    ("10:00", "U1", "U1.1", "A"),
    ("10:05", "U2", "U2.1", "A"),
    ("10:10", "U1", "U1.1", "B"),
    ("10:15", None, None, "C"),
    ("10:20", "U2", "U2.1", "C"),
    ("10:30", "U3", "U3.1", "B"),
    ("10:40", "U1", "U1.1", "A"),
    ("11:15", "U3", "U3.1", "A"),
    ("11:20", "U2", "U2.1", "A"),
    ("12:45", "U1", "U1.2", "C"),
    ("12:50", "U3", "U3.2", "C"),
    ("12:55", "U3", "U3.2", "B"),
]

ARTICLES = {"D": 0, "A": 1, "B": 2, "C": 3}  #: codes by first appearance
READERS = {"U1": 0, "U2": 1, "U3": 2}
SESSIONS = {"U1.1": 0, "U2.1": 1, "U3.1": 2, "U1.2": 3, "U3.2": 4}
SCORED = [0, 1, 2, 4]  #: U1.2 has a single read


class Column(NamedTuple):
    """What one baseline does on the eleven reads, at k = 1."""

    name: str
    options: dict[str, int]
    slates: list[list[int]]  #: per read
    hits: list[bool]  #: per read
    event_success: float
    session_success: float


def _time(clock: str) -> int:
    hours, minutes = clock.split(":")
    return MIDNIGHT + (60 * int(hours) + int(minutes)) * MINUTE


def worked_log() -> Log:
    """The log of the example: four publish rows and eleven reads, no categories."""
    return make_log(
        time=[_time(clock) for clock, _, _, _ in ROWS],
        kind=[PUBLISH if reader is None else READ for _, reader, _, _ in ROWS],
        session=[-1 if session is None else SESSIONS[session] for _, _, session, _ in ROWS],
        user=[-1 if reader is None else READERS[reader] for _, reader, _, _ in ROWS],
        item=[ARTICLES[article] for _, _, _, article in ROWS],
        category=[-1 for _ in ROWS],
    )


def _column(name: str, options: dict[str, int], cells: str, event: float, session: float) -> Column:
    """A column from its cells: an article or - for no answer, with * on a hit."""
    return Column(
        name=name,
        options=options,
        slates=[[] if cell[0] == "-" else [ARTICLES[cell[0]]] for cell in cells.split()],
        hits=[cell.endswith("*") for cell in cells.split()],
        event_success=event,
        session_success=session,
    )


COLUMNS = {  # from 10:00 to 12:55
    "popular": _column("popular", {}, "- - A A A B* B* B* A A A", 0.75, 0.75),
    "popular(hours=1)": _column("popular", {"hours": 1}, "- - A A A B* B* B* - - C", 0.75, 0.75),
    "recency": _column("recency", {}, "B B A* B C C* C C B B C*", 0.75, 0.50),
    "circular(size=3)": _column("circular", {"size": 3}, "- - A B C B* B - A A C", 0.25, 0.25),
    "sequences": _column("sequences", {}, "- - - - - B B B A A A", 0.0, 0.0),
    "trend(hours=2)": _column("trend", {"hours": 2}, "- - A A A B* C* B* A A C", 0.75, 0.75),
}
