"""The store: raw rows become logs, once, and are memory-mapped ever after.

A data set is a folder: `card.json`, `rejects.csv`, and per publisher the columns as NumPy files

    log/        one value per log row: time, kind, session, user, item, category, impression
    pools/      of the impressions: at (bounds), item, clicked
    requests/   one value per read: its log row, and the request before it in its session (-1 = none);
                `active` where the source measured how long the article was read
    updates/    one value per publish row that tells whether its article may be recommended: row, item,
                recommendable
    sessions/   one value per session: last request (-1 = none), reads, time of the first read

and the texts as Arrow files: `articles.arrow` (id, published, category, and per fact the text and the row from
which on it is known), `users.arrow`, `sessions.arrow` (ids), `categories.arrow` (names), `profiles.arrow` (what
readers read before the log, without times), `outside.arrow` (articles that only profiles have).

`requests` and `sessions` look ahead; they are for the judge alone and never reach a recommender.
"""

from __future__ import annotations

import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from newsreplay.datasets.base import FACTS
from newsreplay.errors import DataError
from newsreplay.log.catalog import Articles, Profiles, Updates
from newsreplay.log.publisher import REQUEST_DTYPES, SESSION_DTYPES, UPDATE_DTYPES, Publisher, Requests, Sessions
from newsreplay.log.rows import LOG_DTYPES, POOL_DTYPES, Column, Log, Pools


class ColumnFiles:
    """Columns that are appended to, each an `.npy` file that NumPy can map; written in bounded memory."""

    HEADER = 128  # bytes; written when the length is known

    def __init__(self, folder: Path, dtypes: dict[str, np.dtype[Any]]):
        folder.mkdir(parents=True)
        self.dtypes = dtypes
        self.lengths = dict.fromkeys(dtypes, 0)
        self.files = {name: (folder / f"{name}.npy").open("wb") for name in dtypes}
        for file in self.files.values():
            file.write(bytes(self.HEADER))

    def add(self, **columns: Column) -> None:
        """Append to columns."""
        for name, values in columns.items():
            np.ascontiguousarray(values, self.dtypes[name]).tofile(self.files[name])
            self.lengths[name] += len(values)

    def __enter__(self) -> ColumnFiles:
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        for name, file in self.files.items():
            with file:
                shape = {"descr": self.dtypes[name].str, "fortran_order": False, "shape": (self.lengths[name],)}
                text = repr(shape).encode()
                magic = b"\x93NUMPY\x01\x00" + (self.HEADER - 10).to_bytes(2, "little")
                file.seek(0)
                file.write(magic + text.ljust(self.HEADER - 11) + b"\n")


FORMAT = 2  #: of the folder; another one must be prepared again


class Dataset:
    """A prepared data set, one log per publisher; columns are memory-mapped when they are touched."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)

    @cached_property
    def card(self) -> dict[str, Any]:
        """Where the data come from, what was kept, left out and made up, and the facts per publisher."""
        return _read_card(self.folder)

    @property
    def name(self) -> str:
        """The name it was prepared under."""
        return str(self.card["name"])

    @property
    def publishers(self) -> list[str]:
        """Names of the publishers."""
        return [facts["publisher"] for facts in self.card["publishers"]]

    def publisher(self, name: str) -> Publisher:
        """One publisher's log. Raises `DataError` if there is none of that name."""
        if name not in self.publishers:
            raise DataError(f"{self.name} has no publisher {name!r}; it has {', '.join(self.publishers)}")
        return _open_publisher(name, self.folder / "publishers" / str(self.publishers.index(name)), self.card["frozen"])


def _read_card(folder: Path) -> dict[str, Any]:
    try:
        card: dict[str, Any] = dict(json.loads((folder / "card.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{folder} is no prepared data set: {error}") from None
    if card.get("format") != FORMAT:
        raise DataError(
            f"{folder} was prepared by another version of newsreplay (format {card.get('format')}, "
            f"this one reads {FORMAT}); prepare it again"
        )
    return card


# --- files ----------------------------------------------------------------------------------------------


def write(path: Path, columns: dict[str, Any]) -> None:
    """One record batch, so that every column can be mapped as one array."""
    batch = pa.record_batch(list(columns.values()), names=list(columns))
    with pa.OSFile(os.fspath(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def _map(path: Path) -> pa.RecordBatch:
    try:
        return pa.ipc.open_file(pa.memory_map(os.fspath(path))).get_batch(0)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} cannot be read ({error}); prepare the data set again") from None


def _column(batch: pa.RecordBatch, name: str) -> Column:
    # Array.to_numpy would do the same but import pandas first, a third of a second at every start.
    column = batch.column(name)
    return np.frombuffer(column.buffers()[1] or b"", column.type.to_pandas_dtype(), len(column))


def _numbers(folder: Path, name: str, dtype: np.dtype[Any]) -> Column:
    path = folder / f"{name}.npy"
    try:
        # Nothing can be mapped where there is nothing.
        column = np.load(path, mmap_mode="r" if path.stat().st_size > ColumnFiles.HEADER else None)
        if column.dtype != dtype or column.ndim != 1:
            raise ValueError(f"it holds {column.dtype} and not {dtype}")
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read ({error}); prepare the data set again") from None
    column = np.asarray(column)
    column.flags.writeable = False
    return column


def open_log(folder: Path) -> Log:
    return Log(
        **{name: _numbers(folder / "log", name, dtype) for name, dtype in LOG_DTYPES.items()},
        pools=Pools(**{name: _numbers(folder / "pools", name, dtype) for name, dtype in POOL_DTYPES.items()}),
    )


def _open_publisher(name: str, folder: Path, frozen: bool) -> Publisher:
    articles = _map(folder / "articles.arrow")
    timed = (folder / "requests" / "active.npy").exists()
    requests = REQUEST_DTYPES | ({"active": np.dtype(np.float32)} if timed else {})
    columns = {column: _numbers(folder / "requests", column, dtype) for column, dtype in requests.items()}
    texts = [fact for fact in FACTS if fact != "category" and fact in articles.schema.names]
    return Publisher(
        name,
        open_log(folder),
        Articles(
            id=articles.column("id"),
            published=_column(articles, "published"),
            category=_column(articles, "category"),
            category_row=_column(articles, "category_row"),
            texts={fact: (articles.column(fact), _column(articles, f"{fact}_row")) for fact in texts},
            categories=_map(folder / "categories.arrow").column("name"),
            profiles=_open_profiles(folder, frozen),
            updates=Updates(
                **{name: _numbers(folder / "updates", name, dtype) for name, dtype in UPDATE_DTYPES.items()}
            ),
        ),
        _map(folder / "users.arrow").column("id"),
        Requests(columns["row"], columns["previous"], columns.get("active")),
        Sessions(
            _map(folder / "sessions.arrow").column("id"),
            **{column: _numbers(folder / "sessions", column, dtype) for column, dtype in SESSION_DTYPES.items()},
        ),
    )


def _open_profiles(folder: Path, frozen: bool) -> Profiles | None:
    if not (folder / "profiles.arrow").exists():
        return None
    profiles, outside = _map(folder / "profiles.arrow"), _map(folder / "outside.arrow")
    lists = profiles.column("items")
    return Profiles(
        user=_column(profiles, "user"),
        row=_column(profiles, "row"),
        at=np.frombuffer(lists.buffers()[1], np.int64, len(lists) + 1),
        item=np.frombuffer(lists.values.buffers()[1] or b"", np.int32, len(lists.values)),
        outside=outside,
        frozen=frozen,
    )
