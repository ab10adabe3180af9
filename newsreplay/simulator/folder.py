"""Writing run folders: every file whole or not at all, `run.json` last. docs/run-folder.md is the format."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from newsreplay import __version__
from newsreplay.datasets.store import Dataset
from newsreplay.errors import RunError
from newsreplay.registry import Entry
from newsreplay.simulator.metrics import Result
from newsreplay.simulator.workers import Judged, Options, scope_of

FORMAT = 1  #: of the run folder


def slates_path(folder: Path, publisher: str, shown: str) -> Path:
    """Where a pair's slates lie; names are percent-encoded where a file name could not hold them."""
    return folder / "slates" / file_name(publisher) / f"{file_name(shown)}.parquet"


def file_name(name: str) -> str:
    """A name as a file name that cannot leave its folder.

    >>> file_name("trend(hours=6)"), file_name("../mine.py:Mine")
    ('trend(hours=6)', '%2E.%2Fmine.py%3AMine')
    """
    quoted = quote(name, safe=" ()=,+@'", errors="backslashreplace")
    if len(quoted) > 200:  # file systems allow 255
        quoted = f"{quoted[:160]}~{hashlib.blake2b(name.encode(errors='backslashreplace'), digest_size=16).hexdigest()}"
    return "%2E" + quoted[1:] if quoted.startswith(".") else quoted


def fresh_folder(folder: Path) -> Path:
    """An empty run folder; an older run in its place goes. Raises `RunError` if it cannot be written."""
    try:
        marks = ("run.json", "unfinished")
        if folder.exists() and not any((folder / mark).exists() for mark in marks) and not _is_empty(folder):
            raise RunError(f"{folder} holds something that is not a run; name another folder with --out")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "unfinished").write_text("this run has not ended; run.json is written last\n")
        for name in ("run.json", "results.json", "timing.json"):
            (folder / name).unlink(missing_ok=True)
        if (folder / "slates").exists():
            shutil.rmtree(folder / "slates")
    except OSError as error:
        raise RunError(f"cannot write to {folder}: {error.strerror or error}; name another folder with --out") from None
    return folder


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, whole or not at all."""
    work = path.with_name(path.name + ".part")
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    work.write_text(text, "utf-8", errors="backslashreplace")  # what is no text becomes a JSON escape
    work.replace(path)


def write_run(
    folder: Path,
    dataset: Dataset,
    publishers: list[str],
    entries: list[Entry],
    options: Options,
    judged: list[Judged],
    results: list[Result],
    seconds: float,
) -> None:
    """Write what a run found; its slates are there already."""
    write_json(folder / "results.json", [result._asdict() for result in results])
    timings = [
        {
            "publisher": one.publisher,
            "recommender": one.recommender,
            "seconds": round(one.seconds, 6),
            "events_per_second": round(one.rows / one.seconds) if one.seconds else None,
        }
        for one in judged
        if one.error is None
    ]
    write_json(folder / "timing.json", {"seconds": round(seconds, 3), "pairs": timings})
    write_json(
        folder / "run.json",
        {
            "format": FORMAT,
            "newsreplay": __version__,
            "python": platform.python_version(),
            "packages": _versions(),
            "platform": platform.platform(),
            "data": {
                key: dataset.card[key]
                for key in (
                    "name",
                    "kind",
                    "digest",
                    "source",
                    "licence",
                    "notes",
                    "made_up",
                    "leaks",
                    "rows_in",
                    "rejected",
                )
            },
            "options": asdict(options),
            "recommenders": [entry.shown for entry in entries],
            "publishers": [_publisher_facts(dataset, name, options, judged) for name in publishers],
            "pairs": [_pair_facts(one, folder, options) for one in judged],
        },
    )
    (folder / "unfinished").unlink(missing_ok=True)


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("numpy", "numba", "pyarrow")}


def _publisher_facts(dataset: Dataset, name: str, options: Options, judged: list[Judged]) -> dict[str, Any]:
    facts = next(facts for facts in dataset.card["publishers"] if facts["publisher"] == name)
    publisher = dataset.publisher(name)
    scored = scope_of(publisher, options).session
    wanted = ("publisher", "rows", "reads", "sessions", "first", "last", "digest")
    mine = [one.hits for one in judged if one.publisher == name and one.hits is not None]
    return {key: facts[key] for key in wanted} | {
        "scored_sessions": len(scored),
        "hits": sum(hits for hits, _ in mine),
        "hits_of_longest": sum(hits for _, hits in mine),
    }


def _pair_facts(one: Judged, folder: Path, options: Options) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "publisher": one.publisher,
        "recommender": one.recommender,
        "status": "failed" if one.error else "done",
    }
    if one.error:
        return facts | {"error": one.error, "traceback": one.details}
    if any(one.drops):
        facts["dropped"] = one.drops._asdict()
    if options.slates:
        facts["slates"] = slates_path(folder, one.publisher, one.recommender).relative_to(folder).as_posix()
    return facts
