"""Run folders once more: scored again from the answers they keep, and verified by a second run."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from newsreplay.datasets import find_data
from newsreplay.datasets.store import Dataset, Publisher
from newsreplay.errors import DataError, RunError
from newsreplay.simulator.files import pair_files, publisher_files, read_scores, write_verdict
from newsreplay.simulator.folder import FORMAT, files_of, publisher_facts, remove_reports, write_json, write_results
from newsreplay.simulator.log import Column
from newsreplay.simulator.options import Options
from newsreplay.simulator.run import measure_publisher, run
from newsreplay.simulator.scoring import Answers, score, scored
from newsreplay.simulator.slates import Drops
from newsreplay.simulator.workers import Judged
from newsreplay.spec import parse_spec

Progress = Callable[[str, int, int], None]


def rescore(
    folder: str | Path,
    *,
    data: Any = None,
    progress: Progress = lambda what, done, of: None,
    **changes: Any,
) -> None:
    """Judge and measure the answers that a run folder keeps once more, in place; nothing is replayed.

    `changes` are `warmup`, `window`, `max_session_length` and `cluster` of `Options`; what is not named stays. The
    data are looked for where they lay; `data` names them otherwise, as for `run`. Raises `RunError` where the
    folder keeps no answers, or the data are not those of the run.
    """
    folder = Path(folder)
    info = info_of(folder)
    before = options_of(info)
    if before.strict_deadline:
        raise RunError(f"{folder} does not keep which answers were late; run it again with other options")
    if not before.slates:
        raise RunError(f"{folder} keeps no answers (--no-slates); run it again")
    options = replace(before, **changes)
    dataset = data_of(info, folder, data)
    pairs = [pair for pair in info["pairs"] if pair["status"] == "done"]
    for pair in pairs:  # while the folder is still what it was
        path = pair_files(folder, pair["publisher"], pair["recommender"]).slates
        if _count(path) != len(dataset.publisher(pair["publisher"]).requests.row):
            raise RunError(f"{path} does not hold answers to this log")
    (folder / "unfinished").write_text("scoring has not ended; do it again: newsreplay score\n")
    remove_reports(folder)
    done = 0
    results, facts = [], []
    for name in (facts["publisher"] for facts in info["publishers"]):
        publisher = dataset.publisher(name)
        of = scored(publisher, options)
        publisher_files(folder, name).shown.unlink(missing_ok=True)  # not written where no impression is scored
        judged = []
        for pair in (pair for pair in pairs if pair["publisher"] == name):
            files = pair_files(folder, name, pair["recommender"])
            answers = Answers(read_slates(files.slates, publisher, options.k), read_scores(files.scores, publisher))
            verdict = score(publisher, of, answers)
            files.rankings.unlink(missing_ok=True)
            write_verdict(files, verdict)
            pair |= files_of(files, folder)
            if not files.rankings.exists():
                pair.pop("rankings", None)
            judged.append(
                Judged(
                    publisher=name,
                    recommender=pair["recommender"],
                    tally=verdict.tally,
                    hits=verdict.tally.hits,
                    error=None,
                    details=None,
                    drops=Drops(0, 0),
                    seconds=0.0,
                    rows=0,
                    state_bytes=None,
                    times=None,
                    learning=None,
                    foresees=pair.get("foresees", False),
                )
            )
            done += 1
            progress("scoring", done, len(pairs))
        results += measure_publisher(folder, publisher, of, judged, options)
        facts.append(publisher_facts(dataset, name, of, judged))
    write_results(folder, results)
    changed = {name: getattr(options, name) for name in changes}
    again = {"options": info["options"] | changed, "publishers": facts, "rescored": info["rescored"] | changed}
    write_json(folder / "run.json", info | again)
    (folder / "unfinished").unlink()


def info_of(folder: Path) -> dict[str, Any]:
    """The run.json of a folder, also while its scoring has not ended. Raises `RunError`."""
    try:
        info: dict[str, Any] = dict(json.loads((folder / "run.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{folder} holds no run: {error}") from None
    if info.get("format") != FORMAT:
        raise RunError(f"{folder} was written by another version of newsreplay; run it again")
    return info


def options_of(info: dict[str, Any]) -> Options:
    """The options of a run, from its run.json."""
    told = {"seeds": ()} | info["options"]  # older runs have none
    told["seeds"] = tuple(told["seeds"])
    return Options(**{field.name: told[field.name] for field in fields(Options)})


def data_of(info: dict[str, Any], folder: Path, data: Any) -> Dataset:
    """The data set of a run: `data`, or what lies where it lay. Raises `RunError` if it is another one."""
    told = info["data"]
    try:
        dataset = Dataset(Path(told["folder"])) if data is None else find_data(data)
        digest = dataset.card["digest"]
    except DataError as error:
        raise RunError(f"the data of {folder} are not there ({error}); name them with --data") from None
    if digest != told["digest"]:
        raise RunError(
            f"{dataset.folder} does not hold the data of {folder} (digest {digest}, not {told['digest']}); "
            "name them with --data, prepared as they were then"
        )
    return dataset


def _count(path: Path) -> int:
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException) as error:
        reason = "it is not there" if isinstance(error, FileNotFoundError) else error
        raise RunError(f"{path} cannot be read: {reason}; run it again") from None


def read_slates(path: Path, publisher: Publisher, k: int) -> Column:
    """Slates as codes, int32[requests, k], padded with -1. Raises `RunError` where they are not of this log."""
    slates = np.full((len(publisher.requests.row), k), -1, np.int32)
    ids = publisher.articles.id.cast(pa.string())
    begin = 0
    try:
        with pq.ParquetFile(path, read_dictionary=["slate.list.element"]) as file:
            for batch in file.iter_batches(1 << 18, columns=["slate"]):
                lists = batch.column(0)
                codes = _codes(lists.flatten(), ids)
                lengths = np.diff(np.frombuffer(lists.buffers()[1], np.int32, len(lists) + 1, 4 * lists.offset))
                part = slates[begin : begin + len(lists)]
                if len(part) < len(lists) or lengths.max(initial=0) > k or (codes < 0).any():
                    raise RunError(f"{path} does not hold answers to this log")
                part[np.arange(k) < lengths[:, None]] = codes
                begin += len(lists)
    except (OSError, pa.ArrowInvalid) as error:
        raise RunError(f"{path} cannot be read: {error}") from None
    if begin != len(slates):
        raise RunError(f"{path} does not hold answers to this log: {begin:,} of {len(slates):,}")
    return slates


def _codes(values: pa.Array, ids: pa.Array) -> Column:
    if not isinstance(values, pa.DictionaryArray):
        values = values.dictionary_encode()
    places = pc.index_in(values.dictionary, value_set=ids).fill_null(-1)
    code = np.frombuffer(places.buffers()[1] or b"", np.int32, len(places), 4 * places.offset)
    index = np.frombuffer(values.indices.buffers()[1] or b"", np.int32, len(values), 4 * values.indices.offset)
    return code[index] if len(code) else np.empty(0, np.int32)


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
            publishers=[facts["publisher"] for facts in info["publishers"]],
            jobs=jobs,
            out=again,
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
