"""Commands that listen to a topic, and that send a data set to one."""

from __future__ import annotations

import contextlib
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import click

from newsreplay.commands.bars import report_line
from newsreplay.commands.options import (
    LeaderboardKeywords,
    ScopeKeywords,
    check_metrics,
    cluster_option,
    gathered,
    k_option,
    leaderboard_options,
    names_option,
    parse_time,
    requests_option,
    scope_options,
)
from newsreplay.commands.screens import screen

if TYPE_CHECKING:
    from newsreplay.live.intake import Counts


class EndingKeywords(TypedDict, total=False):
    """What ends a live run; only what was given."""

    until: int  #: ms
    max_events: int
    idle: float  #: seconds


def _ending(until: datetime | None = None, idle: int | None = None, **given: int) -> dict[str, float]:
    times = {} if until is None else {"until": round(until.replace(tzinfo=UTC).timestamp() * 1000)}
    return given | times | ({} if idle is None else {"idle": idle / 1000})


@click.command()
@click.argument("topic")
@click.option("--recommenders", default="baselines", show_default=True, help="Specs, comma-separated, as in run.")
@k_option
@click.option(
    "--watermark",
    callback=parse_time,
    default="2s",
    show_default=True,
    help="Event times may be disordered by this much; a row waits until time has moved on further.",
)
@click.option("--from", "begin", type=click.Choice(["beginning", "now"]), default="beginning", show_default=True)
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]),
    help="End when event time reaches this moment, UTC; rows from then on are left aside.",
)
@click.option("--max-events", type=click.IntRange(1), help="End after so many messages.")
@click.option("--idle", callback=parse_time, metavar="DURATION", help="End after this long without a message: 30s.")
@scope_options("Learn from the first stretch without scoring it: 1d, 36h.")
@requests_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The run folder.  [default: runs/live-TOPIC-1, -2, …, the first free]",
)
@click.option("--seed", default=0, show_default=True, help="Of random choices and intervals.")
@cluster_option
@names_option
@leaderboard_options
@gathered("ending", EndingKeywords.__annotations__, _ending)
def live(
    topic: str,
    recommenders: str,
    k: int,
    watermark: int,
    begin: str,
    ending: EndingKeywords,
    scope: ScopeKeywords,
    out: Path | None,
    seed: int,
    names: dict[str, str],
    table: LeaderboardKeywords,
) -> None:
    """Listen to a TOPIC with recommenders in shadow mode: answers are kept and judged, and shown to nobody.

    \b
    TOPIC is one of
      kafka://localhost:9092/clicks   a partition of a Kafka topic (?partition=0)
      redis://localhost:6379/clicks   a Redis stream
      messages.jsonl, or -            lines of a file, or of standard input

    Each message is a JSON object, as docs/live.md has it. Ctrl-C ends it: what came is judged, and the run is written.
    One that was killed goes on when the same command names its folder with --out.
    """
    from newsreplay.api import Run
    from newsreplay.datasets.remote.address import without_secrets
    from newsreplay.files import file_name
    from newsreplay.live.intake import Bounds
    from newsreplay.live.session import Listening, LiveReports
    from newsreplay.live.session import live as listen
    from newsreplay.live.topics.address import parse_address
    from newsreplay.recommenders.registry import start_list
    from newsreplay.report.tables.leaderboard import leaderboard
    from newsreplay.simulator.judgement.scope import Scope
    from newsreplay.simulator.runs.options import Answering, Options
    from newsreplay.spec import check_names

    address = parse_address(topic)
    with contextlib.redirect_stdout(sys.stderr):  # what recommenders print
        entries = start_list(recommenders)
    check_names(names, [entry.label for entry in entries])
    check_metrics(table, k)
    with progress_line() as progress:
        folder = listen(
            address,
            entries,
            out or _free(Path("runs") / file_name(f"live-{address.name}")),
            Options(Scope(**scope), Answering(k, seed)),
            Listening(watermark, Bounds(**ending), begin == "now"),
            reports=LiveReports(report_line, progress),
            command=shlex.join(["newsreplay", *map(without_secrets, sys.argv[1:])]),
        )
    run = Run(folder)
    run.names = names
    click.echo(leaderboard([run], **table, screen=screen()))


def _free(path: Path) -> Path:
    """The first of PATH-1, PATH-2, … that is not there."""
    numbered = (path.with_name(f"{path.name}-{number}") for number in count(1))
    return next(folder for folder in numbered if not folder.exists())


@contextlib.contextmanager
def progress_line() -> Iterator[Callable[[Counts], None]]:
    """A line that tells how it stands, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda counts: None
        return
    from rich.console import Console
    from rich.status import Status

    with Status("waiting for messages", console=Console(stderr=True)) as status:
        yield lambda counts: status.update(_line(counts))


def _line(counts: Counts) -> str:
    from newsreplay.durations import duration_text

    if not counts.latest:
        return "waiting for messages"
    lag = max(0, round(time.time()) - counts.latest // 1000) * 1000
    bad = f" · {counts.malformed:,} unreadable" if counts.malformed else ""
    return f"{counts.events:,} messages · {counts.held:,} held · {counts.late:,} late{bad} · lag {duration_text(lag)}"


@click.command()
@click.argument("data")
@click.argument("topic")
@click.option("--max-events", type=click.IntRange(1), help="Only the first messages.")
def send(data: str, topic: str, max_events: int | None) -> None:
    """Send a data set to a TOPIC as messages, in event order: to try newsreplay live out.

    TOPIC as in live; a file must not be there yet.
    """
    from itertools import islice

    from newsreplay.commands.bars import progress_bar
    from newsreplay.datasets import find_data
    from newsreplay.datasets.messages import message_text
    from newsreplay.datasets.sending import count_messages, left_out, messages_of
    from newsreplay.live.topics.address import parse_address
    from newsreplay.live.topics.opening import send as send_texts

    address = parse_address(topic)
    dataset = find_data(data, report=report_line)
    for what in left_out(dataset):
        report_line(f"left out, since no message tells it: {what}")
    total = min(count_messages(dataset), max_events or sys.maxsize)
    with progress_bar() as progress:
        texts = map(message_text, islice(messages_of(dataset), total))
        send_texts(address, texts, lambda sent: progress(f"sending to {address.shown}", sent, total))
    report_line(f"sent {total:,} messages to {address.shown}")
