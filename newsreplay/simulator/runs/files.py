"""The files of a run folder: each is written whole, columns as Arrow, and its digest is compared on reading.

`SHA256SUMS` has the digests, as `sha256sum -c` reads them.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from newsreplay.errors import RunError
from newsreplay.files import written_whole
from newsreplay.machine import cores
from newsreplay.simulator.runs.paths import FOLDERS

BATCH = 1 << 16  #: rows of a file that lie in one piece: what is being compressed stays in the processor's cache

_RUN = "run.json"
_SUMS = "SHA256SUMS"
_KEPT = ("results.json", "timing.json", "training.json", "experiment.toml")
_ANSWERS = {"slates", "scores", "timing.json", "training.json", _RUN}  # what scoring again does not make anew
_COLUMNS = (".arrow", ".npy", ".npz")  # and not what other pairs of the run are writing at the moment
_WITH_GAPS = ("category", "item")  # an impression may have no article on screen
_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A path to write a file of a run to, which takes its place once it is written (`files.written_whole`).

    Raises `RunError` that names the file where the disk is full, or will not have it; nothing of it is left then.
    """
    try:
        with written_whole(path) as work:
            yield work
    except OSError as error:
        raise RunError(
            f"cannot write {path}: {error.strerror or error}; make room, or name another folder with --out"
        ) from None


# --- columns --------------------------------------------------------------------------------------------


def write_columns(path: Path, columns: Mapping[str, pa.Array]) -> None:
    """Write columns as an Arrow file. Raises `RunError` if it cannot be written."""
    table = pa.table(dict(columns))
    write_batches(path, table.schema, table.to_batches(max_chunksize=BATCH))


def write_pieces(path: Path, rows: int, columns: Callable[[slice], Mapping[str, pa.Array]]) -> None:
    """Write columns of so many rows as an Arrow file, which `columns` makes `BATCH` rows at a time.

    Coded texts must have one dictionary in all pieces. Raises `RunError` if it cannot be written.
    """
    schema = pa.table(dict(columns(slice(0, 0)))).schema
    pieces = (slice(begin, min(begin + BATCH, rows)) for begin in range(0, rows, BATCH))
    write_batches(path, schema, (pa.record_batch(dict(columns(part)), schema) for part in pieces))


def write_batches(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """Write columns piece by piece as an Arrow file (LZ4). Raises `RunError` if it cannot be written."""
    options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)  # other pairs have the other cores
    with (
        written(path) as work,
        pa.OSFile(os.fspath(work), "wb") as sink,
        pa.ipc.new_file(sink, schema, options=options) as writer,
    ):
        for batch in batches:
            writer.write_batch(batch)


def read_columns(path: Path, types: Mapping[str, str], texts: str | None = None) -> pa.Table:
    """Some columns of an Arrow file, which are of these types and have no gaps but `_WITH_GAPS`. Raises `RunError`.

    `types` are the columns by what their types are called, or how that begins. With them come those of coded texts,
    gaps or not, whose names begin with `texts`.
    """
    way_out = _way_out(path)
    with opened(path) as reader:
        table = reader.read_all()
    for name, kind in types.items():
        place = table.schema.get_field_index(name)
        if place < 0 or not str(table.schema.field(place).type).startswith(kind):
            raise RunError(f"{path} has no column {name!r} of type {kind}; {way_out}")
        if table.column(place).null_count and name not in _WITH_GAPS:
            raise RunError(f"{path} has gaps in its column {name!r}; {way_out}")
    kept = [] if texts is None else [name for name in table.column_names if name.startswith(texts)]
    for name in kept:
        if not pa.types.is_dictionary(table.schema.field(name).type):
            raise RunError(f"{path} has no texts in its column {name!r}; {way_out}")
    return table.select([*types, *kept])


@contextmanager
def opened(path: Path) -> Iterator[pa.RecordBatchFileReader]:
    """An Arrow file, open. Raises `RunError` if it, or what is read of it, is no such file."""
    try:
        with pa.OSFile(os.fspath(path)) as source:
            yield pa.ipc.open_file(source)
    except (OSError, pa.ArrowException) as error:
        raise RunError(f"{path} cannot be read ({_reason(error)}); {_way_out(path)}") from None


def _way_out(path: Path) -> str:
    """What helps where a file of a run is damaged."""
    again = "run it again"
    return again if _ANSWERS & {*path.parts[-3:]} else f"{again}, or score it again with 'newsreplay score'"


def _reason(error: BaseException) -> str:
    return "it is not there" if isinstance(error, FileNotFoundError) else str(error)


# --- digests --------------------------------------------------------------------------------------------


def seal(folder: Path, run: bytes, known: dict[str, str] | None = None) -> None:
    """Write the digests of all files of a run, and then `run.json`, whose bytes are `run`.

    `known` has the digests, by name, of columns that are sealed already and stay as they are; new ones are added to it.
    Raises `RunError` if that cannot be written.
    """
    known = {} if known is None else known
    files = [folder / name for name in _KEPT if (folder / name).exists()]
    columns = [path for name in FOLDERS for path in sorted((folder / name).rglob("*")) if path.name.endswith(_COLUMNS)]
    names = [path.relative_to(folder).as_posix() for path in [*files, *columns]]
    with ThreadPoolExecutor(cores()) as pool:
        digests = list(pool.map(lambda name: known[name] if name in known else _digest(folder / name), names))
    known.update(zip(names[len(files) :], digests[len(files) :], strict=True))
    lines = [
        f"{digest}  {name}\n"
        for digest, name in [*zip(digests, names, strict=True), (hashlib.sha256(run).hexdigest(), _RUN)]
    ]
    for name, content in ((_SUMS, "".join(lines).encode()), (_RUN, run)):
        with written(folder / name) as work:
            work.write_bytes(content)


class Digests:
    """The digests of a run's files. Raises `RunError` where they are not there, or not whole."""

    def __init__(self, folder: Path):
        self.folder = folder
        path = folder / _SUMS
        try:
            lines = [_LINE.fullmatch(line) for line in path.read_text("ascii").splitlines()]
        except (OSError, ValueError) as error:
            raise RunError(f"{path} cannot be read ({_reason(error)}); run it again") from None
        self.of = {line[2]: line[1] for line in lines if line}
        if None in lines or _RUN not in self.of:
            raise RunError(f"{path} cannot be read (it does not hold what was written); run it again")

    def whole(self, path: Path) -> Path:
        """The path of a file of the run, once it is known to hold what was written. Raises `RunError`."""
        try:
            digest = _digest(path)
        except OSError as error:
            raise RunError(f"{path} cannot be read ({_reason(error)}); {_way_out(path)}") from None
        if digest != self.of.get(path.relative_to(self.folder).as_posix()):
            raise RunError(f"{path} cannot be read (it does not hold what was written); {_way_out(path)}")
        return path


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
