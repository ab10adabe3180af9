"""run --dry-run: what a run would replay and take, before anything is compiled, prepared or written."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, NamedTuple

from newsreplay.escaping import escaped

if TYPE_CHECKING:
    from newsreplay.commands.options import FileOptions
    from newsreplay.datasets.find import Unprepared
    from newsreplay.recommenders.registry import Entry
    from newsreplay.simulator.estimate import Estimate


class AskedRun(NamedTuple):
    """What was asked of a run that a dry one is about."""

    data: str
    runs: Path  #: where runs of data are numbered
    files: FileOptions
    limit: int | None
    publishers: list[str] | None
    k: int
    requests: str  #: what asks for slates
    seeds: tuple[int, ...]
    jobs: int | None
    slates: bool


def planned_run(asked: AskedRun, entries: list[Entry], first: bool) -> str:
    """What a run would be, in words; `first`: kernels were never compiled. Raises `NewsreplayError`."""
    from newsreplay.datasets.find import Unprepared, look_for
    from newsreplay.files import file_name
    from newsreplay.simulator.estimate import estimate, stretch_of
    from newsreplay.simulator.run import repeat_with_seeds

    found = look_for(asked.data, columns=asked.files.columns, preparing=asked.files.preparing)
    repeated = [entry for entry, _ in repeat_with_seeds(entries, asked.seeds, apart=True)]
    if isinstance(found, Unprepared):
        lines = _unprepared(found, repeated)
    else:
        for name in asked.publishers or ():
            found.publisher(name)  # what does not exist is refused
        cards = [
            card for card in found.card["publishers"] if card["publisher"] in (asked.publishers or found.publishers)
        ]
        stretches = [stretch_of(card, asked.limit, asked.requests) for card in cards]
        earlier = asked.runs / file_name(found.name)
        measured = _measured(earlier)
        told = estimate(stretches, repeated, asked.k, jobs=asked.jobs, slates=asked.slates, measured=measured)
        lines = _told(told, found.name, earlier)
    if first:
        lines.append("kernels: compiled first, once after installation, which takes less than a minute")
    return escaped("\n".join([*lines, "nothing was written"]), keep="\n")


def _measured(folder: Path) -> dict[str, float]:
    """µs per event by recommender of an earlier run; none where there is none."""
    from newsreplay.errors import NewsreplayError
    from newsreplay.simulator.runs.folder import RunFolder

    taken: dict[str, tuple[float, int]] = {}
    with contextlib.suppress(NewsreplayError):
        run = RunFolder(folder)
        rows = {facts["publisher"]: facts["rows"] for facts in run.info["publishers"]}
        for pair in run.timing["pairs"]:
            seconds, events = taken.get(pair["recommender"], (0.0, 0))
            taken[pair["recommender"]] = seconds + pair["seconds"], events + rows[pair["publisher"]]
    return {name: 1e6 * seconds / events for name, (seconds, events) in taken.items() if events}


def _unprepared(data: Unprepared, entries: Sequence[Entry]) -> list[str]:
    """What is known of data that are not prepared."""
    what = f"{data.size / 1e6:,.1f} MB" if data.size else "generated at first use"
    return [
        f"{len(entries)} recommenders on {data.name}, which is not prepared yet ({what})",
        "how many publishers and rows it has is known once it is: newsreplay data describe, which prepares it",
    ]


def _told(told: Estimate, name: str, earlier: Path) -> list[str]:
    there = [
        f"{stretch.publisher} ({stretch.rows:,} rows, {stretch.requests:,} requests)" for stretch in told.stretches
    ]
    recommenders = sum(len(line.recommenders) for line in told.lines)
    return [
        f"{told.pairs} pairs on {name}, {told.jobs} at a time: {recommenders} recommenders on {', '.join(there)}",
        "",
        _costs(told, earlier),
        "",
        f"time: {_span(told.seconds)}, on {told.jobs} cores" if told.jobs > 1 else f"time: {_span(told.seconds)}",
        f"memory: about {_bytes(told.memory)}, and what recommenders remember",
        f"disk: at most {_bytes(told.disk)}",
    ]


_WORDS = {
    "measured": "as in {earlier}",
    "cheap": "cheap: below 1 µs an event",
    "medium": "medium: 1 to 100 µs",
    "dear": "dear: above 100 µs",
    "unknown": "not known",
}


def _costs(told: Estimate, earlier: Path) -> str:
    """The table of costs, as wide as the terminal; in a pipe 80 columns."""
    from tabulate import tabulate

    rows = [(_WORDS[line.what].format(earlier=earlier), line.recommenders, _span(line.seconds)) for line in told.lines]
    rows.append(("judging, intervals, writing", [], f"about {_seconds(told.judging)}"))
    beside = max(len(what) for what, _, _ in rows) + max(len(taken) for _, _, taken in rows) + 2 * len("  ")
    room = get_terminal_size().columns - beside
    cells = [(what, _names(names, room), taken) for what, names, taken in rows]
    return str(tabulate(cells, ["cost", "recommenders", "one core"], tablefmt="simple", disable_numparse=True))


def _names(names: Sequence[str], room: int) -> str:
    """As many names as there is room for, at least one, and how many more there are.

    >>> _names(["trend", "popular", "recency"], 24), _names(["trend", "popular", "recency"], 10)
    ('trend, popular, recency', 'trend and 2 more')
    """
    for shown in range(len(names), 0, -1):
        rest = len(names) - shown
        text = ", ".join(names[:shown]) + (f" and {rest} more" if rest else "")
        if len(text) <= room or shown == 1:
            return text
    return ""


def _span(seconds: tuple[float, float]) -> str:
    """At least and at most, in words.

    >>> _span((0, 90)), _span((40, 4000)), _span((40, float("inf"))), _span((0, float("inf"))), _span((9.0, 9.0))
    ('at most 1.5 min', '40 s to 1.1 h', 'more than 40 s', 'not known', 'about 9 s')
    """
    low, high = seconds
    if math.isinf(high):
        return f"more than {_seconds(low)}" if low >= 1 else "not known"
    if high - low <= 0.1 * high:
        return f"about {_seconds(high)}"
    return f"at most {_seconds(high)}" if low < 1 else f"{_seconds(low)} to {_seconds(high)}"


def _seconds(seconds: float) -> str:
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _bytes(size: float) -> str:
    return f"{size / 1e6:,.0f} MB" if size < 1e9 else f"{size / 1e9:,.1f} GB"
