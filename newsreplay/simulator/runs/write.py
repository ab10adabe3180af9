"""Writing run folders: every file whole or not at all, `run.json` last. docs/run-folder.md is the format."""

from __future__ import annotations

import io
import json
import math
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from newsreplay.datasets.store import Dataset
from newsreplay.log.rows import Column
from newsreplay.recommenders.registry import Entry
from newsreplay.simulator import scratch
from newsreplay.simulator.judgement.judge import Frame
from newsreplay.simulator.judgement.metrics import Result
from newsreplay.simulator.judgement.scoring import Scored, Sums
from newsreplay.simulator.replay.tuples import Data, flat
from newsreplay.simulator.runs.experiment import asked_of, write_experiment
from newsreplay.simulator.runs.files import seal, written
from newsreplay.simulator.runs.options import Options
from newsreplay.simulator.runs.origin import code_digest
from newsreplay.simulator.runs.pair import Judged
from newsreplay.simulator.runs.paths import PairFiles, error_file, pair_files
from newsreplay.simulator.runs.place import UNFINISHED, Key
from newsreplay.simulator.runs.records import (
    FORMAT,
    PAIR_FILES,
    AnswerTimesRecord,
    DataRecord,
    PairRecord,
    PairTimingRecord,
    PublisherRecord,
    RunRecord,
    TimingRecord,
    TrainingRecord,
)
from newsreplay.simulator.stages import Stage, add_up
from newsreplay.spec import Spec
from newsreplay.version import __version__


class Manifest(NamedTuple):
    """What a run is to be."""

    dataset: Dataset
    publishers: list[str]  #: their names
    entries: list[Entry]  #: the recommenders as they were given, one for all its seeds
    options: Options
    files: dict[str, str]  #: digests of the files that these name, by spec, as the run began (`origin.file_digests`)
    command: str | None = None  #: what reproduces the run

    def key(self) -> Key:
        """What makes another run the same."""
        return Key(
            self.dataset.card["digest"],
            self.publishers,
            [entry.label for entry in self.entries],
            self.objects(),
            self.options.flat(),
            __version__,
        )

    def names(self) -> dict[str, str]:
        """Display names by recommender, of those that have one."""
        return {entry.label: entry.name for entry in self.entries if entry.name is not None}

    def objects(self) -> list[str]:
        """Labels of the recommenders that are Python objects."""
        return [entry.label for entry in self.entries if not isinstance(entry.source, Spec)]


def write_json(path: Path, value: object) -> None:
    """Write a JSON file, whole or not at all. Raises `RunError` if it cannot be written."""
    with written(path) as work:
        work.write_bytes(_json(value))


def _json(value: object) -> bytes:
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", errors="backslashreplace")  # what is no text becomes a JSON escape


def write_results(folder: Path, results: list[Result]) -> None:
    """Write every metric with its interval."""
    write_json(folder / "results.json", [result._asdict() for result in results])


def write_sums(path: Path, sums: Sums) -> None:
    """Write what a pair's metrics and their intervals are made of. Raises `RunError`."""
    arrays: dict[str, Data] = {**flat(sums)}
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    with written(path) as work:
        work.write_bytes(content.getbuffer())


def write_replicates(path: Path, replicates: Column) -> None:
    """Write the bootstrap of a publisher, float64[recommenders, metrics, replicates]. Raises `RunError`."""
    content = io.BytesIO()  # NumPy leaves the last bytes of a file to C, which tells nobody that the disk was full
    np.save(content, replicates, allow_pickle=False)
    with written(path) as work:
        work.write_bytes(content.getbuffer())


def write_run(
    folder: Path,
    manifest: Manifest,
    publishers: list[PublisherRecord],
    judged: list[Judged],
    seconds: float,
    stages: Mapping[Stage, float],
    *,
    pairs_in_all: int,
    sealed: dict[str, str],
) -> None:
    """Write what a run was and how it went; its results are there already.

    `stages` are wall seconds of what it did itself by then.
    It is a partial one if fewer pairs were judged than there are in all. `sealed` has the digests of columns that were
    written with an earlier part of it; new ones are added to it.
    """
    timing: TimingRecord = {
        "seconds": round(seconds, 3),
        "stages": {"wall": rounded(stages), "processor": rounded(add_up(pair.stages for pair in judged))},
        "pairs": [timing_record(pair) for pair in judged if pair.error is None],
    }
    write_json(folder / "timing.json", timing)
    training: list[TrainingRecord] = [
        {"publisher": pair.publisher, "recommender": pair.recommender, "rounds": rounds}
        for pair in judged
        if (rounds := training_rounds(pair))
    ]
    if training:
        write_json(folder / "training.json", training)
    record: RunRecord = {
        "format": FORMAT,
        "newsreplay": __version__,
        "code": code_digest(),
        "files": manifest.files,
        "python": platform.python_version(),
        "packages": _versions(),
        "platform": platform.platform(),
        "command": manifest.command,
        "key": manifest.key().digest(),
        "data": _data(manifest.dataset),
        "options": manifest.options.flat(),
        "rescored": {},
        "recommenders": [entry.label for entry in manifest.entries],
        "objects": manifest.objects(),
        "publishers": publishers,
        "pairs": [pair_record(pair, folder) for pair in judged],
    }
    if names := manifest.names():
        record["names"] = names
    if len(judged) < pairs_in_all:
        record["partial"], record["pairs_in_all"] = True, pairs_in_all
    write_experiment(folder, record)
    seal(folder, _json(record), sealed)
    if "partial" not in record:
        (folder / UNFINISHED).unlink(missing_ok=True)


def rounded(stages: Mapping[Stage, float]) -> dict[Stage, float]:
    """Seconds by stage, to milliseconds."""
    return {stage: round(seconds, 3) for stage, seconds in stages.items()}


def write_info(folder: Path, record: RunRecord) -> None:
    """Write run.json, what runs it again, and the digests of all files. Raises `RunError` if that cannot be done."""
    write_experiment(folder, record)
    seal(folder, _json(record))


def _data(dataset: Dataset) -> DataRecord:
    card: Mapping[str, object] = dataset.card
    facts = {key: card[key] for key in DataRecord.__annotations__ if key in card}
    return cast(DataRecord, facts | {"folder": str(dataset.folder.absolute()), "asked": asked_of(dataset)})


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    neural = ("torch",) if "torch" in sys.modules else ()
    return {name: version(name) for name in ("numpy", "numba", "pyarrow", *neural)}


def timing_record(pair: Judged) -> PairTimingRecord:
    """What timing.json has of a pair that brought answers."""
    record: PairTimingRecord = {
        "publisher": pair.publisher,
        "recommender": pair.recommender,
        "seconds": round(pair.seconds, 6),
        "events_per_second": round(pair.rows / pair.seconds) if pair.seconds else None,
        "state_bytes": pair.state_bytes,
        "stages": rounded(pair.stages),
    }
    if pair.times is not None:
        times = {key: value for key, value in pair.times._asdict().items() if value is not None}
        record["answers"] = cast(AnswerTimesRecord, times)
        record["learn_seconds"] = pair.learning
    report = pair.self_report
    if report is not None:
        record["training_seconds"] = _plain(report.training)
        record["updating_seconds"] = _plain(report.updating)
        record["answering_seconds"] = _plain(report.answering)
        record["late_answers"] = _plain(report.answers)
        record["answer_ms"] = _plain(1000 * report.answering / report.answers if report.answers else None)
        record["parameters"] = _plain(report.parameters)
    return record


def training_rounds(pair: Judged) -> list[dict[str, object]]:
    """What training.json has of a pair."""
    rounds: list[dict[str, object]] = [] if pair.self_report is None else _plain(pair.self_report.rounds)
    return rounds


def _plain(value: Any) -> Any:
    """A value of a self report, fit for JSON: a loss that is no number, of a round without any, is null."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value if value is None or isinstance(value, int | str) else str(value)


def publisher_facts(dataset: Dataset, name: str, scored: Scored, judged: list[Judged]) -> PublisherRecord:
    """What run.json has of a publisher."""
    facts = next(facts for facts in dataset.card["publishers"] if facts["publisher"] == name)
    hits = [pair.hits for pair in judged if pair.hits is not None and pair.foresight != "oracle"]
    frame = scored.frame
    record: PublisherRecord = {
        "publisher": name,
        "rows": facts["rows"],
        "reads": facts["reads"],
        "sessions": facts["sessions"],
        "articles": facts["articles"],
        "first": facts["first"],
        "last": facts["last"],
        "digest": facts["digest"],
        "scored_sessions": len(frame.session),
        "sessions_of_one_instant": scored.one_instant,
        "scored_reads": len(frame.read),
        "reads_at_one_time": _at_one_time(frame),
        "later_reads": int(np.count_nonzero(frame.asked)),
        "reachable_reads": int(np.count_nonzero(frame.reachable)),
        "impressions": facts["impressions"],
        "scored_impressions": len(scored.impressions.impression),
        "impressions_without_outcome": scored.impressions.unknown,
        "impressions_of_one_class": scored.impressions.single_class,
        "resampled": scored.resampled.slates,
        "impressions_resampled": scored.resampled.impressions,
        "clusters": len(scored.clusters.unit),
        "impression_clusters": len(scored.impression_clusters.unit),
        "hits": sum(all_hits for all_hits, _ in hits),
        "hits_of_longest": sum(of_longest for _, of_longest in hits),
    }
    if scored.unrewarded is not None:
        record["unrewarded_reads"] = scored.unrewarded
    return record


def _at_one_time(frame: Frame) -> int:
    """The reads that share their time with the read before them in their session."""
    count = 0
    for part in scratch.stretches(len(frame.session)):
        begin, end = frame.begin[[part.start, part.stop]].tolist()
        equal = np.diff(frame.position[begin:end]) == 0
        first = frame.begin[part.start + 1 : part.stop] - begin
        equal[first[(first > 0) & (first <= len(equal))] - 1] = False  # sessions' first reads
        count += int(np.count_nonzero(equal))
    return count


def pair_record(pair: Judged, folder: Path) -> PairRecord:
    """What run.json has of a pair; the traceback of one that failed is written."""
    record: PairRecord = {
        "publisher": pair.publisher,
        "recommender": pair.recommender,
        "status": "failed" if pair.error else "done",
    }
    if pair.without_seed is not None:
        record["without_seed"] = pair.without_seed
    if pair.foresight is not None:
        record["foresight"] = pair.foresight
    if pair.leaks:
        record["leaks"] = pair.leaks
    if pair.self_report is not None and pair.self_report.notes:
        record["notes"] = [str(note) for note in pair.self_report.notes]
    if pair.error:
        path = error_file(folder, pair.publisher, pair.recommender)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{pair.error}\n\n{pair.details or ''}".rstrip() + "\n", "utf-8", "backslashreplace")
        record["error"], record["errors"] = pair.error, path.relative_to(folder).as_posix()
        return record
    if any(pair.drops):
        record["dropped"] = {"current": pair.drops.current, "repeated": pair.drops.repeated}
    name_files(record, pair_files(folder, pair.publisher, pair.recommender), folder)
    return record


def name_files(record: PairRecord, files: PairFiles, folder: Path) -> None:
    """Write into a pair's record which of its files exist, below the folder."""
    for name in PAIR_FILES:
        path: Path = getattr(files, name)
        if path.exists():
            record[name] = path.relative_to(folder).as_posix()
        else:
            record.pop(name, None)
