"""A run replayed a second time and compared answer by answer."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from newsreplay.errors import RunError
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.judgement.metrics import Result
from newsreplay.simulator.run import run
from newsreplay.simulator.runs.files import BATCH, Digests, opened
from newsreplay.simulator.runs.folder import dataset_of, options_of, read_info, read_results
from newsreplay.simulator.runs.options import DataSource, Execution, Progress, quiet
from newsreplay.simulator.runs.place import find_run
from newsreplay.simulator.runs.records import PAIR_FILES, RunRecord
from newsreplay.spec import parse_spec


class Difference(NamedTuple):
    """An answer, or a result, that came out otherwise."""

    publisher: str
    recommender: str
    what: str


def verify(
    folder: str | Path, *, data: DataSource | None = None, jobs: int | None = None, progress: Progress = quiet
) -> list[Difference]:
    """Run a run folder's manifest again and compare every answer and result; returns where they differ.

    Without kept answers, what became of them is compared. Raises `RunError` where the run cannot be made again: its
    data are others, or it was given recommender objects from Python.
    """
    folder = find_run(folder)
    info = read_info(folder)
    if info.get("partial"):
        raise RunError(f"{folder} is a partial run; run it again whole: {info['command'] or 'newsreplay run'}")
    if info["objects"]:
        raise RunError(
            f"{folder} was made with objects from Python ({', '.join(info['objects'])}), which it cannot make again; "
            "name recommenders as specs, my_file.py:Mine(size=3)"
        )
    options = options_of(info)
    if options.answering.strict_deadline:
        raise RunError(
            f"{folder} has a strict deadline, so its results depend on how long answers took: never the same"
        )
    dataset = dataset_of(info, folder, data)
    execution = Execution(jobs=jobs, progress=progress, checkpoint_every=None)  # of a folder that nobody resumes
    with tempfile.TemporaryDirectory(prefix="newsreplay-") as work:
        again = Path(work) / "run"
        run(
            dataset,
            start_list([parse_spec(text) for text in info["recommenders"]], execution.apart),
            again,
            options._replace(keeping=replace(options.keeping, states=False)),  # nobody goes on from them
            publishers=[facts["publisher"] for facts in info["publishers"]],
            execution=execution,
        )
        return list(_differences(folder, again, info, read_info(again)))


def _differences(first: Path, second: Path, info: RunRecord, again: RunRecord) -> Iterator[Difference]:
    reported, digests = set(), Digests(first)
    for pair, other in zip(info["pairs"], again["pairs"], strict=True):
        name = (pair["publisher"], pair["recommender"])
        if pair["status"] != other["status"]:
            reported.add(name)
            yield Difference(*name, f"{pair['status']} then, {other['status']} now: {other.get('error', '')}")
            continue
        for what in PAIR_FILES:
            if (what in pair) != (what in other):
                yield Difference(*name, f"{what} in one run only")
            elif (
                what in pair
                and (place := _first_difference(digests.whole(first / pair[what]), second / other[what])) is not None
            ):
                yield Difference(*name, f"{what} differ from place {place:,} on")
                break
    before, now = (
        {(result.publisher, result.recommender, result.metric): result for result in read_results(folder)}
        for folder in (first, second)
    )
    for publisher, recommender, metric in before | now:
        name, key = (publisher, recommender), (publisher, recommender, metric)
        if before.get(key) != now.get(key) and name not in reported:
            reported.add(name)
            yield Difference(*name, f"{metric} was {_cell(before.get(key))}, is {_cell(now.get(key))}")


def _cell(result: Result | None) -> str:
    return "not there" if result is None else f"{result.value} [{result.low}, {result.high}] (n {result.n})"


def _first_difference(first: Path, second: Path) -> int | None:
    """The first row in which two Arrow files of a run differ; None if they hold the same."""
    if first.read_bytes() == second.read_bytes():
        return None
    with opened(first) as left, opened(second) as right:
        ours, theirs = left.read_all(), right.read_all()
    for begin in range(0, min(len(ours), len(theirs)), BATCH):
        pieces = [table.slice(begin, BATCH).to_pylist() for table in (ours, theirs)]
        if pieces[0] != pieces[1]:
            return begin + next(
                (i for i, (a, b) in enumerate(zip(*pieces, strict=False)) if a != b), min(len(ours), len(theirs))
            )
    return None if len(ours) == len(theirs) else min(len(ours), len(theirs))
