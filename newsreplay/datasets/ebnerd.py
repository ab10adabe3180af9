"""EB-NeRD: the impression log of the Danish newspaper Ekstra Bladet (RecSys Challenge 2024), as Parquet files.

Facts of the format that shape this reader:

- A split is a folder with `behaviors.parquet`, seven days of impressions, and `history.parquet`, what its
  readers clicked in the 21 days before. Times are naive and read as UTC, which their hourly profile fits.
- A record of the behaviours is both a page view (of `article_id`; null is the front page) and the impression
  shown on it. Whoever clicks gets a page view of the article clicked, which is mostly a record of its own:
  the same read twice. So a page view is left out if an impression of the same session clicked its article at
  an earlier or the same time, in time order, then row order; every click excuses one later page view at most.
  A record's own click comes after its page view. The walk needs the whole file: it is done first, on the
  narrow columns, which stay in memory (some 40 bytes a record); the long lists are streamed.
- `read_time`, `scroll_percentage`, `next_read_time` and `next_scroll_percentage` (in histories too), and the
  `total_…` columns of the articles, were known only after the fact: they are never read.
- An article may be clicked twice in one impression; that is one click here.
- Each split numbers its sessions on its own: read together, they are called `train:21` and `validation:21`.
- Column types differ between releases: list or large_list, string or large_string, any width of whole numbers.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from newsreplay.datasets.base import EARLIEST, LATEST, Block, Part, Plan, Reject
from newsreplay.errors import DataError
from newsreplay.simulator.log import HISTORY, IMPRESSION, READ, Column

PAGE = "https://recsys.eb.dk/"
SPLITS = ("train", "validation")  #: in time order
SLICE = 200_000  #: records of the behaviours per block
READERS = 5_000  #: readers of a history per block, some 160 clicks each
ARTICLES = 5_000  #: articles per block

CAUSED = "page views that are the read of a click"
UNSEEN = "clicked articles that were not in view: kept as reads without an impression"
AGAIN = "clicks of an article that the same impression had clicked already: one click"
HOLES = "places without an article in the lists of the behaviours"
LATE = "history clicks at or after the first impression of their split, kept"
UNDATED = "articles without a usable published_time; known when first read"
GARBLED = "texts of articles that are not UTF-8: left out"
ELSEWHERE = "history of a reader whose history an earlier split has"

TEXTS = "Titles and texts are those of an article's last modification, which may be later than its reads."

_IDS, _TIMES, _TEXT = "whole numbers", "timestamps", "text"
_BEHAVIORS = {
    "article_ids_clicked": (_IDS, True),
    "session_id": (_IDS, False),
    "user_id": (_IDS, False),
    "impression_time": (_TIMES, False),
    "article_id": (_IDS, False),
    "article_ids_inview": (_IDS, True),
}
_NARROW = [name for name in _BEHAVIORS if name != "article_ids_inview"]
_HISTORY = {"user_id": (_IDS, False), "impression_time_fixed": (_TIMES, True), "article_id_fixed": (_IDS, True)}
_ARTICLE = {
    "article_id": (_IDS, False),
    "published_time": (_TIMES, False),
    "title": (_TEXT, False),
    "subtitle": (_TEXT, False),
    "body": (_TEXT, False),
    "category_str": (_TEXT, False),
    "category": (_IDS, False),
    "subcategory": (_IDS, True),
    "ner_clusters": (_TEXT, True),
    "image_ids": (_IDS, True),
}
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


class _Split(NamedTuple):
    name: str
    folder: Path


def plan_ebnerd(path: Path) -> Plan:
    """How an EB-NeRD folder is read: a split, or a folder with `train` and/or `validation`.

    A split holds `behaviors.parquet` and `history.parquet`; `articles.parquet` may be missing, and may lie in
    the folder or, for a split, in the one above. A record of the behaviours becomes an impression (if
    articles were in view) and a read of the article on screen (if there is one and no click caused it), at
    the same time, in that order. A clicked article that was not in view is a read without an impression.
    Reads of a history are rows of kind `HISTORY`, without a session. A reader's history is taken from the
    first split that has one. Times from 1990 up to 2100 are accepted.

    Records are the rows of the behaviours, the clicks of the histories, and the articles. A record whose
    only content is a page view that a click caused is dropped; any other such page view leaves its record's
    impression behind and is a count. Rejected are records without a time, user or session, or without
    anything in view, on screen or clicked, history clicks without a user, time or article, and articles
    without an id.

    Raises `DataError` when files or columns are missing, for the test split (its clicks were not published),
    and when a file cannot be read.
    """
    splits = _find_splits(path)
    files = [
        (split.folder / f"{role}.parquet", role, columns)
        for split in splits
        for role, columns in (("history", _HISTORY), ("behaviors", _BEHAVIORS))
    ]
    folders = [path, *(split.folder.parent for split in splits)]
    articles = next(
        (folder / "articles.parquet" for folder in folders if (folder / "articles.parquet").is_file()), None
    )
    if articles is not None:
        files.append((articles, "articles", _ARTICLE))
    for file, _, columns in files:
        _check(file, columns)
    return Plan(
        parts=[_part(file, path, role) for file, role, _ in files],
        read=partial(_read, splits=splits),
        publisher="ebnerd",
        notes=partial(_notes, articles=articles is not None),
        unit="row",
        made_up=[TEXTS] if articles is not None else [],
        source=f"EB-NeRD, the Ekstra Bladet News Recommendation Dataset: {PAGE}",
        licence=f"For research; the terms are on {PAGE}. newsreplay does not pass these data on.",
        splits=_scored(splits) if len(splits) > 1 else {},
    )


def _find_splits(path: Path) -> list[_Split]:
    if (path / "behaviors.parquet").is_file():
        return [_Split(path.name, path)]
    splits = [_Split(name, path / name) for name in SPLITS if (path / name / "behaviors.parquet").is_file()]
    if splits:
        return splits
    if not path.is_dir():
        found = "found a file, not a folder" if path.exists() else "there is no such folder"
    else:
        names = sorted(entry.name for entry in path.iterdir())
        more = ", …" if len(names) > 10 else ""
        found = f"found {', '.join(names[:10])}{more}" if names else "found an empty folder"
    raise DataError(
        f"{path}: {found}. Expected a folder with behaviors.parquet and history.parquet, or with such folders "
        f"named train and validation. Get EB-NeRD from {PAGE} and unpack it there"
    )


def _part(file: Path, root: Path, role: str) -> Part:
    name = file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name
    return Part(file, name, weight=file.stat().st_size, role=role)


def _check(file: Path, columns: dict[str, tuple[str, bool]]) -> None:
    """Whether a Parquet file has its columns, of types that can be read."""
    if not file.is_file():
        raise DataError(f"{file}: there is no such file. Get EB-NeRD from {PAGE} and unpack it there")
    with _named(file), pq.ParquetFile(file) as parquet:
        schema = parquet.schema_arrow
    for name, (wanted, listed) in columns.items():
        times = schema.names.count(name)
        if not times and columns is _ARTICLE and name != "article_id":
            continue
        if not times and name == "article_ids_clicked":
            raise DataError(
                f"{file}: column 'article_ids_clicked' is missing. This looks like the test split, whose clicks "
                "were not published: it can be neither replayed nor scored. Use train or validation"
            )
        if times != 1:
            fault = "stands there more than once" if times else "is missing"
            raise DataError(f"{file}: column {name!r} {fault}; the columns are {', '.join(schema.names)[:500]}")
        found = schema.field(name).type
        is_list = pa.types.is_list(found) or pa.types.is_large_list(found)
        if is_list != listed or not _fits(found.value_type if is_list else found, wanted):
            raise DataError(f"{file}: column {name!r} is {found}; expected {'lists of ' if listed else ''}{wanted}")


def _fits(kind: pa.DataType, wanted: str) -> bool:
    types = pa.types
    if types.is_null(kind):
        return True
    if wanted == _IDS:
        return bool(types.is_integer(kind) or types.is_floating(kind))  # what pandas makes of numbers with nulls
    if wanted == _TIMES:
        return bool(types.is_timestamp(kind))
    kind = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(kind) or types.is_large_string(kind))


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """What Arrow says of a damaged file, as an error that names it."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read: {error}; is it complete? Get it again from {PAGE}") from error


def _read(part: Part, splits: list[_Split]) -> Iterator[Block]:
    if part.role == "articles":
        yield from _read_articles(part)
        return
    place = next(number for number, split in enumerate(splits) if split.folder == part.path.parent)
    if part.role == "history":
        yield from _read_history(part, splits[place], splits[:place])
    else:
        yield from _read_behaviors(part, splits[place].name if len(splits) > 1 else "")


def _columns(file: Path, names: list[str]) -> dict[str, pa.Array]:
    with _named(file), pq.ParquetFile(file) as parquet:
        table = parquet.read(columns=names)
        return {name: table[name].combine_chunks() for name in names}


def _batches(file: Path, size: int, names: list[str]) -> Iterator[pa.RecordBatch]:
    with _named(file), pq.ParquetFile(file) as parquet:
        yield from parquet.iter_batches(size, columns=names)


class _Records(NamedTuple):
    """The narrow columns of some behaviours."""

    session: pa.Array
    user: pa.Array
    article: pa.Array
    clicked: pa.Array  # lists
    time: Column
    good: Column  # has a time, a user and a session
    caused: Column  # the page view is the read of a click

    def pick(self, at: Column) -> _Records:
        """Those at some places, or where a mask says so."""
        chosen = pa.array(at)
        arrays = [c.filter(chosen) if at.dtype == bool else c.take(chosen) for c in self[:4]]
        return _Records(*arrays, *(column[at] for column in self[4:]))

    def slice(self, begin: int, length: int) -> _Records:
        """Some of them in a row."""
        return _Records(
            *(column.slice(begin, length) for column in self[:4]),
            *(column[begin : begin + length] for column in self[4:]),
        )


def _read_behaviors(part: Part, split: str) -> Iterator[Block]:
    table = _columns(part.path, _NARROW)
    raw_time = table["impression_time"]
    session, user, article = (_whole(table[name]) for name in ("session_id", "user_id", "article_id"))
    time, timed = _times(raw_time)
    good = timed & _valid(session) & _valid(user)
    records = _Records(session, user, article, table["article_ids_clicked"], time, good, ~good)
    del table, session, user, article
    records = records._replace(caused=_caused(records))
    begin = 0
    for batch in _batches(part.path, SLICE, ["article_ids_inview"]):
        some = records.slice(begin, batch.num_rows)
        block = Block(part.name, lines=batch.num_rows, records=batch.num_rows)
        for row in np.flatnonzero(~some.good).tolist():
            if not some.session[row].is_valid or not some.user[row].is_valid:
                reason = "user_id or session_id is null or no whole number"
            else:
                reason = _no_time("impression_time", raw_time[begin + row])
            block.rejects.append(Reject(part.name, row + 1, reason, _as_text(some, row)))
        inview = batch.column(0)
        if some.good.all():
            _fill(block, some, inview, np.arange(batch.num_rows), split)
        else:
            _fill(block, some.pick(some.good), inview.filter(pa.array(some.good)), np.flatnonzero(some.good), split)
        block.rejects.sort(key=lambda reject: reject.line)
        begin += batch.num_rows
        yield block


def _caused(records: _Records) -> Column:
    """Which page views are the read of a click: the walk of this module's docstring, for all sessions at once."""
    number = np.arange(len(records.time))
    lengths, clicked, _ = _entries(records.clicked)
    click_row = np.repeat(number, lengths)
    view_row = np.flatnonzero(_valid(records.article))
    rows = np.concatenate([view_row, click_row])
    is_click = np.arange(rows.size) >= view_row.size
    articles = pa.concat_arrays([records.article.drop_null(), _whole(clicked)])
    events = _codes(records.session)[rows] << 32 | _codes(articles)  # a session and an article: one walk
    usable = records.good[rows]
    # Most clicks and page views have no partner. Those whose hash has none are left out; the walk does without them.
    bits = 3 + rows.size.bit_length()
    hashes = events.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(64 - bits)
    for those in (~is_click, is_click):
        met = np.zeros(1 << bits, bool)
        met[hashes[those & usable]] = True
        usable &= those | met[hashes]
    rows, is_click, events = rows[usable], is_click[usable], events[usable]

    order = np.lexsort((rows, records.time[rows], events))  # stable: a row's page view stays before its clicks
    rows, is_click, events = rows[order], is_click[order], events[order]
    twice = (rows[1:] == rows[:-1]) & (is_click[1:] == is_click[:-1]) & (events[1:] == events[:-1])
    once = np.concatenate([[True], ~twice]) if rows.size else np.zeros(0, bool)
    rows, is_click, events = rows[once], is_click[once], events[once]

    # A click is a step up and a page view a step down, unless it is at the bottom. So a page view is excused by
    # a click unless the sum of all steps has never been as low before in its walk.
    new = np.concatenate([[True], events[1:] != events[:-1]]) if rows.size else np.zeros(0, bool)
    walk = np.cumsum(new) - 1
    total = np.cumsum(np.where(is_click, 1, -1))
    before = (total - np.where(is_click, 1, -1))[new]
    depth = total - before[walk]
    apart = walk * (2 * rows.size + 2)  # so that the minimum of one walk is of no concern to the next
    lowest = np.minimum(np.minimum.accumulate(depth - apart) + apart, 0)
    previous = np.where(new, 0, np.roll(lowest, 1))
    caused = np.zeros(number.size, bool)
    caused[rows[~is_click & (depth >= previous)]] = True
    return caused


def _fill(block: Block, records: _Records, inview: pa.Array, places: Column, split: str) -> None:
    """Raw rows of usable records, which stand at `places` of their block, and the account of them."""
    number = len(records.time)
    lengths, pool, holes = _entries(inview)
    click_lengths, clicked, more_holes = _entries(records.clicked)
    flags, unseen, again = _flags(lengths, pool, click_lengths, clicked)
    shown = lengths > 0
    on_screen = _valid(records.article)
    apart = np.bincount(np.array(unseen[0], np.int64), minlength=number)
    counts = apart + shown + (on_screen & ~records.caused)
    block.counts += Counter(
        {CAUSED: int(records.caused.sum()), HOLES: holes + more_holes, UNSEEN: len(unseen[0]), AGAIN: again}
    )
    nothing = (counts == 0) & ~records.caused
    for row in np.flatnonzero(nothing).tolist():
        reason = "nothing in article_ids_inview, article_id or article_ids_clicked"
        block.rejects.append(Reject(block.file, int(places[row]) + 1, reason, _as_text(records, row)))
    block.dropped += Counter({CAUSED: int(np.count_nonzero((counts == 0) & records.caused))})  # `+=` leaves out zeros
    block.kept = int(np.count_nonzero(counts))

    source = np.repeat(np.arange(number), counts)
    ends = np.cumsum(counts)
    at = (ends - counts)[shown]
    kind = np.full(source.size, READ, np.uint8)
    kind[at] = IMPRESSION
    item = records.article.take(pa.array(source))
    if unseen[0]:
        is_unseen = np.repeat(ends - apart, counts) <= np.arange(source.size)
        item = pc.replace_with_mask(item, pa.array(is_unseen), pa.array(unseen[1], pa.int64()))
    session = records.session
    if split:
        encoded = session.dictionary_encode()
        names = pc.binary_join_element_wise(split, encoded.dictionary.cast(pa.string()), ":")
        session = pa.DictionaryArray.from_arrays(encoded.indices, names)
    known = _valid(records.clicked)[shown]
    told = flags if known.all() else flags[np.repeat(known, lengths[shown])]
    block.rows = pa.table(
        {
            "kind": kind,
            "time": records.time[source],
            "user": records.user.take(pa.array(source)),
            "session": session.take(pa.array(source)),
            "item": item,
            "pool": _lists_at(at, lengths[shown], pool, source.size),
            "clicked": _lists_at(at[known], lengths[shown][known], pa.array(told), source.size),
        }
    )


def _flags(
    lengths: Column, pool: pa.Array, click_lengths: Column, clicked: pa.Array
) -> tuple[Column, tuple[list[int], list[int]], int]:
    """Which of the pools' places were clicked; (record, article) of clicks not in view; clicks of the same again."""
    items, clicks = pool.to_numpy(zero_copy_only=False), clicked.to_numpy(zero_copy_only=False)
    begins, click_begins = np.cumsum(lengths) - lengths, np.cumsum(click_lengths) - click_lengths
    some = click_lengths > 0
    first = np.zeros(lengths.size, clicks.dtype)
    first[some] = clicks[click_begins[some]]
    flags: Column = (items == np.repeat(first, lengths)) & (True if some.all() else np.repeat(some, lengths))
    hits = np.flatnonzero(flags)
    if hits.size == np.count_nonzero(some) and (begins[some] <= hits).all() and (hits < (begins + lengths)[some]).all():
        once = some
    else:
        once = np.bincount(np.searchsorted(begins + lengths, hits, "right"), minlength=lengths.size) == 1
    unseen: tuple[list[int], list[int]] = ([], [])
    again = 0
    # One click that is in view once is the rule (99.5 %); any other record is looked at by itself.
    for row in np.flatnonzero(some & ((click_lengths != 1) | ~once)).tolist():
        begin, click_begin = begins[row], click_begins[row]
        wanted = dict.fromkeys(clicks[click_begin : click_begin + click_lengths[row]].tolist())
        again += int(click_lengths[row]) - len(wanted)
        for place, shown in enumerate(items[begin : begin + lengths[row]].tolist(), begin):
            flags[place] = shown in wanted
            wanted.pop(shown, None)
        unseen[0].extend([row] * len(wanted))
        unseen[1].extend(wanted)
    return flags, unseen, again


def _lists_at(places: Column, lengths: Column, values: pa.Array, size: int) -> pa.Array:
    """Lists at some places of a column, null elsewhere."""
    all_lengths = np.zeros(size + 1, np.int64)
    all_lengths[places + 1] = lengths
    null = np.ones(size, bool)
    null[places] = False
    offsets = pa.array(np.cumsum(all_lengths), pa.int64()).cast(pa.int32())
    return pa.ListArray.from_arrays(offsets, values, mask=pa.array(null))


def _read_history(part: Part, split: _Split, before: list[_Split]) -> Iterator[Block]:
    earlier = [reader for other in before for reader in _readers(other)]
    known = pa.array(earlier, pa.int64())
    start = _first_impression(split)
    for batch in _batches(part.path, READERS, list(_HISTORY)):
        block = Block(part.name, lines=batch.num_rows)
        user = _whole(batch["user_id"])
        times, items = batch["impression_time_fixed"], batch["article_id_fixed"]
        sizes, others = _sizes(items), _sizes(times)
        usable = _valid(user) & (sizes == others)
        for row in np.flatnonzero(~usable & (sizes + others > 0)).tolist():
            reason = (
                f"article_id_fixed has {sizes[row]} entries, impression_time_fixed {others[row]}"
                if user[row].is_valid
                else "user_id is null or no whole number"
            )
            block.rejects.append(Reject(part.name, row + 1, reason, f"user_id={user[row]}"))
        block.records = len(block.rejects)
        known_before = np.asarray(pc.is_in(user, value_set=known)) & usable
        block.dropped += Counter({ELSEWHERE: int(sizes[known_before].sum())})  # `+=` leaves out zeros
        lines = np.flatnonzero(usable & ~known_before)
        if lines.size < batch.num_rows:
            times, items = times.take(pa.array(lines)), items.take(pa.array(lines))
        raw_time, item = times.flatten(), _whole(items.flatten())
        lines = np.repeat(lines, sizes[lines])
        time, timed = _times(raw_time)
        there = _valid(item)
        for click in np.flatnonzero(~(timed & there)).tolist():
            reason = (
                _no_time("impression_time_fixed", raw_time[click])
                if there[click]
                else "article_id_fixed is null or no whole number"
            )
            text = f"user_id={user[lines[click]]}, article_id_fixed={item[click]}"
            block.rejects.append(Reject(part.name, int(lines[click]) + 1, reason, text))
        block.rejects.sort(key=lambda reject: reject.line)
        block.records += block.dropped[ELSEWHERE] + time.size
        rows = pa.table({"time": time, "user": user.take(pa.array(lines)), "item": item})
        usable = timed & there
        if not usable.all():
            rows = rows.filter(pa.array(usable))
        block.kept = rows.num_rows
        block.counts[LATE] = int(np.count_nonzero(time[usable] >= start)) if start is not None else 0
        block.rows = rows.append_column("kind", pa.array(np.full(rows.num_rows, HISTORY, np.uint8)))
        yield block


def _readers(split: _Split) -> list[int]:
    column = _columns(split.folder / "history.parquet", ["user_id"])["user_id"]
    readers: list[int] = _whole(column).drop_null().to_pylist()
    return readers


def _first_impression(split: _Split) -> int | None:
    time, timed = _times(_columns(split.folder / "behaviors.parquet", ["impression_time"])["impression_time"])
    return int(time[timed].min()) if timed.any() else None


def _scored(splits: list[_Split]) -> dict[str, tuple[int, int | None]]:
    """Each split from its first impression up to that of the next one."""
    starts = [_first_impression(split) for split in splits]
    nexts = [*starts[1:], None]
    return {
        split.name: (start, end) for split, start, end in zip(splits, starts, nexts, strict=True) if start is not None
    }


def _read_articles(part: Part) -> Iterator[Block]:
    with _named(part.path):
        names = pq.read_schema(part.path).names
    columns = [name for name in _ARTICLE if name in names]
    for batch in _batches(part.path, ARTICLES, columns):
        block = Block(part.name, lines=batch.num_rows, records=batch.num_rows)
        item = _whole(batch["article_id"])
        there = _valid(item)
        for row in np.flatnonzero(~there).tolist():
            title = _text(batch["title"].slice(row, 1), block.counts)[0] if "title" in columns else ""
            reason = "article_id is null or no whole number"
            block.rejects.append(Reject(part.name, row + 1, reason, f"title={title}"[:500]))
        block.kept = int(there.sum())
        told = {"item": item, **_facts({name: batch[name] for name in columns}, block.counts)}
        block.articles = pa.table(told).filter(pa.array(there))
        block.counts[UNDATED] = block.articles["published"].null_count if "published" in told else block.kept
        yield block


def _facts(columns: dict[str, pa.Array], counts: Counter[str]) -> dict[str, pa.Array]:
    facts: dict[str, pa.Array] = {}
    if "published_time" in columns:
        time, timed = _times(columns["published_time"])
        facts["published"] = pa.array(time, mask=~timed)
    for fact, name in (("title", "title"), ("abstract", "subtitle"), ("body", "body"), ("category", "category_str")):
        if name in columns:
            facts[fact] = _text(columns[name], counts)
    if "category" in columns and "category" not in facts:
        facts["category"] = _whole(columns["category"]).cast(pa.string())
    if "subcategory" in columns:
        sizes, ids, _ = _entries(columns["subcategory"])
        offsets = pa.array(np.concatenate([[0], np.cumsum(sizes)]), pa.int64()).cast(pa.int32())
        joined = pc.binary_join(pa.ListArray.from_arrays(offsets, ids.cast(pa.string())), "|")
        facts["subcategory"] = _told(joined)
    if "ner_clusters" in columns:
        facts["entities"] = pa.array(_entities(columns["ner_clusters"], counts), pa.string())
    if "image_ids" in columns:
        sizes, ids, _ = _entries(columns["image_ids"])
        first = np.where(sizes > 0, np.cumsum(sizes) - sizes, 0)
        facts["image"] = ids.take(pa.array(first, mask=sizes == 0)).cast(pa.string())
    return facts


def _entities(column: pa.Array, counts: Counter[str]) -> list[str | None]:
    """Each list of names as JSON."""
    found: list[str | None] = []
    for entry in column:
        try:
            names = [name for name in entry.as_py() or () if name is not None]
        except UnicodeDecodeError:
            names = []
            counts[GARBLED] += 1
        found.append(json.dumps(names, ensure_ascii=False) if names else None)
    return found


def _text(column: pa.Array, counts: Counter[str]) -> pa.Array:
    """Text that is UTF-8 for sure, which Parquet does not promise; null where there is none."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    raw = column.cast(pa.binary())
    try:
        text = raw.cast(pa.string())  # validates
    except pa.ArrowInvalid:
        decoded = [value if value is None else _decoded(value) for value in raw.to_pylist()]
        text = pa.array(decoded, pa.string())
        counts[GARBLED] += text.null_count - raw.null_count
    return _told(text)


def _decoded(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _told(text: pa.Array) -> pa.Array:
    """Text without the empty ones, which tell nothing."""
    return pc.if_else(pc.equal(text, ""), None, text)


def _whole(values: pa.Array) -> pa.Array:
    """Ids as int64; null where a number is not whole, or larger than any id."""
    if pa.types.is_floating(values.type):
        numbers = values.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
        whole = (np.abs(numbers) < 2**53) & (numbers == np.floor(numbers))
        return pa.array(np.where(whole, numbers, 0).astype(np.int64), mask=~whole)
    if pa.types.is_uint64(values.type):
        values = pc.if_else(pc.greater(values, 2**63 - 1), None, values)
    return values.cast(pa.int64())


def _valid(values: pa.Array) -> Column:
    valid: Column = values.is_valid().to_numpy(zero_copy_only=False)
    return valid


def _codes(values: pa.Array) -> Column:
    """Equal numbers of 32 bits for equal ids."""
    span = pc.min_max(values).as_py()
    if len(values) and span["min"] is not None and not 0 <= span["min"] <= span["max"] < 1 << 32:
        values = values.dictionary_encode().indices
    codes: Column = values.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes


def _sizes(lists: pa.Array) -> Column:
    sizes: Column = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    return sizes


def _entries(lists: pa.Array) -> tuple[Column, pa.Array, int]:
    """How many ids each list has, all ids, and how many places were without one."""
    sizes, values = _sizes(lists), lists.flatten()
    if pa.types.is_integer(values.type) and not pa.types.is_uint64(values.type) and not values.null_count:
        return sizes, values, 0
    values = _whole(values)
    there = _valid(values)
    owners = np.repeat(np.arange(sizes.size), sizes)
    return np.bincount(owners[there], minlength=sizes.size), values.drop_null(), int((~there).sum())


def _times(values: pa.Array) -> tuple[Column, Column]:
    """Timestamps as ms UTC, and which of them can be used."""
    if pa.types.is_null(values.type):
        return np.zeros(len(values), np.int64), np.zeros(len(values), bool)
    rate = _PER_SECOND[values.type.unit]
    numbers = values.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    usable = (numbers >= EARLIEST // 1_000 * rate) & (numbers < LATEST // 1_000 * rate)
    time = np.where(usable, numbers, 0) * 1_000 if rate == 1 else numbers // (rate // 1_000)
    return time, usable


def _no_time(column: str, value: pa.Scalar) -> str:
    if not value.is_valid:
        return f"{column} is null"
    unit = value.type.unit
    return f"{column} {value.cast(pa.int64()).as_py()} {unit} since 1970 is outside 1990 to 2100"


def _as_text(records: _Records, row: int) -> str:
    values = (records.session, records.user, records.article, records.clicked)
    names = ("session_id", "user_id", "article_id", "article_ids_clicked")
    return ", ".join(f"{name}={column[row].as_py()}" for name, column in zip(names, values, strict=True))[:500]


def _notes(counts: Counter[str], articles: bool) -> list[str]:
    notes = [
        "times are naive in these data and read as UTC; sessions are the source's",
        f"{CAUSED}, dropped: {counts[CAUSED]:,}; the impressions of the same records are kept",
    ]
    notes += [f"{what}: {counts[what]:,}" for what in (UNSEEN, AGAIN, HOLES, LATE, UNDATED, GARBLED) if counts[what]]
    if not articles:
        notes.append("no articles.parquet: publication times, categories and texts of the articles are unknown")
    return notes
