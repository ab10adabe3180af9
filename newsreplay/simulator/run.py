"""A run: some recommenders on one data set, replayed, judged, measured, and kept in a folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from newsreplay.datasets.store import Dataset
from newsreplay.errors import RecommenderError, RunError
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import Asks
from newsreplay.recommenders.registry import Entry, start_list, wants_seed
from newsreplay.simulator import scratch
from newsreplay.simulator.judgement.measures import Reward
from newsreplay.simulator.judgement.metrics import Result, measure
from newsreplay.simulator.judgement.scoring import Scored
from newsreplay.simulator.pairs import load_scored
from newsreplay.simulator.runs.answers import write_impressions, write_requests
from newsreplay.simulator.runs.columns import write_scored
from newsreplay.simulator.runs.journal import Finished, Journal, remove_journal
from newsreplay.simulator.runs.options import Answering, Execution, Options
from newsreplay.simulator.runs.origin import file_digests
from newsreplay.simulator.runs.pair import Judged, Pair
from newsreplay.simulator.runs.paths import pair_files, publisher_files
from newsreplay.simulator.runs.place import Numbered, claimed
from newsreplay.simulator.runs.records import PublisherRecord
from newsreplay.simulator.runs.write import Manifest, publisher_facts, write_replicates, write_results, write_run
from newsreplay.simulator.stages import StageClock
from newsreplay.simulator.workers import Workers
from newsreplay.spec import Spec


def run(
    dataset: Dataset,
    entries: list[Entry],
    out: Path | Numbered,
    options: Options = Options(),
    *,
    publishers: Iterable[str] | None = None,
    execution: Execution = Execution(),
    overwrite: bool = False,
    earlier: Earlier | None = None,
) -> Path:
    """Replay a data set before recommenders, score them, and write the run folder `out` (`newsreplay.api.run`).

    Returns the folder. Until the run is whole it lies beside, and what was in the folder is untouched. Pairs that
    `earlier` has are not replayed again. Raises `InterruptedRunError` in place of `KeyboardInterrupt`, once what is
    finished is measured.
    """
    chosen = _publishers(dataset, publishers)
    check_asking(dataset, chosen, options.scope.requests)
    check_rewarded(dataset, chosen, options.scope.reward)
    repeated = repeat_with_seeds(entries, options.answering.seeds, execution.apart)
    manifest = Manifest(dataset, chosen, entries, options, file_digests(entries), execution.command)
    resumed = earlier is not None and earlier.folder is None  # what was interrupted is the folder's own
    with claimed(out, manifest.key(), overwrite=overwrite, report=execution.report, resumed=resumed) as claim:
        claim = claim._replace(latest=earlier.latest) if earlier is not None and resumed else claim
        every = None if execution.checkpoint_every is None else execution.checkpoint_every / 1000
        pairs = [
            Pair(dataset.folder, publisher, entry, options, claim.partial, without_seed, every, dataset.asked)
            for publisher in chosen
            for entry, without_seed in repeated
        ]
        progress = RunProgress(claim.partial, manifest, pairs, execution.clock)
        journal = Journal(claim.partial, progress.sealed, states=options.keeping.states)
        if not resumed:
            journal.begin(manifest, claim.latest, execution)
        try:
            if earlier is not None:
                earlier.hand_over(journal)
                for judged in journal.take_up(pairs, execution.report):
                    progress.add(judged)
            _replay(progress, journal, execution)
        except KeyboardInterrupt:
            finish_partial(progress, execution.report)
            raise InterruptedRunError(claim.partial) from None
        except FailedFastError as failure:
            finish_partial(progress, execution.report)
            raise failure.of from None
        claim.finish()
        remove_journal(claim.folder)
        return claim.folder


class Earlier(NamedTuple):
    """What was replayed before: by an interrupted run that goes on (`folder` is None), or of another folder."""

    folder: Path | None = None
    finished: tuple[Finished, ...] = ()  #: of the other folder
    latest: Path | None = None  #: what is to lead to the run that goes on
    states: tuple[tuple[str, str], ...] = ()  #: of the other folder: publishers and recommenders that go on from them

    def hand_over(self, journal: Journal) -> None:
        """Name the pairs in the journal of the run, if it has not named them already. Raises `RunError`."""
        for one in self.finished:
            if self.folder is not None:
                journal.adopt(self.folder, one)
        for publisher, label in self.states:
            if self.folder is not None:
                journal.take_state(self.folder, publisher, label)


class FailedFastError(Exception):
    """The first recommender that failed ends the run; `of` is what it raised, or an account of it."""

    def __init__(self, of: BaseException):
        super().__init__(str(of))
        self.of = of


class InterruptedRunError(KeyboardInterrupt):
    """A run was interrupted; `folder` has what was finished by then, which `Run` opens if it is a pair at least."""

    def __init__(self, folder: Path):
        super().__init__(f"the run was interrupted; what it had finished lies in {folder}")
        self.folder = folder


def repeat_with_seeds(
    entries: list[Entry], seeds: tuple[int, ...], apart: bool = False
) -> list[tuple[Entry, str | None]]:
    """The entries, those that take a seed and have none once per seed; beside these the label without the seed."""
    if not seeds:
        return [(entry, None) for entry in entries]
    specs = [entry.source for entry in entries if isinstance(entry.source, Spec)]
    wanting = {str(spec) for spec, wants in zip(specs, wants_seed(specs, apart), strict=True) if wants}
    repeated: list[tuple[Entry, str | None]] = []
    for entry in entries:
        if isinstance(entry.source, Spec) and entry.label in wanting:
            spec = entry.source
            seeded = [spec._replace(parameters=(*spec.parameters, ("seed", seed))) for seed in seeds]
            repeated += [(Entry(str(one), one), entry.label) for one in seeded]
        else:
            repeated.append((entry, None))
    # A seed may be wrong, or make one of another on the list.
    start_list([entry if label is None else entry.source for entry, label in repeated], apart)
    return repeated


def _publishers(dataset: Dataset, chosen: Iterable[str] | None) -> list[str]:
    wanted = dataset.publishers if chosen is None else list(chosen)
    for name in wanted:  # what does not exist or is damaged is refused before anything is written
        dataset.publisher(name)
    return [name for name in dataset.publishers if name in wanted]


def check_asking(dataset: Dataset, publishers: Iterable[str], asks: Asks) -> None:
    """Raise `RunError` where impressions are to ask for slates, and there are none."""
    shown = [facts["impressions"] for facts in dataset.card["publishers"] if facts["publisher"] in publishers]
    if asks == "impressions" and not any(shown):
        raise RunError(
            f"{dataset.name} has no impressions that could ask for slates; leave --requests impressions out, or "
            "prepare the data with --impressions sampled"
        )


def check_rewarded(dataset: Dataset, publishers: Iterable[str], reward: Reward | None) -> None:
    """Raise `RunError` where hits are to be worth what no publisher has measured."""
    if reward is not None and all(dataset.publisher(name).requests.active is None for name in publishers):
        raise RunError(
            f"{dataset.name} does not say how long articles were read; leave --reward {reward} out, or name the column "
            "of a table that has seconds: --columns dwell=NAME"
        )


class RunProgress:
    """The pairs of a run as they end. Each publisher is measured and written with its last one."""

    def __init__(self, folder: Path, manifest: Manifest, pairs: list[Pair], clock: StageClock):
        self.folder, self.manifest, self.pairs, self.clock = folder, manifest, pairs, clock
        self.begun = time.perf_counter()
        self.order = {(pair.publisher, pair.entry.label): number for number, pair in enumerate(pairs)}
        self.judged: dict[str, list[Judged]] = {name: [] for name in manifest.publishers}
        self.results: dict[str, list[Result]] = {}  # of publishers that are measured
        self.facts: dict[str, PublisherRecord] = {}
        self.sealed: dict[str, str] = {}
        self.written, self.took = 0.0, 0.0  # when it was written last, and how long that took

    def add(self, pair: Judged) -> None:
        """Take in a pair that has ended."""
        name = pair.publisher
        self.judged[name].append(pair)
        if len(self.judged[name]) == sum(name == pair.publisher for pair in self.pairs):
            self.measure(name)
            whole = len(self.results) == len(self.judged)
            if whole or time.perf_counter() - self.written > 10 * self.took:
                self.write()  # so that a killed run has it

    def measure(self, name: str) -> None:
        """Measure the pairs of a publisher that have ended."""
        options = self.manifest.options
        done = sorted(self.judged[name], key=lambda pair: self.order[pair.publisher, pair.recommender])
        with scratch.beside(self.folder):
            with self.clock.stage("load"):
                publisher, scored = load_scored(self.manifest.dataset, name, options.scope, options.answering.seed)
            self.facts[name] = publisher_facts(self.manifest.dataset, name, scored, done)
            self.results[name] = measure_publisher(self.folder, publisher, scored, done, options.answering, self.clock)
        self.judged[name] = [pair.without_sums() for pair in done]

    def write(self) -> None:
        """Write what is measured: the whole run, or a partial one."""
        begun = time.perf_counter()
        names = [name for name in self.judged if name in self.results]
        with self.clock.stage("write"):
            write_results(self.folder, [result for name in names for result in self.results[name]])
            write_run(
                self.folder,
                self.manifest,
                [self.facts[name] for name in names],
                [pair for name in names for pair in self.judged[name]],
                begun - self.begun,
                self.clock.seconds,
                pairs_in_all=len(self.pairs),
                sealed=self.sealed,
            )
        self.written = time.perf_counter()
        self.took = self.written - begun


def _replay(progress: RunProgress, journal: Journal, execution: Execution) -> None:
    """Judge all pairs that have not been."""
    rows = {facts["publisher"]: facts["rows"] for facts in progress.manifest.dataset.card["publishers"]}
    ended = {(pair.publisher, pair.recommender) for pairs in progress.judged.values() for pair in pairs}
    pairs = [pair for pair in progress.pairs if (pair.publisher, pair.entry.label) not in ended]
    total = sum(rows[pair.publisher] for pair in pairs)

    def show(line: str, done: int) -> None:
        execution.progress(f"replaying · {line}" if line else "replaying", done, total)

    with Workers(execution, show) as workers:
        for answer in workers.judge(pairs):
            if not answer.error:
                journal.add(answer)
            progress.add(answer)
            if answer.error and execution.fail_fast:
                raise FailedFastError(answer.raised or RecommenderError(_account(answer)))


def _account(failed: Judged) -> str:
    """What went wrong with a pair, with the traceback below it."""
    first = f"{failed.recommender} on {failed.publisher}: {failed.error}"
    return f"{first}\n\n{failed.details}".rstrip() if failed.details else first


def finish_partial(progress: RunProgress, report: Callable[[str], None]) -> None:
    """Measure and write what has ended of a run that was interrupted, so that its folder can be opened."""
    waiting = [name for name, pairs in progress.judged.items() if pairs and name not in progress.results]
    if waiting:
        report(f"interrupted; measuring what is finished of {', '.join(waiting)} (again to leave that out)")
    for name in waiting:
        progress.measure(name)
    if progress.results:
        progress.write()
        report(f"what is finished lies in {progress.folder}, a partial run")
    if not progress.manifest.objects():
        report(f"to go on with it: newsreplay run --resume {progress.folder}")


def measure_publisher(
    folder: Path, publisher: Publisher, scored: Scored, judged: list[Judged], answering: Answering, clock: StageClock
) -> list[Result]:
    """Measure all recommenders on a publisher, and write what they have in common."""
    sums = {pair.recommender: pair.sums for pair in judged if pair.sums is not None}
    with clock.stage("intervals"):
        measured = measure(publisher.name, answering.k, scored, sums, answering.seed)
    with clock.stage("write"):
        files = publisher_files(folder, publisher.name)
        write_scored(folder, publisher, scored)
        write_replicates(files.replicates, measured.replicates)
        pairs = [pair_files(folder, publisher.name, recommender) for recommender in sums]
        if any(pair.slates.exists() for pair in pairs):
            write_requests(files.requests, publisher, scored.asks)
        if any(pair.scores.exists() for pair in pairs):
            write_impressions(files.impressions, publisher)
    return measured.results
