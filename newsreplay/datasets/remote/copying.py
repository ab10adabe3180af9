"""Copies of what lies elsewhere, below newsreplay's home, for as long as they are read."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from newsreplay.datasets.base import Progress
from newsreplay.datasets.fetching.disk import LIMITS, check_room
from newsreplay.datasets.remote.address import WEB, parse
from newsreplay.datasets.remote.listing import ROOM, Listing, Stored, Tell
from newsreplay.errors import DataError
from newsreplay.files import cannot_write, is_full
from newsreplay.machine import home

AT_ONCE = 8  #: files copied at the same time
TABLE = "table"
Report = Callable[[str], None]  #: takes one line of text


def look(text: str, kind: str, report: Report) -> Listing:
    """What lies at an address, for a kind of data. Raises `DataError`."""
    address = parse(text)
    if address.scheme in WEB:
        from newsreplay.datasets.remote.web import list_web

        return list_web(address, report)
    from newsreplay.datasets.remote.buckets import list_bucket

    return list_bucket(address, patterns=kind == TABLE)


@contextmanager
def copied(listing: Listing, kind: str, report: Report, progress: Progress) -> Iterator[Path]:
    """The path of a copy of what is listed, without what no reader of the kind would look at; then it goes.

    An interrupted copy, and one that could not be read, is taken up by the next for the same files, and is among the
    leftovers of killed preparations until then. Errors that are raised in here name the address, not the copy.
    Raises `DataError`.
    """
    from newsreplay.datasets.preparing.work import work_folder

    key = hashlib.blake2b(json.dumps([kind, listing.state]).encode(), digest_size=12).hexdigest()
    folder = home() / "prepared"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with work_folder(folder / "copy", key) as work, _named(listing, work, report):
            _copy(listing, kind, work, report, progress)
            yield listing.path_in(work)
    except OSError as error:
        raise cannot_write(folder, error) from None


@contextmanager
def _named(listing: Listing, work: Path, report: Report) -> Iterator[None]:
    """Errors about the copy, as about what it is a copy of; says that it is kept, if there is anything to keep."""
    address = listing.address
    above = f"{address.scheme}://{address.fixed}".rpartition("/")[0]
    try:
        yield
    except DataError as error:
        if error.__context__ is not None and is_full(error.__context__):
            raise error.__context__ from None  # the copy goes: it may be what fills the disk
        kept = sum(path.stat().st_size for path in work.rglob("*") if path.is_file())
        if kept:
            report(
                f"the copy ({kept / 1e6:,.1f} MB) is kept for another try; 'newsreplay data remove --leftovers' "
                "removes it"
            )
        else:
            shutil.rmtree(work, ignore_errors=True)
        text = str(error)
        for path in (work.resolve(), work):  # the longer first
            text = text.replace(str(listing.path_in(path)), listing.shown).replace(str(path), above)
        raise DataError(text) from None


def _copy(listing: Listing, kind: str, work: Path, report: Report, progress: Progress) -> None:
    known = {file.name + ending for file in listing.files for ending in ("", ".part", ".part.json")}
    for path in list(work.rglob("*")):
        if path.is_file() and path.relative_to(work).as_posix() not in known:
            path.unlink()  # half of a file, of a process that was killed
    if kind == TABLE:
        for file in listing.files:
            path = work / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        _bring(listing, [file for file in listing.files if file.name.lower().endswith(".zip")], work, report, progress)
    files = _read_of(listing, kind, work)
    _bring(listing, files, work, report, progress)
    if sum(path.is_file() for path in work.rglob("*")) < len(listing.files if kind == TABLE else files):
        raise DataError(
            f"{listing.shown}: some of its files have names that are the same here, where upper and lower case do not "
            "count; rename them, or name a part of them"
        )


def _read_of(listing: Listing, kind: str, work: Path) -> list[Stored]:
    """The files that are read.

    Which ones of a table are is not said here but found out: its finder is shown empty files of the same names (and
    archives, which it looks into). They stay for those that are left out, which it counts, and tells a Delta table by.
    """
    if kind != TABLE:
        return [file for file in listing.files if not any(part[0] == "." for part in file.name.split("/")[1:])]
    from newsreplay.datasets.sources.table.files import find

    found = find(listing.path_in(work))
    read = {file.path for file in (*found.reads, *found.articles)}
    return [file for file in listing.files if work / file.name in read]


def _bring(listing: Listing, files: list[Stored], work: Path, report: Report, progress: Progress) -> None:
    """Copy those of some files that are not there yet."""
    missing = [file for file in files if not _is_there(file, work)]
    if missing:
        size = sum(file.size or 0 for file in missing)
        check_room(work.parent, LIMITS, size, ROOM)
        count = "1 file" if len(missing) == 1 else f"{len(missing):,} files"
        known = all(file.size is not None for file in missing)
        report(f"copying {listing.shown}: {count}, {f'{size / 1e6:,.1f} MB' if known else 'size unknown'}")
        _copy_all(listing, missing, work, progress)


def _is_there(file: Stored, work: Path) -> bool:
    path = work / file.name
    return path.is_file() and path.stat().st_size == file.size


def _copy_all(listing: Listing, files: list[Stored], work: Path, progress: Progress) -> None:
    """Copy files, some at a time."""
    stop, lock = threading.Event(), threading.Lock()
    done: Counter[str] = Counter()
    total = sum(file.size or 0 for file in files)

    def told(file: Stored) -> Tell:
        def tell(size: int) -> None:
            with lock:
                done[file.name] = size
                progress("copying", done.total(), max(total, done.total()))

        return tell

    def copy(file: Stored) -> None:
        path = work / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not stop.is_set():
            listing.copy(file, path, told(file), stop)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for future in as_completed([pool.submit(copy, file) for file in files]):
                future.result()
        finally:
            stop.set()
