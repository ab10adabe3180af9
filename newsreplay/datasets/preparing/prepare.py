"""Preparing a data set: from a plan to a folder, written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.arrow import write_batch
from newsreplay.datasets.base import Block, Part, Plan, PublisherCard, Raw
from newsreplay.datasets.checksums import write_checksums
from newsreplay.datasets.preparing import gather, sampling, walk
from newsreplay.datasets.preparing.background import Summing
from newsreplay.datasets.preparing.buckets import reads_of
from newsreplay.datasets.preparing.card import card_of, facts_of
from newsreplay.datasets.preparing.gather import Gathered
from newsreplay.datasets.preparing.sessions import reader_names, session_names
from newsreplay.datasets.preparing.walk import Walked
from newsreplay.datasets.preparing.work import (
    Intake,
    Processing,
    read_parts,
    reject_counts,
    remove_leftovers,
    work_folder,
    write_rejects,
)
from newsreplay.datasets.store import ColumnFiles, Dataset
from newsreplay.errors import DataError
from newsreplay.files import cannot_write, folder_written_whole
from newsreplay.log.publisher import SESSION_DTYPES
from newsreplay.log.rows import IMPRESSION, KIND_NAMES

DEFAULT = Processing()
TEST_ALONE = (
    "a test split, on which nothing can be learned or judged: name a folder that holds the train split's folder, too"
)


class Shaping(NamedTuple):
    """What preparing makes of raw rows, beyond what the source says."""

    impressions: str | None = None  #: one of `sampling.METHODS`: pseudo-impressions are made
    session_gap: int | None = None  #: ms, in place of 60 minutes; splits the source's own sessions, too


AS_IT_IS = Shaping()


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


def prepare(
    source: Plan | Raw,
    folder: Path,
    *,
    name: str,
    kind: str,
    options: dict[str, object] | None = None,
    shaping: Shaping = AS_IT_IS,
    strict: bool = False,
    processing: Processing = DEFAULT,
) -> Dataset:
    """Sort, split and code raw rows, and write them to `folder`, whole or not at all.

    With `strict` the first row that cannot be used is an error. `name`, `kind` and `options` are for the card alone;
    `options["path"]` is what errors call the source. Raises `DataError`, also where there is no usable read.
    """
    plan = plan_of(source) if isinstance(source, Raw) else source
    if shaping.impressions is not None:
        sampling.check_method(shaping.impressions)
    options = options or {}
    order = _Order(plan, str(options.get("path", name)), shaping, processing)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (
            work_folder(folder, processing.key) as work,
            folder_written_whole(folder, replace=True) as result,
            Summing(result) as summing,
        ):
            intake = read_parts(plan, work, strict=strict, processing=processing)
            facts, unread = _write_publishers(order, intake, summing, work)
            card = card_of(plan, intake, facts, unread, name, kind, options, shaping.impressions)
            text = json.dumps(card, indent=1, ensure_ascii=False) + "\n"
            (result / "card.json").write_text(text, "utf-8", errors="backslashreplace")  # what is no text: JSON escapes
            write_rejects(result / "rejects.csv", work)
            write_checksums(result, summing.checksums())
        remove_leftovers(folder)
    except OSError as error:
        raise cannot_write(folder.parent, error) from None
    return Dataset(folder)


class _Order(NamedTuple):
    """What is prepared, and how."""

    plan: Plan
    path: str  #: what errors call the source
    shaping: Shaping
    processing: Processing


def _write_publishers(order: _Order, intake: Intake, summing: Summing, work: Path) -> tuple[list[PublisherCard], int]:
    """Prepare every publisher that has a read; the rows of the others are counted."""
    facts: list[PublisherCard] = []
    unread = 0
    for publisher in sorted(intake.publishers):
        paths = intake.publishers[publisher]
        gathered = gather.gather_ids(paths, order.shaping.impressions, order.processing.in_memory)
        if gathered is None:
            unread += gather.rows_in(paths)
            continue
        if order.shaping.impressions is not None and gathered.has_impressions:
            raise DataError(f"{order.path} has impressions of its own; leave --impressions out")
        folder = summing.result / "publishers" / str(len(facts))
        facts.append(_write_publisher(order, publisher, gathered, folder, work, summing))
    if not facts:
        raise DataError(
            f"{order.path}: none of {intake.records:,} rows is a usable read{_what_became(order, intake, work)}"
        )
    # Articles of publishers without any row are left out.
    return facts, unread


def _what_became(order: _Order, intake: Intake, work: Path) -> str:
    """Why there is no read: the rows of a source by what was made of them, for an error."""
    blocks = [paths for shares in intake.publishers.values() for paths in shares]
    kinds = gather.kinds_in(blocks)
    articles = gather.rows_in(blocks, "articles")
    ways = [
        f"{rows:,} {KIND_NAMES[kind]} rows" for kind, rows in enumerate(kinds.tolist()) if rows and kind != IMPRESSION
    ]
    withheld = gather.withheld_in(blocks)
    shown = int(kinds[IMPRESSION]) - withheld
    ways += [f"{shown:,} impressions, none with a click"] if shown else []
    ways += [f"{withheld:,} impressions whose clicks are withheld ({TEST_ALONE})"] if withheld else []
    ways += [f"{articles:,} articles"] if articles else []
    ways += [f"{rows:,} left out: {rule}" for rule, rows in intake.dropped.most_common()]
    if intake.first_reject is not None:
        file, line, reason, _ = intake.first_reject
        reasons = reject_counts(work).most_common()
        few = ", ".join(f"{rows:,}: {text}" for text, rows in reasons[:3]) + (", …" if len(reasons) > 3 else "")
        told = f" ({few})" if len(reasons) > 1 else ""
        ways.append(f"{intake.rejects:,} cannot be used{told}, the first: {file} {order.plan.unit} {line}: {reason}")
    return f": {'; '.join(ways)}" if ways else ""


def _write_publisher(
    order: _Order, publisher: str, gathered: Gathered, folder: Path, work: Path, summing: Summing
) -> PublisherCard:
    sampler = None
    impressions, session_gap = order.shaping
    if impressions is not None:
        sampler = sampling.Sampler(impressions, 0, publisher, len(gathered.items), reads_of(gathered))
    walked = walk.walk_rows(gathered, folder, work, order.processing, publisher, sampler, session_gap)
    summing.begin(folder)
    final, counts = walked.final, walked.memory.counts
    sessions = int(counts[walk.SESSIONS])
    last, reads, first = final.last[:sessions], final.reads[:sessions], final.first[:sessions].copy()
    first[reads == 0] = 0
    with ColumnFiles(folder / "sessions", SESSION_DTYPES) as files:
        files.add(last=last, reads=reads, first_time=first)
    _write_texts(gathered, walked, folder)
    profiles = _write_profiles(gathered, walked, folder)
    facts = facts_of(publisher, gathered, walked, folder, summing.digest(folder))
    if profiles is not None:
        facts["profiles_differ"] = profiles.differing
        if not gathered.unlisted.all():
            facts["profiles_untold"] = profiles.untold
    return facts


def _write_texts(gathered: Gathered, walked: Walked, folder: Path) -> None:
    memory, final = walked.memory, walked.final
    items, users, sessions, categories = (int(n) for n in memory.counts[[1, 2, 3, 4]])
    item = final.item[:items]
    facts = list(gathered.facts.items())
    columns: dict[str, pa.Array] = {
        "id": pc.take(gathered.items, pa.array(item)),
        "published": pa.array(final.published[:items]),
    }
    rows = memory.rows
    for place, (fact, values) in enumerate(facts):
        row = memory.fact[place, item]
        value = np.where(values.outside[item] >= 0, values.outside[item], values.value[item])
        known = row >= 0
        if fact == "category":
            codes = np.append(memory.category, np.int32(-1))[np.where(known, value, -1)]
            columns["category"] = pa.array(codes.astype(np.int32))
        else:
            columns[fact] = pc.take(values.values, pa.array(value, mask=~known))
        columns[f"{fact}_row"] = pa.array(np.where(known, row, rows))
    if "title" not in columns:
        columns["title"] = pa.nulls(items, pa.large_string())
        columns["title_row"] = pa.array(np.full(items, rows))
    write_batch(folder / "articles.arrow", columns)
    ids, named = gathered.sessions, gathered.users
    write_batch(folder / "users.arrow", {"id": reader_names(ids, named, final.user[:users])})
    theirs = (column[:sessions] for column in (final.session, final.session_user, final.ordinal))
    write_batch(folder / "sessions.arrow", {"id": session_names(ids, named, *theirs)})
    names = facts[0][1].values
    write_batch(folder / "categories.arrow", {"name": pc.take(names, pa.array(final.category[:categories]))})


class _Profiles(NamedTuple):
    """What is to be said of the profiles."""

    differing: int  # readers of the log who have rows with different histories
    untold: int  # articles in profiles only that no file of articles tells of


def _write_profiles(gathered: Gathered, walked: Walked, folder: Path) -> _Profiles | None:
    """Per reader what they read before the log, as of their first row; None where there are no profiles."""
    profiles = gather.profiles_of(gathered)
    if profiles is None:
        return None
    code = walked.memory.user[profiles.user]
    keep = np.flatnonzero(code >= 0)
    differing = int(np.count_nonzero(profiles.differ[keep]))
    keep = keep[np.argsort(code[keep])]
    ends, chosen = gather.lists_at(gathered, "profiles", "items", profiles.place[keep], lambda codes: codes)
    full = np.flatnonzero(ends[1:] > ends[:-1])  # an empty one is none
    keep, ends = keep[full], np.append(ends[full], ends[-1])
    memory = walked.memory
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
    columns: dict[str, pa.Array] = {"id": pc.take(gathered.items, pa.array(only))}
    for fact, values in gathered.facts.items():
        columns[fact] = pc.take(values.values, pa.array(values.outside[only], mask=values.outside[only] < 0))
    write_batch(folder / "outside.arrow", columns)
    return _Profiles(differing, int(np.count_nonzero(gathered.unlisted[only])))
