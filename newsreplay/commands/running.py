"""Commands that replay, train, score and check."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from newsreplay.commands.bars import progress_bar, report_line, training_bars
from newsreplay.commands.completing import complete_data, complete_recommender, complete_recommenders
from newsreplay.commands.continuing import going_on, looked_from
from newsreplay.commands.dry_run import AskedRun, planned_run
from newsreplay.commands.experiments import experiment_argument, look_from
from newsreplay.commands.groups import GroupedCommand
from newsreplay.commands.loudness import compiling_said, loudness, loudness_option
from newsreplay.commands.options import (
    AnsweringKeywords,
    CheckKeywords,
    FileOptions,
    LeaderboardKeywords,
    LimitKeywords,
    ScopeKeywords,
    SplitScopeKeywords,
    check_metrics,
    cluster_option,
    data_option,
    exclude_option,
    feedback_delay_option,
    file_options,
    gathered,
    jobs_option,
    k_option,
    leaderboard_options,
    limit_option,
    moved_data_option,
    names_option,
    parse_memory,
    parse_names,
    parse_seeds,
    parse_time,
    recommenders_option,
    requests_option,
    reward_option,
    run_argument,
    scope_options,
)
from newsreplay.commands.screens import screen
from newsreplay.commands.starting import find_and_compile, replaying, start_list_of
from newsreplay.errors import RecommenderError
from newsreplay.escaping import escaped
from newsreplay.simulator.stages import StageClock

if TYPE_CHECKING:
    from newsreplay.api import Run
    from newsreplay.simulator.runs.experiment import Experiment


@click.command(cls=GroupedCommand)
@experiment_argument
@data_option
@limit_option
@recommenders_option
@k_option
@click.option(
    "--publishers",
    type=click.UNPROCESSED,  # a file has a list
    callback=parse_names,
    metavar="NAME,…",
    help="Only these of the data set's publishers.",
)
@scope_options("Learn from the first stretch without scoring it: 1d, 36h.", split=True)
@requests_option
@exclude_option
@feedback_delay_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The run folder.  [default: runs/DATA-1, -2, … for each other run; runs/DATA leads to the latest]",
)
@click.option("--overwrite", is_flag=True, help="Let --out replace a run of other data, recommenders or options, too.")
@click.option("--seed", default=0, show_default=True, help="Of random choices and intervals.")
@click.option(
    "--seeds",
    type=click.UNPROCESSED,  # a file has a list
    callback=parse_seeds,
    metavar="N,N,…",
    help="Repeat recommenders that train with these seeds; their spread is shown beside the interval.",
)
@jobs_option
@click.option(
    "--executor",
    metavar="ADDRESS",
    help="Replay on the workers of a cluster: dask://HOST:8786; docs/clusters.md.",
)
@click.option(
    "--pair-timeout",
    callback=parse_time,
    metavar="DURATION",
    help="Give up a recommender that takes longer on a publisher: 10m. It fails, the others go on.",
)
@click.option(
    "--answer-timeout",
    callback=parse_time,
    metavar="DURATION",
    help="Give up an answer of a plain-Python recommender that takes longer: 100ms. It is a miss, and noted.",
)
@click.option(
    "--memory-limit",
    callback=parse_memory,
    metavar="SIZE",
    help="What the process of a plain-Python recommender may take: 2GB. One that wants more fails.",
)
@click.option(
    "--fail-fast", "on_error", flag_value="raise", default="keep", help="Stop where the first recommender fails."
)
@click.option(
    "--checkpoint-every",
    callback=parse_time,
    metavar="DURATION",
    help="How often the state of a recommender is kept, so that --resume need not begin it anew.  [default: 1m]",
)
@click.option("--slates/--no-slates", default=True, help="Keep every answer in the run folder.  [default: keep]")
@click.option("--keep-states", "states", is_flag=True, help="Keep what recommenders know at the end, for 'extend'.")
@cluster_option
@reward_option
@click.option("--timed", is_flag=True, help="Measure how long every answer takes.")
@click.option("--deadline", callback=parse_time, help="An answer that takes longer is late: 100ms. Implies --timed.")
@click.option("--strict-deadline", is_flag=True, help="Late answers count as misses.")
@click.option(
    "--add",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Add --recommenders, or --publishers, to a run: only what it does not have, or what failed, is replayed.",
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Go on with a run that was interrupted or killed.",
)
@click.option("--profile", is_flag=True, help="Print the seconds by stage below the table: find, load, replay, …")
@click.option("--dry-run", is_flag=True, help="Print the pairs and what they would take, and do nothing.")
@loudness_option
@names_option
@leaderboard_options
@file_options
@gathered("answering", AnsweringKeywords.__annotations__)
@gathered("limits", LimitKeywords.__annotations__)
def run(
    experiment: Experiment | None,
    data: str,
    limit: int | None,
    recommenders: str,
    k: int,
    publishers: list[str] | None,
    scope: SplitScopeKeywords,
    out: Path | None,
    overwrite: bool,
    answering: AnsweringKeywords,
    jobs: int | None,
    executor: str | None,
    limits: LimitKeywords,
    slates: bool,
    states: bool,
    add: Path | None,
    resume: Path | None,
    profile: bool,
    dry_run: bool,
    names: dict[str, str],
    table: LeaderboardKeywords,
    files: FileOptions,
) -> None:
    """Replay a data set before recommenders and print the leaderboard.

    The exit status is 3 where a recommender failed; what the others brought is printed and kept.

    A run that is interrupted is kept as far as it went, in a folder with .partial behind its name; --resume goes on.

    EXPERIMENT.toml says what the options do not; the experiment.toml of a run folder runs that run again.
    """
    if overwrite and out is None:
        raise click.UsageError("--overwrite is for --out; without it no other run is replaced")
    clock = StageClock()
    if add is not None or resume is not None:
        replay = going_on(click.get_current_context(), table)
    else:
        data, runs, out = look_from(experiment, data, out)
        with clock.stage("find"):
            first, entries = start_list_of(recommenders, names, table, k)
            if dry_run:
                seeds, asks = answering["seeds"], scope.get("requests", "reads")
                asked = AskedRun(data, runs, files, limit, publishers, k, asks, seeds, jobs, slates)
                click.echo(planned_run(asked, entries, first))
                return
            dataset = find_and_compile(data, files, limit, entries, first)
        kept = {"slates": slates, "states": states}
        options = {"k": k, "publishers": publishers, "overwrite": overwrite, "command": _typed(), **kept}
        replay = replaying(dataset, entries, out, runs, **options, **scope, **answering)
    done = _replayed(partial(replay, clock=clock, **limits), jobs, executor, table)
    done.names |= names
    _print_run(done, table, clock if profile or loudness() == "verbose" else None)


@click.command(cls=GroupedCommand)
@run_argument
@click.option(
    "--data",
    required=True,
    shell_complete=complete_data,
    help="All of the log: the rows of the run's, and what came after its last moment.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Another folder for the longer run.  [default: RUN]")
@jobs_option
@loudness_option
@leaderboard_options
def extend(folder: Path, data: str, out: Path | None, jobs: int | None, table: LeaderboardKeywords) -> None:
    """Go on with a run over its log as it has grown, and print the leaderboard.

    Recommenders go on from the states that the run kept (run --keep-states), the others from the start. Results are
    those of one run over all of the log. Rows that lie between those of the run are refused, and counted.
    """
    from newsreplay.api import extend as go_on

    folder, data, out = looked_from(folder, data, out, table)
    _print_run(_replayed(partial(go_on, folder, data, out=out), jobs, None, table), table, None)


def _replayed(replay: Callable[..., Run], jobs: int | None, executor: str | None, table: LeaderboardKeywords) -> Run:
    """The run that `replay` makes, here or on a cluster's workers; of an interrupted one the finished is printed."""
    from newsreplay.machine import cores
    from newsreplay.simulator.executors import opened_cluster
    from newsreplay.simulator.run import InterruptedRunError

    try:
        with opened_cluster(executor, report_line) as cluster, progress_bar() as progress:
            elsewhere = {} if cluster is None else {"executor": cluster}
            return replay(jobs=jobs or cores(), progress=progress, report=report_line, **elsewhere)
    except RecommenderError as error:  # of --fail-fast
        raise FailedRecommendersError(str(error)) from None
    except InterruptedRunError as interruption:
        _print_partial(interruption.folder, table)
        raise


def _typed() -> str:
    """The command line, as run.json keeps it."""
    from newsreplay.datasets.remote.address import without_secrets

    return shlex.join(["newsreplay", *map(without_secrets, sys.argv[1:])])


def _print_partial(folder: Path, table: LeaderboardKeywords) -> None:
    """The leaderboard of what was finished when a run was interrupted, if anything was."""
    from newsreplay.api import Run
    from newsreplay.errors import RunError
    from newsreplay.report.tables.leaderboard import leaderboard

    with contextlib.suppress(RunError):
        click.echo(leaderboard([Run(folder)], **table, screen=screen()))


def _print_run(run: Run, table: LeaderboardKeywords, clock: StageClock | None) -> None:
    """The leaderboard, what training cost, and the seconds by stage; ends with status 3 where a recommender failed."""
    from newsreplay.report.tables.costs import costs, was_trained
    from newsreplay.report.tables.leaderboard import leaderboard

    click.echo(leaderboard([run], **table, screen=screen()))
    if was_trained(run) and table["style"] not in ("json", "csv"):
        click.echo("\n" + costs(run, style=table["style"], rank_by=table.get("rank_by"), screen=screen()))
    if clock is not None:
        _print_profile(run, clock, table)
    failed = [pair for pair in run.info["pairs"] if pair["status"] == "failed"]
    if failed:
        every = len(failed) == len(run.info["pairs"])
        which = (
            "every recommender"
            if every
            else f"{len(failed)} of {len(run.info['pairs'])} pairs of recommender and publisher"
        )
        raise FailedRecommendersError(f"{which} failed; tracebacks lie in {run.folder / 'errors'}")


def _print_profile(run: Run, clock: StageClock, table: LeaderboardKeywords) -> None:
    """The seconds by stage; beside what other programs read on stderr."""
    from newsreplay.report.tables.profile import profile

    text = profile(clock.seconds, run.timing["stages"]["processor"], clock.in_all())
    click.echo("\n" + text, err=table["style"] in ("json", "csv"))


class FailedRecommendersError(click.ClickException):
    """Recommenders failed, though the run did not."""

    exit_code = 3


@click.command()
@data_option
@click.option("--recommender", required=True, shell_complete=complete_recommender, help="One spec: nrms(size=small).")
@click.option("--warmup", callback=parse_time, help="Learn from the first stretch of the log: 3d, 36h.  [default: 1d]")
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]),
    help="Learn from what lies before this moment, UTC, in place of --warmup.",
)
@click.option("--publisher", help="Which of the data set's publishers, if there are several.")
@click.option("--seed", default=0, show_default=True, help="Of random choices.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file: nrms.safetensors.")
@file_options
def train(
    data: str,
    recommender: str,
    warmup: int | None,
    until: datetime | None,
    publisher: str | None,
    seed: int,
    out: Path,
    files: FileOptions,
) -> None:
    """Replay the first stretch of a log before a neural recommender, fit it, and save it to be replayed later."""
    from newsreplay.datasets import find_data
    from newsreplay.datasets.remote.address import without_secrets
    from newsreplay.report.tables.training import summary
    from newsreplay.simulator.train import Callbacks, trainee
    from newsreplay.simulator.train import train as fit

    trainee(recommender)  # before the data are prepared
    with training_bars() as (progress, report_training):
        trained = fit(
            find_data(data, columns=files.columns, preparing=files.preparing, report=report_line, progress=progress),
            recommender,
            out=out,
            warmup=warmup,
            until=None if until is None else until.replace(tzinfo=UTC),
            publisher=publisher,
            seed=seed,
            callbacks=Callbacks(report_line, progress, report_training),
        )
    click.echo(summary(trained, without_secrets(data)))


@click.command(cls=GroupedCommand)
@run_argument
@moved_data_option
@loudness_option
@scope_options("Leave the first stretch unscored: 1d, 36h; 0h for none.")
@cluster_option
@reward_option
@names_option
@leaderboard_options
def score(
    folder: Path, data: str | None, scope: ScopeKeywords, names: dict[str, str], table: LeaderboardKeywords
) -> None:
    """Score the answers of a run once more, without replaying; options not given stay as they are.

    The new results take the place of the old ones once they are whole.
    """
    from newsreplay.api import Run
    from newsreplay.report.facts import base_name, give_names
    from newsreplay.report.tables.leaderboard import leaderboard
    from newsreplay.simulator.rescore import rescore
    from newsreplay.simulator.runs.folder import read_info
    from newsreplay.simulator.runs.place import find_run
    from newsreplay.spec import check_names

    click.get_current_context().with_resource(compiling_said(False))
    folder = find_run(folder)
    info = read_info(folder)
    check_metrics(table, int(info["options"]["k"]))
    check_names(names, [label for pair in info["pairs"] for label in (base_name(pair), pair["recommender"])])
    with progress_bar() as progress:
        rescore(folder, data=data, progress=progress, report=report_line, **scope)
    run = Run(folder)
    give_names([run], names)
    click.echo(leaderboard([run], **table, screen=screen()))


@click.command()
@run_argument
@moved_data_option
@jobs_option
@click.option("--certificate", is_flag=True, help="Then write certificate.json into it, with what check says, too.")
@click.option("--by", default="", metavar="NAME", help="Whose certificate it is, as pages of many show it.")
def verify(folder: Path, data: str | None, jobs: int | None, certificate: bool, by: str) -> None:
    """Run a run's manifest again and say whether every answer is the same.

    A certificate holds digests of log, code, options, answers and results; 'newsreplay certificates' compares many.
    """
    from newsreplay.api import Run
    from newsreplay.machine import cores
    from newsreplay.simulator.verify import verify as find_differences

    if by and not certificate:
        raise click.UsageError("--by says whose certificate it is; add --certificate")
    pairs = Run(folder).info["pairs"]
    with progress_bar() as progress:
        differences = find_differences(folder, data=data, jobs=jobs or cores(), progress=progress)
    for difference in differences:
        click.echo(escaped(f"{difference.recommender} on {difference.publisher}: {difference.what}"))
    if differences:
        changed = len({(difference.recommender, difference.publisher) for difference in differences})
        raise click.ClickException(f"{changed} of {len(pairs)} pairs are not as they were")
    click.echo(f"all {len(pairs)} pairs of recommender and publisher give the same answers and the same results")
    if certificate:
        from newsreplay.simulator.certificates import certify

        with progress_bar() as progress:
            click.echo(f"wrote {certify(folder, by, progress)}")


@click.command(cls=GroupedCommand)
@click.argument("specs", required=True, metavar="SPECS", shell_complete=complete_recommenders)
@click.option(
    "--data",
    shell_complete=complete_data,
    help="Check on this data set's first publisher, not on a small log made up for it.",
)
@click.option("--cuts", type=click.IntRange(1), help="How often the future is changed.  [default: 20]")
@click.option(
    "--exhaustive", is_flag=True, help="Change it at every row of short logs: rare looks ahead are found, too."
)
@k_option
@requests_option
@exclude_option
@feedback_delay_option
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@file_options
@gathered("asking", CheckKeywords.__annotations__)
def check(
    specs: str,
    data: str | None,
    cuts: int | None,
    exhaustive: bool,
    k: int,
    seed: int,
    files: FileOptions,
    asking: CheckKeywords,
) -> None:
    """Test that recommenders do not look ahead.

    Replays a log, changes all that follows a cut, replays again in a process that never held the log, and compares the
    answers before the cut byte by byte. It finds mistakes; who means to read the future from files or from another
    process passes. Nor may answers depend on the order of pools, unless the recommender says so. SPECS as in run.
    """
    from newsreplay.api import check as check_one
    from newsreplay.datasets import find_data
    from newsreplay.recommenders.registry import start_list

    if data is None and (files.columns or files.preparing):
        raise click.UsageError("what shapes data goes with --data")
    if exhaustive and cuts is not None:
        raise click.UsageError("--exhaustive makes every row a cut; leave --cuts out")
    cuts = None if exhaustive else cuts or 20
    dataset = (
        None if data is None else find_data(data, columns=files.columns, preparing=files.preparing, report=report_line)
    )
    failed = 0
    with contextlib.redirect_stdout(sys.stderr):  # what recommenders print
        entries = start_list(specs)
    for entry in entries:
        checked = check_one(entry.label, dataset, cuts=cuts, k=k, seed=seed, **asking)
        failed += not checked.passed
        click.echo(escaped(str(checked), keep="\n"))
    if failed:
        raise click.ClickException(f"{failed} did not pass")
