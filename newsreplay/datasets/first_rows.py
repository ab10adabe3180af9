"""The first rows of a data set as a data set of its own: what `--limit` replays.

It lies beside the others that are prepared without a name. Articles and what readers read before the log are files of
the whole data set under a second name: rows alone make an article known, and codes are given by first appearance.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from newsreplay.arrow import to_numpy, write_batch
from newsreplay.datasets.base import Card, PublisherCard
from newsreplay.datasets.checksums import BLOCK, write_checksums
from newsreplay.datasets.store import ColumnFiles, Dataset
from newsreplay.errors import DataError
from newsreplay.files import cannot_write, digest_of, folder_written_whole, link_or_copy
from newsreplay.log.publisher import REQUEST_DTYPES, SESSION_DTYPES, UPDATE_DTYPES, Publisher
from newsreplay.log.rows import (
    HISTORY,
    IMPRESSION,
    LOG_DTYPES,
    OUTCOME,
    POOL_DTYPES,
    Column,
    DType,
    Log,
    end_of_first,
    head,
)
from newsreplay.machine import home

WHOLE = ("articles.arrow", "categories.arrow", "profiles.arrow", "outside.arrow")  #: files that stay as they are


def first_rows(dataset: Dataset, limit: int | None) -> Dataset:
    """The first `limit` rows by time of each publisher, counted from its first read or impression; None: all.

    Publications and reads from before that row stay in front of it. Sessions, requests and facts are those of the rows
    that are left, as if the log had ended there. It is called `NAME-first-LIMIT`, and its card's options have the
    limit; where no publisher has more rows, it is the data set itself. Raises `DataError` where a publisher is left
    without a read.
    """
    if limit is None:
        return dataset
    if limit < 1:
        raise DataError(f"a limit of {limit:,} rows leaves nothing to replay; give 1 or more")
    if not any(end_of_first(dataset.publisher(name).log, limit) < _rows(dataset, name) for name in dataset.publishers):
        return dataset
    key = json.dumps([dataset.card, limit, digest_of([Path(__file__)])])
    folder = home() / "prepared" / hashlib.blake2b(key.encode(), digest_size=12).hexdigest()
    if not (folder / "card.json").is_file():
        try:
            with folder_written_whole(folder) as result:
                _write(dataset, limit, result)
        except OSError as error:
            raise cannot_write(folder.parent, error) from None
    first = Dataset(folder)
    first.asked = None if dataset.asked is None else dataset.asked._replace(limit=limit)
    return first


def _rows(dataset: Dataset, publisher: str) -> int:
    return dataset.card["publishers"][dataset.publishers.index(publisher)]["rows"]


def _write(dataset: Dataset, limit: int, result: Path) -> None:
    checksums, facts = dataset.checksums, []
    for number, name in enumerate(dataset.publishers):
        publisher, below = dataset.publisher(name), f"publishers/{number}"
        first = _first_of(publisher, limit)
        _write_columns(first, result / below)
        for file in WHOLE:
            if f"{below}/{file}" in checksums.files:
                link_or_copy(dataset.folder / below / file, result / below / file)
        withheld = dataset.withheld(name)
        if withheld is not None:
            kept = withheld.filter(pa.array(to_numpy(withheld.column("impression")) < len(first.log.pools.at) - 1))
            write_batch(result / below / "withheld.arrow", dict(zip(kept.schema.names, kept.columns, strict=True)))
        facts.append(_facts(first, dataset.card["publishers"][number], limit))
    digests = "".join(told["digest"] for told in facts)
    card: Card = {
        **dataset.card,
        "name": f"{dataset.name}-first-{limit}",
        "options": {**dataset.card["options"], "limit": limit},
        "reads": sum(told["reads"] for told in facts),
        "digest": hashlib.blake2b(digests.encode(), digest_size=16).hexdigest(),
        "publishers": facts,
    }
    text = json.dumps(card, indent=1, ensure_ascii=False) + "\n"
    (result / "card.json").write_text(text, "utf-8", errors="backslashreplace")
    names = [f"publishers/{number}/{file}" for number in range(len(facts)) for file in WHOLE]
    known = {name: checksums.files[name].blocks for name in names if name in checksums.files}
    write_checksums(result, known if checksums.block == BLOCK else {})


def _first_of(publisher: Publisher, limit: int) -> Publisher:
    """A publisher whose log ends after so many rows; its articles are those of the whole log."""
    end = end_of_first(publisher.log, limit)
    log = head(publisher.whole_log, end)
    asked = int(np.searchsorted(publisher.requests.row, end))
    if not asked:
        raise DataError(f"there is no read among the first {limit:,} rows of {publisher.name}; give a higher limit")
    requests = publisher.requests
    active = None if requests.active is None else requests.active[:asked]
    session = log.session[requests.row[:asked]]
    sessions = int(log.session.max(initial=-1)) + 1
    last = np.full(sessions, -1, np.int32)
    last[session] = np.arange(asked)
    first_time = np.zeros(sessions, np.int64)
    first_time[session[::-1]] = log.time[requests.row[:asked]][::-1]
    updates = publisher.articles.updates
    if updates is not None:
        early = updates.row < end
        updates = updates._replace(**{name: getattr(updates, name)[early] for name in UPDATE_DTYPES})
    return publisher._replace(
        log=log._replace(extra=()),
        articles=publisher.articles._replace(updates=updates),
        users=publisher.users[: int(log.user.max(initial=-1)) + 1],
        requests=requests._replace(row=requests.row[:asked], previous=requests.previous[:asked], active=active),
        sessions=publisher.sessions._replace(
            id=publisher.sessions.id[:sessions],
            last=last,
            reads=np.bincount(session, minlength=sessions).astype(np.int32),
            first_time=first_time,
        ),
        extra=log.extra,
    )


def _write_columns(publisher: Publisher, folder: Path) -> None:
    """Write the columns and the ids of a publisher, as `newsreplay.datasets.store` reads them."""
    requests = publisher.requests
    columns: dict[str, tuple[object, dict[str, DType]]] = {
        "log": (publisher.log, LOG_DTYPES),
        "pools": (publisher.log.pools, POOL_DTYPES),
        "requests": (requests, REQUEST_DTYPES | ({} if requests.active is None else {"active": np.dtype(np.float32)})),
        "updates": (publisher.articles.updates, UPDATE_DTYPES),
        "sessions": (publisher.sessions, SESSION_DTYPES),
    }
    for below, (values, dtypes) in columns.items():
        with ColumnFiles(folder / below, dtypes) as files:
            files.add(**{name: getattr(values, name) for name in dtypes})
    kept_codes = {str(number): kept.code for number, kept in enumerate(publisher.extra)}
    if kept_codes:
        with ColumnFiles(folder / "extra", dict.fromkeys(kept_codes, np.dtype(np.int32))) as files:
            files.add(**kept_codes)
    for number, kept in enumerate(publisher.extra):
        write_batch(folder / "extra" / f"{number}.arrow", {kept.name: pa.array(kept.values, pa.large_string())})
    write_batch(folder / "users.arrow", {"id": publisher.users})
    write_batch(folder / "sessions.arrow", {"id": publisher.sessions.id})


def _facts(publisher: Publisher, whole: PublisherCard, limit: int) -> PublisherCard:
    """The facts of the rows that are left; what was counted in the source's files stays as it was."""
    log, reads = publisher.log, publisher.sessions.reads
    sessions, asked = int(np.count_nonzero(reads)), len(publisher.requests.row)
    facts: PublisherCard = {
        **whole,
        "rows": len(log.time),
        "reads": asked,
        "impressions": _count(log, IMPRESSION),
        "outcomes": _count(log, OUTCOME),
        "candidates": len(log.pools.item),
        "clicks": int(np.count_nonzero(log.pools.clicked)),
        "history_reads": _count(log, HISTORY),
        "sessions": sessions,
        "single_read_sessions": int(np.count_nonzero(reads == 1)),
        "mean_session_length": round(asked / sessions, 4),
        "longest_session": int(reads.max()),
        "users": len(publisher.users),
        "articles": _codes(log.item),
        "articles_read": len(np.unique(log.item[log.kind > OUTCOME])),
        "categories": _codes(log.category),
        "last": int(log.time[publisher.requests.row[-1]]),
        "digest": hashlib.blake2b(f"{whole['digest']} {limit}".encode(), digest_size=16).hexdigest(),
    }
    if publisher.articles.profiles is not None:
        facts["profiles"] = int(np.count_nonzero(publisher.articles.profiles.row < len(log.time)))
    return facts


def _count(log: Log, kind: int) -> int:
    return int(np.count_nonzero(log.kind == kind))


def _codes(column: Column) -> int:
    return int(column.max(initial=-1)) + 1
