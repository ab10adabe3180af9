"""What `import newsreplay` offers."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from newsreplay.datasets import find_data, prepare_data
from newsreplay.datasets.store import Dataset
from newsreplay.durations import Duration, milliseconds
from newsreplay.errors import DataError, NewsreplayError, RecommenderError, RunError, SpecError
from newsreplay.escaping import escaped
from newsreplay.log.catalog import Catalog
from newsreplay.log.rows import HISTORY, IMPRESSION, OUTCOME, PUBLISH, READ, Asks, Event, Kind
from newsreplay.machine import cores, parse_bytes
from newsreplay.recommenders.base import Compiled, Deferred, Recommender, SelfReport
from newsreplay.recommenders.registry import Entry, start_list
from newsreplay.report.facts import display_name
from newsreplay.report.headings import heading
from newsreplay.report.shown import shown
from newsreplay.report.tables.compare import compare
from newsreplay.report.tables.leaderboard import leaderboard
from newsreplay.simulator.checks import Check, check_entry
from newsreplay.simulator.judgement.measures import Reward
from newsreplay.simulator.judgement.scope import Scope
from newsreplay.simulator.replay.plain import PlainRecommender
from newsreplay.simulator.run import InterruptedRunError, check_asking
from newsreplay.simulator.run import run as replay_and_judge
from newsreplay.simulator.runs.folder import RunFolder
from newsreplay.simulator.runs.options import Answering, Execution, Keeping, Options, Progress, quiet, unheard
from newsreplay.simulator.runs.place import Numbered
from newsreplay.simulator.splits import split_span
from newsreplay.spec import Spec

if TYPE_CHECKING:
    import pandas as pd

    from newsreplay.datasets.find import Streaming

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
    "Kind",
    "NewsreplayError",
    "Recommender",
    "RecommenderError",
    "Run",
    "RunError",
    "SelfReport",
    "SpecError",
    "check",
    "compare",
    "find_data",
    "leaderboard",
    "prepare_data",
    "run",
]

#: A spec, as text or parsed, or a recommender itself, of which every publisher gets a copy; or one from a start list.
RecommenderSource: TypeAlias = str | Spec | Entry | PlainRecommender | Compiled[Any]


class Run(RunFolder):
    """A run. Printing it shows the leaderboard; `to_pandas` and `slates` hand out frames.

    `keep` is closed when the run is no longer used. Raises `RunError` where the folder holds no run.
    """

    def __str__(self) -> str:
        return leaderboard([self])

    def _repr_html_(self) -> str:
        """A plain table for notebooks."""
        import pandas as pd

        frame = pd.DataFrame([result for name in self.publishers for result in shown(self, name).results])
        frame["value"] = frame["value"].astype(float)
        frame["recommender"] = frame.recommender.map(lambda name: escaped(display_name(self, name)))
        frame["publisher"] = frame.publisher.map(escaped)
        frame = frame[frame.metric.str.endswith("_success@1") | (frame.metric == "auc")]
        frame["metric"] = frame.metric.map(lambda name: heading(name, self.asks, self.reward).text)
        wide = frame.pivot_table(
            index="recommender", columns=["publisher", "metric"], values="value", sort=False, dropna=False
        )
        html: str = wide.to_html(escape=True, na_rep="-")
        return html

    def report(self, path: str | Path | None = None) -> Path:
        """Write the run as one HTML page, by default `report.html` in its folder; returns where it is."""
        from newsreplay.report.contents import contents
        from newsreplay.report.page.page import write_page

        path = self.folder / "report.html" if path is None else Path(path)
        write_page(contents(self), path)
        return path

    def plot(self, folder: str | Path | None = None, *, drift: bool = False) -> list[Path]:
        """Draw the run as PNG, SVG and CSV, by default into `pictures` in its folder; returns the files.

        With `drift` success over time is marked where it changed, which needs river.
        """
        from newsreplay.report.contents import contents
        from newsreplay.report.pictures.run import draw_run

        return draw_run(contents(self, drift=drift), self.folder / "pictures" if folder is None else Path(folder))


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
    cluster: str | None = None,
    requests: Asks = "reads",
    reward: Reward | None = None,
    timed: bool = False,
    deadline: Duration | None = None,
    strict_deadline: bool = False,
    seeds: Iterable[int] = (),
    columns: dict[str, str] | None = None,
    preparing: dict[str, object] | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
    report: Callable[[str], None] | None = None,
    command: str | None = None,
    pair_timeout: Duration | None = None,
    answer_timeout: Duration | None = None,
    memory_limit: str | int | None = None,
    on_error: Literal["keep", "raise"] = "keep",
) -> Run:
    """Replay a data set before recommenders and score them; returns a `Run`.

    - `data`: a prepared name, `KIND:PATH`, a table (path, address, frame, Arrow stream) or a `Dataset`;
      `columns` names a table's columns, `preparing` shapes how files are prepared; `publishers`: only these.
    - `recommenders`: specs ("trend,circular(size=500)"), presets, objects, or a list of these.
    - `requests`: what asks for slates, "reads" or "impressions"; `k`: their length. `warmup`: how long from the first
      read on nothing is scored; `window`: how long after that scored sessions may begin; `split`, in place of these
      two: a stretch that the data set names ("official"). Durations are "1d", a `timedelta`, or milliseconds.
    - `out`: the run folder, by default a temporary one that goes when the returned object does. A run in it is
      replaced once the new one is whole; with `overwrite` also one with other data, recommenders, options or version,
      or with recommenders that are objects. While it runs, and where it is interrupted, it lies in `OUT.partial`.
      Without `slates`, only what became of answers is kept in it; `command` is kept as what reproduces it.
    - `jobs`: pairs at a time, by default one a core, all in this process. `pair_timeout`: a pair that takes longer is
      given up; one in this process every 16,384 rows at most. With either, pairs of plain-Python recommenders that can
      be pickled get processes of their own; a script then needs `if __name__ == "__main__":`. `executor` runs pairs
      elsewhere. None of these changes a byte of the results.
    - `cluster`: what is resampled for intervals, "session", "user" or "day". `reward="dwell"`: E sums seconds read.
    - `timed`: measure how long every answer takes; `deadline` (a duration, implies `timed`): beyond it an answer is
      late, and with `strict_deadline` counts as none. Then results depend on the machine.
    - `seeds`: every recommender that takes a `seed` and was given none is repeated with each of these.
    - `answer_timeout`: a plain recommender's answer that takes longer is given up, a miss, and noted; `memory_limit`
      ("2GB"): what each process of a plain recommender may take. Both give such pairs processes of their own.
    - `on_error`: a recommender that raises costs only its own results ("keep"), or ends the run with what it raised
      ("raise"); what was finished lies in `OUT.partial`.
    - `progress(what, done, total)` is told of rows; `report(line)` what became of folders.

    Raises `NewsreplayError` where anything cannot be used.
    """
    if on_error not in ("keep", "raise"):
        raise NewsreplayError(f"on_error is 'keep' or 'raise', not {on_error!r}")
    execution = Execution(
        cores() if jobs is None and answer_timeout is not None and executor is None else jobs,
        executor,
        progress or quiet,
        report or unheard,
        command,
        _limit(pair_timeout),
        parse_bytes(memory_limit) if isinstance(memory_limit, str) else memory_limit,
        on_error == "raise",
    )
    entries = _entries(recommenders, execution.apart)
    dataset = find_data(data, columns=columns, preparing=preparing)
    scope = Scope(*_span(dataset, split, warmup, window), max_session_length, cluster, requests, reward)
    timed = timed or deadline is not None
    limit = _limit(answer_timeout)
    answering = Answering(k, seed, tuple(seeds), timed, _limit(deadline), strict_deadline, limit)
    return _run(dataset, entries, out, Options(scope, answering, Keeping(slates)), publishers, execution, overwrite)


def _run(
    dataset: Dataset,
    entries: list[Entry],
    out: str | Path | Numbered | None,
    options: Options,
    publishers: Iterable[str] | None,
    execution: Execution,
    overwrite: bool,
) -> Run:
    with ExitStack() as keep:
        if out is None:
            out = Path(tempfile.mkdtemp(prefix="newsreplay-")) / "run"
            keep.callback(shutil.rmtree, out.parent, ignore_errors=True)
        place = out if isinstance(out, Numbered) else Path(out)
        try:
            folder = replay_and_judge(
                dataset, entries, place, options, publishers=publishers, execution=execution, overwrite=overwrite
            )
        except (InterruptedRunError, RecommenderError):
            keep.pop_all()  # what is finished lies there
            raise
        return Run(folder, keep.pop_all())


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
    cuts: int = 20,
    k: int = 10,
    seed: int = 0,
    requests: Asks = "reads",
) -> Check:
    """Check that no answer of a recommender depends on the future, and that a second replay gives the same answers.

    A log is replayed; the rows from a cut on are overwritten, cut off or become more, and it is replayed again, in a
    process that never held the log: the answers before the cut must be the same to the byte, at `cuts` cuts. It is a
    test against mistakes, not against malice: whoever reads the future from files or another process passes.

    `data` is as in `run`, its first publisher unless one is named; by default a log of 2,000 rows is made up. `seed` is
    of random choices, of the cuts and of what overwrites the rows; `requests` is what asks for slates.

    Printing what is returned gives one line; it has `passed` where its `finding` and its `error`, what the recommender
    did in place of answering, are None. Raises `SpecError` where `recommender` is not one recommender, and `DataError`
    where the data cannot be used.

        >>> print(newsreplay.check("trend"))   # doctest: +SKIP
        trend: blind to the future at 20 cuts
    """
    with redirect_stdout(sys.stderr):  # what strangers print
        entries = start_list([recommender])
        if len(entries) > 1:
            raise SpecError(f"one recommender is checked at a time, not {len(entries)}; name one")
        if data is None:
            return check_entry(entries[0], cuts=cuts, k=k, seed=seed, requests=requests)
        dataset = find_data(data)
        chosen = dataset.publisher(dataset.publishers[0] if publisher is None else publisher)
        check_asking(dataset, [chosen.name], requests)
        log, articles = chosen.whole_log, chosen.whole_articles
        return check_entry(entries[0], log=log, articles=articles, cuts=cuts, k=k, seed=seed, requests=requests)
