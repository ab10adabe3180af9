"""False promotions of a gate: python benchmarks/gate.py [--logs 40] [--pairs 10]

How often `newsreplay gate` promotes one of two recommenders that are equally good: two that draw at random, each for
itself, on made-up logs. Each pair is asked both ways; a gate that opens in at most one of forty cases does what it
says. docs/intervals.md tells what came out. Seeds are fixed: the same command prints the same numbers.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np
import pandas as pd
from tabulate import tabulate

import newsreplay
from newsreplay.report.gate import gate


class Kind(NamedTuple):
    """A kind of made-up logs."""

    name: str
    reads: int
    readers: int
    articles: int
    skew: float  #: 0 = all readers read as much; else the exponent of a power law


KINDS = (
    Kind("1,500 reads of 300 readers, 12 articles", 1500, 300, 12, 0.0),
    Kind("200 reads of 60 readers, 12 articles", 200, 60, 12, 0.0),
    Kind("1,500 reads of 300 readers, a few of whom read most", 1500, 300, 12, 1.0),
    Kind("1,500 reads of 300 readers, 200 articles: hits are rare", 1500, 300, 200, 0.0),
)
METRICS = ("event_success@1", "session_success@1")


def made_up(kind: Kind, seed: int) -> pd.DataFrame:
    """Readers who read at random, one read every 40 seconds."""
    rng = np.random.default_rng(seed)
    weight = np.arange(1, kind.readers + 1) ** -kind.skew
    user = rng.choice(kind.readers, kind.reads, p=weight / weight.sum())
    time = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(kind.reads) * 40, unit="s")
    item = rng.integers(0, kind.articles, kind.reads)
    return pd.DataFrame({"time": time, "user": user.astype(str), "item": item.astype(str)})


def promotions(kind: Kind, logs: int, pairs: int) -> list[float]:
    """By metric, the share of gates that open with margin 0: of `pairs` pairs on each of so many logs, both ways."""
    opened = dict.fromkeys(METRICS, 0)
    for seed in range(logs):
        # Longer windows than the log: all are equally good, and each draws for itself.
        names = [f"random(hours={48 + number})" for number in range(2 * pairs)]
        run = newsreplay.run(made_up(kind, seed), names, k=1)
        for one, other in zip(names[::2], names[1::2], strict=True):
            for metric in METRICS:
                verdicts = [gate(run, *sides, metric=metric)["verdict"] for sides in ((one, other), (other, one))]
                opened[metric] += verdicts.count("promote")
    return [count / (2 * logs * pairs) for count in opened.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", type=int, default=40, help="per kind of log")
    parser.add_argument("--pairs", type=int, default=10, help="of recommenders on each log")
    options = parser.parse_args()
    rows = [[kind.name, *(f"{share:.1%}" for share in promotions(kind, options.logs, options.pairs))] for kind in KINDS]
    print(tabulate(rows, ["logs", *METRICS], tablefmt="github", colalign=("left", "right", "right")))


if __name__ == "__main__":
    main()
