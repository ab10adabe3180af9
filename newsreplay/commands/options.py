"""Options that several commands share, and what turns their text into values.

A group of options is a decorator: it adds the options to a command and hands it their values gathered into one
argument, named in the decorator's docstring.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NotRequired, TypedDict, get_type_hints

import click

from newsreplay.commands.completing import complete_data, complete_recommenders
from newsreplay.durations import Delays, delays, parse_duration
from newsreplay.errors import NewsreplayError

Command = Callable[..., None]
Decorator = Callable[[Command], Command]


class ScopeKeywords(TypedDict, total=False):
    """Which sessions are scored, and what is resampled; only what was given. Times are ms."""

    warmup: int
    window: int
    max_session_length: int
    cluster: str
    reward: Literal["dwell"]


class SplitScopeKeywords(ScopeKeywords, total=False):
    """The same, or a named stretch of the data set's own, and what asks for slates."""

    split: str
    requests: Literal["reads", "impressions"]
    exclude: Literal["current", "session", "nothing"]


class CheckKeywords(TypedDict):
    """What asks for slates in a check, what they leave out, and how late feedback is learned."""

    requests: Literal["reads", "impressions"]
    exclude: Literal["current", "session", "nothing"]
    feedback_delay: NotRequired[Delays]


class AnsweringKeywords(TypedDict):
    """How recommenders are seeded and timed."""

    seed: int
    seeds: tuple[int, ...]
    timed: bool
    deadline: NotRequired[int]  #: ms
    strict_deadline: bool
    feedback_delay: NotRequired[Delays]
    answer_timeout: NotRequired[int]  #: ms


class LimitKeywords(TypedDict):
    """What a recommender may take, and what becomes of the run where it fails."""

    pair_timeout: NotRequired[int]  #: ms
    memory_limit: NotRequired[int]  #: bytes
    checkpoint_every: NotRequired[int]  #: ms
    on_error: Literal["keep", "raise"]


class LeaderboardKeywords(TypedDict):
    """The keywords of `leaderboard` and its kin."""

    style: str
    metrics: NotRequired[list[str]]
    rank_by: NotRequired[str]
    intervals: NotRequired[bool]
    paper_scale: bool
    digits: NotRequired[int]


@dataclass(frozen=True)
class FileOptions:
    """How files become a data set."""

    columns: dict[str, str] | None  #: of a table: newsreplay's name for a column → the file's
    preparing: dict[str, object]  #: `keep`, `impressions`, `session_gap`, `history`, `file_order`; only what was given


# --- from text to values ----------------------------------------------------------------------------------


def split_names(text: str) -> list[str]:
    """The names of a comma-separated list."""
    return [name.strip() for name in text.split(",")]


def parse_names(ctx: click.Context, parameter: click.Parameter, value: str | list[str] | None) -> list[str] | None:
    """a,b → a list."""
    return split_names(value) if isinstance(value, str) else value


def parse_recommenders(ctx: click.Context, parameter: click.Parameter, value: str | None) -> list[str] | None:
    """trend:hours=6,popular → a list of specs as runs show them."""
    from newsreplay.spec import parse_specs

    return None if value is None else [str(spec) for spec in parse_specs(value)]


def parse_metrics(ctx: click.Context, parameter: click.Parameter, value: str | None) -> list[str] | None:
    """auc,mine.py:late(hour=22, until=4) → a list."""
    from newsreplay.spec import split_list

    return None if value is None else split_list(value)


def parse_display_names(
    ctx: click.Context, parameter: click.Parameter, value: str | dict[str, str] | None
) -> dict[str, str]:
    """trend(hours=6)=Trend,… → a dict, empty where none is given."""
    from newsreplay.spec import parse_names as parse

    return value if isinstance(value, dict) else parse(value or "")


def parse_columns(
    ctx: click.Context, parameter: click.Parameter, value: str | dict[str, str] | None
) -> dict[str, str] | None:
    """time=ts,item=article_id → a dict."""
    if not isinstance(value, str):
        return value
    pairs = [piece.split("=", 1) for piece in value.split(",")]
    if any(len(pair) != 2 or not all(pair) for pair in pairs):
        raise click.BadParameter("write time=ts,item=article_id")
    return {name.strip(): source.strip() for name, source in pairs}


def parse_keep(ctx: click.Context, parameter: click.Parameter, value: str | list[str] | None) -> list[str] | None:
    """channel,device → a list."""
    names = split_names(value) if isinstance(value, str) else value
    if names is not None and not all(names):
        raise click.BadParameter("write channel,device")
    return names


def parse_seeds(ctx: click.Context, parameter: click.Parameter, value: str | list[int] | None) -> tuple[int, ...]:
    """1,2,3 → a tuple, empty where none is given."""
    try:
        seeds = tuple(int(seed) for seed in (value.split(",") if isinstance(value, str) else value or ()))
    except ValueError:
        raise click.BadParameter("write 1,2,3") from None
    if len(set(seeds)) < len(seeds):
        raise click.BadParameter("name every seed once")
    return seeds


def parse_delays(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Delays | None:
    """5m; reads=0,outcomes=5m → how long each is held back."""
    try:
        return None if value is None else delays(value)
    except NewsreplayError as error:
        raise click.BadParameter(str(error)) from None


def parse_time(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """1d, 36h, 100ms → milliseconds."""
    try:
        return None if value is None else parse_duration(value)
    except NewsreplayError as error:
        raise click.BadParameter(str(error)) from None


def parse_memory(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """2GB, 500MB → bytes."""
    from newsreplay.machine import parse_bytes

    try:
        return None if value is None else parse_bytes(value)
    except NewsreplayError as error:
        raise click.BadParameter(str(error)) from None


# --- groups -----------------------------------------------------------------------------------------------


def gathered(argument: str, names: Iterable[str], gather: Callable[..., object] = dict) -> Decorator:
    """A decorator that hands a command `gather(**values)` as `argument` in place of the options `names`.

    `values` holds those of the options that the command has and that were given: an option that is None is left out.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def call(**values: object) -> None:
            given = {name: values.pop(name) for name in names if name in values}
            values[argument] = gather(**{name: value for name, value in given.items() if value is not None})
            command(**values)

        return call

    return decorate


def stacked(*decorators: Decorator) -> Decorator:
    """One decorator for several, the first outermost: options stand in the help in this order."""

    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


k_option = click.option("-k", default=10, show_default=True, type=click.IntRange(1), help="Slate length.")
jobs_option = click.option("--jobs", type=click.IntRange(1), help="Pairs at a time.  [default: one a core]")
data_option = click.option(
    "--data",
    default="demo",
    show_default=True,
    shell_complete=complete_data,
    help="A prepared name, KIND:PATH, or a table: a file, a folder, a pattern; a path may be an address (s3://…).",
)
recommenders_option = click.option(
    "--recommenders",
    default="baselines",
    show_default=True,
    shell_complete=complete_recommenders,
    help="Specs, comma-separated: trend, trend(hours=12), circular:size=500, mine.py:Mine, the preset baselines.",
)
limit_option = click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="ROWS",
    help="A trial on the first rows of each publisher by time, as if the log ended there: 10000.",
)
moved_data_option = click.option("--data", help="Where the data of the run are, if they do not lie where they lay.")
format_option = click.option(
    "--format",
    "style",
    type=click.Choice(["table", "json", "csv", "markdown", "latex", "html"]),
    default="table",
    show_default=True,
)
names_option = click.option(
    "--names",
    type=click.UNPROCESSED,  # a file has a table
    callback=parse_display_names,
    metavar="SPEC=NAME,…",
    help="What to call recommenders: \"trend(hours=6)=Trend,popular='Most read'\".",
)
run_argument = click.argument("folder", type=click.Path(path_type=Path), metavar="RUN")
runs_argument = click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN…")


#: Part of `scope`.
requests_option = click.option(
    "--requests",
    type=click.Choice(["reads", "impressions"]),
    default="reads",
    show_default=True,
    help="What asks for slates; at impressions figures are lower bounds, since what was not shown was not clicked.",
)
#: Part of `scope`.
exclude_option = click.option(
    "--exclude",
    type=click.Choice(["current", "session", "nothing"]),
    default="current",
    show_default=True,
    help="What requests leave out: the article on screen, all that the session has read, nothing.",
)
feedback_delay_option = click.option(
    "--feedback-delay",
    callback=parse_delays,
    metavar="DURATION",
    help="Learn reads and outcomes so much later: 5m, or reads=0,outcomes=5m; judging does not wait.  [default: none]",
)
cluster_option = click.option(
    "--cluster",
    type=click.Choice(["session", "user", "day"]),
    help="What is resampled for intervals.  [default: sessions; for impressions users, if the source has no sessions]",
)


reward_option = click.option(
    "--reward",
    type=click.Choice(["dwell"]),
    help="What E sums: the seconds for which hits were read, where the data have these.  [default: the number of hits]",
)


def scope_options(warmup: str, *, split: bool = False) -> Decorator:
    """Which sessions are scored, gathered into `scope: ScopeKeywords` with the command's `--cluster` and `--reward`.

    `warmup` is the help of `--warmup`; `split` adds `--split` and takes up `--requests` and `--exclude`.
    """
    named_split = click.option(
        "--split", help="Score a named stretch of the data set's (MIND: official, awrs, …) in place of these two."
    )
    return stacked(
        click.option("--warmup", callback=parse_time, help=warmup),
        click.option("--window", callback=parse_time, help="Score only sessions that begin within this time after it."),
        *([named_split] if split else []),
        click.option("--max-session-length", type=click.IntRange(2), help="Leave longer sessions unscored (bots)."),
        gathered("scope", get_type_hints(SplitScopeKeywords)),
    )


leaderboard_options = stacked(
    format_option,
    click.option(
        "--metrics",
        callback=parse_metrics,
        help="Columns, comma-separated: event_success@5, auc, coverage@10, …, or your own, my_metrics.py:late.  "
        "[default: E@1, P@1, and AUC, MRR, nDCG where there are impressions]",
    ),
    click.option("--rank-by", help="The metric that ranks.  [default: E@1]"),
    click.option(
        "--intervals/--no-intervals",
        default=None,
        help="Show 95 % intervals.  [default: in the leaderboard, not by slice]",
    ),
    click.option("--paper-scale", is_flag=True, help="Multiply E and P by 100,000, as the 2019 paper does."),
    click.option(
        "--digits",
        type=click.IntRange(0, 9),
        help="Digits after the point.  [default: as many as a column's intervals deserve]",
    ),
    gathered("table", LeaderboardKeywords.__annotations__),
)
"""What shapes a leaderboard, gathered into `table: LeaderboardKeywords`."""


def _file_options(columns: dict[str, str] | None = None, **preparing: object) -> FileOptions:
    return FileOptions(columns, {name: value for name, value in preparing.items() if value is not False})


file_options = stacked(
    click.option(
        "--columns",
        type=click.UNPROCESSED,  # a file has a table
        callback=parse_columns,
        metavar="TIME=NAME,…",
        help="Names of a table's columns: time=ts,item=doc; of one sort of its files: articles.item=id.",
    ),
    click.option(
        "--keep",
        type=click.UNPROCESSED,  # a file has a list
        callback=parse_keep,
        metavar="NAME,…",
        help="Keep further columns of the source: recommenders have them as event.extra, and --by slices by them.",
    ),
    click.option(
        "--impressions",
        metavar="METHOD",
        help="Make impressions for a log that has only reads: sampled, sampled:popularity (20 articles of the "
        "last 24 hours beside each read) or sampled:uniform-all (as published; leaks).",
    ),
    click.option(
        "--session-gap",
        callback=parse_time,
        metavar="DURATION",
        help="Start a new session when more than this passed since its last read, also in the source's own sessions.  "
        "[default: 60m, for readers without session ids only]",
    ),
    click.option("--history", metavar="MODE", help="MIND: dynamic (the default) or static (as published)."),
    click.option("--file-order", is_flag=True, help="NeMig: replay in file order, at made-up times."),
    gathered("files", ("columns", "keep", "impressions", "session_gap", "history", "file_order"), _file_options),
)
"""How files are prepared, gathered into `files: FileOptions`."""


def check_metrics(table: LeaderboardKeywords, k: int) -> None:
    """Refuse a metric that does not exist for slates of `k` articles before the work, not after it."""
    from newsreplay.report.headings import check_rank, metric_named, no_such_metric
    from newsreplay.simulator.judgement.measures import names

    known = names(k)
    rank_by = table.get("rank_by")
    for metric in filter(None, (*table.get("metrics", ()), rank_by)):
        if (name := metric_named(metric)) not in known:
            from newsreplay.simulator.runs.own_metrics import find_metric, is_own

            if is_own(name):
                find_metric(name)
                continue
            raise no_such_metric(metric, known)
    if rank_by:
        check_rank(metric_named(rank_by))
