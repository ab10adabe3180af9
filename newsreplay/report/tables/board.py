"""What shapes a leaderboard, and the rows that stand in it."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypedDict

import numpy as np

from newsreplay.log.rows import Asks, Column
from newsreplay.report.facts import base_name, foresees, is_reference, number
from newsreplay.report.headings import digits_for, heading, no_such_metric
from newsreplay.report.shown import hides, shown, usual_metric
from newsreplay.report.tables.tables import Record
from newsreplay.report.together import check_alike, row_names
from newsreplay.simulator.judgement.comparisons import Differences, Ranks, compare, count_wins, ranks
from newsreplay.simulator.judgement.counting import FEW_HITS
from newsreplay.simulator.judgement.intervals import REPLICATES, percentiles
from newsreplay.simulator.judgement.metrics import Result
from newsreplay.simulator.runs.by_cluster import ByCluster
from newsreplay.simulator.runs.folder import RunFolder
from newsreplay.simulator.runs.records import PublisherRecord

PAPER_SCALE = 100_000
SUCCESS = ("event_success@1", "session_success@1")
IMPRESSIONS = ("auc", "mrr", "ndcg@5", "ndcg@10")


@dataclass(frozen=True)
class LeaderboardOptions:
    """What a leaderboard shows, and how."""

    style: str  #: one of `tables.FORMATS`; json and csv hold every metric with its interval
    metrics: list[str]  #: the columns in their order
    rank_by: str  #: the metric that ranks
    intervals: bool  #: show half the width of the 95 % intervals
    paper_scale: bool  #: E@1 and P@1 times `PAPER_SCALE`, as in Kille & Lommatzsch (2019), in place of per cent
    digits: int | None  #: decimals; None = as many as a column's intervals deserve (`headings.digits_for`)
    named: bool  #: the metrics were asked for, so that none is left out


class LeaderboardSheet(TypedDict, total=False):
    """What a leaderboard is set on, keywords of `leaderboard`."""

    per: Literal["publisher", "metrics"]  #: a table of its own for each publisher, or each `headings.question`
    title: str  #: above it; LaTeX gets a table environment with it as its caption …
    label: str  #: … and with this label


class Compared(NamedTuple):
    """Some rows by one metric of a publisher."""

    values: Column  #: float64[rows], NaN = none
    ranks: Ranks


class Board:
    """The results of some runs as they are shown, rows and publishers side by side.

    `named` are the metrics that were asked for by name (`shown.hides`).
    """

    def __init__(self, runs: Sequence[RunFolder], named: Collection[str] = ()):
        self.runs, self.named = runs, named
        self.asks: Asks = runs[0].asks if runs else "reads"  # of all of them, else they are refused
        self.reward = runs[0].reward if runs else None  # likewise
        self.results: list[Result] = []
        self.failed: set[tuple[str, str]] = set()  # (recommender, publisher)
        self.foreseeing: set[str] = set()
        self.references: set[str] = set()  # foreseeing ones, and what readers were shown
        self.leaking: set[str] = set()
        self.cells: dict[tuple[str, str, str], Result] = {}  # (recommender, publisher, metric)
        self.drawn: dict[tuple[str, str, str], Column] = {}
        self.origin: dict[tuple[str, str], tuple[ByCluster, str]] = {}  # (recommender, publisher) → its name in its run
        self._compared: dict[tuple[str, str, tuple[str, ...]], Compared] = {}
        self.spread: dict[tuple[str, str, str], float] = {}  # standard deviation over seeds, of rows that have any
        self.repeated: dict[tuple[str, str], dict[int, str]] = {}  # (recommender, publisher) → seed → its own row
        names: dict[str, None] = {}
        publishers: dict[str, None] = {}
        check_alike(runs)
        row_of = {key: name.label for key, name in row_names(runs).items()}
        for run in runs:
            for publisher in run.publishers:
                publishers[publisher] = None
                by_cluster = ByCluster(run, publisher)
                for pair in run.pairs(publisher):
                    name = row_of[id(run), base_name(pair), publisher]
                    names[name] = None
                    if pair["status"] == "failed":
                        self.failed.add((name, publisher))
                    if foresees(pair):
                        self.foreseeing.add(name)
                    if is_reference(pair):
                        self.references.add(name)
                    if pair["recommender"] in run.leaks:
                        self.leaking.add(name)
                for base, seeds in run.seeds(publisher).items():
                    self.repeated[row_of[id(run), base, publisher], publisher] = {
                        seed: row_of[id(run), name, publisher] for seed, name in seeds.items()
                    }
                measured = shown(run, publisher, named)
                width = measured.replicates.shape[1]
                for place, result in enumerate(measured.results):
                    name = row_of[id(run), result.recommender, publisher]
                    self.results.append(result._replace(recommender=name))
                    self.cells[name, publisher, result.metric] = result
                    self.origin[name, publisher] = by_cluster, result.recommender
                    self.drawn[name, publisher, result.metric] = measured.replicates[place // width, place % width]
        self.names, self.publishers = list(names), list(publishers)
        self.metrics = list(dict.fromkeys(result.metric for result in self.results))
        self._average()
        #: Differences are paired only if all were resampled alike.
        self.paired = len({run.info["options"]["seed"] for run in runs}) == 1 and all(
            len({(facts["resampled"], facts["impressions_resampled"]) for facts in self._facts(name)}) == 1
            for name in self.publishers
        )

    def _average(self) -> None:
        """Recommenders that were repeated have the mean over their seeds, of values and of each replicate.

        So the interval stays one over readers; what training adds to it is the spread.
        """
        for (name, publisher), seeds in self.repeated.items():
            for metric in self.metrics:
                rows = [row for row in seeds.values() if (row, publisher, metric) in self.cells]
                cells = [self.cells[row, publisher, metric] for row in rows]
                values = [cell.value for cell in cells if cell.value is not None]
                if not values or len(values) < len(cells):
                    continue
                drawn = np.mean([self.drawn[row, publisher, metric] for row in rows], axis=0)
                mean = number(float(np.mean(values)))
                bounds = self._bounds(publisher, metric, drawn, rows)
                self.cells[name, publisher, metric] = Result(publisher, name, metric, mean, *bounds, cells[0].n)
                self.drawn[name, publisher, metric] = drawn
                if len(values) > 1:
                    self.spread[name, publisher, metric] = float(np.std(values, ddof=1))

    def _bounds(self, publisher: str, metric: str, drawn: Column, rows: list[str]) -> tuple[float | None, float | None]:
        """The interval of a mean over seeds: of its replicates, or of its seeds' bounds where these are exact ones."""
        cells = [self.cells[row, publisher, metric] for row in rows]
        bounds = [(cell.low, cell.high) for cell in cells if cell.low is not None and cell.high is not None]
        if len(bounds) < len(cells):
            return None, None
        name, _, cut = metric.partition("@")
        exact = name == "session_success"
        if name == "event_success":
            success = [self.cells[row, publisher, f"session_success@{cut}"] for row in rows]
            exact = any(cell.value is None or round(cell.value * cell.n) < FEW_HITS for cell in success)
        low, high = np.mean(bounds, axis=0) if exact else [bound[0] for bound in percentiles(drawn[None])]
        return number(float(low)), number(float(high))

    def _facts(self, publisher: str) -> list[PublisherRecord]:
        return [facts for run in self.runs for facts in run.info["publishers"] if facts["publisher"] == publisher]

    def compared(self, publisher: str, metric: str, names: Sequence[str]) -> Compared:
        """All pairs of some rows by one metric; without tests where rows were not resampled alike."""
        key = publisher, metric, tuple(names)
        if key not in self._compared:
            if self.paired:
                values, differences = self.differences(publisher, metric, names)
            else:
                values, drawn = self.column(publisher, metric, names)
                differences = compare(values, drawn, [])
            self._compared[key] = Compared(values, ranks(values, differences))
        return self._compared[key]

    def differences(self, publisher: str, metric: str, names: Sequence[str]) -> tuple[Column, Differences]:
        """Values of rows that were resampled alike, float64[rows], and the differences of all their pairs.

        Of a metric that does not judge, clusters in which they differ are not counted.
        """
        values, drawn = self.column(publisher, metric, names)
        if heading(metric).higher_is_better is None:
            return values, compare(values, drawn)
        there = [row for row, value in enumerate(values) if not math.isnan(value)]
        wins = np.zeros((len(names), len(names)), np.int64)
        wins[np.ix_(there, there)] = count_wins([self._sums(names[row], publisher, metric) for row in there])
        return values, compare(values, drawn, wins=wins)

    def _sums(self, name: str, publisher: str, metric: str) -> Column:
        """What a row adds up to in every cluster; of one that was repeated the mean over its seeds."""
        rows = self.repeated.get((name, publisher), {0: name}).values()
        sums = [by_cluster.sums(own, metric) for by_cluster, own in (self.origin[row, publisher] for row in rows)]
        return sums[0] if len(sums) == 1 else np.mean(sums, axis=0)

    def records(self) -> list[Record]:
        """Every result as it is, and after them the means over seeds."""
        means = [
            self.cells[name, publisher, metric]._asdict()
            | {"seeds": list(seeds), "seed_sd": number(self.spread.get((name, publisher, metric), math.nan))}
            for (name, publisher), seeds in self.repeated.items()
            for metric in self.metrics
            if (name, publisher, metric) in self.cells
        ]
        return [*(result._asdict() for result in self.results), *means]

    def usual_metrics(self) -> list[str]:
        """E@1 and P@1, and of the impression metrics those that have a value."""
        valued = {result.metric for result in self.results if result.value is not None}
        return [*SUCCESS, *(metric for metric in IMPRESSIONS if metric in valued)]

    def usual_rank(self) -> str:
        """E@1, or AUC where E@1 is shown nowhere but impressions are scored."""
        return usual_metric(result for result in self.results if not self._is_hidden(result.publisher, result.metric))

    def ranking(self, metric: str, publishers: Sequence[str]) -> Sequence[str]:
        """Those of some publishers by which a metric ranks: with few scored sessions only where there are no others."""
        return [name for name in publishers if not self._is_hidden(name, metric)] or publishers

    def _is_hidden(self, publisher: str, metric: str) -> bool:
        """Whether a metric of a publisher is shown only if it is asked for by name."""
        return any(publisher in run.publishers and hides(run.facts(publisher), metric) for run in self.runs)

    def check(self, metric: str) -> None:
        """Raise `NewsreplayError` for a metric that the runs do not have."""
        if self.metrics and metric not in self.metrics:
            raise no_such_metric(metric, self.metrics)

    def digits(self, publisher: str, metric: str, names: Sequence[str]) -> int:
        """How many decimals the values of some rows have."""
        cells = [self.cells[name, publisher, metric] for name in names if (name, publisher, metric) in self.cells]
        halves = [(cell.high - cell.low) / 2 for cell in cells if cell.low is not None and cell.high is not None]
        return digits_for(halves, metric, self.reward)

    def column(self, publisher: str, metric: str, names: Sequence[str]) -> tuple[Column, Column]:
        """Values (float64[rows]) and replicates (float64[rows, replicates]) of one metric, NaN where there are none."""
        nothing = np.full(REPLICATES, np.nan)
        values, drawn = [], []
        for name in names:
            cell = self.cells.get((name, publisher, metric))
            values.append(math.nan if cell is None or cell.value is None else cell.value)
            drawn.append(self.drawn.get((name, publisher, metric), nothing))
        return np.array(values), np.array(drawn).reshape(len(names), REPLICATES)
