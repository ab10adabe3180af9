"""Write the documents that are generated from the code, or with `--check` say which are stale and exit with 1.

A generator is a script beside this one with a function `documents() -> dict[Path, str]`: paths from the root of the
repository, and the text that belongs there. `NEEDS`, if it has that, names modules without which its text would differ.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent


def generators() -> list[ModuleType]:
    """The scripts that generate documents, by name."""
    if str(FOLDER) not in sys.path:
        sys.path.insert(0, str(FOLDER))
    names = sorted(path.stem for path in FOLDER.glob("*.py") if path.name != Path(__file__).name)
    return [module for module in map(import_module, names) if hasattr(module, "documents")]


def missing(generator: ModuleType) -> list[str]:
    """Modules that a generator needs and that are not installed."""
    return [name for name in getattr(generator, "NEEDS", ()) if find_spec(name) is None]


def stale(documents: dict[Path, str], root: Path = ROOT) -> list[Path]:
    """Documents whose file below `root` is absent or has another text."""
    return [
        path
        for path, text in documents.items()
        if not (root / path).is_file() or (root / path).read_text("utf-8") != text
    ]


def main(words: list[str]) -> int:
    """Write all documents, or with `--check` compare them; returns the exit status."""
    if words not in ([], ["--check"]):
        print("usage: python scripts/make_docs.py [--check]", file=sys.stderr)
        return 2
    status = 0
    for generator in generators():
        if missing(generator):
            print(f"{generator.__name__} needs {', '.join(missing(generator))}", file=sys.stderr)
            status = 1
            continue
        documents = generator.documents()
        for path in stale(documents):
            if words:
                print(f"{path} is stale; run python scripts/make_docs.py", file=sys.stderr)
                status = 1
            else:
                (ROOT / path).write_text(documents[path], "utf-8")
                print(f"wrote {path}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
