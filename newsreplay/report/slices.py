"""Slices: results by hour, position, age and the like, from the columns of a run folder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from newsreplay.errors import NewsreplayError, did_you_mean
from newsreplay.log.rows import DAY, HOUR, Column
from newsreplay.report.records import NOTHING, Estimate
from newsreplay.report.shown import hides
from newsreplay.simulator.judgement.clusters import Clusters, ClusterSizes, coarser
from newsreplay.simulator.judgement.counting import FEW as FEW_CLUSTERS
from newsreplay.simulator.judgement.counting import count_hit_sessions, event_bounds, success_bounds
from newsreplay.simulator.judgement.intervals import REPLICATES, percentiles, ratios, resample
from newsreplay.simulator.runs.columns import Impressions, Reads, ScoredSessions, Texts, scored_sessions, ungrouped
from newsreplay.simulator.runs.folder import RunFolder

MOST_CATEGORIES = 12  #: with a name of their own; the others are one group
BATCH = 1 << 24  #: numbers that are resampled at a time
FEW = 30  #: sessions of a stretch of time; fewer have no value
_WIDTHS = (HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 7 * DAY, 28 * DAY)


class Slices(NamedTuple):
    """The cells of all recommenders on one publisher, slice by slice."""

    by: str
    label: str
    groups: list[str]
    metrics: list[str]
    cells: dict[str, dict[str, list[Estimate]]]  #: metric → recommender → a cell per group


class Slicing(NamedTuple):
    """The slice that each read, session or impression is in."""

    groups: list[str]
    code: Column  #: int64, -1 = in none


class _Units(NamedTuple):
    """The clusters of the rows of one slice."""

    resampled: Column  #: int64[groups], the clusters or hashed groups of them that are resampled
    group: Column  #: int64[rows], which of them
    cluster: Column  #: int64[rows], numbers of the clusters before any grouping


class Dimension(NamedTuple):
    """A dimension: what it slices, and how."""

    label: str
    reads: Callable[[Reads], Slicing] | None = None  #: by a property of the read
    sessions: Callable[[ScoredSessions], Slicing] | None = None  #: of the session
    impressions: Callable[[Impressions], Slicing] | None = None


def sliced(columns: PublisherColumns, by: str, named: Collection[str] = ()) -> Slices:
    """One publisher's results by one of its dimensions (`PublisherColumns.dimensions`).

    By what a read is (position, age, category): `read_success@c`, the share of reads that were hits, those aside for
    which no slate counts (`Reads.asked`). By what a session or an impression is: event- and session-level success, AUC,
    MRR and nDCG@10. Of a publisher with few scored sessions only the `named` ones of slates have values
    (`shown.hides`). Raises `NewsreplayError` for another dimension.
    """
    dimensions = columns.dimensions()
    if by not in dimensions:
        raise NewsreplayError(
            f"no slices by {by!r}. {did_you_mean(by, dimensions) or 'There are ' + ', '.join(dimensions)}"
        )
    chosen = dimensions[by]
    tables = []
    if chosen.reads is not None:
        tables.append(columns.by_read(chosen.reads(columns.reads)))
    if chosen.sessions is not None:
        tables.append(columns.by_session(chosen.sessions(columns.sessions)))
    if chosen.impressions is not None and columns.impressions is not None:
        tables.append(columns.by_impression(chosen.impressions(columns.impressions)))
    groups = list(dict.fromkeys(group for table in tables for group in table.groups))
    if by in ("hour", "day"):
        groups.sort()
    metrics = {metric: table for table in tables for metric in table.cells}
    facts = columns.run.facts(columns.publisher)
    hidden = {metric for metric in metrics if hides(facts, metric, named)}
    return Slices(
        by,
        chosen.label,
        groups,
        list(metrics),
        {
            metric: {
                name: [_shown(by_group.get(group), metric in hidden) for group in groups]
                for name, cells in table.cells[metric].items()
                for by_group in [dict(zip(table.groups, cells, strict=True))]
            }
            for metric, table in metrics.items()
        },
    )


def _shown(estimate: Estimate | None, is_hidden: bool) -> Estimate:
    return NOTHING if estimate is None else (None, None, None, estimate[3]) if is_hidden else estimate


def over_time(columns: PublisherColumns, few: int = FEW) -> tuple[Column, int, dict[str, list[Estimate]]]:
    """E@1 of the sessions that begin in each stretch of time: starts (ms), their width, and cells by recommender.

    Stretches with fewer than `few` sessions have no value; such stretches at both ends are left out.
    """
    time = columns.sessions.time
    if not len(time):
        return time, HOUR, {}
    length = int(time.max() - time.min())
    width = next((width for width in _WIDTHS if length <= 120 * width), _WIDTHS[-1])
    stretch = time // width
    stretch -= stretch.min()
    enough = np.flatnonzero(np.bincount(stretch) >= few)
    if not enough.size:
        return time[:0], width, {}
    starts = (int(time.min()) // width + np.arange(enough[0], enough[-1] + 1)) * width
    code = np.where(np.isin(stretch, enough), stretch - enough[0], -1)
    table = columns.by_session(Slicing([str(start) for start in starts.tolist()], code))
    return starts, width, table.cells["event_success@1"]


class _Table(NamedTuple):
    groups: list[str]
    cells: dict[str, dict[str, list[Estimate]]]


class PublisherColumns:
    """The columns that a run folder holds of one publisher, read once.

    `batch` is how many numbers are resampled at a time, at most; results do not depend on it. `sizes`
    states from how many clusters on groups of them are resampled.
    """

    def __init__(self, run: RunFolder, publisher: str, *, batch: int = BATCH, sizes: ClusterSizes = ClusterSizes()):
        self.run, self.publisher, self.batch, self.sizes = run, publisher, batch, sizes
        self.reads = run.reads(publisher)
        self.impressions = run.impressions(publisher)
        self.names = [pair["recommender"] for pair in run.pairs(publisher) if pair["status"] == "done"]
        self._places: dict[str, Column] = {}
        facts = run.facts(publisher)
        self.kind, self.impressions_kind = facts["resampled"], facts["impressions_resampled"]
        self.ungrouped = ungrouped(self.reads, self.kind)
        self.sessions = scored_sessions(run.requests(publisher), self.reads, self.kind)
        self.seed = int(run.info["options"]["seed"])
        k = int(run.info["options"]["k"])
        self.cuts = sorted({1, k})

    def dimensions(self) -> dict[str, Dimension]:
        """What its results can be sliced by: `DIMENSIONS`, and the further columns that were kept."""
        return {name: _kept(name) for name in self.sessions.extra} | DIMENSIONS

    def places(self, name: str) -> Column:
        """Where slates of its session at earlier times had each read: int16[reads]."""
        if name not in self._places:
            self._places[name] = self.run.places(self.publisher, name)
        return self._places[name]

    def hits(self, name: str, cut: int) -> Column:
        """Which reads were hits at a cut-off: bool[reads]."""
        place = self.places(name)
        return (place > 0) & (place <= cut)

    def by_read(self, slicing: Slicing) -> _Table:
        """Reads for which some slate counts, by what they are."""
        code = np.where(self.reads.asked, slicing.code, -1)
        metrics = [f"read_success@{cut}" for cut in self.cuts]
        columns = ([self.hits(name, cut) for cut in self.cuts] for name in self.names)
        return self._table(Slicing(slicing.groups, code), self.reads.cluster, self.ungrouped, metrics, columns)

    def by_session(self, slicing: Slicing) -> _Table:
        """Scored sessions, by what they are."""
        of = self.sessions
        metrics = [f"{what}@{cut}" for cut in self.cuts for what in ("event_success", "session_success")]

        def columns() -> Iterator[list[Column]]:
            for name in self.names:
                columns = []
                for cut in self.cuts:
                    hits = np.flatnonzero(self.hits(name, cut))
                    session = np.searchsorted(of.begin, hits, side="right") - 1
                    columns += [
                        np.bincount(session, self.reads.reward[hits], len(of.length)),
                        np.bincount(session, minlength=len(of.length)) > 0,
                    ]
                yield columns

        return self._table(slicing, of.cluster, of.ungrouped, metrics, columns())

    def by_impression(self, slicing: Slicing) -> _Table:
        """Scored impressions, by what they are."""
        impressions = self.impressions
        assert impressions is not None
        metrics = {"auc": 0, "mrr": 1, "ndcg@10": 4}
        nothing = np.full(len(impressions.row), np.nan)

        def columns() -> Iterator[list[Column]]:
            for name in self.names:
                ranked = self.run.rankings(self.publisher, name)
                yield [nothing if ranked is None else ranked.values[:, column] for column in metrics.values()]

        alone = ungrouped(impressions, self.impressions_kind)
        return self._table(slicing, impressions.cluster, alone, list(metrics), columns())

    def _table(
        self, slicing: Slicing, cluster: Column, alone: Column, metrics: list[str], columns: Iterator[list[Column]]
    ) -> _Table:
        """Means of columns by slice, with intervals over clusters; `alone` are these before any grouping."""
        order = np.argsort(slicing.code, kind="stable")
        edges = np.searchsorted(slicing.code[order], np.arange(len(slicing.groups) + 1))
        places = [order[edges[g] : edges[g + 1]] for g in range(len(slicing.groups))]
        units = [self._units(cluster[place], alone[place]) for place in places]
        cells: dict[str, dict[str, list[Estimate]]] = {metric: {} for metric in metrics}
        largest = max(len(cluster), REPLICATES * max((len(unit.resampled) for unit in units), default=1) // 64)
        several = max(1, self.batch // (largest * len(metrics) + 1))
        names = iter(self.names)
        batch: list[list[Column]] = []
        waiting: list[str] = []
        for answers in columns:
            batch.append(answers)
            waiting.append(next(names))
            if len(batch) == several:
                self._fill(cells, places, units, metrics, waiting, batch)
                batch, waiting = [], []
        if batch:
            self._fill(cells, places, units, metrics, waiting, batch)
        return _Table(slicing.groups, cells)

    def _units(self, cluster: Column, alone: Column) -> _Units:
        """The clusters of some rows; many are resampled in groups."""
        unit, group = np.unique(cluster, return_inverse=True)
        clusters = coarser(Clusters(group, unit, group), self.publisher, self.seed, self.sizes)
        return _Units(clusters.unit.astype(np.int64), clusters.group, np.unique(alone, return_inverse=True)[1])

    def _fill(
        self,
        cells: dict[str, dict[str, list[Estimate]]],
        places: list[Column],
        units: list[_Units],
        metrics: list[str],
        names: list[str],
        batch: list[list[Column]],
    ) -> None:
        for metric in metrics:
            for name in names:
                cells[metric][name] = []
        for place, unit in zip(places, units, strict=True):
            n = len(place)
            if not n:
                for metric in metrics:
                    for name in names:
                        cells[metric][name].append(NOTHING)
                continue
            table = np.empty((n, len(names) * len(metrics)))
            for number, column in enumerate(column for answers in batch for column in answers):
                table[:, number] = column[place]
            value = table.sum(axis=0) / n
            low, high = self._bounds(table, value, unit, metrics)
            for number in range(table.shape[1]):
                name, metric = names[number // len(metrics)], metrics[number % len(metrics)]
                cells[metric][name].append(_estimate(value[number], low[number], high[number], n))

    def _bounds(self, table: Column, value: Column, unit: _Units, metrics: list[str]) -> tuple[Column, Column]:
        """The 95 % intervals of the means of a slice's columns (float64[rows, columns], some rows)."""
        sums = np.empty((len(unit.resampled), 1 + table.shape[1]))
        sums[:, 0] = np.bincount(unit.group, minlength=len(sums))
        for number, column in enumerate(table.T, 1):
            sums[:, number] = np.bincount(unit.group, column, len(sums))
        drawn = resample([sums], unit.resampled, seed=self.seed, publisher=self.publisher)[0]
        low, high = percentiles(ratios(drawn[1:], drawn[0]))
        if metrics[0] == "event_success@1":  # and session-level success in turn
            counted = count_hit_sessions(table[:, 1::2] > 0, unit.cluster)
            success = success_bounds(counted, self.kind, (low[1::2], high[1::2]))
            drawn_of_event = low[::2], high[::2]
            event = event_bounds(counted, value[::2], success, drawn_of_event, rewarded=self.run.reward is not None)
            return np.stack([event[0], success[0]], axis=1).ravel(), np.stack([event[1], success[1]], axis=1).ravel()
        few = [np.count_nonzero(np.bincount(unit.cluster, column)) < FEW_CLUSTERS for column in table.T]
        low[few], high[few] = np.nan, np.nan
        return low, high


def _estimate(value: float, low: float, high: float, n: int) -> Estimate:
    if np.isnan(value):
        return NOTHING
    bounds = [None if np.isnan(bound) else float(f"{bound:.12g}") for bound in (low, high)]
    return (float(f"{value:.12g}"), bounds[0], bounds[1], n)


# --- the dimensions -------------------------------------------------------------------------------------


def _binned(values: Column, edges: list[int], names: list[str]) -> Slicing:
    """Values by the bin they fall into: below the first edge, from there up to the second, …"""
    return Slicing(names, np.searchsorted(edges, values, side="right").astype(np.int64))


def _by_reads(values: Column) -> Slicing:
    """Numbers of reads; none and one have groups of their own only where they occur, which is where impressions ask."""
    least = min(2, int(values.min(initial=2)))
    names = ["none", "1", "2", "3", "4 to 5", "6 to 10", "11 and more"]
    return _binned(values, [1, 2, 3, 4, 6, 11][least:], names[least:])


_AGES = ["under 1 h", "1 to 6 h", "6 to 24 h", "1 to 7 days", "7 days and more"]


def _hours(time: Column) -> Slicing:
    return Slicing([f"{hour:02}" for hour in range(24)], time // HOUR % 24)


def _days(time: Column) -> Slicing:
    days, code = np.unique(time // DAY, return_inverse=True)
    names = [datetime.fromtimestamp(day * DAY / 1000, UTC).strftime("%Y-%m-%d") for day in days.tolist()]
    return Slicing(names, code.astype(np.int64))


def _categories(reads: Reads) -> Slicing:
    """The categories read most by name, the others together."""
    return _largest(Texts(reads.category, reads.categories), reads.asked, "other categories", "no category")


def _kept(name: str) -> Dimension:
    """Slices by a further column that was kept."""

    def slicing(texts: Texts) -> Slicing:
        return _largest(texts, np.ones(len(texts.code), bool), "other values", "no value")

    return Dimension(
        f"{name} (of a session's first request, or of the impression)",
        sessions=lambda sessions: slicing(sessions.extra[name]),
        impressions=lambda impressions: slicing(impressions.extra[name]),
    )


def _largest(texts: Texts, counted: Column, others: str, none: str) -> Slicing:
    """The texts that most of the `counted` (bool[n]) have by name, the others together."""
    counts = np.bincount(texts.code[counted & (texts.code >= 0)], minlength=len(texts.values))
    largest = np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]
    largest = largest[counts[largest] > 0]
    code = np.full(len(texts.values) + 1, len(largest), np.int64)  # the last one is for none: -1 wraps around
    code[largest] = np.arange(len(largest))
    code[-1] = len(largest) + 1
    names = [texts.values[text] for text in largest.tolist()]
    slicing = Slicing([*names, _free(others, names), _free(none, names)], code[texts.code])
    used = np.unique(slicing.code[counted])
    place = np.full(len(slicing.groups), -1)
    place[used] = np.arange(len(used))
    return Slicing([slicing.groups[group] for group in used.tolist()], place[slicing.code])


def _free(name: str, taken: list[str]) -> str:
    """A name that no category has: slices are distinguished by their names."""
    return _free(f"({name})", taken) if name in taken else name


def _readers(returning: Column) -> Slicing:
    return Slicing(["new", "returning"], returning.astype(np.int64))


DIMENSIONS = {
    "hour": Dimension(
        "hour of day (UTC) at which a session begins",
        sessions=lambda sessions: _hours(sessions.time),
        impressions=lambda impressions: _hours(impressions.time),
    ),
    "day": Dimension(
        "day (UTC) on which a session begins",
        sessions=lambda sessions: _days(sessions.time),
        impressions=lambda impressions: _days(impressions.time),
    ),
    "position": Dimension(
        "position of the read in its session",
        reads=lambda reads: _by_reads(np.where(reads.asked, reads.position, 2)),
    ),
    "age": Dimension(
        "age of the article when it is read",
        reads=lambda reads: _binned(reads.age, [HOUR, 6 * HOUR, DAY, 7 * DAY], _AGES),
    ),
    "reader": Dimension(
        "whether the reader has read something before this session",
        sessions=lambda sessions: _readers(sessions.returning),
        impressions=lambda impressions: _readers(impressions.returning),
    ),
    "length": Dimension(
        "reads of the session",
        sessions=lambda sessions: _by_reads(sessions.length),
    ),
    "category": Dimension("category of the article read", reads=_categories),
}
