"""Outbrain Click Prediction (Kaggle, 2016): page views of two weeks on many publishers' sites, as CSV files.

Facts of the format that shape this reader:

- `page_views.csv` (two thousand million rows) or its first ten million, `page_views_sample.csv`, have the header
  `uuid,document_id,timestamp,platform,geo_location,traffic_source`; rows are in no order of time. `timestamp` is ms
  since 1465876799998 (14 June 2016, 4:00 UTC). There are no sessions; platform, place and traffic can be kept.
- `documents_meta.csv` has `document_id,source_id,publisher_id,publish_time`. A page view belongs to the publisher of
  its document. One whose document has none, or is not told of, is left out by a rule: sites that have nothing in common
  make no log. Of documents told of twice the first row counts.
- There are some 1,260 publishers, and a data set has at most 1,000, each with a log of its own: the page views of those
  with the fewest documents in `documents_meta.csv` (of equal ones the higher ids) are left out by a rule.
- `publish_time` is `YYYY-MM-DD hh:mm:ss`, read as UTC, and often missing or wrong: one that is no time from 1990 up to
  2100 is null; one after the document's first page view changes nothing, since that makes the document known.
- `documents_categories.csv` and `documents_topics.csv` have `document_id,…,confidence_level`, several rows a document:
  its most confident category, and its most confident topic as its subcategory; of equal ones the first in the file.
- Advertisements (`events.csv`, `clicks_train.csv`, `promoted_content.csv`) are not what a newsroom recommends, and are
  not read. Nor are `documents_entities.csv`, whose ids name nothing.
- A file may lie zipped as it came (`page_views_sample.csv.zip`), or in a folder of its name.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from newsreplay.arrow import to_numpy
from newsreplay.datasets.base import EARLIEST, EXTRA, LATEST, Block, Part, Plan, Reject
from newsreplay.datasets.reading import parts
from newsreplay.datasets.reading.sizes import SIZES, ReadSizes
from newsreplay.errors import DataError
from newsreplay.log.rows import Column

PUBLISHER = "outbrain"  #: where no file tells of publishers
PAGE = "https://www.kaggle.com/competitions/outbrain-click-prediction/data"
BEGIN = 1_465_876_799_998  #: ms UTC, from which on times are counted
PUBLISHERS = 1_000  #: with a log of their own
BLANK = "blank line"
UNPUBLISHED = "page view of a document without a publisher"
SMALL = f"page view at a publisher that is not among the {PUBLISHERS:,} with most documents"
UNTOLD = "document without a publisher, or of one whose page views are left out"
LESS_SURE = "category or topic of less confidence than another of the same document"
UNDATED = "documents without a usable publish_time; known when first read"

_ID, _MS, _SHARE = r"(0|[1-9][0-9]{0,17})", r"[0-9]{1,12}", r"[0-9]{1,9}(\.[0-9]{1,30})?(e-?[0-9]{1,2})?"
_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}"


class _FileForm(NamedTuple):
    """How the lines of a file are written."""

    header: str
    needed: dict[str, tuple[str, str]]  # column → the pattern of its values, and what that is called

    @property
    def columns(self) -> list[str]:
        return self.header.split(",")


_NUMBER = (_ID, "a whole number is")
_FORMS = {
    "page_views": _FileForm(
        "uuid,document_id,timestamp,platform,geo_location,traffic_source",
        {"document_id": _NUMBER, "timestamp": (_MS, f"milliseconds since {BEGIN}, of up to 12 digits, are")},
    ),
    "documents_meta": _FileForm("document_id,source_id,publisher_id,publish_time", {"document_id": _NUMBER}),
    "documents_categories": _FileForm(
        "document_id,category_id,confidence_level",
        {"document_id": _NUMBER, "category_id": _NUMBER, "confidence_level": (_SHARE, "a number is")},
    ),
    "documents_topics": _FileForm(
        "document_id,topic_id,confidence_level",
        {"document_id": _NUMBER, "topic_id": _NUMBER, "confidence_level": (_SHARE, "a number is")},
    ),
}
_FACTS = {"documents_categories": "category", "documents_topics": "subcategory"}


def plan_outbrain(path: Path, *, keep: Sequence[str] = (), sizes: ReadSizes = SIZES) -> Plan:
    """The page views of a folder with `page_views.csv`, else `page_views_sample.csv`, and what its files tell of them.

    `documents_meta.csv`, `documents_categories.csv` and `documents_topics.csv` may be missing; without the first all
    page views are those of one publisher. Every page view is a read; times are ms UTC. Ids are kept as they stand; a
    page view without a `uuid` is nobody's. `keep` names columns of the page views that are kept, as `platform`. Records
    are the lines of all files below their headers.

    A line with another number of cells, a NUL byte, bytes that are not UTF-8, a document that is no whole number or a
    timestamp of other than 1 to 12 digits is a reject, of the other files also one whose category, topic or confidence
    is no number. Raises `DataError` when the files are not there, cannot be read, have other headers, or lack a column
    that is to be kept.
    """
    views = next((file for name in ("page_views", "page_views_sample") if (file := _find(path, name))), None)
    if views is None:
        fault = "there is no such folder" if not path.is_dir() else "neither page_views.csv nor page_views_sample.csv"
        raise DataError(
            f"{path}: {fault}. Get page_views_sample.csv.zip (or page_views.csv.zip) and documents_meta.csv.zip from "
            f"{PAGE}, which wants a login, and put them there"
        )
    for name in keep:
        if name not in _FORMS["page_views"].columns:
            raise DataError(f"{views.name} has no column {name!r} to keep; it has {_FORMS['page_views'].header}")
    files = {"page_views": views} | {role: file for role in list(_FORMS)[1:] if (file := _find(path, role))}
    for role, file in files.items():
        _check(file, _FORMS[role])
    meta = files.get("documents_meta")
    publishers = None if meta is None else _Publishers(meta, sizes)
    lacking = [f"{role}.csv" for role in _FORMS if role not in files]
    return Plan(
        parts=[
            part._replace(role=role, end=None if role in _FACTS else part.end)
            for role, file in files.items()
            for part in (
                parts.text_parts(file, sizes=sizes)[:1] if role in _FACTS else parts.text_parts(file, sizes=sizes)
            )
        ],
        read=partial(_read, publishers=publishers, keep=keep, sizes=sizes),
        publisher=PUBLISHER if publishers is None else None,
        notes=partial(_notes, lacking=lacking, sample=views.name.startswith("page_views_sample")),
        source=f"Outbrain Click Prediction (Kaggle): {PAGE}",
        licence="The competition's rules are on its page. newsreplay does not pass these data on.",
    )


def _find(path: Path, name: str) -> Path | None:
    """A file that may be zipped, or lie in a folder of its name."""
    places = (path / f"{name}.csv", path / f"{name}.csv" / f"{name}.csv", path / f"{name}.csv.zip")
    return next((file for file in places if file.is_file()), None)


def _check(file: Path, form: _FileForm) -> None:
    chunk = next(parts.chunks(Part(file, file.name), _is_csv, sizes=ReadSizes(chunk=1 << 10)), None)
    first = chunk.data.partition(b"\n")[0] if chunk else b""
    if not _is_header(first, form):
        raise DataError(
            f"{file.name} line 1: expected the header {form.header}, found {first[:100].decode('utf-8', 'replace')!r}. "
            f"Get the file again from {PAGE}"
        )


def _is_csv(name: str) -> bool:
    return name.lower().endswith(".csv")


def _is_header(line: bytes, form: _FileForm) -> bool:
    return line.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n") == form.header.encode()


def _notes(counts: Counter[str], lacking: list[str], sample: bool) -> list[str]:
    notes = [f"times are ms since {BEGIN}; no session ids; a page view belongs to the publisher of its document"]
    notes += ["page_views_sample.csv holds the first ten million page views only"] if sample else []
    notes += [f"no {name}: what it tells of the documents is unknown" for name in lacking]
    return [*notes, *(f"{what}: {count:,}" for what, count in sorted(counts.items()) if count)]


# Lines as columns of text


def _blocks(part: Part, sizes: ReadSizes) -> Iterator[tuple[Block, pa.Table]]:
    """The chunks of a part: a block that accounts for what cannot be used, and the needed cells of the other lines."""
    form = _FORMS[part.role]
    last, begin = "", part.begin
    for chunk in parts.chunks(part, _is_csv, sizes=sizes):
        block = Block(chunk.file, lines=chunk.data.count(b"\n") + (not chunk.data.endswith(b"\n")))
        data, skip = chunk.data, 0
        if chunk.file != last and not begin:
            first, _, rest = data.partition(b"\n")
            data, skip = (rest, 1) if _is_header(first, form) else (data, 0)
        last = chunk.file
        block.records = block.lines - skip
        table = _parsed(data, block.records, form)
        yield block, _each_line(block, data, skip, form) if table is None else table


def _parsed(data: bytes, lines: int, form: _FileForm) -> pa.Table | None:
    """All lines at once, or None if any of them needs a closer look."""
    data = data.replace(b"\r\n", b"\n")
    if b"\r" in data or b"\0" in data or not lines:
        return None
    try:
        table = csv.read_csv(
            pa.BufferReader(data),
            csv.ReadOptions(use_threads=False, column_names=form.columns, block_size=len(data) + 1),
            csv.ParseOptions(quote_char=False),
            csv.ConvertOptions(column_types=dict.fromkeys(form.columns, pa.string()), null_values=[]),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != lines:
        return None
    good = (pc.all(pc.match_substring_regex(table[name], f"^{how}$")).as_py() for name, (how, _) in form.needed.items())
    return table.combine_chunks() if all(good) else None


def _each_line(block: Block, data: bytes, skip: int, form: _FileForm) -> pa.Table:
    rows = []
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    for number, line in enumerate(lines, 1 + skip):
        line = line.removesuffix(b"\r")
        if not line.strip():
            block.dropped[BLANK] += 1
            continue
        try:
            rows.append(_cells(line, form))
        except ValueError as error:
            text = line[:2000].decode("utf-8", "replace")[:500]
            block.rejects.append(Reject(block.file, number, str(error), text))
    columns = list(zip(*rows, strict=True)) or [()] * len(form.columns)
    return pa.table({name: pa.array(cells, pa.string()) for name, cells in zip(form.columns, columns, strict=True)})


def _cells(line: bytes, form: _FileForm) -> list[str]:
    if b"\0" in line:
        raise ValueError("the line holds a NUL byte")
    try:
        cells = line.decode().split(",")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start + 1:,} of the line is not UTF-8") from None
    if len(cells) != len(form.columns):
        raise ValueError(f"{len(form.columns)} cells are expected, the line has {len(cells):,}")
    for name, (how, expected) in form.needed.items():
        cell = cells[form.columns.index(name)]
        if not re.fullmatch(how, cell, re.ASCII):
            raise ValueError(f"{name} {cell[:60]!r}: {expected} expected")
    return cells


# Publishers of documents


class _Publishers:
    """The publishers of documents, read from `documents_meta.csv` when they are asked for first."""

    def __init__(self, file: Path, sizes: ReadSizes):
        self.file = file
        self.sizes = sizes
        self.lock = threading.Lock()
        self.found: tuple[Column, Column, set[int]] | None = None

    def of(self, documents: pa.ChunkedArray) -> tuple[Column, Column]:
        """The publisher of each document, -1 where none is told, and whether it has a log of its own."""
        with self.lock:
            if self.found is None:
                self.found = self._find()
        known, theirs, large = self.found
        wanted = to_numpy(documents.combine_chunks().cast(pa.int64()))
        if not len(known):
            return np.full(len(wanted), -1), np.zeros(len(wanted), bool)
        place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        publisher = np.where(known[place] == wanted, theirs[place], -1)
        return publisher, np.isin(publisher, list(large))

    def _find(self) -> tuple[Column, Column, set[int]]:
        documents, publishers = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for part in parts.text_parts(self.file, sizes=self.sizes):
            for _, table in _blocks(part._replace(role="documents_meta"), self.sizes):
                documents.append(to_numpy(table["document_id"].combine_chunks().cast(pa.int64())))
                publishers.append(to_numpy(_publisher_ids(table), -1))
        known, first = np.unique(np.concatenate(documents), return_index=True)
        theirs = np.concatenate(publishers)[first]
        counts = Counter(theirs[theirs >= 0].tolist())
        largest = sorted(counts, key=lambda publisher: (-counts[publisher], publisher))[:PUBLISHERS]
        return known, theirs, set(largest)


def _publisher_ids(table: pa.Table) -> pa.Array:
    """Publishers as int64, null where there is none."""
    cells = table["publisher_id"].combine_chunks()
    return pc.if_else(pc.match_substring_regex(cells, f"^{_ID}$"), cells, None).cast(pa.int64())


# Blocks


def _read(part: Part, publishers: _Publishers | None, keep: Sequence[str], sizes: ReadSizes) -> Iterator[Block]:
    if part.role in _FACTS:
        yield from _most_confident(part, publishers, sizes)
        return
    for block, table in _blocks(part, sizes):
        usable = np.ones(table.num_rows, bool)
        columns = {"item": table["document_id"]}
        if publishers is not None:
            theirs, usable = publishers.of(table["document_id"])
            columns["publisher"] = pa.chunked_array([pa.array(theirs)]).cast(pa.string())
            rules = (UNPUBLISHED, SMALL) if part.role == "page_views" else (UNTOLD, UNTOLD)
            block.dropped += Counter({rules[0]: int((theirs < 0).sum())})  # `+=` leaves out zeros
            block.dropped += Counter({rules[1]: int(((theirs >= 0) & ~usable).sum())})
        if part.role == "page_views":
            columns["time"] = pc.add(table["timestamp"].cast(pa.int64()), BEGIN)
            columns["user"] = _filled(table["uuid"])
            columns |= {f"{EXTRA}{name}": _filled(table[name]) for name in keep}
            block.rows = pa.table(columns).filter(pa.array(usable))
        else:
            columns["published"] = pa.chunked_array([_times(table["publish_time"].combine_chunks())])
            block.articles = pa.table(columns).filter(pa.array(usable))
            block.counts[UNDATED] = block.articles["published"].null_count
        block.kept = int(usable.sum())
        yield block


def _filled(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Cells, null where there is nothing."""
    return pc.if_else(pc.equal(cells, ""), None, cells)


def _times(cells: pa.Array) -> pa.Array:
    """Times as ms UTC, null where a cell is none."""
    usable = to_numpy(pc.match_substring_regex(cells, f"^{_TIME}$"))
    ms = np.full(len(cells), -1, np.int64)
    encoded = cells.filter(pa.array(usable)).dictionary_encode()
    values = np.array([_time(text) for text in encoded.dictionary.to_pylist()], np.int64)
    ms[usable] = values[to_numpy(encoded.indices)] if len(values) else []
    return pa.array(ms, mask=(ms < EARLIEST) | (ms >= LATEST))


def _time(text: str) -> int:
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000
    except ValueError:
        return -1


def _most_confident(part: Part, publishers: _Publishers | None, sizes: ReadSizes) -> Iterator[Block]:
    """One block: a document's rows may lie anywhere in the file."""
    whole = Block(part.name)
    tables = []
    for block, table in _blocks(part, sizes):
        whole.file = block.file
        whole.rejects += [reject._replace(line=reject.line + whole.lines) for reject in block.rejects]
        whole.dropped += block.dropped
        whole.lines, whole.records = whole.lines + block.lines, whole.records + block.records
        tables.append(table.combine_chunks())
    if tables:
        table = pa.concat_tables(tables)
        document = to_numpy(table["document_id"].combine_chunks().cast(pa.int64()))
        sure = to_numpy(table["confidence_level"].combine_chunks().cast(pa.float64()))
        order = np.lexsort((-sure, document))  # stable: of equal ones the first in the file
        best = np.sort(order[np.append(True, np.diff(document[order]) != 0)[: len(order)]])
        whole.dropped += Counter({LESS_SURE: table.num_rows - len(best)})
        table = table.take(pa.array(best))
        columns = {"item": table["document_id"], _FACTS[part.role]: table.column(1)}
        keep = np.ones(len(best), bool)
        if publishers is not None:
            theirs, keep = publishers.of(table["document_id"])
            columns["publisher"] = pa.chunked_array([pa.array(theirs)]).cast(pa.string())
            whole.dropped += Counter({UNTOLD: int((~keep).sum())})
        whole.articles = pa.table(columns).filter(pa.array(keep))
        whole.kept = int(keep.sum())
    yield whole
