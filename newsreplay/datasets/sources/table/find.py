"""Which files a table of reads consists of, and where their columns are; hints for what is missing."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from newsreplay.errors import DataError
from newsreplay.escaping import escaped

DELIMITERS = {".csv": ",", ".tsv": "\t"}
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
BINARY = {".parquet": "Parquet", ".arrow": "Arrow IPC", ".feather": "Arrow IPC"}
ENDINGS = ".csv, .tsv (each also .gz or .zst), .parquet, .arrow or .feather"

TIMES = ("time", "published")
WORDS = ("publisher", "user", "session", "item", "category", "title")
READ_COLUMNS = ("publisher", "time", "user", "session", "item", "published", "category", "title")
ARTICLE_COLUMNS = ("item", "publisher", "published", "category", "title")
NEEDED = {"reads": ("time", "user", "session", "item"), "articles": ("item",)}
OTHER_NAMES = {
    "ts": "time",
    "timestamp": "time",
    "datetime": "time",
    "date": "time",
    "event_time": "time",
    "time_ms": "time",
    "article": "item",
    "article_id": "item",
    "item_id": "item",
    "news_id": "item",
    "document_id": "item",
    "url": "item",
    "user_id": "user",
    "userid": "user",
    "reader": "user",
    "cookie": "user",
    "visitor_id": "user",
    "session_id": "session",
    "sessionid": "session",
    "visit": "session",
}


class File(NamedTuple):
    """A table's file; its role is "reads" or "articles"."""

    path: Path
    ending: str  #: .csv, .parquet …
    compression: str | None
    stem: str
    role: str

    @property
    def name(self) -> str:
        """What errors and rejects call it."""
        return writable(self.path)

    @property
    def delimiter(self) -> str:
        """What separates the fields of text."""
        return DELIMITERS[self.ending]

    @property
    def is_text(self) -> bool:
        """Whether it has lines, not typed columns."""
        return self.ending in DELIMITERS


@contextmanager
def reading(file: File) -> Iterator[None]:
    """Errors of the system about a file that cannot be read, as `DataError`."""
    try:
        yield
    except PermissionError as error:
        raise DataError(f"{file.name} may not be read ({error}); ask for permission") from error
    except OSError as error:
        raise DataError(f"{file.name} cannot be read: {error}; is it complete? Copy it again") from error


# ---- the files


def find(path: Path) -> tuple[File, File | None, str]:
    """The reads, the articles and the name of a publisher that has none."""
    if path.is_dir():
        reads, articles = _member(path, "reads"), _member(path, "articles")
        if reads is None:
            names = sorted(entry.name for entry in path.iterdir())
            more = ", …" if len(names) > 10 else ""
            raise DataError(
                f"{path.name or path} is a folder without reads: expected reads{ENDINGS}, found "
                f"{', '.join(names[:10]) + more or 'nothing'}; name the table itself, or rename it"
            )
        return reads, articles, writable(path.resolve())
    if not path.exists():
        raise DataError(f"{path} does not exist; {_near(path)}")
    file = _file(path, "reads")
    if file is None:
        raise DataError(f"{path.name}: the extension '{path.suffix}' is unknown; expected {ENDINGS}")
    return file, None, file.stem


def _file(path: Path, role: str) -> File | None:
    stem, compression = writable(path), COMPRESSIONS.get(path.suffix.lower())
    if compression:
        stem = stem[: -len(path.suffix)]
    ending = Path(stem).suffix.lower()
    if ending not in (DELIMITERS if compression else {**DELIMITERS, **BINARY}):
        return None
    return File(path, ending, compression, stem[: -len(ending)], role)


def _member(folder: Path, role: str) -> File | None:
    files = [_file(entry, role) for entry in sorted(folder.glob(f"{role}.*"))]
    members = [file for file in files if file is not None and file.stem == role]
    if len(members) > 1:
        names = " and ".join(member.name for member in members)
        raise DataError(f"{folder.name} holds {names}; keep one of them")
    return members[0] if members else None


def _near(path: Path) -> str:
    if not path.parent.is_dir():
        return f"the folder {path.parent} does not exist either"
    near = difflib.get_close_matches(path.name, [entry.name for entry in path.parent.iterdir()])
    return f"did you mean {' or '.join(near)}?" if near else f"nothing in {path.parent} is called like that"


# ---- the columns


def check_names(names: dict[str, str]) -> None:
    """Whether names of columns are given for columns that there are."""
    for name in names:
        if name not in TIMES + WORDS:
            near = difflib.get_close_matches(name, TIMES + WORDS, 1) or [OTHER_NAMES.get(name, "")]
            raise DataError(
                f"columns: '{name}' is none of {', '.join(TIMES + WORDS)}; write ours first, as in time=ts"
                + (f". Did you mean '{near[0]}'?" if near[0] else "")
            )


def place(file: File, headings: list[str], names: dict[str, str]) -> dict[str, int]:
    """Our name → position in the file, of every column there is."""
    is_reads = file.role == "reads"
    clean, allowed = [name.strip() for name in headings], TIMES + WORDS if is_reads else ARTICLE_COLUMNS
    places = {}
    for name in allowed:
        source = names.get(name, name)
        if not is_reads and source not in clean:
            source = name  # names are those of the reads; articles may go by others
        if clean.count(source) > 1:
            raise DataError(f"{file.name} has {clean.count(source)} columns called '{source}'; rename all but one")
        if source in clean:
            places[name] = clean.index(source)
        elif name in names and is_reads:
            raise DataError(f"{file.name} has no column '{source}' (for {name}); {_has(clean)}{_hint(source, clean)}")
    _check_needed(file, clean, places)
    return places


def _check_needed(file: File, headings: list[str], places: dict[str, int]) -> None:
    needed = NEEDED[file.role]
    missing: list[tuple[str, ...]] = [(name,) for name in needed if name not in (*places, "user", "session")]
    if "user" in needed and not {"user", "session"} & set(places):
        missing.append(("user", "session"))
    if not missing:
        return
    if file.is_text:
        _check_delimiter(file, headings)
    what = ", ".join("'" + "' or '".join(either) + "'" for either in missing)
    raise DataError(f"{file.name}: no column {what}; {_has(headings)}. {_way_out(missing, headings)}")


def _check_delimiter(file: File, headings: list[str]) -> None:
    header, spelt = file.delimiter.join(headings), {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
    other = max(";\t|,", key=lambda mark: header.count(mark) if mark != file.delimiter else -1)
    if header.count(other) + 1 > len(headings):
        way_out = {",": "rename it to .csv", "\t": "rename it to .tsv"}
        way = way_out.get(other, f"export it again with {spelt[file.delimiter]}")
        raise DataError(
            f"{file.name} is separated by {spelt[other]} ('{printable(header)}'), but {file.ending} "
            f"means {spelt[file.delimiter]}; {way}"
        )


def _has(headings: list[str]) -> str:
    names = [printable(name, 50) or "''" for name in headings[:20]]
    more = f" and {len(headings) - 20:,} more" if len(headings) > 20 else ""
    return f"it has {', '.join(names) or 'no columns'}{more}"


def _way_out(missing: list[tuple[str, ...]], headings: list[str]) -> str:
    pairs = [pair for either in missing for pair in [_suggestion(either, headings)] if pair]
    if pairs:
        return f"Did you mean --columns {' and '.join(pairs)}?"
    if not set(headings) & set(TIMES + WORDS):
        return f"If the first line is no header, add one; else say --columns {missing[0][0]}=…"
    return f"Say which one it is with --columns {missing[0][0]}=…"


def _suggestion(either: tuple[str, ...], headings: list[str]) -> str | None:
    for name in either:
        alias = [other for other in headings if OTHER_NAMES.get(other.lower(), other.lower()) == name]
        near = alias or difflib.get_close_matches(name, headings, 1)
        if near:
            return f"{name}={printable(near[0])}"
    return None


def _hint(name: str, headings: list[str]) -> str:
    near = difflib.get_close_matches(name, headings, 1)
    return f". Did you mean '{printable(near[0])}'?" if near else ""


# ---- text that can be shown


def writable(path: Path) -> str:
    """The name of a file, with escapes for bytes that are not UTF-8."""
    return path.name.encode(errors="backslashreplace").decode()


def printable(text: str, longest: int = 200) -> str:
    """Text that can be printed anywhere, on one line."""
    text = shown_text(text)
    text = "".join(map(escaped, text[: longest + 1]))
    return text if len(text) <= longest else text[:longest] + "…"


def shown_text(text: str) -> str:
    """A row as it stood, for a reject; bytes that are not UTF-8 (as lone surrogates) as `\\xff`."""
    text = text.rstrip("\r\n")[:500]
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")[:500]
