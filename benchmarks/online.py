"""What river's and scikit-learn's models cost as recommenders, beside their own bare loop over the very same calls.

    python benchmarks/online.py              # publisher A of a synthetic log of 3,000 reads; seconds, and their ratio
    python benchmarks/online.py --reads 6000

A model is replayed once with a recorder around it, which keeps every call with its features. Then, one after the
other: the replay without the recorder, and a loop that makes the recorded calls of a fresh model and nothing else.
Their ratio is what counting, sampling, sorting and replaying add to the model's own work. The data are prepared as
`online-benchmark`; `newsreplay data remove online-benchmark` takes them away again. A call takes some 2 kB of memory.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tabulate import tabulate

import newsreplay
from newsreplay.recommenders.adapters.online import Learner, Online
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.replay.replay import replay

SPECS = ("river", "river(model=river.reco.BiasedMF)", "river(model=river.tree.HoeffdingTreeClassifier)", "sklearn")
METHODS = ("predict_proba_one", "predict_one", "learn_one", "partial_fit", "decision_function")


class Recorder:
    """A model that keeps the calls of its methods."""

    def __init__(self, model: Any):
        self.model = model
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.model, name)
        if name not in METHODS:
            return method

        def call(*arguments: Any, **named: Any) -> Any:
            self.calls.append((name, arguments, named))
            return method(*arguments, **named)

        return call


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def bare_loop(model: Any, calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]]) -> None:
    methods = {name: getattr(model, name) for name, _, _ in calls}
    for name, arguments, named in calls:
        methods[name](*arguments, **named)


def measure(spec: str, publisher: Any) -> tuple[str, int, float, float, float]:
    """Spec, calls, seconds of the replay and of the bare loop, their ratio."""
    entry = start_list(spec)[0]
    log, articles = publisher.log, publisher.articles
    recorded: list[Recorder] = []
    noting = entry.make()
    make = noting.learner

    def learner() -> Learner:
        taught = make()
        recorded.append(Recorder(taught.model))
        taught.model = recorded[0]
        return taught

    noting.learner = learner
    replay(log, noting, Setting(), name=spec, articles=articles)
    fresh: Online = entry.make()
    model = fresh.learner().model  # type: ignore[attr-defined]
    calls = recorded[0].calls
    replayed = seconds(lambda: replay(log, entry.make(), Setting(), name=spec, articles=articles))
    bare = seconds(lambda: bare_loop(model, calls))
    return spec, len(calls), replayed, bare, replayed / bare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reads", type=int, default=3_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        synth = [sys.executable, "-m", "newsreplay", "data", "synth", folder, "--reads", str(options.reads)]
        subprocess.run(synth, check=True, stdout=subprocess.DEVNULL)
        newsreplay.prepare_data("table", Path(folder), name="online-benchmark")
    publisher = newsreplay.find_data("online-benchmark").publisher("A")
    rows = [measure(spec, publisher) for spec in SPECS]
    print(tabulate(rows, ("recommender", "calls", "replay, s", "bare loop, s", "ratio"), floatfmt=".2f"))


if __name__ == "__main__":
    main()
