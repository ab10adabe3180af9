"""The command line: parse, call one function, print.

numba, pyarrow and pandas are imported by the commands that need them, so that `--help` is instant.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from newsreplay.errors import NewsreplayError
from newsreplay.version import __version__

if TYPE_CHECKING:
    from newsreplay.datasets.store import Dataset

FORMATS = click.Choice(["table", "json", "csv", "markdown", "latex"])


class _Group(click.Group):
    """Prints newsreplay's own errors as one line and leaves with status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except NewsreplayError as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Replay a news publisher's click log and judge recommenders on what readers did next.

    \b
    newsreplay run                                       three synthetic publishers, 22 baselines
    newsreplay run --data clicks.csv --recommenders trend,mine.py:Mine
    newsreplay leaderboard runs/demo --format latex
    """
    # As with python -m, somebody's own module:Class is looked for in the current folder first.
    sys.path.insert(0, os.getcwd())  # noqa: PTH109


def _say(text: str) -> None:
    click.echo(text, err=True)


def _columns(ctx: click.Context, parameter: click.Parameter, value: str | None) -> dict[str, str] | None:
    """time=ts,item=article_id → a dict."""
    if value is None:
        return None
    pairs = [piece.split("=", 1) for piece in value.split(",")]
    if any(len(pair) != 2 or not all(pair) for pair in pairs):
        raise click.BadParameter("write time=ts,item=article_id")
    return {name.strip(): source.strip() for name, source in pairs}


def _seeds(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, ...]:
    try:
        seeds = tuple(int(seed) for seed in value.split(",")) if value is not None else ()
    except ValueError:
        raise click.BadParameter("write 1,2,3") from None
    if len(set(seeds)) < len(seeds):
        raise click.BadParameter("name every seed once")
    return seeds


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _duration(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    from newsreplay.durations import parse_duration

    try:
        return None if value is None else parse_duration(value)
    except NewsreplayError as error:
        raise click.BadParameter(str(error)) from None


def _list(ctx: click.Context, parameter: click.Parameter, value: str | None) -> list[str] | None:
    return None if value is None else _names(value)


def _board_options(command: Any) -> Any:
    """The options that shape a leaderboard, gathered into `board`."""

    @functools.wraps(command)
    def gathered(
        style: str,
        metrics: list[str] | None,
        rank_by: str | None,
        intervals: bool | None,
        paper_scale: bool,
        **others: Any,
    ) -> Any:
        board = {
            "style": style,
            "metrics": metrics,
            "rank_by": rank_by,
            "intervals": others.get("by") is None if intervals is None else intervals,
            "paper_scale": paper_scale,
        }
        return command(board=board, **others)

    for option in reversed(
        [
            click.option("--format", "style", type=FORMATS, default="table", show_default=True),
            click.option(
                "--metrics",
                callback=_list,
                help="Columns, comma-separated: event_success@5, auc, coverage@10, …  "
                "[default: E@1, P@1, and AUC, MRR, nDCG where there are impressions]",
            ),
            click.option("--rank-by", help="The metric that ranks.  [default: E@1]"),
            click.option(
                "--intervals/--no-intervals",
                default=None,
                help="Show 95 % intervals.  [default: in the leaderboard, not by slice]",
            ),
            click.option("--paper-scale", is_flag=True, help="Multiply E and P by 100,000, as the 2019 paper does."),
        ]
    ):
        gathered = option(gathered)
    return gathered


def _preparing(command: Any) -> Any:
    """The options that shape how files are prepared, gathered into `preparing`."""

    @functools.wraps(command)
    def gathered(impressions: str | None, history: str | None, file_order: bool, **others: Any) -> Any:
        chosen = {"impressions": impressions, "history": history, "file_order": file_order or None}
        preparing = {name: value for name, value in chosen.items() if value is not None}
        return command(preparing=preparing, **others)

    for option in reversed(
        [
            click.option(
                "--impressions",
                metavar="METHOD",
                help="Make impressions for a log that has only reads: sampled, sampled:popularity (20 articles of the "
                "last 24 hours beside each read) or sampled:uniform-all (as published; leaks).",
            ),
            click.option("--history", metavar="MODE", help="MIND: dynamic (the default) or static (as published)."),
            click.option("--file-order", is_flag=True, help="NeMig: replay in file order, at made-up times."),
        ]
    ):
        gathered = option(gathered)
    return gathered


columns_option = click.option(
    "--columns",
    callback=_columns,
    metavar="TIME=NAME,…",
    help="Names of a table's columns where they differ: time=ts,item=article_id.",
)


@main.command(short_help="Replay a data set, print the leaderboard.")
@click.option("--data", default="demo", show_default=True, help="A prepared name, KIND:PATH, or a table file.")
@click.option(
    "--recommenders",
    default="baselines",
    show_default=True,
    help="Specs, comma-separated: trend, trend(hours=12), circular:size=500, mine.py:Mine, the preset baselines.",
)
@click.option("-k", default=10, show_default=True, type=click.IntRange(1), help="Slate length.")
@click.option("--publishers", help="Only these of the data set's publishers, comma-separated.")
@click.option("--warmup", callback=_duration, help="Learn from the first stretch without scoring it: 1d, 36h.")
@click.option("--window", callback=_duration, help="Score only sessions that begin within this time after it.")
@click.option(
    "--split", help="Score a named stretch of the data set's (MIND: official, awrs, …) in place of these two."
)
@click.option("--max-session-length", type=click.IntRange(2), help="Leave longer sessions unscored (bots).")
@click.option("--out", type=click.Path(path_type=Path), help="The run folder.  [default: runs/DATA]")
@click.option("--seed", default=0, show_default=True, help="Of random choices and intervals.")
@click.option(
    "--seeds",
    callback=_seeds,
    metavar="N,N,…",
    help="Repeat recommenders that train with these seeds; their spread is shown beside the interval.",
)
@click.option("--jobs", type=click.IntRange(1), help="Pairs at a time.  [default: one a core]")
@click.option("--slates/--no-slates", default=True, help="Keep every answer in the run folder.  [default: keep]")
@click.option(
    "--cluster",
    type=click.Choice(["session", "user", "day"]),
    default="session",
    show_default=True,
    help="What is resampled for intervals.",
)
@click.option("--timed", is_flag=True, help="Measure how long every answer takes.")
@click.option("--deadline", callback=_duration, help="An answer that takes longer is late: 100ms. Implies --timed.")
@click.option("--strict-deadline", is_flag=True, help="Late answers count as misses.")
@_board_options
@columns_option
@_preparing
def run(
    data: str,
    recommenders: str,
    k: int,
    publishers: str | None,
    warmup: int | None,
    window: int | None,
    split: str | None,
    max_session_length: int | None,
    out: Path | None,
    seed: int,
    seeds: tuple[int, ...],
    jobs: int | None,
    slates: bool,
    cluster: str,
    timed: bool,
    deadline: int | None,
    strict_deadline: bool,
    board: dict[str, Any],
    columns: dict[str, str] | None,
    preparing: dict[str, Any],
) -> None:
    """Replay a data set before recommenders and print the leaderboard."""
    from newsreplay.kernels.compiling import first_use

    first = first_use()  # before the imports that make the kernels' folder
    from newsreplay.api import run as replay_all
    from newsreplay.datasets import find_data
    from newsreplay.machine import cores
    from newsreplay.recommenders.registry import start_list
    from newsreplay.report.tables.costs import costs, was_trained
    from newsreplay.report.tables.leaderboard import leaderboard
    from newsreplay.simulator.runs.paths import file_name

    entries = start_list(recommenders)
    _check_metrics(board, k)
    with contextlib.ExitStack() as meanwhile:
        if first:
            from newsreplay.simulator.warm import compiling

            _say("compiling the kernels (once after installation, less than a minute)")
            meanwhile.enter_context(compiling(entries))
        with _progress() as progress:
            dataset = find_data(data, columns=columns, options=preparing, say=_say, progress=progress)
    with _progress() as progress:
        done = replay_all(
            dataset,
            recommenders,
            k=k,
            publishers=_names(publishers) if publishers else None,
            warmup=warmup or 0,
            window=window,
            split=split,
            max_session_length=max_session_length,
            seed=seed,
            seeds=seeds,
            jobs=jobs or cores(),
            out=out or Path("runs") / file_name(dataset.name),
            slates=slates,
            cluster=cluster,
            timed=timed,
            deadline=deadline,
            strict_deadline=strict_deadline,
            progress=progress,
            command=shlex.join(["newsreplay", *sys.argv[1:]]),
        )
    click.echo(leaderboard([done], **board))
    if was_trained(done) and board["style"] not in ("json", "csv"):
        click.echo("\n" + costs(done, style=board["style"], rank_by=board["rank_by"]))
    if all(pair["status"] == "failed" for pair in done.info["pairs"]):
        raise click.ClickException("every recommender failed")


@main.command(short_help="Fit a neural recommender and save it.")
@click.option("--data", default="demo", show_default=True, help="A prepared name, KIND:PATH, or a table file.")
@click.option("--recommender", required=True, help="One spec: nrms(size=small).")
@click.option("--warmup", callback=_duration, help="Learn from the first stretch of the log: 3d, 36h.  [default: 1d]")
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]),
    help="Learn from what lies before this moment, UTC, in place of --warmup.",
)
@click.option("--publisher", help="Which of the data set's publishers, if there are several.")
@click.option("--seed", default=0, show_default=True, help="Of random choices.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file: nrms.safetensors.")
@columns_option
@_preparing
def train(
    data: str,
    recommender: str,
    warmup: int | None,
    until: datetime | None,
    publisher: str | None,
    seed: int,
    out: Path,
    columns: dict[str, str] | None,
    preparing: dict[str, Any],
) -> None:
    """Replay the first stretch of a log before a neural recommender, fit it, and save it to be replayed later."""
    from newsreplay.datasets import find_data
    from newsreplay.report.tables.training import summary
    from newsreplay.simulator.train import Callbacks, trainee
    from newsreplay.simulator.train import train as fit

    trainee(recommender)  # before the data are prepared
    with _training() as (progress, report):
        trained = fit(
            find_data(data, columns=columns, options=preparing, say=_say, progress=progress),
            recommender,
            out=out,
            warmup=warmup,
            until=None if until is None else until.replace(tzinfo=UTC),
            publisher=publisher,
            seed=seed,
            callbacks=Callbacks(_say, progress, report),
        )
    click.echo(summary(trained, data))


def _check_metrics(board: dict[str, Any], k: int) -> None:
    """Refuse a metric that there is not before the work, not after it."""
    from newsreplay.errors import did_you_mean
    from newsreplay.report.headings import check_rank, named
    from newsreplay.simulator.judgement.measures import names

    known = names(k)
    for metric in filter(None, (*(board["metrics"] or ()), board["rank_by"])):
        if named(metric) not in known:
            hint = did_you_mean(named(metric), known) or f"There are {', '.join(known)}."
            raise click.ClickException(f"no metric is called {metric!r}. {hint}")
    if board["rank_by"]:
        check_rank(named(board["rank_by"]))


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on a terminal, nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda what, done, of: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, of: bar.update(task, description=what, completed=done, total=of)


@contextlib.contextmanager
def _training() -> Iterator[tuple[Callable[[str, int, int], None], Callable[[str], None]]]:
    """A progress bar for the replay, then one without an end beside lines on how training goes; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield (lambda what, done, of: None), (lambda line: None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        replaying = bar.add_task("replaying", total=None)
        fitting = bar.add_task("training", total=None, visible=False)
        yield (
            lambda what, done, of: bar.update(replaying, description=what, completed=done, total=of),
            lambda line: bar.update(fitting, description=line, visible=True),
        )


folder_argument = click.argument("folder", type=click.Path(path_type=Path), metavar="RUN")


@main.command(short_help="Print the leaderboard of finished runs.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN…")
@click.option(
    "--by",
    help="By slice instead: hour, day, position (in the session), age (of the article), reader (new or returning), "
    "length (of the session), category.",
)
@click.option("--cost", is_flag=True, help="What each recommender costs instead, next to its quality.")
@click.option("--misses", is_flag=True, help="Why each recommender missed instead.")
@_board_options
def leaderboard(runs: tuple[Path, ...], by: str | None, cost: bool, misses: bool, board: dict[str, Any]) -> None:
    """Print the leaderboard of one or more finished runs, or another view of each."""
    from newsreplay.api import Run
    from newsreplay.report.tables.by_slice import by_slice
    from newsreplay.report.tables.costs import costs
    from newsreplay.report.tables.leaderboard import leaderboard as ranked
    from newsreplay.report.tables.missed import missed

    if sum([by is not None, cost, misses]) > 1:
        raise click.UsageError("choose one of --by, --cost and --misses")
    style = board["style"]
    if len(runs) > 1 and style in ("json", "csv") and (by is not None or cost or misses):
        raise click.UsageError(f"{style} holds one run; name them one at a time")
    opened = [Run(folder) for folder in runs]
    if by is None and not cost and not misses:
        click.echo(ranked(opened, **board))
    for each in opened:
        if by is not None:
            # JSON and CSV have all the metrics at once.
            metrics = (board["metrics"] or [None]) if style not in ("json", "csv") else [None]
            for metric in metrics:
                click.echo(by_slice(each, by, style=style, metric=metric, intervals=board["intervals"]))
        if cost:
            click.echo(costs(each, style=style, rank_by=board["rank_by"]))
        if misses:
            click.echo(missed(each, style=style))


@main.command(short_help="Compare recommenders of a run.")
@folder_argument
@click.argument("a", required=False)
@click.argument("b", required=False)
@click.option("--metrics", callback=_list, help="Metrics, comma-separated.  [default: all that judge, or E@1]")
@click.option("--format", "style", type=FORMATS, default="table", show_default=True)
def compare(folder: Path, a: str | None, b: str | None, metrics: list[str] | None, style: str) -> None:
    """Compare recommenders A and B of a run: paired differences, intervals, p-values.

    With A alone it is compared with every other, without it all pairs are.
    """
    from newsreplay.api import Run
    from newsreplay.report.tables.compare import compare as compared

    click.echo(compared(Run(folder), a, b, style=style, metrics=metrics))


@main.command(short_help="Draw a run.")
@folder_argument
@click.option("--to", "pictures", type=click.Path(path_type=Path), metavar="DIR", help="[default: RUN/pictures]")
def plot(folder: Path, pictures: Path | None) -> None:
    """Draw a run: success over time, E against P, quality against cost, ranks, slices; as PNG, SVG and CSV."""
    from newsreplay.api import Run

    for path in Run(folder).plot(pictures):
        click.echo(f"drew {path}")


@main.command(short_help="Write a run as one HTML page.")
@folder_argument
@click.option("--to", "page", type=click.Path(path_type=Path), metavar="FILE", help="[default: RUN/report.html]")
def report(folder: Path, page: Path | None) -> None:
    """Write a run as one HTML page that needs nothing else: tables to sort, plots, slices, what reproduces it."""
    from newsreplay.api import Run

    click.echo(f"wrote {Run(folder).report(page)}")


@main.command(short_help="Score a run once more, without replaying.")
@folder_argument
@click.option("--data", help="Where the data of the run are, if they do not lie where they lay.")
@click.option("--warmup", callback=_duration, help="Leave the first stretch unscored: 1d, 36h; 0h for none.")
@click.option("--window", callback=_duration, help="Score only sessions that begin within this time after it.")
@click.option("--max-session-length", type=click.IntRange(2), help="Leave longer sessions unscored (bots).")
@click.option("--cluster", type=click.Choice(["session", "user", "day"]), help="What is resampled for intervals.")
@_board_options
def score(folder: Path, data: str | None, board: dict[str, Any], **changes: Any) -> None:
    """Score the answers of a run once more, in place and without replaying; options not given stay as they are."""
    from newsreplay.api import Run
    from newsreplay.report.tables.leaderboard import leaderboard
    from newsreplay.simulator.rescore import rescore
    from newsreplay.simulator.runs.folder import read_info

    _check_metrics(board, int(read_info(folder)["options"]["k"]))
    with _progress() as progress:
        given = {name: value for name, value in changes.items() if value is not None}
        rescore(folder, data=data, progress=progress, **given)
    click.echo(leaderboard([Run(folder)], **board))


@main.command(short_help="Replay a run and compare every answer.")
@folder_argument
@click.option("--data", help="Where the data of the run are, if they do not lie where they lay.")
@click.option("--jobs", type=click.IntRange(1), help="Pairs at a time.  [default: one a core]")
def verify(folder: Path, data: str | None, jobs: int | None) -> None:
    """Run a run's manifest again and say whether every answer is the same."""
    from newsreplay.api import Run
    from newsreplay.machine import cores
    from newsreplay.simulator.verify import verify as differences

    pairs = Run(folder).info["pairs"]
    with _progress() as progress:
        found = differences(folder, data=data, jobs=jobs or cores(), progress=progress)
    for each in found:
        click.echo(f"{each.recommender} on {each.publisher}: {each.what}")
    if found:
        others = len({(each.recommender, each.publisher) for each in found})
        raise click.ClickException(f"{others} of {len(pairs)} pairs are not as they were")
    click.echo(f"all {len(pairs)} pairs of recommender and publisher give the same answers and the same results")


@main.command()
def recommenders() -> None:
    """List the recommenders, their parameters and presets."""
    import textwrap

    from tabulate import tabulate

    from newsreplay.recommenders.registry import ALIASES, PRESETS, describe

    rows = [(name, textwrap.fill(parameters, 60), textwrap.fill(text, 60)) for name, parameters, text in describe()]
    click.echo(tabulate(rows, ["name", "parameters", ""], tablefmt="simple", disable_numparse=True))
    click.echo("\naliases: " + ", ".join(f"{alias} = {name}" for alias, name in ALIASES.items()))
    for name, specs in PRESETS.items():
        click.echo(f"preset {name}: {', '.join(specs)}")
    click.echo("your own: module:Class or path/to/file.py:Class, with parameters as Class(size=3)")


@main.command()
@click.argument("specs", required=True, metavar="SPECS")
@click.option("--data", help="Check on this data set's first publisher, not on a small log made up for it.")
@click.option("--cuts", default=20, show_default=True, type=click.IntRange(1), help="Where the future is overwritten.")
@click.option("-k", default=10, show_default=True, type=click.IntRange(1), help="Slate length.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
def check(specs: str, data: str | None, cuts: int, k: int, seed: int) -> None:
    """Prove that recommenders cannot see the future.

    Replays a log, overwrites all that follows a cut, replays again and compares the answers before the cut
    byte by byte. SPECS as in run.
    """
    from newsreplay.api import check as check_one
    from newsreplay.datasets import find_data
    from newsreplay.recommenders.registry import start_list

    dataset = None if data is None else find_data(data, say=_say)
    failed = 0
    for entry in start_list(specs):
        checked = check_one(entry.label, dataset, cuts=cuts, k=k, seed=seed)
        failed += checked.finding is not None
        click.echo(str(checked))
    if failed:
        raise click.ClickException(f"{failed} not blind to the future, or not the same from replay to replay")


@main.group(short_help="Get, prepare, describe data sets.")
def data() -> None:
    """List, fetch, prepare, describe, remove and synthesize data sets."""


@data.command(name="list")
def list_data() -> None:
    """List what can be named with --data."""
    from newsreplay.datasets import kinds, prepared

    click.echo("demo: three synthetic publishers, generated at first use")
    for dataset in prepared():
        with _described(dataset) as card:
            reads = sum(facts["reads"] for facts in card["publishers"])
            click.echo(f"{dataset.folder.name}: {card['kind']}, {reads:,} reads, {len(card['publishers'])} publishers")
    click.echo(f"kinds that can be prepared: {', '.join(kinds())}")


@contextlib.contextmanager
def _described(dataset: Dataset) -> Iterator[dict[str, Any]]:
    """One data set that cannot be read does not cost the list."""
    try:
        card = dataset.card
    except NewsreplayError as error:
        click.echo(f"{dataset.folder.name}: {error}")
        card = {"kind": "unreadable", "publishers": []}
    yield card


@data.command()
@click.argument("kind")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--name", help="What to call it with --data.  [default: the kind, or the table's file name]")
@click.option("--strict", is_flag=True, help="Refuse rows that cannot be used instead of counting them.")
@columns_option
@_preparing
def prepare(
    kind: str,
    path: Path,
    name: str | None,
    strict: bool,
    columns: dict[str, str] | None,
    preparing: dict[str, Any],
) -> None:
    """Prepare files of a KIND under a name.

    When it is interrupted, the same command goes on where it stopped.
    """
    from newsreplay.datasets import prepare_data

    with _progress() as progress:
        dataset = prepare_data(
            kind, path, name=name, columns=columns, options=preparing, strict=strict, say=_say, progress=progress
        )
    _describe(dataset)


@data.command()
@click.argument("name", default="demo")
@click.option("--draw", type=click.Path(path_type=Path), metavar="DIR", help="Draw what it holds, as PNG, SVG and CSV.")
@columns_option
@_preparing
def describe(name: str, draw: Path | None, columns: dict[str, str] | None, preparing: dict[str, Any]) -> None:
    """Print what a data set holds (NAME, KIND:PATH or a file): Table 1 of the 2019 paper, and its card."""
    from newsreplay.datasets import find_data

    with _progress() as progress:
        dataset = find_data(name, columns=columns, options=preparing, say=_say, progress=progress)
    _describe(dataset)
    if draw is not None:
        from newsreplay.report.pictures.dataset import draw as pictures

        for path in pictures(dataset, draw):
            click.echo(f"drew {path}")


def _describe(dataset: Dataset) -> None:
    from newsreplay.report.tables.describe import describe as text

    click.echo(text(dataset))


@data.command()
@click.argument("names", nargs=-1, metavar="NAME…")
@click.option("--cached", is_flag=True, help="What was prepared without a name, and what was left unfinished.")
def remove(names: tuple[str, ...], cached: bool) -> None:
    """Remove prepared data sets; the files they were made from stay."""
    from newsreplay.datasets import remove_cached, remove_data

    if not names and not cached:
        raise click.UsageError("name the data sets to remove, or give --cached")
    for name in names:
        remove_data(name)
        click.echo(f"removed {name}")
    if cached:
        click.echo(f"removed {remove_cached():,} data sets that were prepared without a name")


@data.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--publishers", default="A,B,C", show_default=True, help="Which of the demo's publishers.")
@click.option("--reads", type=click.IntRange(1), help="Reads per publisher.  [default: as in the demo]")
@click.option("--seed", default=0, show_default=True)
def synth(folder: Path, publishers: str, reads: int | None, seed: int) -> None:
    """Write a synthetic click log of any size to FOLDER as Parquet; use it with --data FOLDER."""
    from newsreplay.datasets.sources.synthetic.newsroom import synthesize
    from newsreplay.datasets.sources.synthetic.publishers import DEMO

    names = _names(publishers)
    unknown = [name for name in names if name not in DEMO]
    if unknown:
        raise click.BadParameter(f"no synthetic publisher {unknown[0]!r}; there are {', '.join(DEMO)}")
    try:
        synthesize(folder, {name: DEMO[name] for name in names}, reads=reads, seed=seed)
    except OSError as error:
        raise click.ClickException(f"cannot write to {folder}: {error.strerror or error}") from None
    click.echo(f"wrote {folder}; replay it with: newsreplay run --data {folder}")


@data.command()
@click.argument("name")
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where to put the files.  [default: $NEWSREPLAY_HOME/raw/NAME]",
)
@click.option("--yes", is_flag=True, help="Accept the terms without being asked.")
def fetch(name: str, folder: Path | None, yes: bool) -> None:
    """Download a public data set once its terms are accepted.

    \b
    NAME is one of
      adressa, adressa-3months
      mind-demo, mind-small, mind-large
      ebnerd-demo, ebnerd-small, ebnerd-large
    or one of those that are not downloaded but described:
      globo, deskdrop, nemig, newsreel, streamingrec

    A download that broke off goes on where it stopped when the same command is run again.
    """
    from newsreplay.datasets.fetching import download as fetching
    from newsreplay.datasets.fetching import sources

    source = sources.find_source(name)
    folder = folder or fetching.default_folder(name)
    if source.files:
        click.echo(sources.describe(source))
        if not yes and not sys.stdin.isatty():
            raise click.ClickException("these terms must be accepted first: add --yes if you accept them")
        if not yes:
            click.confirm("Do you accept these terms?", abort=True)
    with fetching.progress_bar() as progress:
        path = fetching.fetch(name, folder, say=_say, progress=progress)
    click.echo(f"now run: {sources.prepare_command(source, path)}")
