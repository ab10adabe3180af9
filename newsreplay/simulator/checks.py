"""The blindness check: proof that a recommender's answers do not depend on the future.

A log is replayed; everything from a cut on is overwritten, rows and articles alike; it is replayed again.
The answers before the cut, slates and scores, must be the same to the byte, at many cuts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.log.catalog import Articles, Profiles, Updates, bare_articles, handed_over
from newsreplay.log.rows import HOUR, IMPRESSION, LOG_DTYPES, OUTCOME, PUBLISH, READ, Column, Log, Pools, make_log
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.registry import Entry
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.walk import Replayed

ROWS = 2_000  #: of the log that is made for a check


class Finding(NamedTuple):
    """The first answer that changed although only what came after it was overwritten."""

    cut: int  #: first row that was overwritten
    row: int  #: the request or impression, before the cut
    what: str  #: "answer" or "scores"
    before: list[int] | list[float]
    after: list[int] | list[float]

    def __str__(self) -> str:
        return (
            f"the {self.what} at row {self.row} changed from {self.before} to {self.after} "
            f"when the rows from {self.cut} on were overwritten"
        )


class Check(NamedTuple):
    """Whether a recommender is blind to the future; printing it gives one line."""

    recommender: str
    cuts: int  #: how many there were; a short log has fewer than were requested
    finding: Finding | None  #: None = blind to the future

    def __str__(self) -> str:
        if self.finding is None:
            return f"{self.recommender}: blind to the future at {self.cuts} cuts"
        return f"{self.recommender}: SEES WHAT IT SHOULD NOT: {self.finding}"


def check_entry(
    entry: Entry,
    *,
    log: Log | None = None,
    articles: Articles | None = None,
    cuts: int = 20,
    k: int = 10,
    seed: int = 0,
) -> Check:
    """Check one recommender at `cuts` cuts, every second right after a request, every fourth after an impression.

    Without `log`, one of 2,000 rows is made up. A second replay of the untouched log must agree with the
    first too, which catches state that outlives a replay.
    """
    if log is None:
        log, articles = made_up_log(ROWS, seed)
    articles = bare_articles(log) if articles is None else articles
    first = _answers(entry, log, articles, k, seed)
    chosen = _cuts(log, cuts, seed)
    for cut in [len(log.time), *chosen]:
        other, others = overwritten(log, articles, cut, seed)
        again = _answers(entry, other, others, k, seed)
        finding = _difference(log, cut, first, again)
        if finding is not None:
            return Check(entry.label, len(chosen), finding)
    return Check(entry.label, len(chosen), None)


def _answers(entry: Entry, log: Log, articles: Articles, k: int, seed: int) -> Replayed:
    return replay(log, entry.make(), Setting(seed, k), articles=articles, name=entry.label)


def _difference(log: Log, cut: int, first: Replayed, again: Replayed) -> Finding | None:
    """The first slate or impression before the cut that was answered otherwise."""
    findings = []
    requests = np.flatnonzero(log.kind[:cut] == READ)
    changed = _changed(first.slates[: len(requests)], again.slates[: len(requests)])
    if changed is not None:
        before, after = ([item for item in done.slates[changed[0]].tolist() if item >= 0] for done in (first, again))
        findings.append(Finding(cut, int(requests[changed[0]]), "answer", before, after))
    if first.scores is not None and again.scores is not None:
        impressions = np.flatnonzero(log.kind[:cut] == IMPRESSION)
        at = log.pools.at[: len(impressions) + 1]
        changed = _changed(first.scores[: at[-1]], again.scores[: at[-1]])
        if changed is not None:
            number = int(np.searchsorted(at, changed[0], side="right")) - 1
            places = slice(at[number], at[number + 1])
            scores = (done.scores[places].tolist() for done in (first, again) if done.scores is not None)
            findings.append(Finding(cut, int(impressions[number]), "scores", *scores))
    return min(findings, key=lambda finding: finding.row, default=None)


def _changed(before: Column, after: Column) -> Column | None:
    """The position of the first value that differs in a byte."""
    if before.tobytes() == after.tobytes():
        return None
    words = f"i{before.itemsize}"
    position: Column = np.argwhere(before.view(words) != after.view(words))[0]
    return position


def _cuts(log: Log, count: int, seed: int) -> list[int]:
    """Rows spread over the log; every second one follows a request directly, every fourth an impression."""
    rng = np.random.default_rng(seed)
    rows = np.linspace(1, len(log.time) - 1, count).astype(int) + rng.integers(0, 2, count)
    rows = np.clip(rows, 1, len(log.time) - 1)
    for kind, begin, step in ((READ, 0, 2), (IMPRESSION, 1, 4)):
        after = np.flatnonzero(log.kind[:-1] == kind) + 1
        if after.size:
            rows[begin::step] = after[np.searchsorted(after, rows[begin::step]) % after.size]
    return sorted({int(row) for row in rows})


def overwritten(log: Log, articles: Articles, cut: int, seed: int) -> tuple[Log, Articles]:
    """The same log up to row `cut`, other rows and other articles from there on.

    What replaces them is a valid log: times do not decrease and codes still count up by first appearance. Clicks
    whose outcome lies behind the cut are overwritten too. What a profile handed over before the cut makes readable,
    ids, texts and categories of the articles in it, stays.
    """
    rows = len(log.time)
    if cut >= rows:
        return log, articles
    rng = np.random.default_rng([seed, cut])
    fresh = {name: getattr(log, name).copy() for name in LOG_DTYPES}
    kind = _kinds(rows - cut, cut, rng)
    gaps = rng.choice([0, 1, 1000, 60_000, HOUR], rows - cut, p=[0.1, 0.1, 0.3, 0.45, 0.05])
    gaps[kind == OUTCOME] = 0  # of its impression's time
    before = np.append(log.kind[cut - 1] if cut else PUBLISH, kind[:-1])
    gaps[(gaps == 0) & (kind < before)] = 1  # of one instant the kinds come in their order
    begin = int(log.time[cut - 1]) if cut else int(log.time[0])
    fresh["time"][cut:] = begin + np.cumsum(gaps)
    fresh["kind"][cut:] = kind
    outcome = cut + np.flatnonzero(kind == OUTCOME)  # each follows its impression
    for name in ("item", "session", "user"):
        column = fresh[name]
        column[cut:] = -1
        # Impressions bring no new articles; an outcome has the reader of its impression.
        carries = (kind == PUBLISH) | (kind == READ) if name == "item" else (kind == IMPRESSION) | (kind == READ)
        place = cut + np.flatnonzero(carries)
        limit = len(articles.id) if name == "item" else int(getattr(log, name).max()) + 1
        column[place] = _codes(column, cut, limit, rng, len(place))
        column[outcome] = column[outcome - 1]
    pools, fresh["impression"][cut:] = _pools(log, fresh["item"], kind, cut, rng)
    other = _overwritten_articles(log, fresh, articles, cut, rng)
    return make_log(**fresh, pools=pools), other


def _overwritten_articles(
    log: Log, fresh: dict[str, Column], articles: Articles, cut: int, rng: np.random.Generator
) -> Articles:
    """Other articles from row `cut` on, to go with the columns `fresh`; writes their categories into `fresh`."""
    rows = len(log.time)
    item = fresh["item"]
    known = int(item[:cut].max(initial=-1)) + 1
    handed = handed_over(articles) < cut
    handed, handed_outside = handed[: len(articles.id)], handed[len(articles.id) :]
    category = articles.category.astype(np.int32)
    late = (articles.category_row >= cut) & ~handed
    categories = max(1, len(articles.categories))
    category[late] = rng.integers(-1, categories, int(late.sum()))
    category_row = np.where(articles.category_row < cut, articles.category_row, cut)
    fresh["category"][cut:] = np.append(category, np.int32(-1))[item[cut:]]
    first = np.full(len(articles.id) + 1, rows, np.int64)
    first[item[::-1]] = np.arange(rows)[::-1]
    first = first[:-1]
    names = pa.array([f"overwritten {i}" for i in range(len(articles.id))], pa.large_string())
    keep = pa.array((np.arange(len(articles.id)) < known) | handed)
    return Articles(
        id=_chosen(keep, articles.id, names),
        published=np.where(first < rows, fresh["time"][np.minimum(first, rows - 1)], 0),
        category=category,
        category_row=np.where(category >= 0, np.maximum(category_row, first), rows),
        texts={
            fact: (
                _chosen(pa.array((row < cut) | handed), texts, names),
                np.where(row < cut, row, np.maximum(cut, first)),
            )
            for fact, (texts, row) in articles.texts.items()
        },
        categories=articles.categories if len(articles.categories) else pa.array(["overwritten"], pa.large_string()),
        profiles=_profiles(articles.profiles, cut, handed_outside),
        updates=_updates(articles.updates, cut),
    )


def _updates(updates: Updates | None, cut: int) -> Updates | None:
    """The updates before the cut; those behind it are reversed."""
    if updates is None:
        return None
    return updates._replace(recommendable=updates.recommendable ^ (updates.row >= cut))


def _profiles(profiles: Profiles | None, cut: int, handed: Column) -> Profiles | None:
    """The profiles handed over before the cut; others are of the first article throughout.

    `handed`, bool[outside], are the articles outside the log that some profile handed over before the cut holds.
    """
    if profiles is None:
        return None
    late = np.repeat(profiles.row >= cut, np.diff(profiles.at))
    names = pa.array([f"overwritten outside {i}" for i in range(len(handed))], pa.large_string())
    outside = profiles.outside
    columns = [_chosen(pa.array(handed), column, names.cast(column.type)) for column in outside.columns]
    return profiles._replace(
        item=np.where(late, np.int32(0), profiles.item),
        outside=pa.RecordBatch.from_arrays(columns, names=outside.schema.names),
    )


def _kinds(count: int, cut: int, rng: np.random.Generator) -> Column:
    """Kinds of rows: mostly reads, some publications, some impressions that are followed by their outcome."""
    kind = rng.choice([PUBLISH, IMPRESSION, READ], count, p=[0.1, 0.1, 0.8]).astype(np.uint8)
    if not cut:
        kind[0] = READ  # a log has a reader
    after = np.flatnonzero(kind[:-1] == IMPRESSION) + 1
    kind[after[np.append(True, np.diff(after) > 1)[: len(after)]]] = OUTCOME
    follows = np.append(kind[1:], np.uint8(READ)) == OUTCOME
    kind[(kind == IMPRESSION) & ~follows] = READ
    return kind


def _pools(log: Log, item: Column, kind: Column, cut: int, rng: np.random.Generator) -> tuple[Pools, Column]:
    """The pools of the impressions before the cut and of new ones after it, and the new rows' impressions."""
    before = int(np.count_nonzero(log.kind[:cut] == IMPRESSION))
    at = log.pools.at[: before + 1]
    clicked = log.pools.clicked[: at[-1]].copy()
    has_outcome = np.zeros(before, bool)
    has_outcome[log.impression[:cut][log.kind[:cut] == OUTCOME]] = True
    clicked ^= np.repeat(~has_outcome, np.diff(at))
    place = np.flatnonzero(kind == IMPRESSION)
    known = 1 + np.maximum.accumulate(item)[cut + place].astype(np.int64)
    lengths = np.minimum(known, rng.integers(1, 6, len(place)))
    start = rng.integers(0, np.maximum(known, 1))
    step = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    pool = (np.repeat(start, lengths) + step) % np.repeat(known, lengths)
    impression = np.full(len(kind), -1, np.int32)
    impression[place] = before + np.arange(len(place))
    impression[place + 1] = impression[place]
    pools = Pools(
        np.concatenate([at, at[-1] + np.cumsum(lengths)]),
        np.concatenate([log.pools.item[: at[-1]], pool]),
        np.concatenate([clicked, rng.random(len(pool)) < 0.3]),
    )
    return pools, impression


def _chosen(keep: pa.Array, old: pa.Array, new: pa.Array) -> pa.Array:
    return pc.if_else(keep, old, new)


def _codes(column: Column, cut: int, limit: int, rng: np.random.Generator, count: int | None = None) -> Column:
    """Random codes to follow `column[:cut]`, new ones counting up by first appearance, all below `limit`."""
    count = len(column) - cut if count is None else count
    highest = int(column[:cut].max(initial=-1))
    new = rng.random(count) < 0.2
    if highest < 0 and count:
        new[0] = True
    seen = np.minimum(highest + np.cumsum(new), limit - 1)
    codes = np.where(new, seen, (rng.random(count) * (seen + 1)).astype(np.int64))
    return np.asarray(codes, np.int32)


def made_up_log(rows: int, seed: int = 0) -> tuple[Log, Articles]:
    """A small busy log for checks: several readers at a time, titles, categories, quiet hours."""
    users, items = max(2, rows // 12), max(2, rows // 10)
    log = make_log(
        time=np.full(rows, 1_600_000_000_000),
        kind=np.full(rows, READ),
        session=np.zeros(rows),
        user=np.zeros(rows),
        item=np.zeros(rows),
        category=np.full(rows, -1),
    )
    articles = Articles(
        id=pa.array([f"article {i}" for i in range(items)], pa.large_string()),
        published=np.zeros(items, np.int64),
        category=np.full(items, -1, np.int32),
        category_row=np.full(items, rows, np.int64),
        texts={"title": (pa.nulls(items, pa.large_string()), np.full(items, rows, np.int64))},
        categories=pa.array([f"section {i}" for i in range(8)], pa.large_string()),
    )
    log = log._replace(user=np.arange(rows, dtype=np.int32) % users, session=np.arange(rows, dtype=np.int32) % users)
    return overwritten(log, articles, 0, seed)
