"""Compares run folders that two versions of newsreplay wrote: did a change of the code change an answer?

    newsreplay run --data globo:PATH --out before/globo      # with the one version
    newsreplay run --data globo:PATH --out after/globo       # with the other
    python benchmarks/same_answers.py before after

Every run below the first folder is compared with the run of the same name below the second: `results.json` byte by
byte, slates and scores by their contents, whatever the files are called. Ends with status 1 if anything differs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

ANSWERS = ("slates", "scores")


def runs(folder: Path) -> list[Path]:
    """The run folders at and below a folder, relative to it."""
    return sorted(path.parent.relative_to(folder) for path in folder.rglob("run.json"))


def differences(before: Path, after: Path) -> Iterator[str]:
    """What differs between two run folders, a line each."""
    for name in ("results.json",):
        if (before / name).read_bytes() != (after / name).read_bytes():
            yield f"{name} differs"
    for kind in ANSWERS:
        old, new = (
            {path.relative_to(folder) for path in (folder / kind).rglob("*.arrow")} for folder in (before, after)
        )
        for path in sorted(old ^ new):
            yield f"{path} is in one run only"
        for path in sorted(old & new):
            if not same(before / path, after / path):
                yield f"{path} differs"


def same(one: Path, other: Path) -> bool:
    """Whether two Arrow files hold the same columns and values."""
    tables = []
    for path in (one, other):
        with pa.OSFile(str(path)) as source:
            tables.append(pa.ipc.open_file(source).read_all())
    return bool(tables[0].equals(tables[1]))


def main(before: Path, after: Path) -> int:
    """Compare all runs and print a line for each; the exit status."""
    failed = not (names := runs(before))
    for name in names:
        if not (after / name / "run.json").exists():
            print(f"{name}: not run again")
            failed = True
            continue
        found = list(differences(before / name, after / name))
        files = sum(1 for kind in ANSWERS for _ in (before / name / kind).rglob("*.arrow"))
        print(f"{name}: {'; '.join(found) if found else f'results.json and {files} files of answers are the same'}")
        failed = failed or bool(found)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
