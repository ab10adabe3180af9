"""Several runs side by side: whether they can be, whether their differences are paired, what their rows are called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import NamedTuple, cast

from newsreplay.durations import duration_text
from newsreplay.errors import RunError
from newsreplay.report.facts import base_name, display_name, is_reference
from newsreplay.simulator.judgement.scope import Scope
from newsreplay.simulator.runs.folder import RunFolder, options_of
from newsreplay.simulator.runs.records import PairRecord

RESCORED = ("warmup", "window", "max_session_length", "cluster", "reward")  #: what `newsreplay score` can change
_TIMES = ("warmup", "window")


class RowName(NamedTuple):
    """What a recommender of one of several runs is called."""

    word: str  #: on the command line: its spec, and behind it the folder where an earlier run has one of that name
    label: str  #: in tables: the same of its display name


class Row(NamedTuple):
    """A recommender of one of several runs, on one publisher."""

    run: RunFolder
    pair: PairRecord
    name: RowName

    @property
    def recommender(self) -> str:
        """What its run calls it."""
        return self.pair["recommender"]

    @property
    def is_ranked(self) -> bool:
        """Whether it was given no more than any recommender."""
        return not (is_reference(self.pair) or self.recommender in self.run.leaks)


def rows_of(runs: Sequence[RunFolder]) -> dict[str, list[Row]]:
    """The recommenders of all runs by publisher, of the publishers that every run has.

    Raises `RunError` where there are none.
    """
    names = row_names(runs)
    publishers = [name for name in runs[0].publishers if all(name in run.publishers for run in runs)]
    if not publishers:
        folders = " and ".join(str(run.folder) for run in runs)
        raise RunError(f"{folders} have no publisher in common; run both on the same data")
    return {
        publisher: [
            Row(run, pair, names[id(run), pair["recommender"], publisher])
            for run in runs
            for pair in run.pairs(publisher)
        ]
        for publisher in publishers
    }


def check_alike(runs: Sequence[RunFolder]) -> None:
    """Raise `RunError` unless all runs score the same of the same logs, so that one table can hold them."""
    digests: dict[str, tuple[str, RunFolder]] = {}
    for run in runs:
        for option, own, first in _differences(run, runs[0]):
            texts = f"{_text(option, own)} and {_text(option, first)}"
            raise RunError(
                f"{run.folder} and {runs[0].folder} do not score the same ({option} is {texts}); "
                f"{_way_out((run, runs[0]), option, (own, first))}, or show them one at a time"
            )
        for facts in run.info["publishers"]:
            digest, other = digests.setdefault(facts["publisher"], (facts["digest"], run))
            if digest != facts["digest"]:
                raise RunError(
                    f"{facts['publisher']} is another log in {run.folder} than in {other.folder}; "
                    "run both on the same data, or show them one at a time"
                )


def check_paired(runs: Sequence[RunFolder]) -> None:
    """Raise `RunError` unless differences between the runs, which are alike, are paired: all were resampled alike."""
    first = runs[0]
    seeds = [run.info["options"]["seed"] for run in runs]
    for run, seed in zip(runs, seeds, strict=True):
        if seed != seeds[0]:
            raise RunError(
                f"{run.folder} and {first.folder} were resampled with the seeds {seed} and {seeds[0]}, so their "
                f"recommenders cannot be paired; run one of them again with --seed {seeds[0]}"
            )
        for name in (name for name in run.publishers if name in first.publishers):
            for what in ("resampled", "impressions_resampled"):
                own, other = (str(facts[what]) for facts in (run.facts(name), first.facts(name)))
                if own != other:
                    raise RunError(
                        f"{run.folder} and {first.folder} were not resampled alike on {name} "
                        f"(by {own} and by {other}); {_way_out((run, first), 'cluster', (own, other))}"
                    )


def row_names(runs: Sequence[RunFolder]) -> dict[tuple[int, str, str], RowName]:
    """The name of each pair, and of all its seeds, by (id of the run, recommender, publisher)."""
    taken: dict[tuple[str, str], RunFolder] = {}
    names = {}
    for run in runs:
        for pair in run.info["pairs"]:
            for name in dict.fromkeys((pair["recommender"], base_name(pair))):
                key = (name, pair["publisher"])
                folder = "" if taken.setdefault(key, run) is run else f" [{run.folder}]"
                names[id(run), *key] = RowName(f"{name}{folder}", f"{display_name(run, name)}{folder}")
    return names


def _differences(run: RunFolder, other: RunFolder) -> Iterator[tuple[str, object, object]]:
    """The options in which two runs score otherwise, with both values; what is resampled is another matter."""
    mine, others = options_of(run.info), options_of(other.info)
    strict = mine.answering.strict_deadline or others.answering.strict_deadline
    pairs: list[tuple[str, object, object]] = [(field.name, mine.scope, others.scope) for field in fields(Scope)]
    pairs += [(name, mine.answering, others.answering) for name in ("strict_deadline", *["deadline"] * strict)]
    for option, one, another in pairs:
        values = getattr(one, option), getattr(another, option)
        if option != "cluster" and values[0] != values[1]:
            yield option, *values


def _text(option: str, value: object) -> str:
    return duration_text(cast(int, value or 0)) if option in _TIMES else str(value)


def _way_out(runs: tuple[RunFolder, RunFolder], option: str, values: tuple[object, object]) -> str:
    """How to make two runs alike in one option: the first is scored again, or the second where it has no limit."""
    name = option.replace("_", "-")
    if option not in RESCORED:
        return f"run one of them again with the other's --{name}"
    run, wanted = (runs[0], values[1]) if values[1] is not None else (runs[1], values[0])
    told = "0s" if wanted == 0 else _text(option, wanted)
    return f"score one of them again ('newsreplay score {run.folder} --{name} {told}')"
