"""Preparing a data set: from a plan to a folder, written whole or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.arrow import in_one_piece, write_batch
from newsreplay.datasets.base import Block, Part, Plan, Raw
from newsreplay.datasets.preparing import gather, sampling
from newsreplay.datasets.preparing import walk as second
from newsreplay.datasets.preparing.buckets import reads_of
from newsreplay.datasets.preparing.card import _card, _facts
from newsreplay.datasets.preparing.gather import Gathered
from newsreplay.datasets.preparing.walk import Walked
from newsreplay.datasets.preparing.work import Intake, Progress, read_parts, work_folder, write_rejects
from newsreplay.datasets.store import ColumnFiles, Dataset
from newsreplay.errors import DataError
from newsreplay.files import folder_written_whole
from newsreplay.log.publisher import SESSION_DTYPES
from newsreplay.log.rows import Column

# --- preparing -----------------------------------------------------------------------------------------


def plan_of(raw: Raw) -> Plan:
    """A plan with rows that lie in memory as its only part."""
    block = Block(
        file="",
        rows=raw.rows,
        articles=raw.articles,
        profiles=raw.profiles,
        records=raw.rows_in,
        kept=raw.rows_in - len(raw.rejects) - sum(raw.dropped.values()),
        rejects=list(raw.rejects),
    )
    block.dropped.update(raw.dropped)
    publishers = pc.unique(raw.rows["publisher"]).to_pylist() if "publisher" in raw.rows.column_names else []
    return Plan(
        parts=[Part(Path(), "")],
        read=lambda part: [block],
        publisher=str(publishers[0]) if len(publishers) == 1 else None,
        notes=lambda counts: raw.notes,
        made_up=raw.made_up,
        source=raw.source,
        licence=raw.licence,
    )


def _quiet(what: str, done: int, of: int) -> None:
    pass


def prepare(
    source: Plan | Raw,
    folder: Path,
    *,
    name: str,
    kind: str,
    options: dict[str, Any] | None = None,
    impressions: str | None = None,
    strict: bool = False,
    key: str | None = None,
    jobs: int = 1,
    progress: Progress = _quiet,
) -> Dataset:
    """Sort, split and code raw rows, and write them to `folder`, whole or not at all.

    `impressions` is one of `sampling.METHODS` to make pseudo-impressions; with `strict` the first row that
    cannot be used is an error. Equal `key`s name equal work: what was read before an interruption is not read
    again. Raises `DataError`, also where there is no usable read.
    """
    plan = plan_of(source) if isinstance(source, Raw) else source
    if impressions is not None:
        sampling.check_method(impressions)
    where = (options or {}).get("path", name)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with work_folder(folder.parent, key) as work, folder_written_whole(folder, "card.json") as result:
            intake = read_parts(plan, work, strict=strict, jobs=jobs, progress=progress)
            facts, unread = _write_publishers(plan, intake, result, work, impressions, where, progress)
            card = _card(plan, intake, facts, unread, name, kind, options or {}, impressions)
            text = json.dumps(card, indent=1, ensure_ascii=False) + "\n"
            (result / "card.json").write_text(text, "utf-8", errors="backslashreplace")  # what is no text: JSON escapes
            write_rejects(result / "rejects.csv", work)
            if folder.exists():
                (folder / "card.json").unlink(missing_ok=True)  # first: a folder without it is no data set
                shutil.rmtree(folder)
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"cannot write to {folder.parent}: {reason}; set NEWSREPLAY_HOME to a folder for it") from None
    return Dataset(folder)


def _write_publishers(
    plan: Plan,
    intake: Intake,
    result: Path,
    work: Path,
    impressions: str | None,
    where: str,
    progress: Progress,
) -> tuple[list[dict[str, Any]], int]:
    """Prepare every publisher that has a read; the rows of the others are counted."""
    facts: list[dict[str, Any]] = []
    unread = 0
    for publisher in sorted(intake.publishers):
        gathered = gather.gather_ids(intake.publishers[publisher], impressions)
        if gathered is None:
            unread += gather.rows_in(intake.publishers[publisher])
            continue
        if impressions is not None and gathered.has_impressions:
            raise DataError(f"{where} has impressions of its own; leave --impressions out")
        folder = result / "publishers" / str(len(facts))
        facts.append(_write_publisher(plan, publisher, gathered, folder, work, impressions, progress))
    if not facts:
        first = intake.first_reject
        why = f"; the first: {first.file} {plan.unit} {first.line}: {first.reason}" if first else ""
        raise DataError(f"{where}: none of {intake.records:,} rows is a usable read{why}")
    # Articles of publishers without any row are nobody's.
    return facts, unread


def _write_publisher(
    plan: Plan,
    publisher: str,
    gathered: Gathered,
    folder: Path,
    work: Path,
    impressions: str | None,
    progress: Progress,
) -> dict[str, Any]:
    done = 0

    def told(rows: int) -> None:
        nonlocal done
        done += rows
        progress(f"sorting {publisher}", min(done, gathered.rows), gathered.rows)

    sampler = None
    if impressions is not None:
        items = len(gathered.items.values)
        sampler = sampling.Sampler(impressions, 0, publisher, items, reads_of(gathered))
    walked = second.walk_rows(gathered, folder, work, sampler, told)
    final, counts = walked.final, walked.memory.counts
    sessions = int(counts[second.SESSIONS])
    last, reads, first = final.last[:sessions], final.reads[:sessions], final.first[:sessions].copy()
    first[reads == 0] = 0
    with ColumnFiles(folder / "sessions", SESSION_DTYPES) as files:
        files.add(last=last, reads=reads, first_time=first)
    _write_texts(gathered, walked, plan, folder)
    return _facts(publisher, gathered, walked, folder)


def _write_texts(gathered: Gathered, walked: Walked, plan: Plan, folder: Path) -> None:
    memory, final = walked.memory, walked.final
    items, users, sessions, categories = (int(n) for n in memory.counts[[1, 2, 3, 4]])
    item = final.item[:items]
    facts = list(gathered.facts.items())
    columns: dict[str, Any] = {
        "id": pc.take(gathered.items.values, pa.array(item)),
        "published": pa.array(final.published[:items]),
    }
    rows = memory.rows
    for place, (fact, told) in enumerate(facts):
        row = memory.fact[place, item]
        value = np.where(told.outside[item] >= 0, told.outside[item], told.value[item])
        known = row >= 0
        if fact == "category":
            codes = np.append(memory.category, np.int32(-1))[np.where(known, value, -1)]
            columns["category"] = pa.array(codes.astype(np.int32))
        else:
            columns[fact] = pc.take(told.values, pa.array(value, mask=~known))
        columns[f"{fact}_row"] = pa.array(np.where(known, row, rows))
    if "title" not in columns:
        columns["title"] = pa.nulls(items, pa.large_string())
        columns["title_row"] = pa.array(np.full(items, rows))
    write_batch(folder / "articles.arrow", columns)
    own = len(gathered.users.values)
    user = final.user[:users]
    readers = pa.chunked_array([gathered.users.values, gathered.sessions.values], pa.large_string())
    write_batch(folder / "users.arrow", {"id": _taken(readers, user)})
    write_batch(folder / "sessions.arrow", {"id": _session_ids(gathered, walked, sessions, own)})
    names = facts[0][1].values
    write_batch(folder / "categories.arrow", {"name": pc.take(names, pa.array(final.category[:categories]))})
    _write_profiles(gathered, walked, plan, folder)


def _taken(values: Any, codes: Column) -> Any:
    return in_one_piece(values.take(pa.array(codes)))


def _session_ids(gathered: Gathered, walked: Walked, sessions: int, users: int) -> pa.Array:
    """The source's own ids; visits are called `user.1`, `user.2`, …"""
    final = walked.final
    session = final.session[:sessions]
    own = pc.take(gathered.sessions.values, pa.array(session, mask=session < 0))
    if not (session < 0).any():
        return own
    user = final.session_user[:sessions]
    visits = pc.binary_join_element_wise(
        pc.take(gathered.users.values, pa.array(np.where(user < users, user, 0), mask=session >= 0)),
        pa.array(final.ordinal[:sessions]).cast(pa.large_string()),
        pa.scalar(".", pa.large_string()),
    )
    return pc.coalesce(own, visits)


def _write_profiles(gathered: Gathered, walked: Walked, plan: Plan, folder: Path) -> None:
    """Per reader what they read before the log, from the first row that tells it."""
    found = gather.profiles_of(gathered)
    if found is None:
        return
    user, at, item = found
    memory = walked.memory
    code = memory.user[user]
    keep = np.flatnonzero(code >= 0)
    keep = keep[np.argsort(code[keep])]
    lengths = (at[1:] - at[:-1])[keep]
    ends = np.concatenate([[0], np.cumsum(lengths)])
    pick = np.repeat(at[keep] - ends[:-1], lengths) + np.arange(ends[-1])
    chosen = item[pick]
    # Articles that no row carries have negative codes: -2 is the first of outside.arrow, -3 the second.
    first = np.full(len(memory.item), len(chosen))
    first[chosen[::-1]] = np.arange(len(chosen))[::-1]
    only = np.flatnonzero((first < len(chosen)) & (memory.item < 0))
    only = only[np.argsort(first[only])]
    outside = np.full(len(memory.item), -1, np.int64)
    outside[only] = -2 - np.arange(len(only))
    codes = np.where(memory.item[chosen] >= 0, memory.item[chosen], outside[chosen]).astype(np.int32)
    lists = pa.LargeListArray.from_arrays(pa.array(ends), pa.array(codes))
    row = walked.final.user_row[code[keep]]
    write_batch(folder / "profiles.arrow", {"user": pa.array(code[keep]), "row": pa.array(row), "items": lists})
    columns: dict[str, Any] = {"id": pc.take(gathered.items.values, pa.array(only))}
    for fact, told in gathered.facts.items():
        columns[fact] = pc.take(told.values, pa.array(told.outside[only], mask=told.outside[only] < 0))
    write_batch(folder / "outside.arrow", columns)
