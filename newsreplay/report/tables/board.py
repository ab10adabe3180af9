"""What shapes a leaderboard, and the rows that stand in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from newsreplay.durations import duration_text
from newsreplay.errors import NewsreplayError, RunError, did_you_mean
from newsreplay.log.rows import Column
from newsreplay.report.facts import base_name, display_name, foresees, number, usual_metric
from newsreplay.report.tables.tables import Record
from newsreplay.simulator.judgement.intervals import REPLICATES, percentiles
from newsreplay.simulator.judgement.metrics import Result
from newsreplay.simulator.runs.folder import RunFolder

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


class Board:
    """The results of some runs, rows and publishers side by side."""

    def __init__(self, runs: Sequence[RunFolder]):
        self.runs = runs
        self.results: list[Result] = []
        self.failed: set[tuple[str, str]] = set()  # (recommender, publisher)
        self.foreseeing: set[str] = set()
        self.leaking: set[str] = set()
        self.cells: dict[tuple[str, str, str], Result] = {}  # (recommender, publisher, metric)
        self.drawn: dict[tuple[str, str, str], Column] = {}
        self.spread: dict[tuple[str, str, str], float] = {}  # standard deviation over seeds, of rows that have any
        self.repeated: dict[tuple[str, str], dict[int, str]] = {}  # (recommender, publisher) → seed → its own row
        names: dict[str, None] = {}
        publishers: dict[str, None] = {}
        row_of = _rows_of(runs)
        for run in runs:
            for publisher in run.publishers:
                publishers[publisher] = None
                for pair in run.pairs(publisher):
                    name = row_of[id(run), base_name(pair), publisher]
                    names[name] = None
                    if pair["status"] == "failed":
                        self.failed.add((name, publisher))
                    if foresees(pair):
                        self.foreseeing.add(name)
                    if pair["recommender"] in run.leaks:
                        self.leaking.add(name)
                for base, seeds in run.seeds(publisher).items():
                    self.repeated[row_of[id(run), base, publisher], publisher] = {
                        seed: row_of[id(run), name, publisher] for seed, name in seeds.items()
                    }
                measured = run.measured(publisher)
                width = measured.replicates.shape[1]
                for place, result in enumerate(measured.results):
                    name = row_of[id(run), result.recommender, publisher]
                    self.results.append(result._replace(recommender=name))
                    self.cells[name, publisher, result.metric] = result
                    self.drawn[name, publisher, result.metric] = measured.replicates[place // width, place % width]
        self.names, self.publishers = list(names), list(publishers)
        self.metrics = list(dict.fromkeys(result.metric for result in self.results))
        self._average()
        #: Differences are paired only if all were resampled alike.
        self.paired = len({(run.info["options"]["seed"], run.info["options"]["cluster"]) for run in runs}) == 1

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
                low, high = (number(bound[0]) for bound in percentiles(drawn[None]))
                mean = number(float(np.mean(values)))
                self.cells[name, publisher, metric] = Result(publisher, name, metric, mean, low, high, cells[0].n)
                self.drawn[name, publisher, metric] = drawn
                if len(values) > 1:
                    self.spread[name, publisher, metric] = float(np.std(values, ddof=1))

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
        """E@1, or AUC where no session is scored but impressions are."""
        return usual_metric(self.results)

    def check(self, metric: str) -> None:
        """Raise `NewsreplayError` for a metric that the runs do not have."""
        if self.metrics and metric not in self.metrics:
            hint = did_you_mean(metric, self.metrics) or f"There are {', '.join(self.metrics)}."
            raise NewsreplayError(f"no metric is called {metric!r}. {hint}")

    def column(self, publisher: str, metric: str, names: Sequence[str]) -> tuple[Column, Column]:
        """Values (float64[rows]) and replicates (float64[rows, replicates]) of one metric, NaN where there are none."""
        nothing = np.full(REPLICATES, np.nan)
        values, drawn = [], []
        for name in names:
            cell = self.cells.get((name, publisher, metric))
            values.append(math.nan if cell is None or cell.value is None else cell.value)
            drawn.append(self.drawn.get((name, publisher, metric), nothing))
        return np.array(values), np.array(drawn).reshape(len(names), REPLICATES)


_SCOPE: tuple[Literal["warmup", "window", "max_session_length", "strict_deadline", "deadline"], ...] = (
    *("warmup", "window", "max_session_length"),
    *("strict_deadline", "deadline"),
)


def _rows_of(runs: Sequence[RunFolder]) -> dict[tuple[int, str, str], str]:
    """The row of each pair, and that of all its seeds; equal names of two runs have their folders behind them."""
    digests: dict[str, tuple[str, RunFolder]] = {}
    taken: dict[tuple[str, str], RunFolder] = {}
    names = {}
    for run in runs:
        for option in _SCOPE:
            own, first = (other.info["options"][option] for other in (run, runs[0]))
            if own != first and (option != "deadline" or run.info["options"]["strict_deadline"]):
                is_time = option in ("warmup", "window")
                texts = [duration_text(cast(int, value or 0)) if is_time else str(value) for value in (own, first)]
                raise RunError(
                    f"{run.folder} and {runs[0].folder} do not score the same ({option} is {' and '.join(texts)}); "
                    "one table cannot hold both, show them one at a time"
                )
        for facts in run.info["publishers"]:
            digest, other = digests.setdefault(facts["publisher"], (facts["digest"], run))
            if digest != facts["digest"]:
                raise RunError(
                    f"{facts['publisher']} is another log in {run.folder} than in {other.folder}; "
                    "one table cannot hold both, show them one at a time"
                )
        for pair in run.info["pairs"]:
            for name in dict.fromkeys((pair["recommender"], base_name(pair))):
                key = (name, pair["publisher"])
                folder = "" if taken.setdefault(key, run) is run else f" [{run.folder}]"
                names[id(run), *key] = f"{display_name(run, name)}{folder}"
    return names
