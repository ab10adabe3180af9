"""The first half of preparing: a plan's parts are read, in parallel, into a work folder that outlives a crash.

Every part becomes a folder of Arrow files, one per block and publisher, with an `intake.json` that is written
last. A part that has one is not read again. Only one process uses a work folder at a time; another with
the same work gets a folder of its own, which goes when it is done.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import threading
from collections import Counter
from collections.abc import Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypedDict, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.arrow import in_one_piece, to_arrow, to_numpy, write_batch
from newsreplay.datasets.base import EXTRA, FACTS, Block, Part, Plan, Progress, Reject, no_progress
from newsreplay.errors import DataError
from newsreplay.files import written_whole
from newsreplay.locks import DAY, LOCK, abandoned, age_of, held, own_folder, remove_abandoned, remove_idle_locks
from newsreplay.log.rows import READ, Column

IDS = ("user", "session", "item")
LISTS = ("pool", "items")  #: columns of lists of articles
TEXT = pa.dictionary(pa.int32(), pa.large_string())
WORK = ".work-"  #: what the names of folders begin with from which a preparation may go on
REVISED = "revised"  #: the file that says so where parts are read again, since planning was belied
TABLES = ("rows", "articles", "profiles")


@dataclass(frozen=True)
class Processing:
    """How data are prepared: what changes the time and memory it takes, and nothing in the data but for the limit."""

    key: str | None = None  #: equal keys name equal work: what was read before an interruption is not read again
    jobs: int = 1  #: parts read at once
    bucket: int = 1_000_000  #: rows sorted at once
    in_memory: int = 1 << 28  #: bytes of blocks, and of rows to be sorted, that are kept in memory
    publishers: int = 1_000  #: limit: each has a folder, and a log that every recommender is replayed on
    progress: Progress = no_progress


class BlockIntake(TypedDict):
    """What one block of a part held."""

    file: str
    lines: int
    records: int
    kept: int
    rejects: int
    rejects_in: str  #: the file that has them
    dropped: dict[str, int]
    counts: dict[str, int]
    files: dict[str, list[str | None]]  #: publisher → the paths of its `TABLES`


class PartIntake(TypedDict):
    """What one part held: its `intake.json`."""

    blocks: list[BlockIntake]


class Intake(NamedTuple):
    """What all parts together held."""

    publishers: dict[str, list[list[str | None]]]  #: name → per block the paths of its tables
    records: int
    kept: int
    rejects: int
    first_reject: Reject | None
    dropped: Counter[str]
    counts: Counter[str]


@contextmanager
def work_folder(folder: Path, key: str | None) -> Iterator[Path]:
    """A folder for the parts of the data set `folder` read so far, the same for the same key, beside it.

    It goes when the preparing succeeds, or the disk is full; without a key it goes in any case.
    """
    if key is not None:
        kept = folder.with_name(f"{WORK}{folder.name}-{key}")
        with held(kept.with_name(kept.name + LOCK)) as mine:
            if mine:
                kept.mkdir(exist_ok=True)
                try:
                    yield kept
                except OSError:  # what lies here may be what fills the disk
                    shutil.rmtree(kept, ignore_errors=True)
                    raise
                shutil.rmtree(kept, ignore_errors=True)
                return
    with own_folder(folder.parent, f".{folder.name}-work-") as own:
        yield own


def remove_leftovers(folder: Path) -> None:
    """Remove what preparations that were killed left beside the data set `folder`, which is whole now.

    Parts that another data set's preparation has read stay for a day, since it may go on with them.
    """
    for left in abandoned(folder.parent):
        others = left.name.startswith(WORK) and left.name.rpartition("-")[0] != f"{WORK}{folder.name}"
        if not others or age_of(left) > DAY:
            remove_abandoned(left)
    remove_idle_locks(folder.parent)


def read_parts(plan: Plan, work: Path, *, strict: bool, processing: Processing) -> Intake:
    """Read what has not been read yet. With `strict` the first reject in source order is raised as `DataError`."""
    revised = work / REVISED
    if revised.exists():  # what lies here was read in two ways, or in one that this plan does not know of yet
        _remove_parts(plan, work)
    while True:
        intakes = _read_all(plan, work, strict, processing)
        intake = _intake_of(intakes, work)
        if not plan.revise(intake.counts):
            break
        revised.touch()
        _remove_parts(plan, work)
    if strict and intake.first_reject is not None:
        first = intake.first_reject
        raise DataError(f"{first.file} {plan.unit} {first.line}: {first.reason}; without --strict it is left out")
    return intake


def _remove_parts(plan: Plan, work: Path) -> None:
    for number in range(len(plan.parts)):
        shutil.rmtree(work / f"{number:06}", ignore_errors=True)


def _read_all(plan: Plan, work: Path, strict: bool, processing: Processing) -> list[PartIntake]:
    """All parts; with `strict` those up to the first that has a reject."""
    total = sum(part.weight for part in plan.parts)
    done = 0
    intakes: list[PartIntake] = []
    stop = threading.Event()
    with ThreadPoolExecutor(processing.jobs) as pool:
        futures: list[Future[PartIntake]] = [
            pool.submit(_read_part, plan, part, work / f"{number:06}", stop, processing.publishers)
            for number, part in enumerate(plan.parts)
        ]
        publishers: set[str] = set()
        try:
            for part, future in zip(plan.parts, futures, strict=True):
                intakes.append(future.result())
                if strict and any(block["rejects"] for block in intakes[-1]["blocks"]):
                    break
                publishers.update(name for block in intakes[-1]["blocks"] for name in block["files"])
                _check_publishers(part.name, publishers, processing.publishers)
                done += part.weight
                processing.progress("reading", done, total)
        finally:
            stop.set()
            for future in futures:
                future.cancel()
    return intakes


def _check_publishers(file: str, names: Collection[object], most: int) -> None:
    if len(names) > most:
        few = ", ".join(repr(str(name)) for name in sorted(map(str, names))[:3])
        raise DataError(
            f"{file}: rows of {len(names):,} publishers or more ({few}, …), and a data set has at most {most:,}, each "
            "with a log of its own. Is the publisher's column one of readers, sessions or articles? Name the right one "
            "with --columns publisher=…, or leave the column out"
        )


class _StoppedError(Exception):
    """Another part failed."""


def _read_part(plan: Plan, part: Part, folder: Path, stop: threading.Event, most: int) -> PartIntake:
    done = folder / "intake.json"
    if done.is_file():
        return cast(PartIntake, json.loads(done.read_text("utf-8")))
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    blocks = []
    for number, block in enumerate(_blocks(plan, part)):
        if stop.is_set():
            raise _StoppedError
        blocks.append(_store_block(block, plan, folder, number, most))
    intake = PartIntake(blocks=blocks)
    with written_whole(done) as unfinished:
        unfinished.write_text(json.dumps(intake), "utf-8")
    return intake


def _blocks(plan: Plan, part: Part) -> Iterator[Block]:
    try:
        yield from plan.read(part)
    except OSError as error:
        raise DataError(f"{part.name} cannot be read: {error.strerror or error}") from error


def _store_block(block: Block, plan: Plan, folder: Path, number: int, most: int) -> BlockIntake:
    """Write a block's tables by publisher, of which there are at most `most`."""
    if block.records != block.kept + len(block.rejects) + block.dropped.total():
        raise AssertionError(
            f"{block.file}: {block.records} records in, but {block.kept} kept, {len(block.rejects)} rejected and "
            f"{block.dropped.total()} left out"
        )
    files: dict[str, list[str | None]] = {}
    for place, name in enumerate(TABLES):
        table = getattr(block, name)
        if table is None or not table.num_rows:
            continue
        for publisher, share in _by_publisher(table, plan.publisher, block.file, most):
            path = (
                folder / f"{number}-{name}-{list(files).index(publisher) if publisher in files else len(files)}.arrow"
            )
            _write_table(path, share)
            files.setdefault(publisher, [None, None, None])[place] = os.fspath(path)
    if block.rejects:
        (folder / f"{number}-rejects.json").write_text(json.dumps(block.rejects), "utf-8")
    return {
        "file": block.file,
        "lines": block.lines,
        "records": block.records,
        "kept": block.kept,
        "rejects": len(block.rejects),
        "rejects_in": f"{folder.name}/{number}-rejects.json",
        "dropped": dict(block.dropped),
        "counts": dict(block.counts),
        "files": files,
    }


def _by_publisher(table: pa.Table, only: str | None, file: str, most: int) -> Iterator[tuple[str, pa.Table]]:
    if "publisher" not in table.column_names:
        yield only if only is not None else "", table
        return
    if not table.num_rows:
        return
    publisher = coded(in_one_piece(table["publisher"].unify_dictionaries().combine_chunks()))
    if len(publisher.dictionary) > 1:  # it may list names that no row has
        publisher = coded(publisher.dictionary_decode())
    if publisher.null_count:
        raise AssertionError("a row names no publisher")
    _check_publishers(file, publisher.dictionary[: most + 1], most)
    names = publisher.dictionary.to_pylist()
    table = table.drop_columns(["publisher"])
    for code, name in enumerate(names):
        yield str(name), table if len(names) == 1 else table.filter(pc.equal(publisher.indices, code))


# --- the files ------------------------------------------------------------------------------------------


def _write_table(path: Path, table: pa.Table) -> None:
    columns = {}
    for name in table.column_names:
        columns[name] = _normal(name, in_one_piece(table[name].combine_chunks()))
    write_batch(path, columns)


def _normal(name: str, column: pa.Array) -> pa.Array:
    """A column as the second half reads it: ids and texts as codes into strings, lists of codes, numbers."""
    if name in (*IDS, *FACTS) or name.startswith(EXTRA):
        return coded(column)
    if name in ("pool", "items", "clicked", "dwell"):
        offsets = column.offsets.cast(pa.int64())
        values = column.values
        if column.null_count:  # the offsets below a null may span something
            column = column.cast(pa.large_list(column.type.value_type))
            valid = pc.is_valid(column)
            lengths = pc.if_else(valid, pc.list_value_length(column), 0)
            values = pc.list_flatten(column)
            ends = np.concatenate([[0], np.cumsum(to_numpy(lengths))])
            offsets = to_arrow(ends.astype(np.int64), valid=np.append(to_numpy(valid), True))
        plain = {"clicked": pa.bool_(), "dwell": pa.float32()}
        values = values.cast(plain[name]) if name in plain else coded(values)
        return pa.LargeListArray.from_arrays(offsets, values)
    kinds = {
        "kind": pa.uint8(),
        "time": pa.int64(),
        "published": pa.int64(),
        "active": pa.float32(),
        "recommendable": pa.bool_(),
        "withheld": pa.large_string(),
        "differ": pa.bool_(),
    }
    return column.cast(kinds[name])


def coded(column: pa.Array) -> pa.DictionaryArray:
    """Strings or whole numbers as codes into strings, none of which is null."""
    if pa.types.is_null(column.type):
        column = column.cast(pa.large_string())
    elif pa.types.is_dictionary(column.type) and column.dictionary.null_count:
        column = column.dictionary_decode()
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    if column.type == TEXT:
        return column
    return pa.DictionaryArray.from_arrays(column.indices.cast(pa.int32()), column.dictionary.cast(pa.large_string()))


# --- the intake ----------------------------------------------------------------------------------------


def rejects_of(intakes: list[PartIntake], work: Path) -> Iterator[Reject]:
    """All rejects in source order, with their lines in the file."""
    lines: Counter[str] = Counter()
    for intake in intakes:
        for block in intake["blocks"]:
            if block["rejects"]:
                for file, line, reason, text in json.loads((work / block["rejects_in"]).read_text("utf-8")):
                    yield Reject(file, line + lines[block["file"]], reason, text)
            lines[block["file"]] += block["lines"]


def _intake_of(intakes: list[PartIntake], work: Path) -> Intake:
    publishers: dict[str, list[list[str | None]]] = {}
    dropped: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    records = kept = rejects = 0
    for intake in intakes:
        for block in intake["blocks"]:
            records += block["records"]
            kept += block["kept"]
            rejects += block["rejects"]
            dropped.update(block["dropped"])
            counts.update(block["counts"])
            for name, paths in block["files"].items():
                publishers.setdefault(name, []).append(paths)
    nameless = publishers.get("", [])
    if nameless and len(publishers) > 1 and all(rows is None for rows, _, _ in nameless):
        del publishers[""]
        for shares in publishers.values():  # articles that name no publisher are everybody's
            shares += nameless
    first = next(rejects_of(intakes, work), None)
    return Intake(publishers, records, kept, rejects, first, dropped, counts)


def _intakes(work: Path) -> list[PartIntake]:
    return [json.loads((folder / "intake.json").read_text("utf-8")) for folder in sorted(work.glob("[0-9]*"))]


def reject_counts(work: Path) -> Counter[str]:
    """How many rejects of a work folder have which reason, their values and ways out aside."""
    return Counter(re.sub(r"'.*'", "…", reject.reason.partition(";")[0]) for reject in rejects_of(_intakes(work), work))


def write_rejects(path: Path, work: Path) -> None:
    """All rejects of a work folder, in source order."""
    intakes = _intakes(work)
    with path.open("w", encoding="utf-8", newline="", errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow(Reject._fields)
        writer.writerows(rejects_of(intakes, work))


def kinds_of(rows: pa.RecordBatch) -> Column:
    """The kind of every row: uint8[n]."""
    if "kind" in rows.schema.names:
        return to_numpy(rows.column("kind"))
    return np.full(rows.num_rows, READ, np.uint8)
