"""Writing run folders: every file whole or not at all, `run.json` last. docs/run-folder.md is the format."""

from __future__ import annotations

import json
import math
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from newsreplay.datasets.store import Dataset
from newsreplay.errors import RunError
from newsreplay.files import written_whole
from newsreplay.log.rows import Column
from newsreplay.recommenders.registry import Entry
from newsreplay.simulator.judgement.metrics import Result
from newsreplay.simulator.judgement.scoring import Scored
from newsreplay.simulator.runs.options import Options
from newsreplay.simulator.runs.pair import Judged
from newsreplay.simulator.runs.paths import FOLDERS, PairFiles, pair_files
from newsreplay.spec import Spec
from newsreplay.version import __version__

FORMAT = 2  #: of the run folder
HANDED = "it was handed the whole log"  #: what leaks, where the recommender has no words of its own


def fresh_folder(folder: Path) -> Path:
    """An empty run folder; an older run in its place goes. Raises `RunError` if it cannot be written."""
    try:
        marks = ("run.json", "unfinished")
        if folder.exists() and not any((folder / mark).exists() for mark in marks) and not _is_empty(folder):
            raise RunError(f"{folder} holds something that is not a run; name another folder with --out")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "unfinished").write_text("this run has not ended; run.json is written last\n")
        for name in ("run.json", "results.json", "timing.json", "training.json"):
            (folder / name).unlink(missing_ok=True)
        for name in FOLDERS:
            if (folder / name).exists():
                shutil.rmtree(folder / name)
        remove_reports(folder)
    except OSError as error:
        raise RunError(f"cannot write to {folder}: {error.strerror or error}; name another folder with --out") from None
    return folder


def remove_reports(folder: Path) -> None:
    """Remove the page and the pictures that show what is no longer so."""
    (folder / "report.html").unlink(missing_ok=True)
    if (folder / "pictures").exists():
        shutil.rmtree(folder / "pictures")


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, whole or not at all."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with written_whole(path) as work:
        work.write_text(text, "utf-8", errors="backslashreplace")  # what is no text becomes a JSON escape


def write_results(folder: Path, results: list[Result]) -> None:
    """Write every metric with its interval."""
    write_json(folder / "results.json", [result._asdict() for result in results])


def write_replicates(path: Path, replicates: Column) -> None:
    """Write the bootstrap of a publisher, float64[recommenders, metrics, replicates]."""
    with written_whole(path) as work, work.open("wb") as file:
        np.save(file, replicates, allow_pickle=False)


def write_run(
    folder: Path,
    dataset: Dataset,
    entries: list[Entry],
    options: Options,
    publishers: list[dict[str, Any]],
    judged: list[Judged],
    seconds: float,
    command: str | None,
) -> None:
    """Write how a run went and what it was; what it found is there already.

    `entries` are the recommenders as they were given, one for all its seeds.
    """
    timings = [_timing(one) for one in judged if one.error is None]
    write_json(folder / "timing.json", {"seconds": round(seconds, 3), "pairs": timings})
    training = [
        {"publisher": one.publisher, "recommender": one.recommender, "rounds": _plain(one.self_report.rounds)}
        for one in judged
        if one.self_report is not None and one.self_report.rounds
    ]
    if training:
        write_json(folder / "training.json", training)
    card: Mapping[str, object] = dataset.card
    data = {key: card[key] for key in _DATA} | {"folder": str(dataset.folder.absolute())}
    write_json(
        folder / "run.json",
        {
            "format": FORMAT,
            "newsreplay": __version__,
            "python": platform.python_version(),
            "packages": _versions(),
            "platform": platform.platform(),
            "command": command,
            "data": data,
            "options": asdict(options),
            "rescored": {},
            "recommenders": [entry.shown for entry in entries],
            "objects": [entry.shown for entry in entries if not isinstance(entry.source, Spec)],
            "publishers": publishers,
            "pairs": [_pair_facts(one, folder, options) for one in judged],
        },
    )
    (folder / "unfinished").unlink(missing_ok=True)


_DATA = ("name", "kind", "digest", "source", "licence", "notes", "made_up", "leaks", "rows_in", "rejected", "options")


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    neural = ("torch",) if "torch" in sys.modules else ()
    return {name: version(name) for name in ("numpy", "numba", "pyarrow", *neural)}


def _timing(one: Judged) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "publisher": one.publisher,
        "recommender": one.recommender,
        "seconds": round(one.seconds, 6),
        "events_per_second": round(one.rows / one.seconds) if one.seconds else None,
        "state_bytes": one.state_bytes,
    }
    if one.times is not None:
        facts["answers"] = {key: value for key, value in one.times._asdict().items() if value is not None}
        facts["learn_seconds"] = one.learning
    if one.self_report is not None:
        told = one.self_report
        facts |= _plain(
            {
                "training_seconds": told.training,
                "updating_seconds": told.updating,
                "answering_seconds": told.answering,
                "late_answers": told.answers,
                "answer_ms": 1000 * told.answering / told.answers if told.answers else None,
                "parameters": told.parameters,
            }
        )
    return facts


def _plain(value: Any) -> Any:
    """What a recommender tells of itself, fit for JSON: a loss that is no number, of a round without any, is null."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value if value is None or isinstance(value, int | str) else str(value)


def publisher_facts(dataset: Dataset, name: str, of: Scored, judged: list[Judged]) -> dict[str, Any]:
    """What run.json says of a publisher."""
    facts: Mapping[str, object] = next(facts for facts in dataset.card["publishers"] if facts["publisher"] == name)
    wanted = ("publisher", "rows", "reads", "sessions", "articles", "first", "last", "digest")
    mine = [one.hits for one in judged if one.hits is not None and not one.foresees]
    later = len(of.frame.request) - len(of.frame.session)
    return {key: facts[key] for key in wanted} | {
        "scored_sessions": len(of.frame.session),
        "later_reads": later,
        "reachable_reads": int(np.count_nonzero(of.frame.reachable)),
        "impressions": facts["impressions"],
        "scored_impressions": len(of.shown.impression),
        "impressions_without_outcome": of.shown.unknown,
        "impressions_of_one_class": of.shown.single_class,
        "clusters": len(of.by.unit),
        "hits": sum(hits for hits, _ in mine),
        "hits_of_longest": sum(hits for _, hits in mine),
    }


def _pair_facts(one: Judged, folder: Path, options: Options) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "publisher": one.publisher,
        "recommender": one.recommender,
        "status": "failed" if one.error else "done",
    }
    if one.of is not None:
        facts["of"] = one.of
    if one.foresees:
        facts["foresees"] = True
    elif (
        leaks := one.self_report.leaks
        if one.self_report is not None and one.self_report.leaks
        else HANDED * one.foresaw
    ):
        facts["leaks"] = leaks
    if one.self_report is not None and one.self_report.notes:
        facts["notes"] = [str(note) for note in one.self_report.notes]
    if one.error:
        return facts | {"error": one.error, "traceback": one.details}
    if any(one.drops):
        facts["dropped"] = one.drops._asdict()
    return facts | files_of(pair_files(folder, one.publisher, one.recommender), folder)


def files_of(files: PairFiles, folder: Path) -> dict[str, str]:
    """Which of a pair's files there are, below the folder."""
    return {name: path.relative_to(folder).as_posix() for name, path in files._asdict().items() if path.exists()}
