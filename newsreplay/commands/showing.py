"""Commands that show finished runs and what can be run."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Sequence
from itertools import starmap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from newsreplay.commands.bars import report_line
from newsreplay.commands.groups import GroupedCommand
from newsreplay.commands.options import (
    LeaderboardKeywords,
    format_option,
    gathered,
    leaderboard_options,
    moved_data_option,
    names_option,
    parse_metrics,
    parse_names,
    parse_recommenders,
    run_argument,
    runs_argument,
)
from newsreplay.commands.screens import screen
from newsreplay.escaping import escaped
from newsreplay.recommenders.records import COSTS, FAMILIES, NEEDS

if TYPE_CHECKING:
    from newsreplay.api import Run
    from newsreplay.report.tables.board import LeaderboardSheet


def _open(folders: Iterable[Path], names: dict[str, str]) -> list[Run]:
    """Finished runs, with display names for their recommenders."""
    from newsreplay.api import Run
    from newsreplay.report.facts import give_names

    runs = [Run(folder) for folder in folders]
    give_names(runs, names)
    return runs


@click.command(cls=GroupedCommand)
@runs_argument
@click.option(
    "--by",
    help="By slice instead: hour, day, position (in the session), age (of the article), reader (new or returning), "
    "length (of the session), category, or a further column that was kept (--keep).",
)
@click.option("--cost", is_flag=True, help="What each recommender costs instead, next to its quality.")
@click.option("--misses", is_flag=True, help="Why each recommender missed instead.")
@names_option
@leaderboard_options
@click.option(
    "--per",
    type=click.Choice(["publisher", "metrics"]),
    help="A table for each publisher, or for each group of metrics (slates, impressions, beyond accuracy).",
)
@click.option("--title", help="What stands above it; LaTeX makes it the caption of a table environment.")
@click.option("--label", metavar="tab:NAME", help="LaTeX: the label of that environment.")
@gathered("sheet", ("per", "title", "label"))
def leaderboard(
    runs: tuple[Path, ...],
    by: str | None,
    cost: bool,
    misses: bool,
    names: dict[str, str],
    table: LeaderboardKeywords,
    sheet: LeaderboardSheet,
) -> None:
    """Print the leaderboard of one or more finished runs, or another view of each."""
    from newsreplay.report.tables.by_slice import by_slice
    from newsreplay.report.tables.costs import costs
    from newsreplay.report.tables.leaderboard import leaderboard as ranked
    from newsreplay.report.tables.missed import missed

    if sum([by is not None, cost, misses]) > 1:
        raise click.UsageError("choose one of --by, --cost and --misses")
    if sheet and (by is not None or cost or misses):
        raise click.UsageError(
            "--per, --title and --label are for the leaderboard itself; leave --by, --cost, --misses out"
        )
    style = table["style"]
    if len(runs) > 1 and style in ("json", "csv") and (by is not None or cost or misses):
        raise click.UsageError(f"{style} holds one run; name them one at a time")
    opened = _open(runs, names)
    if by is None and not cost and not misses:
        click.echo(ranked(opened, **table, **sheet, screen=screen()))
    for run in opened:
        if by is not None:
            # JSON and CSV have all the metrics at once.
            metrics = table.get("metrics", [None]) if style not in ("json", "csv") else [None]
            for metric in metrics:
                named, intervals = table.get("metrics", []), table.get("intervals", False)
                click.echo(
                    by_slice(run, by, style=style, metric=metric, named=named, intervals=intervals, screen=screen())
                )
        if cost:
            click.echo(costs(run, style=style, rank_by=table.get("rank_by"), screen=screen()))
        if misses:
            click.echo(missed(run, style=style, screen=screen()))


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="RUN… [A [B]]")
@click.option("--metrics", callback=parse_metrics, help="Metrics, comma-separated.  [default: all that judge, or E@1]")
@click.option("--overlap", is_flag=True, help="How much the slates of all pairs overlap instead, as a matrix (RBO).")
@format_option
@names_option
def compare(
    words: tuple[str, ...], metrics: list[str] | None, overlap: bool, style: str, names: dict[str, str]
) -> None:
    """Compare recommenders A and B: paired differences, intervals, p-values, and how much their slates overlap.

    With A alone it is compared with every other, without it all pairs are. Several runs are compared where they score
    the same of the same data; a recommender that an earlier run has too is then called "NAME [RUN]".
    """
    from newsreplay.report.tables.compare import compare as compared
    from newsreplay.report.tables.overlap import overlap_matrix

    folders, chosen = _runs_first(words)
    if len(chosen) > 2:
        raise click.UsageError(f"two recommenders are compared at a time, not {', '.join(chosen)}")
    if overlap and (chosen or metrics):
        raise click.UsageError("--overlap shows all pairs; leave A, B and --metrics out")
    runs = _open(folders, names)
    if overlap:
        click.echo(overlap_matrix(runs, style=style, screen=screen()))
    else:
        click.echo(compared(runs, *chosen, style=style, metrics=metrics, screen=screen()))


def _runs_first(words: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Words as folders of runs, the first one at least, and as names of recommenders, which these runs have or lack."""
    from newsreplay.simulator.runs.folder import RunFolder

    folders = [Path(words[0])]
    named = {pair["recommender"] for pair in RunFolder(words[0]).info["pairs"]}
    for word in words[1:]:
        if word in named or not Path(word).exists():
            break
        folders.append(Path(word))
    return folders, list(words[len(folders) :])


@click.command()
@run_argument
@click.argument("row", type=click.IntRange(0), required=False)
@click.option("--at", metavar="TIME", help="In place of ROW: the first request at or after this time (UTC), …")
@click.option("--user", metavar="ID", help="… of this reader.")
@click.option("--publisher", help="On which publisher.  [default: the only one]")
@click.option("--recommenders", callback=parse_recommenders, help="Whose answers, comma-separated.  [default: all]")
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True)
@moved_data_option
@names_option
def explain(
    folder: Path,
    row: int | None,
    at: str | None,
    user: str | None,
    publisher: str | None,
    recommenders: list[str] | None,
    style: str,
    data: str | None,
    names: dict[str, str],
) -> None:
    """Tell one request of a run whole: what was read before, what each recommender answered, what was read next.

    ROW is the number of its row in the log, as slates are exported with. An impression is told with its candidates,
    their ranks and scores.
    """
    if (row is None) == (at is None and user is None) or (at is None) != (user is None):
        raise click.UsageError("name a ROW, or both --at and --user")
    (run,) = _open([folder], names)
    told = run.explain(row, publisher=publisher, at=at, user=user, recommenders=recommenders, data=data)
    if style == "json":
        click.echo(json.dumps(told._asdict(), indent=1, ensure_ascii=False))
    elif sys.stdout.isatty():
        from rich.console import Console
        from rich.text import Text

        console = Console(highlight=False)
        for line in told.lines():
            console.print(Text(line.text, style=line.style), soft_wrap=True)
    else:
        click.echo(str(told))


HELD = 4  #: exit status of a gate that does not open; 1 is an error, 2 a wrong option


@click.command()
@runs_argument
@click.option("--candidate", required=True, metavar="SPEC", help="What may be promoted, as the run calls it.")
@click.option("--incumbent", required=True, metavar="SPEC", help="What it would replace.")
@click.option(
    "--metric",
    default="event_success@1",
    show_default=True,
    help="The metric that decides; or your own, my_metrics.py:late.",
)
@click.option(
    "--margin",
    default=0.0,
    show_default=True,
    metavar="POINTS",
    help="By how much it must be better, surely; below 0: by how much it may be worse.",
)
@click.option("--publishers", callback=parse_names, help="On these, comma-separated.  [default: on every one]")
def gate(
    runs: tuple[Path, ...],
    candidate: str,
    incumbent: str,
    metric: str,
    margin: float,
    publishers: list[str] | None,
) -> None:
    """Say whether a candidate may replace an incumbent, for CI: one JSON verdict, and an exit status.

    They may be of two runs that score the same of the same data; "NAME [RUN]" is what a recommender is called that an
    earlier run has too.

    \b
    0  promote: surely better by the margin, on every publisher
    4  hold: not surely
    1  an error: nothing can be said
    """
    from newsreplay.report.gate import gate as judged
    from newsreplay.report.gate import told

    verdict = judged(_open(runs, {}), candidate, incumbent, metric=metric, margin=margin, publishers=publishers)
    for line in told(verdict):
        report_line(line)
    click.echo(json.dumps(verdict, indent=1))
    if verdict["verdict"] == "hold":
        sys.exit(HELD)


@click.command()
@run_argument
@click.option("--to", "pictures", type=click.Path(path_type=Path), metavar="DIR", help="[default: RUN/pictures]")
@click.option("--drift", is_flag=True, help="Mark where success over time changed, by ADWIN; needs river.")
@names_option
def plot(folder: Path, pictures: Path | None, drift: bool, names: dict[str, str]) -> None:
    """Draw a run: success over time, E against P, quality against cost, ranks, slices; as PNG, SVG and CSV."""
    (run,) = _open([folder], names)
    for path in run.plot(pictures, drift=drift):
        click.echo(f"drew {path}")


@click.command()
@run_argument
@click.option("--to", "page", type=click.Path(path_type=Path), metavar="FILE", help="[default: RUN/report.html]")
@names_option
def report(folder: Path, page: Path | None, names: dict[str, str]) -> None:
    """Write a run as one HTML page that needs nothing else: tables to sort, plots, slices, what reproduces it."""
    (run,) = _open([folder], names)
    click.echo(f"wrote {run.report(page)}")


@click.command()
@run_argument
@click.option(
    "--to",
    "style",
    type=click.Choice(["parquet", "csv", "json", "trec", "mlflow", "wandb"]),
    default="parquet",
    show_default=True,
    help="In csv a list is one cell of JSON; json has a row in each line; trec: runs, and qrels of what was scored; "
    "mlflow, wandb: no answers, but options, metrics and the report, for these trackers.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="[default: RUN/export]")
def export(folder: Path, style: str, out: Path | None) -> None:
    """Write the slates and scores of a run for other tools, each with what asked for it and the publisher's own ids.

    Or tell an experiment tracker of the run, MLflow or Weights & Biases.
    """
    (run,) = _open([folder], {})
    if style in ("mlflow", "wandb"):
        from newsreplay.tracking import TRACKERS, log_run

        if out is not None:
            raise click.UsageError(f"{TRACKERS[style]} keeps runs where it is told to; leave --out out")
        click.echo(f"logged to {TRACKERS[style]}: {log_run(run, style)}")
        return
    files = run.export(style, out)
    click.echo(f"wrote {len(files)} files to {folder / 'export' if out is None else out}")


@click.command()
@run_argument
@click.option("--recommender", help="Whose answers, as the run calls it.  [default: the only one]")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="[default: RUN/prediction.zip, or predictions.zip]"
)
@moved_data_option
def submit(folder: Path, recommender: str | None, out: Path | None, data: str | None) -> None:
    """Write what a run answered to a test split as the file that the competition wants: MIND's or EB-NeRD's.

    A line per impression in the source's order: its id, and the ranks of its candidates, 1 for the highest score; of
    equal scores the candidate that the source lists first.
    """
    from newsreplay.simulator.submission import submit as write

    written = write(folder, recommender=recommender, out=out, data=data)
    click.echo(
        escaped(f"wrote {written.impressions:,} impressions as ranked by {written.recommender} to {written.path}")
    )
    if written.rejected:
        click.echo(
            f"{written.rejected:,} rows of the source could not be used (rejects.csv of the data set); those of the "
            "test split have no line in the file"
        )


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]…")
@click.option("--family", type=click.Choice(FAMILIES), help="Only those of one family.")
def recommenders(names: tuple[str, ...], family: str | None) -> None:
    """List the recommenders, what they need and cost, presets; or the parameters of those named, a preset's members."""
    import textwrap

    from tabulate import tabulate

    from newsreplay.plug_ins import passed_over
    from newsreplay.recommenders.built_ins import ALIASES, BUILT_IN, PRESETS
    from newsreplay.recommenders.registry import PLUG_INS, describe, find, installed

    if names and family:
        raise click.UsageError("name recommenders or a --family")
    if names:
        for name in names:
            if name not in PRESETS:
                find(name)  # what there is not is an error
        for name in names:
            if name in PRESETS:
                head, text = f"{name}: a preset, of {len(PRESETS[name])} recommenders", ", ".join(PRESETS[name])
            else:
                ((_, parameters, text),) = describe([name])
                offer = PLUG_INS.find(name)
                head = f"{name}({parameters})" if parameters else name
                head += f"  [of the package {offer.package}]" if offer else ""
            click.echo(textwrap.fill(escaped(head), 100, subsequent_indent="    "))
            text = textwrap.fill(escaped(text), 96, break_on_hyphens=False)  # nrms-bert is one name
            click.echo(textwrap.indent(text, "    "))
        return
    rows = [(name, *record[1:]) for name, record in BUILT_IN.items() if family in (None, record.family)]
    click.echo(tabulate(rows, ["name", "family", "paper", "needs", "cost"], tablefmt="simple", disable_numparse=True))
    click.echo(f"\ncost, µs per event: {', '.join(starmap(_bound, COSTS.items()))}; mixtures: besides their parts")
    for need, what in NEEDS.items():
        click.echo(f"needs {need}: {what}")
    click.echo("parameters and defaults: newsreplay recommenders NAME")
    if family:
        return
    click.echo("aliases: " + ", ".join(f"{alias} = {name}" for alias, name in ALIASES.items()))
    for name, specs in PRESETS.items():
        click.echo(f"preset {name}: {', '.join(specs)}")
    if found := installed():
        click.echo("\nof installed packages")
        cells = [[escaped(text) for text in row] for row in found]
        click.echo(tabulate(cells, ["name", "package", "what"], tablefmt="simple", disable_numparse=True) + "\n")
    for line in passed_over(PLUG_INS):
        click.echo(escaped(line))
    click.echo("your own: module:Class or path/to/file.py:Class, with parameters as Class(size=3)")


def _bound(cost: str, below: float) -> str:
    return f"{cost} < {below:g}" if below < math.inf else f"{cost} more"
