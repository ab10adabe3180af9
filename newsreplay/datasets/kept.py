"""What is kept in newsreplay's home: data prepared under names, and what can be removed of it."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from newsreplay.errors import DataError, did_you_mean
from newsreplay.files import digest_of
from newsreplay.locks import abandoned, remove_abandoned
from newsreplay.machine import home

if TYPE_CHECKING:
    from newsreplay.datasets.store import Dataset

DEMO = "demo"
NAME = re.compile(r"[A-Za-z0-9][\w.-]*")  #: what data can be called


def kinds_of_prepared() -> dict[str, str]:
    """The kinds of what is prepared under a name, by their names."""
    found = {}
    for dataset in prepared():
        with suppress(DataError):  # one that cannot be read is named by 'data list'
            found[dataset.folder.name] = dataset.card["kind"]
    return found


def names() -> list[str]:
    """What can be named: the demo, and what is prepared."""
    return [DEMO, *(folder.name for folder in _folders())]


def prepared() -> list[Dataset]:
    """The data sets prepared under a name."""
    from newsreplay.datasets.store import Dataset  # with Arrow, which whoever completes a name does not wait for

    return [Dataset(folder) for folder in _folders()]


def _folders() -> list[Path]:
    folder = home() / "data"
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in paths if NAME.fullmatch(path.name) and (path / "card.json").is_file()]


def remove_data(name: str) -> None:
    """Remove what was prepared under a name; the files it was made from stay. Raises `DataError` if there is none."""
    folder = home() / "data" / name
    if not NAME.fullmatch(name) or not folder.is_dir():
        raise DataError(f"nothing is prepared under the name {name!r}. {did_you_mean(name, names())}".rstrip())
    (folder / "card.json").unlink(missing_ok=True)  # first: a folder without it is no data set
    shutil.rmtree(folder)


class Leftover(NamedTuple):
    """A folder that a preparation left which was killed."""

    folder: Path
    size: int  #: bytes


def leftovers() -> list[Leftover]:
    """What preparations that were killed have left: not what a process is at work on."""
    found = [path for name in ("data", "prepared") for path in abandoned(home() / name)]
    return [Leftover(path, sum(file.stat().st_size for file in path.rglob("*") if file.is_file())) for path in found]


def remove_leftovers() -> int:
    """Remove what preparations that were killed have left; returns how many folders. Their sources stay."""
    return sum(remove_abandoned(left.folder) for left in leftovers())


def remove_cached() -> int:
    """Remove what was prepared without a name (tables, KIND:PATH, the demo) or left unfinished; returns how many."""
    remove_leftovers()
    kept = home() / "prepared"
    paths = [path for path in (kept.iterdir() if kept.is_dir() else []) if not path.name.startswith(".")]
    for path in paths:
        if path.is_dir():
            (path / "card.json").unlink(missing_ok=True)  # first: a folder without it is no data set
            shutil.rmtree(path)
        else:
            path.unlink()
    return len(paths)


#: What shapes prepared data, with all below it; not how data are found, or fetched.
PREPARING = (
    *("arrow.py", "kernels", "log"),
    *("datasets/base.py", "datasets/checksums.py", "datasets/store.py"),
    *("datasets/preparing", "datasets/reading", "datasets/sources"),
)


def preparing_sources(package: Path = Path(__file__).parent.parent) -> list[Path]:
    """The source files that shape prepared data: if one of them changes, data are prepared again."""
    wanted = [package / name for name in PREPARING]
    return sorted(file for path in wanted for file in ([path] if path.suffix else path.rglob("*.py")))


@cache
def sources() -> str:
    """A digest of these."""
    return digest_of(preparing_sources())
