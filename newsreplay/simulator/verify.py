"""A run replayed a second time and compared answer by answer."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from newsreplay.errors import RunError
from newsreplay.simulator.rescore import Progress
from newsreplay.simulator.run import run
from newsreplay.simulator.runs.folder import data_of, info_of, options_of
from newsreplay.simulator.runs.options import Options
from newsreplay.spec import parse_spec

# --- verifying ------------------------------------------------------------------------------------------


class Difference(NamedTuple):
    """An answer, or a result, that came out otherwise."""

    publisher: str
    recommender: str
    what: str


def verify(
    folder: str | Path, *, data: Any = None, jobs: int | None = None, progress: Progress | None = None
) -> list[Difference]:
    """Run a run folder's manifest again and compare every answer and result; returns where they differ.

    Without kept answers, what became of them is compared. Raises `RunError` where the run cannot be made again: its
    data are others, or it was given recommender objects from Python.
    """
    folder = Path(folder)
    info = info_of(folder)
    if info["objects"]:
        raise RunError(
            f"{folder} was made with objects from Python ({', '.join(info['objects'])}), which it cannot make again; "
            "name recommenders as specs, my_file.py:Mine(size=3)"
        )
    options = options_of(info)
    if options.strict_deadline:
        raise RunError(
            f"{folder} has a strict deadline, so its results depend on how long answers took: never the same"
        )
    dataset = data_of(info, folder, data)
    with tempfile.TemporaryDirectory(prefix="newsreplay-") as work:
        again = Path(work) / "run"
        run(
            dataset,
            [parse_spec(text) for text in info["recommenders"]],
            again,
            publishers=[facts["publisher"] for facts in info["publishers"]],
            jobs=jobs,
            progress=progress,
            **{field.name: getattr(options, field.name) for field in fields(Options)},
        )
        return list(_differences(folder, again, info, info_of(again)))


def _differences(one: Path, other: Path, info: dict[str, Any], again: dict[str, Any]) -> Iterator[Difference]:
    told = set()
    for pair, second in zip(info["pairs"], again["pairs"], strict=True):
        name = (pair["publisher"], pair["recommender"])
        if pair["status"] != second["status"]:
            told.add(name)
            yield Difference(*name, f"{pair['status']} then, {second['status']} now: {second.get('error', '')}")
            continue
        for what in ("slates", "scores", "outcomes", "rankings"):
            if (what in pair) != (what in second):
                yield Difference(*name, f"{what} in one run only")
            elif what in pair and (where := _first_difference(one / pair[what], other / second[what])) is not None:
                yield Difference(*name, f"{what} differ from place {where:,} on")
                break
    results = [json.loads((folder / "results.json").read_text("utf-8")) for folder in (one, other)]
    before, now = ({(row["publisher"], row["recommender"], row["metric"]): row for row in rows} for rows in results)
    for publisher, recommender, metric in before | now:
        name, key = (publisher, recommender), (publisher, recommender, metric)
        if before.get(key) != now.get(key) and name not in told:
            told.add(name)
            yield Difference(*name, f"{metric} was {_cell(before.get(key))}, is {_cell(now.get(key))}")


def _cell(row: dict[str, Any] | None) -> str:
    return "not there" if row is None else f"{row['value']} [{row['low']}, {row['high']}] (n {row['n']})"


def _first_difference(one: Path, other: Path) -> int | None:
    """The first row in which two Parquet files differ; None if they hold the same."""
    if one.read_bytes() == other.read_bytes():
        return None
    with pq.ParquetFile(one) as left, pq.ParquetFile(other) as right:
        begin = 0
        for mine, theirs in zip(left.iter_batches(1 << 16), right.iter_batches(1 << 16), strict=False):
            if not mine.equals(theirs):
                rows = zip(mine.to_pylist(), theirs.to_pylist(), strict=False)
                return begin + next((i for i, (a, b) in enumerate(rows) if a != b), min(len(mine), len(theirs)))
            begin += len(mine)
        return None if left.metadata.num_rows == right.metadata.num_rows else begin
