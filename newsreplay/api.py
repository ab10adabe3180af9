"""What `import newsreplay` offers."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack, cast

from newsreplay.datasets import find_data, prepare_data
from newsreplay.datasets.first_rows import first_rows
from newsreplay.datasets.store import Dataset
from newsreplay.durations import Duration, FeedbackDelay, delays, milliseconds
from newsreplay.errors import DataError, NewsreplayError, RecommenderError, RunError, SpecError, did_you_mean
from newsreplay.escaping import escaped
from newsreplay.files import file_name
from newsreplay.log.catalog import Catalog
from newsreplay.log.rows import HISTORY, IMPRESSION, OUTCOME, PUBLISH, READ, Asks, Event, Excludes, Kind
from newsreplay.machine import cores, home, parse_bytes
from newsreplay.recommenders.base import Compiled, Deferred, Recommender, SelfReport
from newsreplay.recommenders.registry import Entry, start_list
from newsreplay.report.notebook import notebook_progress
from newsreplay.report.tables.compare import compare
from newsreplay.report.tables.leaderboard import leaderboard
from newsreplay.simulator.judgement.measures import Reward
from newsreplay.simulator.judgement.metrics import Result
from newsreplay.simulator.judgement.scope import Scope
from newsreplay.simulator.replay.plain import PlainRecommender
from newsreplay.simulator.run import check_asking
from newsreplay.simulator.run import run as replay_and_judge
from newsreplay.simulator.runs.folder import RunFolder
from newsreplay.simulator.runs.judged import JudgedColumns
from newsreplay.simulator.runs.options import (
    CHECKPOINT_EVERY,
    Answering,
    Continuing,
    Execution,
    Keeping,
    Options,
    Progress,
    RunLimits,
    quiet,
    unheard,
)
from newsreplay.simulator.runs.own_metrics import find_metric, measure, own_metric
from newsreplay.simulator.runs.place import Numbered
from newsreplay.simulator.splits import split_span
from newsreplay.simulator.stages import StageClock
from newsreplay.spec import Spec

if TYPE_CHECKING:
    import pandas as pd

    from newsreplay.datasets.find import Streaming
    from newsreplay.report.explanation import Explanation
    from newsreplay.report.pictures.run import Drawn
    from newsreplay.simulator.checks import Check, CheckedSetting
    from newsreplay.simulator.runs.options import DataSource

__all__ = [
    "HISTORY",
    "IMPRESSION",
    "OUTCOME",
    "PUBLISH",
    "READ",
    "Catalog",
    "DataError",
    "Dataset",
    "Deferred",
    "Event",
    "JudgedColumns",
    "Kind",
    "NewsreplayError",
    "Recommender",
    "RecommenderError",
    "Run",
    "RunError",
    "SelfReport",
    "SpecError",
    "add",
    "check",
    "compare",
    "extend",
    "find_data",
    "leaderboard",
    "open",
    "prepare_data",
    "resume",
    "run",
]

#: A spec, as text or parsed, or a recommender itself, of which every publisher gets a copy; or one from a start list.
RecommenderSource: TypeAlias = str | Spec | Entry | PlainRecommender | Compiled[Any]


class Run(RunFolder):
    """A run. Printing it shows the leaderboard; `to_pandas` and `slates` hand out frames.

    Raises `RunError` where the folder holds no run.
    """

    def __str__(self) -> str:
        return leaderboard([self])

    def __repr__(self) -> str:
        recommenders = len({pair["recommender"] for pair in self.info["pairs"]})
        what = f"{recommenders} recommenders on {escaped(', '.join(self.publishers))}"
        return f"<Run {str(self.folder)!r}: {what}; print() shows the leaderboard>"

    def _repr_html_(self) -> str:
        """The leaderboard as notebooks show it."""
        return leaderboard([self], style="html")

    def explain(
        self,
        row: int | None = None,
        *,
        publisher: str | None = None,
        at: str | None = None,
        user: str | None = None,
        recommenders: Iterable[str] | None = None,
        data: DataSource | None = None,
    ) -> Explanation:
        """One request told whole: who asked, what each recommender answered, what was read next.

        It is that of log row `row`, or the first of reader `user` at or after `at` ("2019-01-01T12:00", UTC).
        `publisher` is needed where the run has several; `recommenders` are those whose answers are told. The data are
        looked for where they lay; `data` names them otherwise. Printing what is returned tells it in words, its
        `_asdict` is plain data. Raises `NewsreplayError` for a row that asked for nothing.
        """
        from newsreplay.report.explain import explain

        chosen = None if recommenders is None else list(recommenders)
        return explain(self, row, publisher=publisher, at=at, user=user, recommenders=chosen, data=data)

    def measure(self, metric: str | Callable[[JudgedColumns], object], name: str | None = None) -> list[Result]:
        """Measure a metric of your own: "my_metrics.py:late", or a function of `JudgedColumns`; returns its results.

        The run has it from then on, as every other: `leaderboard([run], metrics=[name])`, `compare`, `to_pandas`.
        Nothing is written. Where the function raises, its values are None, and what it raised stands below tables.
        Raises `SpecError` where there is no such metric.
        """
        found = find_metric(metric) if isinstance(metric, str) else own_metric(metric, name)
        return measure(self, found)

    def report(self, path: str | Path | None = None) -> Path:
        """Write the run as one HTML page, by default `report.html` in its folder; returns where it is."""
        from newsreplay.report.contents import contents
        from newsreplay.report.page.page import write_page

        path = self.folder / "report.html" if path is None else Path(path)
        write_page(contents(self), path)
        return path

    def plot(self, folder: str | Path | None = None, *, drift: bool = False) -> Drawn:
        """Draw the run as PNG, SVG and CSV, by default into `pictures` in its folder; returns the files.

        A notebook shows the pictures among them. With `drift` success over time is marked where it changed, which
        needs river.
        """
        from newsreplay.report.contents import contents
        from newsreplay.report.pictures.run import draw_run

        return draw_run(contents(self, drift=drift), self.folder / "pictures" if folder is None else Path(folder))


def open(folder: str | Path) -> Run:
    """A finished run, as `run` returned it: `newsreplay.open("runs/demo")`.

    Raises `RunError` where the folder holds none.
    """
    return Run(folder)


def run(
    data: str | Path | pd.DataFrame | Streaming | Dataset = "demo",
    recommenders: RecommenderSource | Iterable[RecommenderSource] = "baselines",
    *,
    k: int = 10,
    publishers: Iterable[str] | None = None,
    warmup: Duration = 0,
    window: Duration | None = None,
    split: str | None = None,
    max_session_length: int | None = None,
    seed: int = 0,
    jobs: int | None = None,
    out: str | Path | Numbered | None = None,
    overwrite: bool = False,
    slates: bool = True,
    states: bool = False,
    cluster: str | None = None,
    requests: Asks = "reads",
    exclude: Excludes = "current",
    feedback_delay: FeedbackDelay = 0,
    reward: Reward | None = None,
    seeds: Iterable[int] = (),
    columns: dict[str, str] | None = None,
    preparing: dict[str, object] | None = None,
    limit: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
    report: Callable[[str], None] | None = None,
    command: str | None = None,
    clock: StageClock | None = None,
    **limits: Unpack[RunLimits],
) -> Run:
    """Replay a data set before recommenders and score them; returns a `Run`.

    - `data`: a prepared name, `KIND:PATH`, a table (path, address, frame, Arrow stream) or a `Dataset`;
      `columns` names its columns, `preparing` shapes its files; `publishers`, `limit`: only these, so many first rows.
    - `recommenders`: specs ("trend,circular(size=500)"), presets, objects, or a list of these.
    - `requests`: what asks for slates, "reads" or "impressions"; `exclude`: what they leave out, the "current" article,
      all that the "session" has read, or "nothing"; `k`: their length.
    - `warmup`: how long from the first read on nothing is scored; `window`: how long after that scored sessions may
      begin; `split`, in place of these two: a named stretch ("official"). Durations: "1d", `timedelta`, ms.
    - `out`: the run folder, by default a numbered one below newsreplay's home; `overwrite`: replace other runs, too.
      `OUT.partial` has an interrupted one. `slates`: keep every answer in it; `states`: what `extend` goes on from.
    - `jobs`: pairs at a time, by default one a core, all in this process; with it, or a limit, plain recommenders that
      can be pickled get processes (a script needs `if __name__ == "__main__":`). `executor` runs pairs elsewhere.
    - `feedback_delay`: how long reads and outcomes are held back from learning, "5m", or "reads=0,outcomes=5m".
    - `cluster`: what is resampled for intervals, "session", "user" or "day". `reward="dwell"`: E sums seconds read.
    - `seeds`: repeat with each of these what takes a `seed` and was given none. `limits`, `on_error`: see `RunLimits`.
    - `progress(what, done, total)` is told of rows (in notebooks there is a bar), `report(line)` of folders.

    Neither `jobs` nor `executor` changes a byte of the results. Raises `NewsreplayError` where anything cannot be used.
    """
    hearing = (progress or quiet, report or unheard)
    how = _limited(Execution(jobs, executor, *hearing, command, clock=clock or StageClock()), limits)
    with how.clock.stage("find"):
        entries = _entries(recommenders, how.apart)
        dataset = first_rows(find_data(data, columns=columns, preparing=preparing), limit)
    scope = Scope(*_span(dataset, split, warmup, window), max_session_length, cluster, requests, reward, exclude)
    answering = _answering(Answering(k, seed, tuple(seeds), feedback_delay=delays(feedback_delay)), limits)
    return _run(dataset, entries, out, Options(scope, answering, Keeping(slates, states)), publishers, how, overwrite)


def resume(run: str | Path, *, data: DataSource | None = None, **how: Unpack[Continuing]) -> Run:
    """Go on with a run that was interrupted or killed; `run` is the folder in which it was to lie.

    Pairs of recommender and publisher that had ended are not replayed again; others go on from their last checkpoint,
    where there is one. Results are those of an undisturbed run, to the byte. `data` names the data where they no longer
    lie where they lay; `how` are `jobs`, `progress`, `report`, `clock` and limits as in `run`. Raises `RunError` where
    there is nothing to go on with, or where data or code have changed.
    """
    from newsreplay.simulator.continuing import resume as go_on

    return Run(go_on(run, data=data, execution=_execution(how)))


def add(
    run: str | Path,
    recommenders: RecommenderSource | Iterable[RecommenderSource] = (),
    *,
    data: DataSource | None = None,
    publishers: Iterable[str] = (),
    out: str | Path | None = None,
    given: Mapping[str, object] | None = None,
    names: Mapping[str, str] | None = None,
    **how: Unpack[Continuing],
) -> Run:
    """Add recommenders, or publishers of its data, to a run; returns the joined one, which takes its place, or `out`.

    Only what the run does not have, or what failed there, is replayed, with the run's options; `given` are some that
    must be those, and `names` are display names by spec. Results are those of one run of all, to the byte. The rest is
    as in `resume`. Raises `RunError` where data, options or code are not those of the run.
    """
    from newsreplay.simulator.continuing import add as join

    execution = _execution(how)
    with execution.clock.stage("find"):
        entries = _entries(recommenders, execution.apart) if recommenders else []
    place = None if out is None else Path(out)
    folder = join(
        run, entries, data=data, publishers=publishers, out=place, given=given, names=names, execution=execution
    )
    return Run(folder)


def extend(run: str | Path, data: DataSource, *, out: str | Path | None = None, **how: Unpack[Continuing]) -> Run:
    """Go on with a run over its log as it has grown; returns the longer run, which takes its place, or `out`.

    `data` is all of the log: the rows of the run's, and what came after its last moment. Recommenders of which the run
    kept `states` are replayed from there on, the others from the start. Results are those of one run over `data`, to
    the byte. The rest is as in `resume`. Raises `RunError` where `data` does not begin with the log of the run.
    """
    from newsreplay.simulator.continuing import extend as go_on

    return Run(go_on(run, data, out=None if out is None else Path(out), execution=_execution(how)))


def _execution(how: Continuing) -> Execution:
    told = how.get("progress") or quiet, how.get("report") or unheard
    execution = Execution(how.get("jobs"), None, *told, clock=how.get("clock") or StageClock())
    limits = {name: value for name, value in how.items() if name not in ("jobs", "progress", "report", "clock")}
    return _limited(execution, cast(RunLimits, limits))


def _run(
    dataset: Dataset,
    entries: list[Entry],
    out: str | Path | Numbered | None,
    options: Options,
    publishers: Iterable[str] | None,
    execution: Execution,
    overwrite: bool,
) -> Run:
    if out is None:
        out = Numbered(home() / "runs" / file_name(dataset.name))
    place = out if isinstance(out, Numbered) else Path(out)
    with notebook_progress(execution.progress) as progress:
        folder = replay_and_judge(
            dataset,
            entries,
            place,
            options,
            publishers=publishers,
            execution=replace(execution, progress=progress),
            overwrite=overwrite,
        )
    return Run(folder)


def _limited(execution: Execution, limits: RunLimits) -> Execution:
    """The same under limits; a pair whose answers are given up needs a process of its own."""
    names = [*inspect.signature(run).parameters, *RunLimits.__annotations__]
    for name in limits.keys() - RunLimits.__annotations__.keys():
        raise TypeError(f"run() has no keyword {name!r}. {did_you_mean(name, names)}".rstrip())
    on_error = limits.get("on_error", "keep")
    if on_error not in ("keep", "raise"):
        raise NewsreplayError(f"on_error is 'keep' or 'raise', not {on_error!r}")
    apart = limits.get("answer_timeout") is not None and execution.executor is None
    memory = limits.get("memory_limit")
    return replace(
        execution,
        jobs=cores() if execution.jobs is None and apart else execution.jobs,
        pair_timeout=_limit(limits.get("pair_timeout")),
        memory_limit=parse_bytes(memory) if isinstance(memory, str) else memory,
        fail_fast=on_error == "raise",
        checkpoint_every=_limit(limits.get("checkpoint_every", CHECKPOINT_EVERY)),
    )


def _answering(answering: Answering, limits: RunLimits) -> Answering:
    """The same under limits."""
    deadline = _limit(limits.get("deadline"))
    return replace(
        answering,
        timed=limits.get("timed", False) or deadline is not None,
        deadline=deadline,
        strict_deadline=limits.get("strict_deadline", False),
        answer_timeout=_limit(limits.get("answer_timeout")),
    )


def _limit(duration: Duration | None) -> int | None:
    return None if duration is None else milliseconds(duration)


def _span(dataset: Dataset, split: str | None, warmup: Duration, window: Duration | None) -> tuple[int, int | None]:
    """Warm-up and window, ms: as they are given, or those of a named stretch of the data set's own."""
    before, within = milliseconds(warmup), _limit(window)
    if split is not None:
        if before or within is not None:
            raise NewsreplayError("a split says what is scored; leave --warmup and --window out")
        before, within = split_span(dataset, split)
    return before, within


def _entries(recommenders: RecommenderSource | Iterable[RecommenderSource], apart: bool) -> list[Entry]:
    """What is replayed: several recommenders, or one alone."""
    alone = isinstance(recommenders, str | Spec) or not isinstance(recommenders, Iterable)
    with redirect_stdout(sys.stderr):  # what strangers print while they are made
        return start_list([recommenders] if alone else recommenders, apart)  # type: ignore[arg-type]


def check(
    recommender: RecommenderSource,
    data: str | Path | pd.DataFrame | Streaming | Dataset | None = None,
    *,
    publisher: str | None = None,
    cuts: int | None = 20,
    feedback_delay: FeedbackDelay = 0,
    **asking: Unpack[CheckedSetting],
) -> Check:
    """Check that no answer of a recommender depends on the future, and that a second replay gives the same answers.

    A log is replayed; the rows from a cut on are overwritten, cut off or become more, and it is replayed again, in a
    process that never held the log: the answers before the cut must be the same to the byte, at `cuts` cuts; None makes
    every row of short logs a cut, which finds rare peeks. Nor may the order in which pools list candidates shape
    answers, unless the recommender has `uses_pool_order = True`. It is a test against mistakes, not against malice:
    whoever reads the future from files or another process passes.

    `data` is as in `run`, its first publisher unless one is named; by default a log of 2,000 rows is made up. `asking`
    are `k`, `requests`, `exclude` and `seed` as in `run`, as is `feedback_delay`; the seed is that of the cuts and of
    what overwrites the rows, too.

    Printing what is returned gives one line, with the `power` of the test; it has `passed` where its `finding`, its
    `error` (what the recommender did in place of answering) and its `order` (how it uses that of pools) are None.
    Raises `SpecError` where `recommender` is not one recommender, and `DataError` where the data cannot be used.

        >>> print(newsreplay.check("ucb", cuts=3))   # doctest: +SKIP
        ucb: blind to the future at 3 cuts; a peek on 78 % of requests or 95 % of scored impressions is found with 95 %
    """
    from newsreplay.simulator.checks import check_entry

    with redirect_stdout(sys.stderr):  # what strangers print
        entries = start_list([recommender])
        if len(entries) > 1:
            raise SpecError(f"one recommender is checked at a time, not {len(entries)}; name one")
        if data is None:
            return check_entry(entries[0], cuts=cuts, feedback_delay=feedback_delay, **asking)
        dataset = find_data(data)
        chosen = dataset.publisher(dataset.publishers[0] if publisher is None else publisher)
        check_asking(dataset, [chosen.name], asking.get("requests", "reads"))
        log, articles = chosen.whole_log, chosen.whole_articles
        return check_entry(entries[0], log=log, articles=articles, cuts=cuts, feedback_delay=feedback_delay, **asking)
