"""Coverage where hits are skewed or few: python benchmarks/skewed_hits.py [--run RUN] [--logs 1000]

How often the 95 % intervals of event- and session-level success hold the truth, how often paired tests of equally good
recommenders find a difference, and how often the ranges of the ranks of ten close recommenders hold all ten true ranks.
docs/intervals.md tells what came out.

A population of sessions is drawn from with replacement, a log of so many sessions at a time, so that its own values are
the truth: the sessions of a run folder, with the hits that its recommenders had in them (real skew), else made-up ones
whose reads and chance of a hit vary as much. The package's own bootstrap, exact intervals, tests and ranges judge each
log. Seeds are fixed: the same command prints the same numbers.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tabulate import tabulate

from newsreplay.log.rows import Column
from newsreplay.simulator.judgement.comparisons import RESOLVABLE, Differences, compare, count_wins, ranks
from newsreplay.simulator.judgement.counting import count_hit_sessions, event_bounds, success_bounds
from newsreplay.simulator.judgement.intervals import percentiles, ratios, resample
from newsreplay.simulator.runs.by_cluster import ByCluster
from newsreplay.simulator.runs.folder import RunFolder

SIZES = (50, 200, 1000)
RATES = (0.0005, 0.002)
TEN = 10
STEPS = 0.01  #: by how much of its hits each of the ten recommenders is worse than the one before


class Population(NamedTuple):
    """Sessions to draw from."""

    name: str
    hits: Column  #: int64[sessions], hits of one recommender
    later: Column  #: int64[sessions], reads that could be hits
    others: Column | None = None  #: int64[sessions], hits of another real recommender


def made_up(sessions: int = 200_000, seed: int = 0) -> Population:
    """Sessions whose length is heavy-tailed (a discrete Pareto cut at 100) and whose chance of a hit is their own."""
    rng = np.random.default_rng(seed)
    later = np.minimum(np.floor(rng.pareto(2.0, sessions) + 1), 100).astype(np.int64)
    return Population("made up", rng.binomial(later, rng.beta(0.3, 2.7, sessions)), later)


def of_run(folder: Path, recommender: str, other: str) -> list[Population]:
    """The scored sessions of each publisher of a run, with the hits at 1 that two of its recommenders had."""
    run = RunFolder(folder)
    populations = []
    for publisher in run.publishers:
        by_cluster = ByCluster(run, publisher)
        hits, others = (by_cluster.sums(name, "event_success@1").astype(np.int64) for name in (recommender, other))
        session = np.unique(run.reads(publisher).session, return_counts=True)[1] - 1
        if hits.sum():
            populations.append(Population(f"{publisher}, {recommender}", hits, session, others))
    return populations


def thinned(population: Population, rate: float, seed: int = 0) -> Population:
    """The same with a hit in only so many of its sessions, whose hits are those of sessions with any."""
    rng = np.random.default_rng(seed)
    size = 400_000
    some = population.hits[population.hits > 0]
    hits = np.zeros(size, np.int64)
    hits[: round(rate * size)] = rng.choice(some, round(rate * size))
    return Population(f"{population.name}, P {rate:.2%}", hits, np.ones(size, np.int64))


class Covered(NamedTuple):
    """Shares of logs whose interval holds the truth, and what the logs were like."""

    event: float
    success: float
    bootstrap: float  #: event-level success, by the bootstrap alone
    hit_sessions: float  #: mean
    effective: float  #: median of (sum of hits)² / sum of hits²
    longest: float  #: median share of hits in the longest 1 % of sessions


def cover(population: Population, sessions: int, logs: int) -> Covered:
    """Intervals of `logs` logs of so many sessions each."""
    rng = np.random.default_rng([sessions, 1])
    event, success = population.hits.mean(), (population.hits > 0).mean()
    held = np.zeros((logs, 3), bool)
    told = np.zeros((logs, 3))
    for log in range(logs):
        drawn = rng.integers(0, len(population.hits), sessions)
        hits, later = population.hits[drawn], population.later[drawn]
        bounds = intervals(hits, log)
        for number, (truth, (low, high)) in enumerate(zip((event, success, event), bounds, strict=True)):
            held[log, number] = low <= truth <= high
        longest = np.argsort(-later, kind="stable")[: -(-sessions // 100)]
        total = max(int(hits.sum()), 1)
        told[log] = np.count_nonzero(hits), total**2 / max(int((hits**2).sum()), 1), hits[longest].sum() / total
    shares = held.mean(axis=0)
    return Covered(*map(float, shares), float(told[:, 0].mean()), *map(float, np.median(told[:, 1:], axis=0)))


def intervals(hits: Column, seed: int) -> list[tuple[float, float]]:
    """The interval of event-level success, that of session-level success, and the former by the bootstrap alone."""
    sessions = len(hits)
    units = np.arange(sessions)
    table = np.column_stack([np.ones(sessions), hits, hits > 0]).astype(np.float64)
    (sums,) = resample([table], units, seed=seed, publisher="A", threads=1)
    low, high = percentiles(ratios(sums[1:], sums[0]))
    counted = count_hit_sessions((hits > 0)[:, None], units)
    success = success_bounds(counted, "session", (low[1:], high[1:]))
    event = event_bounds(counted, np.array([hits.mean()]), success, (low[:1], high[:1]))
    return [(bound[0][0], bound[1][0]) for bound in (event, success)] + [(low[0], high[0])]


# --- pairs and ranks ------------------------------------------------------------------------------------


def tested(rows: Column, seed: int) -> tuple[Column, Differences]:
    """Values and paired tests of rows by their hits (int64[rows, sessions])."""
    sessions = rows.shape[1]
    table = np.column_stack([np.ones(sessions), rows.T]).astype(np.float64)
    (sums,) = resample([table], np.arange(sessions), seed=seed, publisher="A", threads=1)
    values = rows.mean(axis=1)
    return values, compare(values, ratios(sums[1:], sums[0]), wins=count_wins([*rows]))


class Power(NamedTuple):
    """Shares of logs with p <= 0.05."""

    alike: float  #: of two recommenders that are equally good
    resolvable: float  #: of two that are apart by what so many sessions resolve on average


def power(population: Population, sessions: int, logs: int) -> Power:
    """Test pairs: the second of them hits on, read by read, where the first does and where it does not.

    With a real second recommender, both are exchanged in every other session: then they are equally good.
    """
    rng = np.random.default_rng([sessions, 2])
    rate = population.hits.sum() / population.later.sum()
    extra = 0.3 * rate / (1 - rate)
    found = np.zeros((logs, 2), bool)
    spread = _spread(population, extra, rng)
    further = RESOLVABLE * spread / np.sqrt(sessions) / population.hits.mean()  # share of the hits that are lost
    for log in range(logs):
        drawn = rng.integers(0, len(population.hits), sessions)
        hits, later = population.hits[drawn], population.later[drawn]
        second = _second(hits, later, 0.7, extra, rng)
        if population.others is not None:
            swapped = rng.random(sessions) < 0.5
            hits, second = (np.where(swapped, one, other) for one, other in _both_ways(hits, population.others[drawn]))
        found[log, 0] = tested(np.array([hits, second]), log)[1].p[0] <= 0.05
        worse = _second(population.hits[drawn], later, max(0.7 - further, 0.0), extra, rng)
        found[log, 1] = tested(np.array([population.hits[drawn], worse]), log)[1].p[0] <= 0.05
    return Power(*map(float, found.mean(axis=0)))


def _both_ways(a: Column, b: Column) -> list[tuple[Column, Column]]:
    return [(a, b), (b, a)]


def _second(hits: Column, later: Column, keep: float, extra: float, rng: np.random.Generator) -> Column:
    return rng.binomial(hits, keep) + rng.binomial(np.maximum(later - hits, 0), extra)


def _spread(population: Population, extra: float, rng: np.random.Generator) -> float:
    """The standard deviation of a session's difference to a second recommender that is equally good."""
    return float((population.hits - _second(population.hits, population.later, 0.7, extra, rng)).std())


class RanksHeld(NamedTuple):
    """Shares of logs."""

    all_ten: float  #: the ranges hold all ten true ranks
    each: float  #: of a range
    width: float  #: mean ranks that a range holds


def ranks_held(population: Population, sessions: int, logs: int) -> RanksHeld:
    """Ranges of ten recommenders that agree on most hits, each by `STEPS` worse than the one before."""
    rng = np.random.default_rng([sessions, 3])
    rate = population.hits.sum() / population.later.sum()
    held, width = np.zeros((logs, TEN), bool), np.zeros(logs)
    for log in range(logs):
        drawn = rng.integers(0, len(population.hits), sessions)
        hits, later = population.hits[drawn], population.later[drawn]
        extra = 0.3 * rate / (1 - rate)
        rows = [_second(hits, later, 0.7 - STEPS * number, extra, rng) for number in range(TEN)]
        values, differences = tested(np.array(rows), log)
        found = ranks(values, differences)
        true = np.arange(1, TEN + 1)
        held[log] = (found.low <= true) & (true <= found.high)
        width[log] = (found.high - found.low + 1).mean()
    return RanksHeld(float(held.all(axis=1).mean()), float(held.mean()), float(width.mean()))


# --- tables ---------------------------------------------------------------------------------------------


def shown(share: float, logs: int) -> str:
    """A share in per cent with its standard error; that of 0 or all is of one log more or less."""
    inside = min(max(share, 1 / logs), 1 - 1 / logs)
    return f"{100 * share:.1f} ± {100 * np.sqrt(inside * (1 - inside) / logs):.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="draw from the sessions of this run folder, not from made-up ones")
    parser.add_argument("--recommender", default="trend(hours=24)", help="whose hits they have")
    parser.add_argument("--other", default="popular(hours=24)", help="whose hits are compared with them")
    parser.add_argument("--logs", type=int, default=1000, help="per row")
    options = parser.parse_args()
    logs = options.logs
    populations = of_run(options.run, options.recommender, options.other) if options.run else [made_up()]
    rows = []
    for population in [*populations, *(thinned(each, rate) for each in populations for rate in RATES)]:
        for sessions in SIZES:
            of = cover(population, sessions, logs)
            shares = [shown(share, logs) for share in of[:3]]
            rows.append([population.name, sessions, *shares, f"{of[3]:.1f}", f"{of[4]:.1f}", f"{of[5]:.0%}"])
    headers = ["drawn from", "sessions", "E", "P", "E, bootstrap alone", "hit sessions", "effective", "longest 1 %"]
    print(tabulate(rows, headers, tablefmt="github", disable_numparse=True), flush=True)
    rows = []
    for population in populations:
        for sessions in (50, 300, 1000):
            p, held = power(population, sessions, logs), ranks_held(population, sessions, logs)
            rows.append([population.name, sessions, *(shown(share, logs) for share in (*p, held.all_ten))])
            rows[-1].append(f"{held.width:.1f}")
    headers = [
        "drawn from",
        "sessions",
        "p <= 0.05, equal",
        "p <= 0.05, resolvable",
        "all ten ranks",
        "ranks in a range",
    ]
    print("\n" + tabulate(rows, headers, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
