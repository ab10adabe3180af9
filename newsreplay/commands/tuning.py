"""The command that chooses parameters."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast, get_type_hints

import click

from newsreplay.commands.bars import progress_bar, report_line
from newsreplay.commands.options import (
    FileOptions,
    SplitScopeKeywords,
    cluster_option,
    data_option,
    exclude_option,
    feedback_delay_option,
    file_options,
    format_option,
    gathered,
    jobs_option,
    k_option,
    parse_names,
    parse_time,
    requests_option,
    reward_option,
    scope_options,
)
from newsreplay.commands.screens import screen
from newsreplay.durations import NO_DELAYS, Delays, duration_text

if TYPE_CHECKING:
    from newsreplay.api import Run
    from newsreplay.report.records import TuningRow


class Choosing(TypedDict, total=False):
    """How candidates are made, and what they are chosen by; only what was given."""

    choose: int  #: ms
    metric: str
    trials: int


@click.command()
@click.argument("specs", nargs=-1, required=True, metavar="SPEC…")
@data_option
@k_option
@click.option("--publishers", callback=parse_names, metavar="NAME,…", help="Only these of the data set's publishers.")
@click.option(
    "--choose",
    callback=parse_time,
    metavar="DURATION",
    help="Choose on sessions that begin within this time after the warm-up, report on those after them.  "
    "[default: half of what is scored; with --split all before it]",
)
@click.option("--metric", help="What decides: event_success@1, auc, …  [default: what ranks, E@1 or AUC]")
@click.option("--trials", type=click.IntRange(1), help="Try so many combinations, drawn by --seed.  [default: all]")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@scope_options("Learn from the first stretch without scoring it: 1d, 36h.", split=True)
@requests_option
@exclude_option
@feedback_delay_option
@cluster_option
@reward_option
@jobs_option
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="[default: runs/tune-DATA]")
@format_option
@file_options
@gathered("choosing", get_type_hints(Choosing))
def tune(
    specs: tuple[str, ...],
    data: str,
    k: int,
    publishers: list[str] | None,
    choosing: Choosing,
    seed: int,
    scope: SplitScopeKeywords,
    feedback_delay: Delays | None,
    jobs: int | None,
    out: Path | None,
    style: str,
    files: FileOptions,
) -> None:
    """Choose parameters on an early stretch of a log, and report on a later one.

    Each SPEC has lists in place of values: 'trend(hours=[2, 4, 8])' 'nrms(rate=[1e-4, 1e-3])'. All combinations are
    tried, or --trials of them. A parameter that takes a list is swept over lists: 'mine.py:Mine(sizes=[[9], [9, 3]])'.

    The candidate with the highest mean of the metric over the publishers is chosen for each SPEC, then replayed anew:
    it learns from all that lies before the later stretch and is judged on that alone, beside the SPEC's own defaults.

    DIR has both runs, early and late, and tuning.json, tuning.csv, tuning.parquet, tuning.png, tuning.svg.
    """
    from newsreplay.api import run
    from newsreplay.datasets import find_data
    from newsreplay.files import file_name
    from newsreplay.machine import cores
    from newsreplay.report.tables.tuned import tuned
    from newsreplay.simulator.judgement.scope import Scope
    from newsreplay.simulator.sweeps import stretches, unfold
    from newsreplay.spec import parse_specs
    from newsreplay.tuning import tune as choose

    sweeps = [unfold(spec, choosing.get("trials"), seed) for text in specs for spec in parse_specs(text)]
    shaping = {"columns": files.columns, "preparing": files.preparing}
    with progress_bar() as progress:
        dataset = find_data(data, report=report_line, progress=progress, **cast("Any", shaping))
        split = scope.pop("split") if "split" in scope else None
        cut = stretches(dataset, Scope(**cast("Mapping[str, Any]", scope)), choosing.get("choose"), split, publishers)
        folder = out or Path("runs") / f"tune-{file_name(dataset.name)}"

        replay = partial(
            run,
            dataset,
            k=k,
            seed=seed,
            publishers=publishers,
            feedback_delay=feedback_delay or NO_DELAYS,
            jobs=jobs or cores(),
            progress=progress,
            report=report_line,
        )
        found = choose(sweeps, cut, folder, replay, metric=choosing.get("metric"), report=report_line)
    rows = found.rows()
    _write(rows, found.late, folder)
    click.echo(tuned(rows, found.late, style=style, screen=screen()))
    begin = duration_text(cut.late.warmup)
    report_line(f"the later stretch begins {begin} after the first read; both runs, tables and picture lie in {folder}")


def _write(rows: list[TuningRow], run: Run, folder: Path) -> None:
    """The rows as JSON, CSV and Parquet, and as a picture."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from newsreplay.files import written_whole
    from newsreplay.report.pictures.tuned import draw_tuned
    from newsreplay.report.tables.tuned import tuned

    for style in ("json", "csv"):
        with written_whole(folder / f"tuning.{style}") as work:
            work.write_text(tuned(rows, run, style=style) + "\n", "utf-8", "backslashreplace")
    with written_whole(folder / "tuning.parquet") as work:
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), work)
    draw_tuned(rows, run, folder)
