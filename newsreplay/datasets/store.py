"""The store: raw rows become logs, once, and are memory-mapped ever after.

A data set is a folder: `card.json`, `rejects.csv`, `checksums.json` (see `newsreplay.datasets.checksums`), and per
publisher the columns as NumPy files

    log/        one value per log row: time, kind, session, user, item, category, impression
    pools/      of the impressions: at (bounds), item, clicked
    requests/   one value per read: its log row, and the request before it in its session (-1 = none);
                `active` where the source measured how long the article was read
    extra/      one value per log row of each further column that was kept, int32 codes into the texts beside it
    updates/    one value per publish row that sets whether its article may be recommended: row, item,
                recommendable
    sessions/   one value per session: last request (-1 = none), reads, time of the first read

and the texts as Arrow files: `articles.arrow` (id, published, category, and per fact the text and the row from
which on it is known), `users.arrow`, `sessions.arrow` (ids), `categories.arrow` (names), `profiles.arrow` (what
readers read before the log, without times), `outside.arrow` (articles that only profiles have), `withheld.arrow`
(impressions whose outcome the source withholds, in its order: impression, id).

`requests` and `sessions` look ahead; they are for the judge alone and never reach a recommender.
"""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import numpy as np
import pyarrow as pa

from newsreplay.arrow import map_batch, to_numpy
from newsreplay.datasets.base import FACTS, Asked, Card
from newsreplay.datasets.checksums import Checksums, way_out
from newsreplay.errors import DataError
from newsreplay.escaping import escaped
from newsreplay.log.catalog import Articles, Profiles, Updates
from newsreplay.log.publisher import REQUEST_DTYPES, SESSION_DTYPES, UPDATE_DTYPES, Publisher, Requests, Sessions
from newsreplay.log.rows import LOG_DTYPES, POOL_DTYPES, Column, ExtraColumn, Log, Pools


class ColumnFiles:
    """Columns that are appended to, each an `.npy` file that NumPy can map; written in bounded memory, in a thread."""

    HEADER = 128  # bytes; written when the length is known

    def __init__(self, folder: Path, dtypes: dict[str, np.dtype[Any]]):
        folder.mkdir(parents=True)
        self.dtypes = dtypes
        self.lengths = dict.fromkeys(dtypes, 0)
        self.files = {name: (folder / f"{name}.npy").open("wb") for name in dtypes}
        for file in self.files.values():
            file.write(bytes(self.HEADER))
        self.writer = ThreadPoolExecutor(1)
        self.writing: Future[None] | None = None

    def add(self, **columns: Column) -> None:
        """Append to columns; they are written in the background and must not change, those before have been written."""
        self._wait()
        for name, values in columns.items():
            self.lengths[name] += len(values)
        self.writing = self.writer.submit(self._write, columns)

    def _wait(self) -> None:
        if self.writing is not None:
            self.writing.result()

    def _write(self, columns: dict[str, Column]) -> None:
        for name, values in columns.items():
            # Not `tofile`, which has no word for a full disk and does not notice one at all when it closes.
            self.files[name].write(np.ascontiguousarray(values, self.dtypes[name]).data)

    def __enter__(self) -> ColumnFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ExitStack() as stack:  # all are closed, whichever cannot be written
            for file in self.files.values():
                stack.enter_context(file)
            stack.enter_context(self.writer)
            if error is not None:
                return
            self._wait()
            for name, file in self.files.items():
                shape = {"descr": self.dtypes[name].str, "fortran_order": False, "shape": (self.lengths[name],)}
                text = repr(shape).encode()
                magic = b"\x93NUMPY\x01\x00" + (self.HEADER - 10).to_bytes(2, "little")
                file.seek(0)
                file.write(magic + text.ljust(self.HEADER - 11) + b"\n")


FORMAT = 3  #: of the folder; another one must be prepared again


class Dataset:
    """A prepared data set, one log per publisher; columns are memory-mapped when they are touched."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self.asked: Asked | None = None  #: what it was found by; None where nobody looked for it

    @cached_property
    def card(self) -> Card:
        """Where the data come from, what was kept, left out and made up, and the facts per publisher."""
        return _read_card(self.folder)

    @cached_property
    def checksums(self) -> Checksums:
        """What the files must be. Raises `DataError` if that is damaged itself."""
        return Checksums.read(self.folder)

    @property
    def name(self) -> str:
        """The name it was prepared under."""
        return self.card["name"]

    @property
    def publishers(self) -> list[str]:
        """Names of the publishers."""
        return [facts["publisher"] for facts in self.card["publishers"]]

    def publisher(self, name: str) -> Publisher:
        """One publisher's log. Raises `DataError` if there is none of that name, or its files are damaged."""
        if name not in self.publishers:
            raise DataError(f"{self.name} has no publisher {name!r}; it has {escaped(', '.join(self.publishers))}")
        number = self.publishers.index(name)
        below = f"publishers/{number}/"
        self.checksums.compare(below)
        files = {path.removeprefix(below) for path in self.checksums.files if path.startswith(below)}
        publisher = _open_publisher(name, self.folder / below, files, self.card["frozen"])
        return publisher._replace(session_ids=self.card["publishers"][number]["session_ids"])

    def withheld(self, name: str) -> pa.RecordBatch | None:
        """The impressions of a publisher whose outcome the source withholds, in its order; None if it withholds none.

        Columns: `impression` (int32, its number in the log) and `id` (what the source calls it, which need not be the
        only one of its name). Raises `DataError` if the file is damaged.
        """
        path = f"publishers/{self.publishers.index(name)}/withheld.arrow"
        if path not in self.checksums.files:
            return None
        self.checksums.compare(path)
        return texts_of(self.folder / path)

    def compare(self) -> None:
        """Compare all files with their checksums. Raises `DataError` for the first that is damaged."""
        self.checksums.compare()


def _read_card(folder: Path) -> Card:
    path = folder / "card.json"
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is no plain file")
        card = dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{folder} is no prepared data set: {path.name}: {why}; {way_out(folder)}") from None
    if card.get("format") != FORMAT:
        raise DataError(
            f"{folder} was prepared by another version of newsreplay (format {card.get('format')}, "
            f"this one reads {FORMAT}); prepare it again"
        )
    Checksums.read(folder).compare(path.name)
    return cast(Card, card)


# --- files ----------------------------------------------------------------------------------------------


def texts_of(path: Path) -> pa.RecordBatch:
    """The columns of one of a data set's Arrow files, memory-mapped. Raises `DataError` if it is damaged."""
    try:
        return map_batch(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} cannot be read ({error}); prepare the data set again") from None


def _column_of(folder: Path, name: str, dtype: np.dtype[Any]) -> Column:
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
    """The columns of one publisher's folder, memory-mapped. Raises `DataError` if one is damaged."""
    columns: dict[str, Any] = {name: _column_of(folder / "log", name, dtype) for name, dtype in LOG_DTYPES.items()}
    return Log(
        **columns,
        pools=Pools(**{name: _column_of(folder / "pools", name, dtype) for name, dtype in POOL_DTYPES.items()}),
    )


def _open_publisher(name: str, folder: Path, files: set[str], frozen: bool) -> Publisher:
    """The publisher in a folder, which holds `files`."""
    articles = texts_of(folder / "articles.arrow")
    requests = REQUEST_DTYPES | ({"active": np.dtype(np.float32)} if "requests/active.npy" in files else {})
    columns = {column: _column_of(folder / "requests", column, dtype) for column, dtype in requests.items()}
    texts = [fact for fact in FACTS if fact != "category" and fact in articles.schema.names]
    return Publisher(
        name,
        open_log(folder),
        Articles(
            id=articles.column("id"),
            published=to_numpy(articles.column("published")),
            category=to_numpy(articles.column("category")),
            category_row=to_numpy(articles.column("category_row")),
            texts={fact: (articles.column(fact), to_numpy(articles.column(f"{fact}_row"))) for fact in texts},
            categories=texts_of(folder / "categories.arrow").column("name"),
            profiles=_open_profiles(folder, frozen) if "profiles.arrow" in files else None,
            updates=Updates(
                **{name: _column_of(folder / "updates", name, dtype) for name, dtype in UPDATE_DTYPES.items()}
            ),
        ),
        texts_of(folder / "users.arrow").column("id"),
        Requests(columns["row"], columns["previous"], columns.get("active")),
        Sessions(
            texts_of(folder / "sessions.arrow").column("id"),
            **{column: _column_of(folder / "sessions", column, dtype) for column, dtype in SESSION_DTYPES.items()},
        ),
        extra=_open_extra(folder, files),
    )


def _open_extra(folder: Path, files: set[str]) -> tuple[ExtraColumn, ...]:
    columns: list[ExtraColumn] = []
    while f"extra/{len(columns)}.arrow" in files:
        texts = texts_of(folder / f"extra/{len(columns)}.arrow")
        code = _column_of(folder / "extra", str(len(columns)), np.dtype(np.int32))
        columns.append(ExtraColumn(texts.schema.names[0], code, tuple(texts.column(0).to_pylist())))
    return tuple(columns)


def _open_profiles(folder: Path, frozen: bool) -> Profiles:
    profiles, outside = texts_of(folder / "profiles.arrow"), texts_of(folder / "outside.arrow")
    lists = profiles.column("items")
    return Profiles(
        user=to_numpy(profiles.column("user")),
        row=to_numpy(profiles.column("row")),
        at=to_numpy(lists.offsets),
        item=to_numpy(lists.values),
        outside=outside,
        frozen=frozen,
    )
