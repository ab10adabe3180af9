"""Finding data: `demo`, prepared names, `KIND:PATH`, table files."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from newsreplay.datasets.addresses import kind_meant, meant, not_prepared
from newsreplay.datasets.base import Asked, Plan, Progress, no_progress
from newsreplay.datasets.fetching.sources import SOURCES
from newsreplay.datasets.kept import DEMO, NAME, kinds_of_prepared, names, sources
from newsreplay.datasets.readers import kinds, reader_of, sources_of
from newsreplay.datasets.reading.patterns import fixed_part, is_pattern, matching
from newsreplay.datasets.reading.plain import check_files
from newsreplay.datasets.remote.address import is_address, is_local, local_path, parse, without_secrets
from newsreplay.datasets.remote.copying import copied, look
from newsreplay.datasets.remote.listing import Listing
from newsreplay.datasets.store import FORMAT, Dataset
from newsreplay.durations import Duration, milliseconds
from newsreplay.errors import DataError, NewsreplayError, did_you_mean
from newsreplay.files import cannot_write, recover
from newsreplay.locks import LockedError, locked
from newsreplay.machine import cores, home

if TYPE_CHECKING:
    import pandas as pd

    from newsreplay.datasets.sources.table.files import Found


class Streaming(Protocol):
    """A table that hands itself out as an Arrow stream."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A capsule with the stream, as Arrow's PyCapsule interface describes it."""


Report = Callable[[str], None]  #: takes one line of text
Planned = Callable[[bool], None]  #: takes whether there may be impressions
Preparing = dict[str, object]  #: what shapes the preparing, as {"impressions": "sampled"}
SHAPING = ("impressions", "session_gap")  #: of that, what any kind has; the rest is how a kind is read


class Hearing(NamedTuple):
    """Who is told what while data are found and prepared."""

    report: Report = lambda _: None
    progress: Progress = no_progress
    planned: Planned = lambda _: None  #: there are data; what follows takes time


def find_data(
    data: str | Path | Dataset | pd.DataFrame | Streaming,
    *,
    columns: dict[str, str] | None = None,
    preparing: Preparing | None = None,
    report: Report = lambda _: None,
    progress: Progress = no_progress,
    planned: Planned = lambda _: None,
) -> Dataset:
    """The data set that `data` names, prepared if need be.

    A `Dataset` is itself; a frame (pandas, or whatever has `__arrow_c_stream__`: polars, DuckDB, Arrow) is a table of
    reads; a string is `demo`, the name of a prepared data set, `KIND:PATH`, or a table file (or a folder of them, or a
    pattern). In place of a path there may be an address (`s3://`, `gs://`, `https://`, `file://`). `columns` may name a
    table's columns, `preparing` shapes how files are prepared (see `prepare_data`).
    Files are prepared once and recognised by their paths, sizes and times of change, frames by their contents. What
    lies at an address is copied to be prepared, and recognised by what its server tells of it.
    `report` is called with a line of text when something takes a while, `progress(what, done, total)` as it goes on,
    and `planned(impressions)` as soon as there are such data and, where they have to be prepared, their files are what
    they should be. Raises `DataError`.
    """
    if isinstance(data, Dataset):
        return _told(data, planned)
    preparing = _checked(preparing)
    hearing = Hearing(report, progress, planned)
    if not isinstance(data, str | Path):
        dataset = _of_frame(data, columns, preparing, hearing)
        dataset.asked = Asked(None, columns or {}, preparing, f"a {type(data).__name__}")
        return dataset
    text = _text_of(data)
    found = _meant_by(text, columns, preparing, report)
    dataset = _cached(found, hearing) if isinstance(found, _Wanted) else _of_name(found, text, hearing)
    dataset.asked = Asked(without_secrets(text), columns or {}, preparing)
    return dataset


def _of_name(name: str, text: str, hearing: Hearing) -> Dataset:
    """The data that are prepared under a name, which `text` meant."""
    if name != text:
        hearing.report(f"{text} is prepared as {name}")
    if name != DEMO:
        return _told(Dataset(home() / "data" / name), hearing.planned)
    hearing.planned(False)
    return _demo(hearing.report)


class Unprepared(NamedTuple):
    """Data that would have to be prepared first."""

    name: str  #: what they are called where they are shown
    size: int  #: bytes of their files; 0 = they are generated


def look_for(
    data: str, *, columns: dict[str, str] | None = None, preparing: Preparing | None = None
) -> Dataset | Unprepared:
    """What `find_data` would find, as it does, but nothing is prepared or written. Raises `DataError`."""
    found = _meant_by(data, columns, _checked(preparing), lambda _: None)
    if isinstance(found, _Wanted):
        folder = found.folder()
    else:
        folder = _demo_folder() if found == DEMO else home() / "data" / found
    if (folder / "card.json").is_file():
        return Dataset(folder)
    if not isinstance(found, _Wanted):
        return Unprepared(found, 0)
    if found.listing is not None:
        return Unprepared(found.shown, sum(file.size or 0 for file in found.listing.files))
    check_files(_files_of(found))
    return Unprepared(found.shown, sum(file.stat().st_size for file in _files_of(found)))


def _meant_by(text: str, columns: dict[str, str] | None, preparing: Preparing, report: Report) -> str | _Wanted:
    """The name under which data are prepared, or what is to be prepared. Raises `DataError` where there is neither."""
    named = name_meant(text)
    if named:
        if columns or preparing:
            what = "--columns" if columns else f"--{next(iter(preparing))}".replace("_", "-")
            raise DataError(f"{text} is prepared already; {what} goes with KIND:PATH or 'newsreplay data prepare'")
        return named
    wanted = _asked_for(text, columns, preparing, report)
    if wanted is None:
        raise _not_found(text)
    return wanted


def seen_from(folder: Path, text: str) -> str:
    """What `text` names when `folder` is the current one: a path in it becomes absolute, what is no path stays."""
    if is_address(text):
        return text
    kind, colon, path = text.partition(":")
    if colon and (kind_meant(kind, kinds()) or kind) in kinds():
        return text if is_address(path) or is_local(path) else f"{kind}:{folder / path}"
    named = NAME.fullmatch(text) and (text == DEMO or (home() / "data" / text).is_dir())
    return text if named or not any(path.exists() for path in matching(folder / text)) else str(folder / text)


def _text_of(data: str | Path) -> str:
    text = str(data)
    if isinstance(data, Path) and is_address(text.replace(":/", "://", 1)) and not data.exists():
        raise DataError(f"{text} is a Path, which cannot hold an address: give it as a string")
    return text


def _asked_for(text: str, columns: dict[str, str] | None, preparing: Preparing, report: Report) -> _Wanted | None:
    """What `KIND:PATH`, an address or a path of a table asks for; None where there is no such file."""
    if is_address(text):
        return _at("table", text, columns, preparing, report)
    kind, colon, path = text.partition(":")
    there = kinds() if colon else []
    kind = kind_meant(kind, there) or kind
    if kind in there:
        return _at(kind, path, columns, preparing, report)
    if text and any(path.exists() for path in matching(Path(text))):
        return _Wanted("table", Path(text), columns, preparing)
    return None


def _at(kind: str, path: str, columns: dict[str, str] | None, preparing: Preparing, report: Report) -> _Wanted:
    """What lies at a path or an address."""
    if is_local(path):
        return _Wanted(kind, local_path(path), columns, preparing)
    if not is_address(path):
        return _Wanted(kind, Path(path), columns, preparing)
    listing = look(path, kind, report)
    return _Wanted(kind, Path(listing.name), columns, preparing, listing=listing)


def name_meant(text: str) -> str | None:
    """The name under which what `text` means is prepared: itself, or one in another writing that is no path."""
    if text == DEMO or (NAME.fullmatch(text) and (home() / "data" / text).is_dir()):
        return text
    return meant(text, names()) if NAME.fullmatch(text) and not Path(text).exists() else None


def _not_found(text: str) -> DataError:
    if text != "table" and (way := not_prepared(text, kinds(), kinds_of_prepared())):
        return way
    shown = without_secrets(text)
    kind, colon, _ = text.partition(":")
    if colon and re.fullmatch(r"\w+", kind) and len(kind) > 1:
        return DataError(f"there is no kind of data called {kind!r}; there are {', '.join(kinds())}")
    hint = did_you_mean(text.lower(), [*kinds(), *SOURCES, *names()])
    return DataError(
        f"there is no data set and no file {shown!r}. {hint + ' ' if hint else ''}"
        f"Prepared: {', '.join(names())}. "
        "Prepare one with 'newsreplay data prepare KIND PATH --name NAME', or give a table file."
    )


def prepare_data(
    kind: str,
    path: str | Path,
    *,
    name: str | None = None,
    columns: dict[str, str] | None = None,
    preparing: Preparing | None = None,
    strict: bool = False,
    report: Report = lambda _: None,
    progress: Progress = no_progress,
) -> Dataset:
    """Prepare files under a name (by default the kind's), so that `find_data(name)` finds them.

    `path` may be an address, as in `find_data`.

    `preparing`: `impressions` ("sampled", "sampled:popularity" or "sampled:uniform-all", for logs without any),
    `session_gap` (a duration in place of 60 minutes, which also splits the source's own sessions), `keep` (names of
    further columns that are kept), and what a kind has of its own, as `history` ("dynamic" or "static") of MIND.
    With `strict` the first unusable row is an error; else such rows are counted and kept in the data set's
    `rejects.csv`. A preparation that was interrupted goes on where it stopped. Raises `DataError`.
    """
    if kind not in kinds():
        hint = did_you_mean(kind, kinds())
        raise DataError(f"there is no kind of data called {kind!r}; there are {', '.join(kinds())}. {hint}".rstrip())
    path = _text_of(path)
    name = name or (kind if kind != "table" else _called(path))
    if not NAME.fullmatch(name) or name == DEMO:
        raise DataError(f"a data set cannot be called {name!r}; use letters, digits, '.', '_' and '-', not {DEMO!r}")
    folder = home() / "data" / name
    wanted = _at(kind, path, columns, _checked(preparing), report)
    with ExitStack() as stack:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(folder))
            recover(folder)
        except LockedError as holder:
            raise DataError(
                f"{name} is being prepared by {holder}; wait until it has ended, or give another name with --name"
            ) from None
        except OSError as error:
            raise cannot_write(folder.parent, error) from None
        return _prepare(wanted, folder, name, strict, Hearing(report, progress))


class _Wanted(NamedTuple):
    """What is to be prepared, and how."""

    kind: str
    path: Path
    columns: dict[str, str] | None
    preparing: Preparing
    frame: Found | None = None  #: what lies at `path`, written for this
    listing: Listing | None = None  #: what lies elsewhere; it is copied to `path`

    @property
    def shown(self) -> str:
        """What it is called where it is shown."""
        if self.listing is not None:
            return self.listing.shown
        return str(self.path) if self.frame is None else "the frame"

    def key(self) -> str:
        """A digest of the files as they are and of how they are read."""
        text = json.dumps(
            [FORMAT, self.kind, self.columns, self.reading, self.state(), sources() + sources_of(self.kind)]
        )
        return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()

    def folder(self) -> Path:
        """Where it is kept once it is prepared, unless under a name."""
        key = json.dumps([self.key(), self.shaping])
        return home() / "prepared" / hashlib.blake2b(key.encode(), digest_size=12).hexdigest()

    def state(self) -> list[tuple[str | int | None, ...]]:
        """The files as they are."""
        return _state(self.path) if self.listing is None else self.listing.state

    @property
    def names(self) -> dict[str, str]:
        """Names of a table's columns, with those of further columns that are kept."""
        from newsreplay.datasets.sources.table.columns import with_kept

        return with_kept(self.columns or {}, cast("Sequence[str]", self.preparing.get("keep", ())))

    @property
    def reading(self) -> Preparing:
        """What is the kind's own."""
        return {name: value for name, value in self.preparing.items() if name not in SHAPING}

    @property
    def shaping(self) -> tuple[str | None, int | None]:
        """What becomes of the rows, as `Shaping` has it."""
        impressions, session_gap = map(self.preparing.get, SHAPING)
        return None if impressions is None else str(impressions), cast("int | None", session_gap)


def _checked(preparing: Preparing | None) -> Preparing:
    """The same with the gap between sessions in ms, once the options of all kinds are what they should be.

    Raises `DataError`.
    """
    keep = (preparing or {}).get("keep", [])
    if not isinstance(keep, list | tuple) or not all(isinstance(name, str) for name in keep):
        raise DataError(f"keep is {keep!r}; write a list of names, ['channel', 'device']")
    if len({*keep}) < len(keep):
        raise DataError(f"keep names a column twice: {', '.join(map(str, keep))}")
    if preparing is None or preparing.get("session_gap") is None:
        return preparing or {}
    try:
        gap = milliseconds(cast(Duration, preparing["session_gap"]))
    except NewsreplayError as error:
        raise DataError(f"session_gap: {error}") from None
    if gap < 0:
        raise DataError(f"session_gap is {gap} ms; a session cannot end before its last read, so give 0 or more")
    return preparing | {"session_gap": gap}


def _prepare(wanted: _Wanted, folder: Path, name: str, strict: bool, hearing: Hearing) -> Dataset:
    if wanted.listing is not None:
        with copied(wanted.listing, wanted.kind, hearing.report, hearing.progress) as path:
            return _prepare_files(wanted._replace(path=path), folder, name, strict, hearing)
    return _prepare_files(wanted, folder, name, strict, hearing)


def _prepare_files(wanted: _Wanted, folder: Path, name: str, strict: bool, hearing: Hearing) -> Dataset:
    from newsreplay.datasets.preparing.prepare import Shaping, prepare
    from newsreplay.datasets.preparing.work import Processing

    hearing.report(f"preparing {wanted.shown}")
    options = {"path": wanted.shown} | wanted.preparing
    plan = _plan(wanted)
    shaping = Shaping(*wanted.shaping)
    hearing.planned(plan.impressions or shaping.impressions is not None)
    dataset = prepare(
        plan,
        folder,
        name=name,
        kind=wanted.kind,
        options=options | ({"columns": wanted.columns} if wanted.columns else {}),
        shaping=shaping,
        strict=strict,
        processing=Processing(wanted.key(), jobs=cores(), progress=hearing.progress),
    )
    _report_card(dataset, hearing.report)
    return dataset


def _report_card(dataset: Dataset, report: Report) -> None:
    card = dataset.card
    for note in card["notes"]:
        report(note)
    if card["first_reject"]:
        file, line, reason, _ = card["first_reject"]
        report(
            f"{card['rejected']:,} of {card['rows_in']:,} rows could not be used and lie in "
            f"{dataset.folder / 'rejects.csv'}; the first: {file} {card['unit']} {line}: {reason}"
        )
    for rule, rows in card["dropped"].items():
        report(f"{rows:,} rows left out: {rule}")


def _plan(wanted: _Wanted) -> Plan:
    if wanted.frame is not None:
        from newsreplay.datasets.sources.table.plan import plan_files

        return plan_files(wanted.frame, wanted.names, source=wanted.shown)
    check_files(_files_of(wanted))
    reader = reader_of(wanted.kind)
    taken = inspect.signature(reader).parameters
    if wanted.columns and "columns" not in taken:
        raise DataError(f"{wanted.kind} has columns of its own; --columns goes with tables")
    options = wanted.reading
    for name in options:
        if name == "keep" and name not in taken:
            raise DataError(f"of {wanted.kind} no further columns are kept; leave --keep out")
        if name not in taken or name in ("path", "columns", "sizes"):
            raise DataError(f"{wanted.kind} has no option --{name.replace('_', '-')}")
    if wanted.columns:
        options["columns"] = wanted.columns
    return reader(wanted.path, **options)


def _told(dataset: Dataset, planned: Planned) -> Dataset:
    """Data that are prepared, once it was told that there are."""
    planned(any(facts["impressions"] for facts in dataset.card["publishers"]))
    return dataset


def _cached(wanted: _Wanted, hearing: Hearing) -> Dataset:
    """Prepare files under a digest of what they are and how they are read."""
    folder = wanted.folder()
    if (folder / "card.json").is_file():
        return _told(Dataset(folder), hearing.planned)
    return _prepare(wanted, folder, _called(str(wanted.path)) or wanted.kind, False, hearing)


def _of_frame(frame: object, columns: dict[str, str] | None, preparing: Preparing, hearing: Hearing) -> Dataset:
    """Prepare a frame under a digest of its contents, as the Parquet table it would be."""
    from newsreplay.datasets.sources.table.frames import is_frame, write_frame

    if not is_frame(frame):
        way = "; call its collect() first" if hasattr(frame, "collect") else ""
        raise DataError(
            f"data is a {type(frame).__name__}; give a name, a path, a Dataset, a pandas frame or a table that can be "
            f"read as an Arrow stream (polars, DuckDB, pyarrow){way}"
        )
    with _temporary_folder() as work:
        wanted = _Wanted("table", work, columns, preparing)
        found = write_frame(frame, work, wanted.names)
        path = found.reads[0].path
        key = json.dumps([FORMAT, columns, preparing, sources()]).encode() + path.read_bytes()
        folder = home() / "prepared" / hashlib.blake2b(key, digest_size=12).hexdigest()
        if (folder / "card.json").is_file():
            return _told(Dataset(folder), hearing.planned)
        wanted = wanted._replace(path=path, frame=found)
        return _prepare(wanted, folder, "frame", False, hearing._replace(progress=no_progress))


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    try:
        with tempfile.TemporaryDirectory(prefix="newsreplay-") as work:
            yield Path(work)
    except OSError as error:
        raise cannot_write(Path(tempfile.gettempdir()), error, "TMPDIR") from error


def _files_of(wanted: _Wanted) -> list[Path]:
    """What may be read of a source; hidden files never are."""
    path = wanted.path
    if not path.is_dir() and not is_pattern(path):
        return [path]
    if wanted.kind == "table":
        from newsreplay.datasets.sources.table.files import find

        found = find(path)
        return [file.path for file in (*found.reads, *found.articles)]
    return [
        file for file in sorted(path.rglob("*")) if not any(part[0] == "." for part in file.relative_to(path).parts)
    ]


def _state(path: Path) -> list[tuple[str | int | None, ...]]:
    files = [
        file
        for named in matching(path)
        for file in (sorted(file for file in named.rglob("*") if file.is_file()) if named.is_dir() else [named])
    ]
    return [(str(file.resolve()), *_size_and_times(file)) for file in files]


def _size_and_times(file: Path) -> tuple[int, ...]:
    """The time of the last change of the file's entry, too: `cp -p` sets the other one to what it likes."""
    if not file.exists():
        return 0, 0, 0
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _called(text: str) -> str:
    """A name for what lies at a path or an address, or matches a pattern."""
    if is_address(text):
        text = str(local_path(text)) if is_local(text) else parse(text).name
    path = Path(text)
    return (fixed_part(path).resolve() if is_pattern(path) else path).name.split(".")[0]


def _demo_folder() -> Path:
    key = json.dumps([FORMAT, DEMO, sources()])
    return home() / "prepared" / f"demo-{hashlib.blake2b(key.encode(), digest_size=12).hexdigest()}"


def _demo(report: Report) -> Dataset:
    """The built-in data: three synthetic publishers, generated from a seed at first use."""
    folder = _demo_folder()
    if (folder / "card.json").is_file():
        return Dataset(folder)
    from newsreplay.datasets.preparing.prepare import prepare
    from newsreplay.datasets.preparing.work import Processing
    from newsreplay.datasets.sources.synthetic.newsroom import synthesize
    from newsreplay.datasets.sources.table.plan import plan_table

    report("generating the demo: three synthetic publishers (once)")
    with _temporary_folder() as work:
        synthesize(work)
        plan = plan_table(work)
        plan.source = "generated by newsreplay (docs/synthetic.md)"
        plan.licence = "Apache-2.0, as newsreplay"
        plan.made_up = [
            "Everything: three synthetic publishers, shaped so that findings of Kille & Lommatzsch (2019) show."
        ]
        return prepare(plan, folder, name=DEMO, kind="synthetic", processing=Processing(jobs=cores()))
