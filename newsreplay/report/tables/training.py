"""The outcome of a training, as text."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime

from tabulate import tabulate

from newsreplay.durations import duration_text
from newsreplay.escaping import escaped
from newsreplay.simulator.train import Trained
from newsreplay.spec import Spec, parse_spec


def summary(trained: Trained, data: str) -> str:
    """What was learned from, how it went round by round, and how to replay what was saved.

    `data` is what the data set was called with.
    """
    self_report = trained.self_report
    lines = [
        f"{escaped(trained.recommender)} learned from {escaped(trained.publisher)}, "
        f"{_moment(trained.begin)} to {_moment(trained.until)} UTC: "
        f"{trained.impressions:,} impressions, {trained.reads:,} reads, {trained.rows:,} rows"
    ]
    if self_report.rounds:
        names = list(dict.fromkeys(name for numbers in self_report.rounds for name in numbers))
        rows = [[_cell(name, numbers.get(name)) for name in names] for numbers in self_report.rounds]
        align = ["right"] * len(names)
        lines += ["", tabulate(rows, names, tablefmt="simple", colalign=align, disable_numparse=True), ""]
    lines += map(escaped, self_report.notes)
    fitting = (
        f"{self_report.parameters:,} parameters, fitted in {self_report.training:,.0f} s of {trained.seconds:,.0f} s"
    )
    size = trained.path.stat().st_size
    # The recommender is judged only on what it has not learned from.
    command = ["newsreplay", "run", "--data", data]
    command += ["--publishers", trained.publisher] if trained.several else []
    command += ["--warmup", duration_text(trained.until - trained.begin), "--recommenders"]
    command += [str(Spec(parse_spec(trained.recommender).name, (("weights", str(trained.path)),)))]
    return "\n".join(
        [*lines, fitting, f"wrote {trained.path}, {size / 1000:,.0f} kB; replay it with", f"  {shlex.join(command)}"]
    )


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _cell(name: str, value: object) -> str:
    if value is None:
        return "–"
    if name in ("time", "until") and isinstance(value, int):
        return _moment(value)
    return f"{value:.4f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
