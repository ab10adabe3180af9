"""Commands of many options, whose help has them in groups."""

from __future__ import annotations

import click

#: Headings of the help, and the options below each by the names of their values; the others stand last.
GROUPS = {
    "Data": (
        *("data", "limit", "publishers", "columns", "keep", "impressions", "session_gap", "history", "file_order"),
    ),
    "Recommenders": ("recommenders", "seed", "seeds"),
    "What is asked, and what is scored": (
        *("k", "requests", "exclude", "feedback_delay", "warmup", "window", "split", "max_session_length", "cluster"),
        "reward",
    ),
    "Time, memory, failures": (
        *("jobs", "timed", "deadline", "strict_deadline", "answer_timeout", "pair_timeout", "memory_limit", "on_error"),
        "executor",
    ),
    "Run folder": ("out", "overwrite", "slates", "states", "add", "resume", "checkpoint_every"),
    "Table": (
        *("style", "metrics", "rank_by", "intervals", "paper_scale", "digits", "names", "by", "cost", "misses"),
        *("per", "title", "label"),
    ),
}
LAST = "Other options"


class GroupedCommand(click.Command):
    """A command whose options stand in groups in its help."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options below the headings of `GROUPS`."""
        group_of = {name: title for title, names in GROUPS.items() for name in names}
        groups: dict[str, list[tuple[str, str]]] = {title: [] for title in (*GROUPS, LAST)}
        for parameter in self.get_params(ctx):
            line = parameter.get_help_record(ctx)
            if line is not None and not isinstance(parameter, click.Argument):  # stands in the usage line
                groups[group_of.get(str(parameter.name), LAST)].append(line)
        for title, lines in groups.items():
            if lines:
                with formatter.section(title):
                    formatter.write_dl(lines)
