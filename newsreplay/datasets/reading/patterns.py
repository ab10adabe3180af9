"""Patterns of file names: `clicks/day=*/part-*.parquet`."""

from __future__ import annotations

import glob
from pathlib import Path


def is_pattern(path: Path) -> bool:
    """Whether a path has `*`, `?` or `[` and is no file or folder called like that.

    >>> is_pattern(Path("clicks/part-*.parquet")), is_pattern(Path("clicks.parquet"))
    (True, False)
    """
    return glob.has_magic(str(path)) and not path.exists()


def matching(path: Path) -> list[Path]:
    """The files and folders that a path or a pattern names, by name; `**` stands for any folders."""
    if not is_pattern(path):
        return [path]
    base = fixed_part(path)
    return sorted(base.glob(str(path.relative_to(base))))


def fixed_part(path: Path) -> Path:
    """The folder below which a pattern looks.

    >>> fixed_part(Path("clicks/day=*/part-*.parquet")).name
    'clicks'
    """
    names = path.parts
    first = next(at for at, name in enumerate(names) if glob.has_magic(name))
    return Path(*names[:first])
