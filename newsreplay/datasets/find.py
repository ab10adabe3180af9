"""Finding data: `demo`, prepared names, `KIND:PATH`, table files."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from newsreplay.datasets.base import Raw
from newsreplay.datasets.store import FORMAT, Dataset, prepare
from newsreplay.errors import DataError
from newsreplay.home import home
from newsreplay.registry import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

READERS = {
    "globo": "newsreplay.datasets.globo:read_globo",
    "table": "newsreplay.datasets.table:read_table",
}
HOW_TO_GET = {
    "globo": "download 'News Portal User Interactions by Globo.com' from Kaggle, unpack it, then run\n"
    "  newsreplay data prepare globo PATH",
}
DEMO = "demo"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")

Say = Callable[[str], None]


def kinds() -> list[str]:
    """The kinds of source that can be prepared."""
    return list(READERS)


def find_data(
    data: str | Path | Dataset | pd.DataFrame, *, columns: dict[str, str] | None = None, say: Say = lambda _: None
) -> Dataset:
    """The data set that `data` names, prepared if need be.

    A `Dataset` is itself; a frame is a table of reads; a string is `demo`, the name of a prepared data set,
    `KIND:PATH`, or a table file (or a folder with `reads.*`); `columns` may name a table's columns. Files are
    prepared once and found again by their paths, sizes and times of change, frames by their contents. `say` is
    told when something takes a while. Raises `DataError`.
    """
    if isinstance(data, Dataset):
        return data
    if not isinstance(data, str | Path):
        return _of_frame(data, columns, say)
    text = str(data)
    named = _NAME.fullmatch(text) and (home() / "data" / text).is_dir()
    if columns and (named or text == DEMO):
        raise DataError(f"{text} is prepared already; --columns goes with tables")
    if text == DEMO:
        return _demo(say)
    if named:
        return Dataset(home() / "data" / text)
    kind, colon, path = text.partition(":")
    if colon and kind in READERS:
        return _cached(kind, Path(path), columns, say)
    if text and Path(text).exists():
        return _cached("table", Path(text), columns, say)
    raise DataError(_not_found(text))


def _not_found(text: str) -> str:
    if text in HOW_TO_GET:
        return f"{text!r} is not prepared yet: {HOW_TO_GET[text]}"
    kind, colon, _ = text.partition(":")
    if colon and re.fullmatch(r"\w+", kind) and len(kind) > 1:
        return f"there is no kind of data called {kind!r}; there are {', '.join(READERS)}"
    names = [DEMO, *READERS, *(dataset.folder.name for dataset in prepared())]
    hint = did_you_mean(text, names)
    return (
        f"there is no data set and no file {text!r}. {hint + ' ' if hint else ''}"
        f"Prepared: {', '.join([DEMO, *(dataset.folder.name for dataset in prepared())])}. "
        "Prepare one with 'newsreplay data prepare KIND PATH --name NAME', or give a table file."
    )


def prepared() -> list[Dataset]:
    """The data sets prepared under a name."""
    folder = home() / "data"
    if not folder.is_dir():
        return []
    return [
        Dataset(path)
        for path in sorted(folder.iterdir())
        if _NAME.fullmatch(path.name) and (path / "card.json").is_file()
    ]


def prepare_data(
    kind: str,
    path: Path,
    *,
    name: str | None = None,
    columns: dict[str, str] | None = None,
    strict: bool = False,
    say: Say = lambda _: None,
) -> Dataset:
    """Prepare files under a name (by default the kind's), so that `find_data(name)` finds them.

    With `strict` the first unusable row is an error; else such rows are counted and kept in the data set's
    `rejects.csv`. Raises `DataError`.
    """
    name = name or (kind if kind != "table" else path.name.split(".")[0])
    if not _NAME.fullmatch(name) or name == DEMO:
        raise DataError(f"a data set cannot be called {name!r}; use letters, digits, '.', '_' and '-', not {DEMO!r}")
    return _prepare(kind, path, home() / "data" / name, name, columns, strict, say)


def _prepare(
    kind: str, path: Path, folder: Path, name: str, columns: dict[str, str] | None, strict: bool, say: Say
) -> Dataset:
    if kind not in READERS:
        hint = did_you_mean(kind, READERS)
        raise DataError(f"there is no kind of data called {kind!r}; there are {', '.join(READERS)}. {hint}".rstrip())
    say(f"preparing {path}")
    raw = _read(kind, path, columns, strict)
    options: dict[str, Any] = {"path": str(path)} | ({"columns": columns} if columns else {})
    dataset = prepare(raw, folder, name=name, kind=kind, options=options)
    _tell(raw, dataset, say)
    return dataset


def _tell(raw: Raw, dataset: Dataset, say: Say) -> None:
    for note in raw.notes:
        say(note)
    if raw.rejects:
        first = raw.rejects[0]
        say(
            f"{len(raw.rejects):,} of {raw.rows_in:,} rows could not be used and lie in "
            f"{dataset.folder / 'rejects.csv'}; the first: {first.file} line {first.line}: {first.reason}"
        )
    for rule, rows in raw.dropped.items():
        say(f"{rows:,} rows left out: {rule}")


def _read(kind: str, path: Path, columns: dict[str, str] | None, strict: bool) -> Raw:
    module, function = READERS[kind].split(":")
    reader = getattr(importlib.import_module(module), function)
    if columns and "columns" not in inspect.signature(reader).parameters:
        raise DataError(f"{kind} has columns of its own; --columns goes with tables")
    options = {"columns": columns} if columns else {}
    raw: Raw = reader(path, strict=strict, **options)
    return raw


def _cached(kind: str, path: Path, columns: dict[str, str] | None, say: Say) -> Dataset:
    """Prepare files under a digest of what they are and how they are read."""
    key = json.dumps([FORMAT, kind, columns, _state(path), _sources()])
    folder = home() / "prepared" / hashlib.blake2b(key.encode(), digest_size=12).hexdigest()
    if (folder / "card.json").is_file():
        return Dataset(folder)
    return _prepare(kind, path, folder, path.name.split(".")[0] or kind, columns, False, say)


def _of_frame(frame: pd.DataFrame, columns: dict[str, str] | None, say: Say) -> Dataset:
    """Prepare a frame under a digest of its contents, as the Parquet table it would be."""
    if not hasattr(frame, "to_parquet"):
        raise DataError(f"data is a {type(frame).__name__}; give a name, a path, a Dataset or a pandas frame")
    with tempfile.TemporaryDirectory(prefix="newsreplay-") as work:
        path = Path(work) / "frame.parquet"
        frame.to_parquet(path, index=False)
        key = json.dumps([FORMAT, columns, _sources()]).encode() + path.read_bytes()
        folder = home() / "prepared" / hashlib.blake2b(key, digest_size=12).hexdigest()
        if (folder / "card.json").is_file():
            return Dataset(folder)
        return _prepare("table", path, folder, "frame", columns, False, say)


def _state(path: Path) -> list[Any]:
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return [[str(file.resolve()), *_size_and_time(file)] for file in files]


def _size_and_time(file: Path) -> tuple[int, int]:
    if not file.exists():
        return 0, 0
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns


def _sources() -> str:
    """A digest of the code that prepares: data prepared by other code are prepared again."""
    digest = hashlib.blake2b(digest_size=12)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _demo(say: Say) -> Dataset:
    """The built-in data: three synthetic publishers, generated from a seed at first use."""
    key = json.dumps([FORMAT, DEMO, _sources()])
    folder = home() / "prepared" / f"demo-{hashlib.blake2b(key.encode(), digest_size=12).hexdigest()}"
    if (folder / "card.json").is_file():
        return Dataset(folder)
    from newsreplay.datasets.synthetic import synthesize
    from newsreplay.datasets.table import read_table

    say("generating the demo: three synthetic publishers (once)")
    with tempfile.TemporaryDirectory(prefix="newsreplay-") as work:
        synthesize(Path(work))
        raw = read_table(Path(work))
    raw.source = "generated by newsreplay (docs/synthetic.md)"
    raw.licence = "Apache-2.0, as newsreplay"
    raw.made_up = ["Everything: three synthetic publishers, shaped so that findings of Kille & Lommatzsch (2019) show."]
    return prepare(raw, folder, name=DEMO, kind="synthetic")
