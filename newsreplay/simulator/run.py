"""A run: some recommenders on one data set, replayed, judged, measured, and kept in a folder."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterable
from pathlib import Path

from newsreplay.datasets.store import Dataset
from newsreplay.log.publisher import Publisher
from newsreplay.recommenders.registry import Entry, find, start_list
from newsreplay.simulator.judgement.metrics import Result, measure
from newsreplay.simulator.judgement.scoring import Scored
from newsreplay.simulator.pairs import load_scored
from newsreplay.simulator.runs.answers import write_impressions, write_requests
from newsreplay.simulator.runs.columns import write_scored
from newsreplay.simulator.runs.options import Answering, Execution, Options
from newsreplay.simulator.runs.pair import Judged, Pair
from newsreplay.simulator.runs.paths import pair_files, publisher_files
from newsreplay.simulator.runs.records import PublisherRecord
from newsreplay.simulator.runs.write import fresh_folder, publisher_facts, write_replicates, write_results, write_run
from newsreplay.simulator.workers import Workers
from newsreplay.spec import Spec


def run(
    dataset: Dataset,
    entries: list[Entry],
    out: Path,
    options: Options = Options(),
    *,
    publishers: Iterable[str] | None = None,
    execution: Execution = Execution(),
) -> None:
    """Replay a data set before recommenders, score them, and write the run folder `out` (`newsreplay.api.run`)."""
    begun = time.perf_counter()
    chosen = _publishers(dataset, publishers)
    repeated = repeat_with_seeds(entries, options.answering.seeds)
    folder = fresh_folder(out)
    pairs = [
        Pair(dataset.folder, publisher, entry, options, folder, without_seed)
        for publisher in chosen
        for entry, without_seed in repeated
    ]
    judged, facts = _replay_and_measure(dataset, pairs, execution)
    write_run(folder, dataset, entries, options, facts, judged, time.perf_counter() - begun, execution.command)


def repeat_with_seeds(entries: list[Entry], seeds: tuple[int, ...]) -> list[tuple[Entry, str | None]]:
    """The entries, those that take a seed and have none once per seed; beside these the label without the seed."""
    if not seeds:
        return [(entry, None) for entry in entries]
    repeated: list[tuple[Entry, str | None]] = []
    for entry in entries:
        if isinstance(entry.source, Spec) and _wants_seed(entry.source):
            spec = entry.source
            specs = [spec._replace(parameters=(*spec.parameters, ("seed", seed))) for seed in seeds]
            repeated += [(Entry(str(seeded), seeded), entry.label) for seeded in specs]
        else:
            repeated.append((entry, None))
    start_list([entry.source for entry, _ in repeated])  # a seed may be wrong, or make one of another on the list
    return repeated


def _wants_seed(spec: Spec) -> bool:
    signature = inspect.signature(find(spec.name))
    given = signature.bind(*spec.positional, **dict(spec.parameters)).arguments
    return "seed" in signature.parameters and "seed" not in given


def _publishers(dataset: Dataset, chosen: Iterable[str] | None) -> list[str]:
    if chosen is None:
        return dataset.publishers
    wanted = list(chosen)
    for name in wanted:
        dataset.publisher(name)
    return [name for name in dataset.publishers if name in wanted]


def _replay_and_measure(
    dataset: Dataset, pairs: list[Pair], execution: Execution
) -> tuple[list[Judged], list[PublisherRecord]]:
    """Judge all pairs; each publisher is measured and written as soon as its last pair is in."""
    folder, options = pairs[0].folder, pairs[0].options
    rows = {facts["publisher"]: facts["rows"] for facts in dataset.card["publishers"]}
    total = sum(rows[pair.publisher] for pair in pairs)
    order = {(pair.publisher, pair.entry.label): number for number, pair in enumerate(pairs)}
    judged: dict[str, list[Judged]] = {pair.publisher: [] for pair in pairs}
    waiting = {name: sum(pair.publisher == name for pair in pairs) for name in judged}
    results: dict[str, list[Result]] = {}
    facts: dict[str, PublisherRecord] = {}

    def show(line: str, done: int) -> None:
        execution.progress(f"replaying · {line}" if line else "replaying", done, total)

    with Workers(execution.jobs, execution.executor, show) as workers:
        for answer in workers.judge(pairs):
            name = answer.publisher
            judged[name].append(answer)
            waiting[name] -= 1
            if not waiting[name]:
                done = sorted(judged[name], key=lambda pair: order[pair.publisher, pair.recommender])
                publisher, scored = load_scored(dataset, name, options.scope, options.answering.seed)
                facts[name] = publisher_facts(dataset, name, scored, done)
                results[name] = measure_publisher(folder, publisher, scored, done, options.answering)
                judged[name] = [pair.without_sums() for pair in done]
    write_results(folder, [result for name in judged for result in results[name]])
    return [pair for name in judged for pair in judged[name]], [facts[name] for name in judged]


def measure_publisher(
    folder: Path, publisher: Publisher, scored: Scored, judged: list[Judged], answering: Answering
) -> list[Result]:
    """Measure all recommenders on a publisher, and write what they have in common."""
    sums = {pair.recommender: pair.sums for pair in judged if pair.sums is not None}
    measured = measure(publisher.name, answering.k, scored, sums, answering.seed)
    files = publisher_files(folder, publisher.name)
    write_scored(folder, publisher, scored)
    write_replicates(files.replicates, measured.replicates)
    pairs = [pair_files(folder, publisher.name, recommender) for recommender in sums]
    if any(pair.slates.exists() for pair in pairs):
        write_requests(files.requests, publisher)
    if any(pair.scores.exists() for pair in pairs):
        write_impressions(files.impressions, publisher)
    return measured.results
