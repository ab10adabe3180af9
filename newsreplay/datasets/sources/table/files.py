"""Which files a table of reads consists of: one, a folder of part files, or all that a pattern names."""

from __future__ import annotations

import difflib
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from newsreplay.datasets.reading.parts import is_stray
from newsreplay.datasets.reading.patterns import fixed_part, is_pattern, matching
from newsreplay.errors import DataError
from newsreplay.escaping import escaped

DELIMITERS = {".csv": ",", ".tsv": "\t", ".inter": "\t"}
JSON_LINES = (".jsonl", ".ndjson")
TEXT = (*DELIMITERS, *JSON_LINES)
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".xz": "xz", ".zip": "zip"}
BINARY = {".parquet": "Parquet", ".arrow": "Arrow IPC", ".feather": "Arrow IPC"}
ENDINGS = ".csv, .tsv, .jsonl (each also .gz, .zst, .bz2, .xz or .zip), .parquet, .arrow or .feather"
PUBLISHED = "a published log is named with its kind, as mind:FOLDER ('newsreplay data list' has the kinds)"
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"  #: how folders of partitions write null


class File(NamedTuple):
    """A table's file; its role is "reads" or "articles"."""

    path: Path
    ending: str  #: .csv, .parquet …
    compression: str | None
    stem: str
    role: str
    name: str  #: what errors and rejects call it; of several files with the folders that it lies in
    delimiter: str = ","  #: what separates the fields of text
    encoding: str = "utf-8"  #: of text
    partitions: tuple[tuple[str, str], ...] = ()  #: what its folders say of all of its rows: (column, value)
    is_frame: bool = False  #: it was written here from what a program had in memory

    @property
    def is_text(self) -> bool:
        """Whether it has lines, not typed columns."""
        return self.ending not in BINARY

    @property
    def is_stream(self) -> bool:
        """Whether it can only be read from its start."""
        return self.compression is not None or self.encoding != "utf-8"


class Found(NamedTuple):
    """The files of a table, in order."""

    reads: list[File]
    articles: list[File]
    publisher: str  #: of rows that name none
    after: str  #: what that is called after: "file" or "folder"
    left_out: list[str]  #: names of files that are no tables


@contextmanager
def reading(file: File) -> Iterator[None]:
    """Errors of the system about a file that cannot be read, as `DataError`."""
    try:
        yield
    except PermissionError as error:
        raise DataError(f"{file.name} may not be read ({error}); ask for permission") from error
    except OSError as error:
        raise DataError(f"{file.name} cannot be read: {error}; is it complete? Copy it again") from error


def find(path: Path) -> Found:
    """The files of the table that a path or a pattern names. Raises `DataError`."""
    if is_pattern(path):
        base = fixed_part(path)
        files, left_out = _tables(base, matching(path), "reads")
        if not files:
            raise DataError(f"{path}: {_nothing(left_out)}; expected {ENDINGS}")
        return Found(files, [], writable(base.resolve()), "folder", left_out)
    if path.is_dir():
        return _find_in(path)
    if not path.exists():
        raise DataError(f"{path} does not exist; {_near(path)}")
    file = _file(path, "reads")
    if file is None:
        what = "it holds no table alone" if path.suffix == ".zip" else f"the extension '{path.suffix}' is unknown"
        raise DataError(f"{path.name}: {what}; expected {ENDINGS}")
    return Found([file], [], file.stem, "file", [])


def _find_in(folder: Path) -> Found:
    """`reads` and `articles`, each a file or a folder of part files; else all files of the folder are the reads."""
    if (folder / "_delta_log").is_dir():
        raise DataError(
            f"{folder.name or folder} is a Delta table, whose log says which of its files count; write it out as "
            "Parquet or CSV first"
        )
    left_out: list[str] = []
    members = {role: _member(folder, role, left_out) for role in ("reads", "articles")}
    if not members["reads"]:
        taken = {file.path for file in members["articles"]}
        aside = folder / "articles"
        others = [path for path in _below(folder) if path not in taken and aside not in path.parents]
        members["reads"], more = _tables(folder, others, "reads")
        left_out += more
    if not members["reads"]:
        raise DataError(
            f"{folder.name or folder} is a folder without reads: expected reads{ENDINGS}, or part files, found "
            f"{_few(entry.name for entry in sorted(folder.iterdir())) or 'nothing'}; name the table itself, or "
            f"rename it; {PUBLISHED}"
        )
    return Found(members["reads"], members["articles"], writable(folder.resolve()), "folder", left_out)


def _member(folder: Path, role: str, left_out: list[str]) -> list[File]:
    files = [_file(entry, role) for entry in sorted(folder.glob(f"{role}.*")) if not entry.is_dir()]
    members = [file for file in files if file is not None and file.stem == role]
    inside, more = _tables(folder, _below(folder / role), role) if (folder / role).is_dir() else ([], [])
    if len(members) + bool(inside) > 1:
        names = " and ".join([*(member.name for member in members), *[f"the folder {role}"] * bool(inside)])
        raise DataError(f"{folder.name} holds {names}; keep one of them")
    left_out += more
    return members or inside


def _below(folder: Path) -> list[Path]:
    """All files of a folder and of those in it, by name."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _tables(base: Path, paths: list[Path], role: str) -> tuple[list[File], list[str]]:
    """The tables among some files and folders, by name, and the names of the others."""
    files, left_out = [], []
    for path in sorted({file for entry in paths for file in ([entry] if entry.is_file() else _below(entry))}):
        inner = path.relative_to(base)
        file = None if _is_hidden(inner) else _file(path, role)
        if file is None:
            left_out.append(_written(inner.as_posix()))
        else:
            partitions = tuple(_partition(part) for part in inner.parts[:-1] if "=" in part)
            files.append(file._replace(name=_written(inner.as_posix()), partitions=partitions))
    forms = sorted({file.ending for file in files})
    if len(forms) > 1:
        first = [next(file.name for file in files if file.ending == form) for form in forms]
        raise DataError(
            f"{base.name or base} holds tables of several forms: {' and '.join(first)}; keep those of one form, or "
            f"name them by a pattern; {PUBLISHED}"
        )
    return files, left_out


def _is_hidden(inner: Path) -> bool:
    """What systems leave beside data: _SUCCESS, _temporary, dot files, checksums."""
    return is_stray(inner.as_posix()) or any(part[0] in "._" for part in inner.parts)


def _partition(part: str) -> tuple[str, str]:
    name, _, value = _written(part).partition("=")
    return unquote(name), "" if value == NO_VALUE else unquote(value)


def _file(path: Path, role: str) -> File | None:
    name, compression = writable(path), COMPRESSIONS.get(path.suffix.lower())
    stem = name[: -len(path.suffix)] if compression else name
    ending = Path(stem).suffix.lower()
    if compression == "zip" and path.is_file():
        ending = _ending_inside(path)
        stem = stem if stem.lower().endswith(ending) else stem + ending
    if ending not in TEXT and (compression or ending not in BINARY):
        return None
    return File(path, ending, compression, stem[: -len(ending)], role, name, DELIMITERS.get(ending, ","))


def _ending_inside(path: Path) -> str:
    """The extension of the one file of an archive, "" where there are several or none."""
    try:
        with zipfile.ZipFile(path) as archive:
            inside = members(archive)
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise DataError(f"{writable(path)} cannot be read: {error}; is it complete? Copy it again") from error
    return Path(inside[0]).suffix.lower() if len(inside) == 1 else ""


def members(archive: zipfile.ZipFile) -> list[str]:
    """The files of an archive, without what systems leave in it."""
    return [info.filename for info in archive.infolist() if not info.is_dir() and not is_stray(info.filename)]


def _near(path: Path) -> str:
    if not path.parent.is_dir():
        return f"the folder {path.parent} does not exist either"
    near = difflib.get_close_matches(path.name, [entry.name for entry in path.parent.iterdir()])
    return f"did you mean {' or '.join(near)}?" if near else f"nothing in {path.parent} is called like that"


def _nothing(left_out: list[str]) -> str:
    return f"no table is called like that, but {_few(left_out)}" if left_out else "nothing is called like that"


def _few(names: Iterable[str], most: int = 10) -> str:
    listed = list(names)
    return ", ".join(listed[:most]) + (", …" if len(listed) > most else "")


def left_out_note(found: Found) -> list[str]:
    """What is said of files that are no tables."""
    few = _few(map(printable, found.left_out), 5)
    return [f"files left out, which are hidden or no tables: {len(found.left_out):,} ({few})"] if few else []


def several_note(files: list[File]) -> list[str]:
    """What is said of several files that are one table."""
    if len(files) < 2:
        return []
    few = printable(files[0].name) + (", … " if len(files) > 2 else ", ") + printable(files[-1].name)
    return [f"{files[0].role}: {len(files):,} files are read as one table, in the order of their names: {few}"]


# ---- text that can be shown


def writable(path: Path) -> str:
    """The name of a file, with escapes for bytes that are not UTF-8."""
    return _written(path.name)


def _written(name: str) -> str:
    return name.encode(errors="backslashreplace").decode()


def printable(text: str, longest: int = 200) -> str:
    """Text that can be printed anywhere, on one line."""
    text = shown_text(text)
    text = "".join(map(escaped, text[: longest + 1]))
    return text if len(text) <= longest else text[:longest] + "…"


def shown_text(text: str) -> str:
    """A row as it stood, for a reject; bytes that are not UTF-8 (as lone surrogates) as `\\xff`."""
    text = text.rstrip("\r\n")[:500]
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")[:500]
