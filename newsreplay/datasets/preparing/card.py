"""The card of a data set: facts, notes and digest."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import numpy as np

from newsreplay.datasets.base import Card, Plan, PublisherCard
from newsreplay.datasets.preparing import sampling, walk
from newsreplay.datasets.preparing.gather import Gathered
from newsreplay.datasets.preparing.walk import Walked
from newsreplay.datasets.preparing.work import Intake
from newsreplay.datasets.store import FORMAT, open_log, texts_of
from newsreplay.escaping import escaped
from newsreplay.log.rows import HISTORY, IMPRESSION, OUTCOME, Column


def facts_of(publisher: str, gathered: Gathered, walked: Walked, folder: Path, digest: str) -> PublisherCard:
    """What Table 1 of Kille & Lommatzsch (2019) has about a publisher, and a little more."""
    log = open_log(folder)
    row = np.load(folder / "requests" / "row.npy", mmap_mode="r")
    reads = np.load(folder / "sessions" / "reads.npy")
    memory, kinds = walked.memory, walked.memory.kinds
    items = int(memory.counts[walk.ITEMS])
    read = walked.final.read[:items]
    sessions = int(np.count_nonzero(reads))
    facts: PublisherCard = {
        "publisher": publisher,
        "rows": len(log.time),
        "reads": len(row),
        "impressions": int(kinds[IMPRESSION]),
        "outcomes": int(kinds[OUTCOME]),
        "candidates": len(log.pools.item),
        "clicks": int(np.count_nonzero(log.pools.clicked)),
        "history_reads": int(kinds[HISTORY]),
        "sessions": sessions,
        "single_read_sessions": int(np.count_nonzero(reads == 1)),
        "mean_session_length": round(len(row) / sessions, 4),
        "longest_session": int(reads.max()),
        "users": int(memory.counts[walk.USERS]),
        "articles": items,
        "articles_read": int(np.count_nonzero(read)),
        "articles_unknown": int(np.count_nonzero((memory.item < 0) & ~gathered.unlisted)),
        "categories": int(memory.counts[walk.CATEGORIES]),
        "first": int(log.time[row[0]]),
        "last": int(log.time[row[-1]]),
        "duplicates": walked.duplicates,
        "inversions": gathered.inversions,
        "shared_ids": int(np.count_nonzero(gathered.sessions.several)),
        "shared_sessions": len(gathered.sessions.parts),
        "nobody": int(gathered.sessions.nobody[-1]),
        "session_ids": gathered.sessions.told,
        "digest": digest,
    }
    unjoined = _unjoined(gathered, np.append(read, False)[memory.item])  # code -1: in no row
    if unjoined is not None:
        facts["unjoined"] = unjoined
    if walked.extra:
        facts["extra"] = walked.extra
    profiles = folder / "profiles.arrow"
    if profiles.is_file():
        facts["profiles"] = len(texts_of(profiles))
    if not gathered.unlisted.all():
        facts["articles_untold"] = int(np.count_nonzero((memory.item >= 0) & gathered.unlisted))
    return facts


def _unjoined(gathered: Gathered, read: Column) -> tuple[int, str, str] | None:
    """How many articles files tell of, one that is read and one of them, if none of them is read (bool[items])."""
    listed = ~gathered.unlisted
    if not listed.any() or (listed & read).any():
        return None
    seen, told = (str(gathered.items[int(np.argmax(which))]) for which in (read, listed))
    return int(np.count_nonzero(listed)), seen, told


def card_of(
    plan: Plan,
    intake: Intake,
    publishers: list[PublisherCard],
    unread: int,
    name: str,
    kind: str,
    options: dict[str, object],
    impressions: str | None,
) -> Card:
    """The card of a data set; `unread` rows are those of publishers without a read."""
    digests = "".join(facts["digest"] for facts in publishers)
    made_up, leaks = list(plan.made_up), list(plan.leaks)
    if impressions is not None:
        made_up.append(sampling.MADE_UP[impressions])
        leaks += [sampling.LEAK] if impressions == sampling.LEAKING else []
    return {
        "name": name,
        "format": FORMAT,
        "kind": kind,
        "options": options,
        "source": plan.source,
        "licence": plan.licence,
        "rows_in": intake.records,
        "kept": intake.kept,
        "reads": sum(facts["reads"] for facts in publishers),
        "rejected": intake.rejects,
        "first_reject": intake.first_reject,
        "unit": plan.unit,
        "dropped": dict(intake.dropped),
        "notes": [*plan.notes(intake.counts), *_row_notes(publishers, unread)],
        "made_up": made_up,
        "leaks": leaks,
        "splits": plan.splits,
        "frozen": plan.frozen,
        "digest": hashlib.blake2b(digests.encode(), digest_size=16).hexdigest(),
        "publishers": publishers,
    }


_Counted = Literal[
    "inversions",
    "duplicates",
    "shared_ids",
    "shared_sessions",
    "nobody",
    "profiles_differ",
    "articles_untold",
    "profiles_untold",
]


def _row_notes(publishers: list[PublisherCard], unread: int) -> list[str]:
    def count(what: _Counted) -> int:
        return sum(facts.get(what, 0) for facts in publishers)

    notes = []
    if untold := count("articles_untold"):
        articles = sum(facts["articles"] for facts in publishers if "articles_untold" in facts)
        notes.append(f"articles of the rows that the files of articles do not tell of: {untold:,} of {articles:,}")
    if untold := count("profiles_untold"):
        notes.append(
            f"articles of histories that are in no row and that the files of articles do not tell of: {untold:,}"
        )
    if back := count("inversions"):
        notes.append(f"rows earlier than the one before them in the source, now sorted: {back:,}")
    if again := count("duplicates"):
        notes.append(f"exact duplicates (same time, reader, session and article), kept: {again:,}")
    if shared := count("shared_ids"):
        parts = count("shared_sessions")
        notes.append(f"session ids under which several users occur: {shared:,}; by user they are {parts:,} sessions")
    if nobody := count("nobody"):
        notes.append(
            f"rows with neither user nor session, each in a session of its own: {nobody:,}; learned from, never scored "
            "on slates"
        )
    for name in dict.fromkeys(name for facts in publishers for name in facts.get("extra", {})):
        found = [facts["extra"][name] for facts in publishers if name in facts.get("extra", {})]
        most, empty = max(values for values, _ in found), sum(rows for _, rows in found)
        notes.append(f"kept: {escaped(name)}, {most:,} different values; rows without one: {empty:,}")
    unjoined = [facts["unjoined"] for facts in publishers if "unjoined" in facts]
    if unjoined and len(unjoined) == len(publishers):
        articles, read, told = unjoined[0]
        notes.append(
            f"articles that files tell of: {articles:,}, none of which is read; do ids agree? Reads have "
            f"{escaped(read)}, the articles {escaped(told)}"
        )
    if differ := count("profiles_differ"):
        notes.append(
            f"readers whose history differs between their impressions: {differ:,}; that of the first impression "
            "counts, an empty one too, and no later one is looked at"
        )
    if unread:
        notes.append(f"rows of publishers without a single read, of which no log is made: {unread:,}")
    return notes
