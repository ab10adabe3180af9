"""A run: some recommenders on one data set, replayed, judged, measured, and kept in a folder."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from newsreplay.datasets import find_data
from newsreplay.datasets.store import Dataset
from newsreplay.errors import NewsreplayError
from newsreplay.log.publisher import Publisher
from newsreplay.recommenders.registry import Entry, find, start_list
from newsreplay.simulator.judgement.metrics import Result, measure
from newsreplay.simulator.judgement.scoring import Scored
from newsreplay.simulator.pairs import scored_of
from newsreplay.simulator.runs.columns import write_impressions, write_scored
from newsreplay.simulator.runs.options import Options
from newsreplay.simulator.runs.pair import Judged, Pair
from newsreplay.simulator.runs.paths import pair_files, publisher_files
from newsreplay.simulator.runs.write import fresh_folder, publisher_facts, write_replicates, write_results, write_run
from newsreplay.simulator.workers import Workers
from newsreplay.spec import Spec


def run(
    data: Any,
    recommenders: str | Iterable[Any],
    out: Path,
    *,
    k: int = 10,
    publishers: Iterable[str] | None = None,
    warmup: int = 0,
    window: int | None = None,
    split: str | None = None,
    max_session_length: int | None = None,
    seed: int = 0,
    jobs: int | None = None,
    slates: bool = True,
    cluster: str = "session",
    timed: bool = False,
    deadline: float | None = None,
    strict_deadline: bool = False,
    seeds: Iterable[int] = (),
    columns: dict[str, str] | None = None,
    preparing: dict[str, Any] | None = None,
    executor: Executor | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    command: str | None = None,
) -> None:
    """Replay a data set before recommenders, score them, and write the run folder `out` (`newsreplay.api.run`)."""
    begun = time.perf_counter()
    entries = start_list(recommenders)
    dataset = find_data(data, columns=columns, preparing=preparing)
    chosen = _publishers(dataset, publishers)
    if split is not None:
        warmup, window = _stretch(dataset, split, warmup, window)
    options = Options(
        k,
        warmup,
        window,
        max_session_length,
        seed,
        slates,
        cluster,
        timed or deadline is not None,
        deadline,
        strict_deadline,
        tuple(seeds),
    )
    repeated = _repeated(entries, options.seeds)
    folder = fresh_folder(out)
    pairs = [
        Pair(dataset.folder, publisher, entry, options, folder, of) for publisher in chosen for entry, of in repeated
    ]
    judged, facts = _replay_and_measure(dataset, pairs, jobs, executor, progress or _quiet)
    write_run(folder, dataset, entries, options, facts, judged, time.perf_counter() - begun, command)


def _repeated(entries: list[Entry], seeds: tuple[int, ...]) -> list[tuple[Entry, str | None]]:
    """The entries, those that take a seed and have none once per seed; beside these how they are shown without it."""
    if not seeds:
        return [(entry, None) for entry in entries]
    found: list[tuple[Entry, str | None]] = []
    for entry in entries:
        if isinstance(entry.source, Spec) and _wants_seed(entry.source):
            parameters = entry.source.parameters
            specs = [entry.source._replace(parameters=(*parameters, ("seed", seed))) for seed in seeds]
            found += [(Entry(str(spec), spec), entry.shown) for spec in specs]
        else:
            found.append((entry, None))
    start_list([entry.source for entry, _ in found])  # a seed may be wrong, or make one of another on the list
    return found


def _wants_seed(spec: Spec) -> bool:
    signature = inspect.signature(find(spec.name))
    given = signature.bind(*spec.positional, **dict(spec.parameters)).arguments
    return "seed" in signature.parameters and "seed" not in given


def _stretch(dataset: Dataset, split: str, warmup: int, window: int | None) -> tuple[int, int | None]:
    """Warm-up and window of a data set's named split."""
    splits = dataset.card["splits"]
    if split not in splits:
        there = f"it has {', '.join(splits)}" if splits else "it has none; use --warmup and --window"
        raise NewsreplayError(f"{dataset.name} has no split {split!r}; {there}")
    if warmup or window is not None:
        raise NewsreplayError("a split says what is scored; leave --warmup and --window out")
    begin, end = splits[split]
    first = min(facts["first"] for facts in dataset.card["publishers"])
    if begin < first:
        raise NewsreplayError(f"the split {split!r} begins before the data do; is a part of them missing?")
    if begin > max(facts["last"] for facts in dataset.card["publishers"]):
        raise NewsreplayError(f"the split {split!r} begins after the data end; is a part of them missing?")
    return begin - first, None if end is None else end - begin


def _publishers(dataset: Dataset, chosen: Iterable[str] | None) -> list[str]:
    if chosen is None:
        return dataset.publishers
    wanted = list(chosen)
    for name in wanted:
        dataset.publisher(name)
    return [name for name in dataset.publishers if name in wanted]


def _quiet(what: str, done: int, of: int) -> None:
    pass


def _replay_and_measure(
    dataset: Dataset,
    pairs: list[Pair],
    jobs: int | None,
    executor: Executor | None,
    progress: Callable[[str, int, int], None],
) -> tuple[list[Judged], list[dict[str, Any]]]:
    """Judge all pairs; each publisher is measured and written as soon as its last pair is in."""
    rows = {facts["publisher"]: facts["rows"] for facts in dataset.card["publishers"]}
    total = sum(rows[pair.publisher] for pair in pairs)
    order = {(pair.publisher, pair.entry.shown): number for number, pair in enumerate(pairs)}
    judged: dict[str, list[Judged]] = {pair.publisher: [] for pair in pairs}
    waiting = {name: sum(pair.publisher == name for pair in pairs) for name in judged}
    results: dict[str, list[Result]] = {}
    facts: dict[str, dict[str, Any]] = {}

    def show(line: str, done: int) -> None:
        progress(f"replaying · {line}" if line else "replaying", done, total)

    with Workers(jobs, executor, show) as workers:
        for answer in workers.judge(pairs):
            name = answer.publisher
            judged[name].append(answer)
            waiting[name] -= 1
            if not waiting[name]:
                done = sorted(judged[name], key=lambda one: order[one.publisher, one.recommender])
                publisher, of = scored_of(dataset, name, pairs[0].options)
                facts[name] = publisher_facts(dataset, name, of, done)
                results[name] = measure_publisher(pairs[0].folder, publisher, of, done, pairs[0].options)
                judged[name] = [one._replace(tally=None) for one in done]
    write_results(pairs[0].folder, [result for name in judged for result in results[name]])
    return [one for name in judged for one in judged[name]], [facts[name] for name in judged]


def measure_publisher(
    folder: Path, publisher: Publisher, of: Scored, judged: list[Judged], options: Options
) -> list[Result]:
    """Measure all recommenders on a publisher, and write what they have in common."""
    tallies = {one.recommender: one.tally for one in judged if one.tally is not None}
    measured = measure(publisher.name, options.k, of, tallies, options.seed)
    files = publisher_files(folder, publisher.name)
    write_scored(folder, publisher, of)
    write_replicates(files.replicates, measured.replicates)
    if any(pair_files(folder, publisher.name, one).scores.exists() for one in tallies):
        write_impressions(files.impressions, publisher)
    return measured.results
