"""How often the 95 % intervals cover the truth: python benchmarks/interval_coverage.py [--logs 500] [--figure FILE]

Made-up logs whose true values are known in closed form go through the package's own judge, metrics and bootstrap;
counted is how often the interval holds the truth. docs/intervals.md tells what came out.

A session draws its own chance q of a hit (a beta distribution), so its reads agree with one another. It reads
1 + m different articles, m geometric and cut at 40; after each but the last the slate has the next article on top
with chance q, else with a chance of 0.3 somewhere on the places 2 to 10, all other places being articles
that the session never reads. Sessions are of two kinds that differ in length and q. In blocks (a reader's sessions,
or a day's) the block draws its own mean of q around which its sessions vary.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from tabulate import tabulate

from newsreplay.log.catalog import bare_articles
from newsreplay.log.publisher import Publisher, Requests, Sessions
from newsreplay.log.rows import DAY, PUBLISH, READ, Column, Log, make_log
from newsreplay.simulator.judgement import intervals
from newsreplay.simulator.judgement.comparisons import RESOLVABLE, compare, count_wins
from newsreplay.simulator.judgement.metrics import Measured, measure
from newsreplay.simulator.judgement.scope import Scope
from newsreplay.simulator.judgement.scoring import Answers, score, select_scored

METRICS = ("event_success@1", "session_success@1", "session_hit_rate@1", "session_mrr@10")
K = 10
LONGEST = 40  #: reads after the first, at most
BELOW = 0.3  #: chance of places 2 to 10 where the top is no hit
BELOW_RANK = float(np.mean(1 / np.arange(2, K + 1)))  #: mean reciprocal rank there
ARTICLES = 401  #: a prime: a session walks them by a step of its own and meets none twice
Z = 1.959963984540054


class Kind(NamedTuple):
    """One kind of sessions."""

    share: float
    a: float  # q, or its block's mean, is Beta(a, b)
    b: float
    reads: float  # mean reads after the first, before the cut


class World(NamedTuple):
    """What logs are drawn from."""

    name: str
    kinds: tuple[Kind, ...]
    visits: float = 1.0  # mean sessions of a block, geometric
    each: int = 0  # if not 0, each block has exactly so many
    agreement: float | None = None  # a session's q is Beta(agreement * its block's, agreement * (1 - its block's))


class Pair(NamedTuple):
    """A second recommender that hits on top with chance `keep` where the first does, `extra` where it does not."""

    keep: float
    extra: float


CLUSTERED = World("clustered", (Kind(0.7, 0.3, 2.7, 2.0), Kind(0.3, 0.75, 2.25, 6.0)))
RARE = World("rare hits", (Kind(0.7, 0.05, 4.95, 2.0), Kind(0.3, 0.125, 4.875, 6.0)))
READERS = World("readers", (Kind(1.0, 0.8, 3.2, 3.0),), visits=5.0, agreement=4.0)
DAYS = World("days", (Kind(1.0, 20.0, 80.0, 3.0),), each=100, agreement=3.0)

SESSIONS = (50, 200, 1000, 5000)
READERS_OF = (10, 40, 200, 1000)
DAYS_OF = (7, 14, 30, 60)


# --- the truth -----------------------------------------------------------------------------------------


def lengths(kind: Kind) -> Column:
    """The chances of 1 … LONGEST reads after the first."""
    p = 1 / kind.reads
    chances = p * (1 - p) ** np.arange(LONGEST)
    chances[-1] += 1 - chances.sum()
    return chances


def no_hit(kind: Kind, agreement: float | None) -> Column:
    """E[(1 - q)^m] for m = 1 … LONGEST: the moments of a beta distribution, or of one whose mean is beta."""
    moments = np.cumprod([1.0, *((kind.b + i) / (kind.a + kind.b + i) for i in range(LONGEST))])
    if agreement is None:
        return moments[1:]
    result, polynomial = [], np.array([1.0])  # in the block's 1 - q, lowest power first
    for i in range(LONGEST):
        longer = np.append(i * polynomial, 0.0)
        longer[1:] += agreement * polynomial
        polynomial = longer / (agreement + i)
        result.append(polynomial @ moments[: len(polynomial)])
    return np.array(result)


def truth(world: World) -> dict[str, float]:
    """The true values of METRICS."""
    hits = reads = reached = 0.0
    for kind in world.kinds:
        mean = float(lengths(kind) @ np.arange(1, LONGEST + 1))
        hits += kind.share * mean * kind.a / (kind.a + kind.b)
        reads += kind.share * mean
        reached += kind.share * float(lengths(kind) @ (1 - no_hit(kind, world.agreement)))
    rate = hits / reads
    return dict(zip(METRICS, (hits, reached, rate, rate + (1 - rate) * BELOW * BELOW_RANK), strict=True))


def difference(world: World, pair: Pair) -> tuple[float, float]:
    """The true difference in event_success@1, and the standard deviation of a session's difference in hits."""
    first = second = 0.0
    for kind in world.kinds:
        chances, m = lengths(kind), np.arange(1, LONGEST + 1)
        q, size = kind.a / (kind.a + kind.b), kind.a + kind.b
        square = q * (kind.a + 1) / (size + 1)  # E[q²]
        slope, at_zero = 1 - pair.keep + pair.extra, -pair.extra  # a read's mean difference is at_zero + slope * q
        of_read = at_zero + slope * q
        of_square = at_zero**2 + 2 * at_zero * slope * q + slope**2 * square
        changes = q * (1 - pair.keep) + (1 - q) * pair.extra
        first += kind.share * float(chances @ m) * of_read
        second += kind.share * (float(chances @ m) * (changes - of_square) + float(chances @ m**2) * of_square)
    return first, float(np.sqrt(second - first**2))


def no_better(world: World, keep: float) -> Pair:
    """A second recommender that is neither better nor worse."""
    rate = truth(world)["session_hit_rate@1"]
    return Pair(keep, (1 - keep) * rate / (1 - rate))


def as_far_as_resolvable(world: World, sessions: int, extra: float) -> Pair:
    """A second recommender that is worse by what so many sessions resolve."""
    low, high = 0.0, 1.0
    for _ in range(60):
        keep = (low + high) / 2
        mean, deviation = difference(world, Pair(keep, extra))
        low, high = (keep, high) if mean > RESOLVABLE * deviation / np.sqrt(sessions) else (low, keep)
    return Pair(keep, extra)


# --- a log ---------------------------------------------------------------------------------------------


class Made(NamedTuple):
    """A log and the answers of two recommenders (of one, where no pair is asked for)."""

    publisher: Publisher
    slates: list[Column]  # int32[reads, K]
    block: Column  # int64[sessions]
    hit: Column  # bool[requests but the last of each session], session by session: the next article is on top
    reciprocal: Column  # float64, of the same requests: 1 / place of the next article


def draw_sessions(world: World, blocks: int, rng: np.random.Generator) -> tuple[Column, Column, Column]:
    """Per session in the order of time: block, reads after the first, chance of a hit."""
    size = np.full(blocks, world.each) if world.each else rng.geometric(1 / world.visits, blocks)
    kind = rng.choice(len(world.kinds), blocks, p=[kind.share for kind in world.kinds])
    a, b, reads = (np.array([getattr(kind, name) for kind in world.kinds])[kind] for name in ("a", "b", "reads"))
    block = np.repeat(np.arange(blocks), size)
    if not world.each:
        block = rng.permutation(block)
    q = rng.beta(a, b)[block]
    if world.agreement is not None:
        q = np.clip(q, 1e-9, 1 - 1e-9)
        q = rng.beta(world.agreement * q, world.agreement * (1 - q))
    return block, np.minimum(rng.geometric(1 / reads[block]), LONGEST), q


def make(world: World, blocks: int, rng: np.random.Generator, pair: Pair | None = None) -> Made:
    """Draw a log of so many blocks."""
    block, more, q = draw_sessions(world, blocks, rng)
    sessions = len(block)
    session = np.repeat(np.arange(sessions), more + 1)
    place = np.arange(session.size) - np.repeat(np.cumsum(more + 1) - more - 1, more + 1)
    asks = place < more[session]  # the session reads on
    hit = asks & (rng.random(session.size) < q[session])
    at = np.where(hit, 1, np.where(rng.random(session.size) < BELOW, rng.integers(2, K + 1, session.size), 0))
    first, step = rng.integers(0, ARTICLES, sessions)[session], rng.integers(1, ARTICLES, sessions)[session]

    def slates(at: Column) -> Column:
        """Articles the session never comes to, but for the next one at place `at` (from 1; 0 = nowhere)."""
        number = more[session][:, None] + np.arange(1, K + 1)
        given = np.flatnonzero(asks & (at > 0))
        number[given, at[given] - 1] = place[given] + 1
        return ((first[:, None] + number * step[:, None]) % ARTICLES).astype(np.int32)

    answers = [slates(at)]
    if pair is not None:
        answers.append(slates(np.where(rng.random(at.size) < np.where(hit, pair.keep, pair.extra), 1, 0)))
    days = block if world.each else np.zeros(sessions, np.int64)
    start = np.sort(days * DAY + rng.integers(1, DAY - 2_000_000, sessions))
    time = start[session] + 30_000 * place
    order = np.argsort(time, kind="stable")
    item = (first + place * step) % ARTICLES
    publisher = _publisher(time[order], session[order], block, item[order])
    return Made(
        publisher, [each[order] for each in answers], block, hit[asks], (1 / np.maximum(at, 1) * (at > 0))[asks]
    )


def _publisher(time: Column, session: Column, block: Column, item: Column) -> Publisher:
    """The log: all articles published before the first read, sessions by the time of their first read."""
    reads, sessions = len(time), len(block)
    user = np.unique(block[np.unique(session)], return_inverse=True)[1][session]
    nobody = np.full(ARTICLES, -1)
    log: Log = make_log(
        time=np.concatenate([np.zeros(ARTICLES), time]),
        kind=np.repeat([PUBLISH, READ], [ARTICLES, reads]),
        session=np.concatenate([nobody, session]),
        user=np.concatenate([nobody, user]),
        item=np.concatenate([np.arange(ARTICLES), item]),
        category=np.full(ARTICLES + reads, -1),
    )
    by_session = np.argsort(session, kind="stable").astype(np.int32)
    same = session[by_session[1:]] == session[by_session[:-1]]
    previous = np.full(reads, -1, np.int32)
    previous[by_session[1:][same]] = by_session[:-1][same]
    first, last = by_session[np.append(True, ~same)], by_session[np.append(~same, True)]
    return Publisher(
        "A",
        log,
        bare_articles(log),
        pa.array([str(code) for code in range(int(user.max()) + 1)]),
        Requests(np.arange(ARTICLES, ARTICLES + reads, dtype=np.int32), previous),
        Sessions(pa.array([str(code) for code in range(sessions)]), last, np.bincount(session), time[first]),
    )


# --- the package's intervals ------------------------------------------------------------------------------


def measured(made: Made, seed: int, cluster: str = "session") -> dict[str, tuple[float | None, ...]]:
    """Value, low and high of METRICS of the first recommender."""
    results, _ = _measure(made, made.slates[:1], seed, cluster)[0]
    found = {result.metric: (result.value, result.low, result.high) for result in results}
    return {metric: found[metric] for metric in METRICS}


class Replicated(NamedTuple):
    """event_success@1 of all recommenders of a log."""

    values: Column
    replicates: Column
    wins: Column


def replicated(made: Made, seed: int) -> Replicated:
    """Values and replicates of all recommenders, paired, and in how many sessions one has more hits than another."""
    (results, replicates), hits = _measure(made, made.slates, seed, "session")
    values = [result.value for result in results if result.metric == "event_success@1"]
    names = [result.metric for result in results]
    return Replicated(np.array(values), replicates[:, names.index("event_success@1")], count_wins(hits))


def _measure(made: Made, slates: list[Column], seed: int, cluster: str) -> tuple[Measured, list[Column]]:
    """Everything measured, and the hits at 1 of each recommender by cluster."""
    of = select_scored(made.publisher, Scope(cluster=cluster), seed)
    tallies = {str(number): score(made.publisher, of, Answers(each, None)).sums for number, each in enumerate(slates)}
    return measure("A", K, of, tallies, seed), [sums.reads[:, 0, 0] for sums in tallies.values()]


# --- the experiment ------------------------------------------------------------------------------------


def naive(made: Made) -> dict[str, tuple[float, float, float]]:
    """Intervals as if every read were on its own: normal, as in "hits of so many recommendations"."""
    reads, sessions = made.hit.size, len(made.block)
    hits = int(made.hit.sum())
    error = np.sqrt(hits * (1 - hits / reads))  # of the number of hits
    session = np.repeat(np.arange(sessions), np.bincount(made.publisher.log.session[ARTICLES:]) - 1)
    reached = np.unique(session[made.hit]).size / sessions
    cells = (
        (hits / sessions, error / sessions),
        (reached, np.sqrt(reached * (1 - reached) / sessions)),
        (hits / reads, error / reads),
        (made.reciprocal.mean(), made.reciprocal.std() / np.sqrt(reads)),
    )
    return {metric: (v, v - Z * e, v + Z * e) for metric, (v, e) in zip(METRICS, cells, strict=True)}


def intervals_of_log(world: World, blocks: int, number: int) -> dict[str, dict[str, tuple[float, float, float]]]:
    """The intervals of log `number` by method."""
    made = make(world, blocks, np.random.default_rng([blocks, number]))
    found = {"per read": naive(made), "by session": measured(made, number)}
    if world.agreement is not None:
        found["by block"] = measured(made, number, "day" if world.each else "user")
    return found


class Coverage(NamedTuple):
    """Of the logs that have an interval; without enough hits there is none."""

    share: float  #: intervals that hold the truth
    width: float  #: mean
    logs: int


def covered(world: World, found: Iterable[dict[str, Any]]) -> dict[tuple[str, str], Coverage]:
    """Coverage by method and metric."""
    true = truth(world)
    logs = list(found)
    cells = {}
    for method in logs[0]:
        for metric in METRICS:
            low, high = np.array([log[method][metric][1:] for log in logs], np.float64).T
            told = ~np.isnan(low)
            inside = (low[told] <= true[metric]) & (true[metric] <= high[told])
            n = int(told.sum())
            share, width = (inside.mean(), (high - low)[told].mean()) if n else (np.nan, np.nan)
            cells[method, metric] = Coverage(float(share), float(width), n)
    return cells


class Compared(NamedTuple):
    """One log's paired difference of two recommenders."""

    low: float
    high: float
    apart: tuple[float, float]  # the interval with weights of their own for each
    p: float
    resolvable: float


def compared(world: World, sessions: int, pair: Pair, number: int) -> Compared:
    """Compare the two recommenders of log `number`."""
    made = make(world, sessions, np.random.default_rng([sessions, number]), pair)
    values, replicates, wins = replicated(made, number)
    found = compare(values, replicates, wins=wins)
    others = replicated(made, number + 1_000_000).replicates
    low, high = np.percentile(replicates[0] - others[1], intervals.LEVELS)
    return Compared(found.low[0], found.high[0], (float(low), float(high)), found.p[0], found.resolvable[0])


def shown(share: float, logs: int) -> str:
    """A share in per cent with its standard error; that of 0 or all is of one log more or less."""
    if not logs:
        return "none has one"
    inside = min(max(share, 1 / logs), 1 - 1 / logs)
    return f"{100 * share:.1f} ± {100 * np.sqrt(inside * (1 - inside) / logs):.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", type=int, default=500, help="per cell")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--figure", type=Path, help="also draw the shares of event_success@1 here")
    options = parser.parse_args()
    numbers = range(options.logs)
    drawn: list[tuple[World, tuple[int, ...], list[dict[Any, Coverage]]]] = []
    with ProcessPoolExecutor(options.processes) as pool:
        for world, sizes in ((CLUSTERED, SESSIONS), (RARE, SESSIONS), (READERS, READERS_OF), (DAYS, DAYS_OF)):
            cells = [
                covered(world, pool.map(partial(intervals_of_log, world, blocks), numbers, chunksize=10))
                for blocks in sizes
            ]
            drawn.append((world, sizes, cells))
            print(_table_of_coverage(world, sizes, cells, options.logs), flush=True)
        print(_table_of_pairs(pool, numbers))
    if options.figure:
        draw(options.figure, drawn, options.logs)


def _table_of_coverage(world: World, sizes: Sequence[int], cells: Sequence[Any], logs: int) -> str:
    methods = list(dict.fromkeys(method for method, _ in cells[0]))
    what = "sessions" if world.agreement is None else world.name
    true = truth(world)
    rows = []
    for size, cell in zip(sizes, cells, strict=True):
        for metric in METRICS:
            row = [size, metric, f"{true[metric]:.4f}", *(_of(cell[method, metric], logs) for method in methods)]
            row.append(f"{cell['by session', metric].width / cell['per read', metric].width:.2f}")
            rows.append(row)
    headers = [what, "metric", "truth", *methods, "width by session / per read"]
    return f"\n{world.name}\n\n" + tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def _of(cell: Coverage, logs: int) -> str:
    return shown(cell.share, cell.logs) + ("" if cell.logs in (0, logs) else f" (of {cell.logs})")


def _table_of_pairs(pool: ProcessPoolExecutor, numbers: range) -> str:
    rows = []
    for sessions in SESSIONS:
        pairs = {"none": no_better(CLUSTERED, 0.7)}
        if sessions > 50:  # with 50, not even a second recommender without a single hit is far enough away
            pairs["resolvable"] = as_far_as_resolvable(CLUSTERED, sessions, 0.02)
        for name, pair in pairs.items():
            true, deviation = difference(CLUSTERED, pair)
            found = list(pool.map(partial(compared, CLUSTERED, sessions, pair), numbers, chunksize=10))
            paired = np.array([[log.low, log.high] for log in found])
            apart = np.array([log.apart for log in found])
            p = np.array([log.p for log in found])
            told = np.mean([log.resolvable for log in found]) / (RESOLVABLE * deviation / np.sqrt(sessions))
            holds = [float(((each[:, 0] <= true) & (true <= each[:, 1])).mean()) for each in (paired, apart)]
            row = [sessions, name, f"{max(true, 0):.4f}", *(shown(share, len(numbers)) for share in holds)]
            row.append(f"{np.ptp(apart, axis=1).mean() / np.ptp(paired, axis=1).mean():.2f}")
            row += [shown(float((p <= 0.05).mean()), len(numbers)), f"{told:.2f}"]
            rows.append(row)
    headers = ["sessions", "difference", "truth", "paired", "unpaired", "unpaired / paired width"]
    headers += ["p <= 0.05", "resolvable told / true"]
    return "\ndifferences\n\n" + tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def draw(path: Path, drawn: Sequence[tuple[World, Sequence[int], Sequence[Any]]], logs: int) -> None:
    """The coverage of event_success@1 by method, one panel per world."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, NullLocator

    labels = {"per read": "reads on their own", "by session": "clustered by session (the default)"}
    styles = {
        "per read": ("#D55E00", "s", "--"),
        "by session": ("#0072B2", "o", "-"),
        "by block": ("#009E73", "^", "-."),
    }
    titles = [f"Sessions, {100 * truth(world)[METRICS[0]]:.0f} hits per 100" for world in (CLUSTERED, RARE)]
    titles += [f"Readers of {READERS.visits:.0f} sessions", f"Days of {DAYS.each} sessions"]
    settings: dict[str, Any] = {"font.family": "DejaVu Sans", "font.size": 8, "svg.hashsalt": "newsreplay"}
    with rc_context(settings):
        figure = Figure(figsize=(6.8, 5.4), layout="constrained")
        panels = figure.subplots(2, 2, sharey=True)
        for panel, (world, sizes, cells), title in zip(panels.flat, drawn, titles, strict=True):
            panel.axhspan(93, 97, color="#DDDDDD", zorder=0, linewidth=0)
            panel.axhline(95, color="#888888", linewidth=0.6)
            for method in dict.fromkeys(method for method, _ in cells[0]):
                share = np.array([cell[method, "event_success@1"].share for cell in cells])
                inside = np.clip(share, 1 / logs, 1 - 1 / logs)
                error = 100 * Z * np.sqrt(inside * (1 - inside) / logs)
                colour, marker, line = styles[method]
                label = labels.get(method, "clustered by reader or day")
                panel.errorbar(
                    sizes, 100 * share, error, color=colour, marker=marker, ls=line, ms=4, lw=1.2, label=label
                )
            panel.set_xscale("log")
            panel.xaxis.set_major_locator(FixedLocator(list(sizes)))
            panel.xaxis.set_minor_locator(NullLocator())
            panel.set_xticklabels([f"{size:,}" for size in sizes])
            panel.set_xlabel("sessions" if world.agreement is None else world.name)
            panel.set_title(title, fontsize=9, loc="left")
            panel.set_ylim(40, 101)
            panel.spines[["top", "right"]].set_visible(False)
        for panel in panels[:, 0]:
            panel.set_ylabel("intervals that hold the truth, %")
        handles, names = panels[1, 0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False)
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, dpi=150, metadata=metadata)


if __name__ == "__main__":
    main()
