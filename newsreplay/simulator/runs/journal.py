"""The journal of a run: what it is to be, and each pair that has brought answers, so that a killed run can go on.

It lies in the folder in which a run is written until that is whole. A line is JSON behind its own digest: the first
says what the run is, every other names the files of a pair with their digests.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, TypedDict, cast

import numpy as np

from newsreplay.errors import RunError
from newsreplay.files import link_or_copy
from newsreplay.recommenders.base import SelfReport
from newsreplay.simulator.judgement.scoring import Sums
from newsreplay.simulator.replay.checkpoints import DamagedError, opened_line, sealed_line, synced, whole_record
from newsreplay.simulator.replay.slates import NO_DROPS, Drops
from newsreplay.simulator.replay.tuples import Data, made_of
from newsreplay.simulator.runs.experiment import asked_of
from newsreplay.simulator.runs.options import Execution
from newsreplay.simulator.runs.origin import code_digest
from newsreplay.simulator.runs.pair import AnswerTimes, Judged, Pair
from newsreplay.simulator.runs.paths import (
    CHECKPOINTS,
    FOLDERS,
    JOURNAL,
    checkpoint_folder,
    pair_files,
    state_folder,
)
from newsreplay.simulator.runs.place import FILES
from newsreplay.simulator.runs.records import AskedRecord, OptionsRecord, PairRecord, PairTimingRecord
from newsreplay.simulator.runs.write import Manifest, pair_record, timing_record, training_rounds
from newsreplay.version import __version__

SYNC_EVERY = 1.0  #: seconds; what a failure of power may cost


class Head(TypedDict):
    """What a run is to be, and how it was to be made."""

    newsreplay: str  #: version
    code: str
    files: dict[str, str]
    command: str | None
    folder: str  #: where the data lie
    digest: str  #: of the data
    publishers: list[str]
    recommenders: list[str]
    objects: list[str]
    names: dict[str, str]
    asked: AskedRecord
    options: OptionsRecord
    latest: str | None  #: what is to lead to the run, beside it
    pair_timeout: int | None
    memory_limit: int | None
    fail_fast: bool


class Finished(TypedDict):
    """A pair that has brought answers."""

    pair: PairRecord
    timing: PairTimingRecord
    rounds: list[dict[str, object]]
    files: dict[str, str]  #: digests, by name below the folder


class JournalLines(NamedTuple):
    """A journal, read as far as it is whole."""

    head: Head
    finished: list[Finished]
    size: int  #: bytes of these lines


def read_journal(folder: Path) -> JournalLines | None:
    """The journal in a folder; None where there is none, or none of which the first line is whole."""
    try:
        content = (folder / JOURNAL).read_bytes()
    except OSError:
        return None
    values, size = [], 0
    for line in content.splitlines(keepends=True):
        try:
            values.append(opened_line(line))
        except (DamagedError, ValueError):  # the last one, of a process that was killed
            break
        size += len(line)
    return JournalLines(cast(Head, values[0]), cast(list[Finished], values[1:]), size) if values else None


class Journal:
    """The journal of the run that is written in a folder; `sealed` takes the digests of what it names.

    With `states` the last checkpoints of pairs that have ended are kept.
    """

    def __init__(self, folder: Path, sealed: dict[str, str], *, states: bool):
        self.folder, self.sealed, self.states = folder, sealed, states
        self.path = folder / JOURNAL
        self.unsynced: list[Path] = []
        self.synced = time.monotonic()

    def begin(self, manifest: Manifest, latest: Path | None, execution: Execution) -> None:
        """Write what the run is to be, and what is to lead to it. Raises `RunError` where that cannot be written."""
        self._append(
            {
                "newsreplay": __version__,
                "code": code_digest(),
                "files": manifest.files,
                "command": manifest.command,
                "folder": str(manifest.dataset.folder.absolute()),
                "digest": manifest.dataset.card["digest"],
                "publishers": manifest.publishers,
                "recommenders": [entry.label for entry in manifest.entries],
                "objects": manifest.objects(),
                "names": manifest.names(),
                "asked": asked_of(manifest.dataset),
                "options": manifest.options.flat(),
                "latest": None if latest is None else latest.name,
                "pair_timeout": execution.pair_timeout,
                "memory_limit": execution.memory_limit,
                "fail_fast": execution.fail_fast,
            }
        )

    def add(self, judged: Judged) -> None:
        """Name a pair that has brought answers, whose files are written. Raises `RunError`."""
        pair = pair_record(judged, self.folder)
        files = [path for path in pair_files(self.folder, judged.publisher, judged.recommender) if path.exists()]
        self._add(
            {
                "pair": pair,
                "timing": timing_record(judged),
                "rounds": training_rounds(judged),
                "files": self._digests(files) | self._keep_state(judged.publisher, judged.recommender),
            }
        )

    def _keep_state(self, publisher: str, label: str) -> dict[str, str]:
        """Keep the last checkpoint of a pair that has ended, or remove it; returns the digests of what is kept."""
        checkpoint, state = (of(self.folder, publisher, label) for of in (checkpoint_folder, state_folder))
        if not self.states:
            shutil.rmtree(checkpoint, ignore_errors=True)
        elif checkpoint.is_dir():
            state.parent.mkdir(parents=True, exist_ok=True)
            checkpoint.replace(state)
        return self._digests(sorted(state.iterdir())) if state.is_dir() else {}

    def _digests(self, files: Iterable[Path]) -> dict[str, str]:
        return {path.relative_to(self.folder).as_posix(): _digest(path) for path in files}

    def adopt(self, run: Path, finished: Finished) -> None:
        """Take over a pair from another run folder. Raises `RunError`."""
        for name in finished["files"]:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(run / name, path)
        pair = finished["pair"]["publisher"], finished["pair"]["recommender"]
        self.take_state(run, *pair)
        self._add({**finished, "files": finished["files"] | self._keep_state(*pair)})

    def take_state(self, run: Path, publisher: str, label: str) -> None:
        """Have a pair go on from what another run folder kept of it, if it did."""
        state = state_folder(run, publisher, label)
        if self.states and state.is_dir():
            shutil.copytree(state, checkpoint_folder(self.folder, publisher, label))

    def _add(self, finished: Finished) -> None:
        self.sealed.update(finished["files"])
        self.unsynced += [self.folder / name for name in finished["files"]]
        self._append(finished)

    def _append(self, value: Head | Finished) -> None:
        try:
            if time.monotonic() - self.synced > SYNC_EVERY:  # before the line that names them
                for path in self.unsynced:
                    with path.open("rb") as file:
                        synced(file.fileno())
                self.unsynced.clear()
            with self.path.open("ab") as file:
                file.write(sealed_line(value))
                file.flush()
                if not self.unsynced:
                    synced(file.fileno())
                    self.synced = time.monotonic()
        except OSError as error:
            raise RunError(f"cannot write {self.path}: {error.strerror or error}; make room") from None

    def take_up(self, pairs: list[Pair], report: Callable[[str], None]) -> list[Judged]:
        """Those of `pairs` that need not be replayed again; what else an interrupted run has left is removed.

        What is damaged is reported, and replayed. Raises `RunError` where there is no journal.
        """
        lines = read_journal(self.folder)
        if lines is None:
            raise RunError(f"{self.path} cannot be read any more; another process may have gone on with the run")
        os.truncate(self.path, lines.size)
        ended = {(one["pair"]["publisher"], one["pair"]["recommender"]): one for one in lines.finished}
        taken = []
        for pair in pairs:
            finished = ended.get((pair.publisher, pair.entry.label))
            if finished is None:
                continue
            try:
                taken.append(restored(self.folder, finished))
            except (DamagedError, OSError, ValueError, KeyError) as error:
                report(f"{pair.entry.label} on {pair.publisher} is replayed again: {error}")
                continue
            self.sealed.update(finished["files"])
        self._clean(report)
        return taken

    def _clean(self, report: Callable[[str], None]) -> None:
        """Remove all but what the journal names, and whole checkpoints: what was measured is measured again."""
        for path in [*(self.folder / name for name in FILES), *self.folder.glob("*.part")]:
            path.unlink(missing_ok=True)
        for name in FOLDERS:
            for path in sorted((self.folder / name).rglob("*")):
                if path.is_file() and path.relative_to(self.folder).as_posix() not in self.sealed:
                    path.unlink()
        for folder in sorted((self.folder / CHECKPOINTS).glob("*/*")):
            try:
                whole_record(folder)
            except DamagedError as error:
                report(f"a checkpoint is damaged, and its recommender begins anew: {error}")
                shutil.rmtree(folder)


def restored(folder: Path, finished: Finished) -> Judged:
    """A pair as it was when it ended, from its files. Raises `DamagedError`, `OSError`, `KeyError`."""
    record, timing = finished["pair"], finished["timing"]
    for name, digest in finished["files"].items():
        if _digest(folder / name) != digest:
            raise DamagedError(f"{folder / name} does not hold what was written")
    with np.load(pair_files(folder, record["publisher"], record["recommender"]).sums, allow_pickle=False) as file:
        sums = made_of(Sums, {name: file[name] for name in file.files})
    dropped = record.get("dropped")
    answers: Data = timing.get("answers")
    return Judged(
        publisher=record["publisher"],
        recommender=record["recommender"],
        without_seed=record.get("without_seed"),
        sums=sums,
        hits=sums.hits,
        drops=NO_DROPS if dropped is None else Drops(**dropped),
        seconds=timing["seconds"],
        rows=round(timing["seconds"] * (timing["events_per_second"] or 0)),
        state_bytes=timing["state_bytes"],
        times=None if answers is None else AnswerTimes(**{"late": None, **answers}),
        learning=timing.get("learn_seconds"),
        foresight=record.get("foresight"),
        leaks=record.get("leaks", ""),
        self_report=_self_report(finished),
        stages=timing.get("stages", {}),
    )


def _self_report(finished: Finished) -> SelfReport | None:
    """What the recommender reported of itself, as far as run folders keep it."""
    notes, timing = finished["pair"].get("notes", []), finished["timing"]
    if not notes and "training_seconds" not in timing:
        return None
    return SelfReport(
        notes=tuple(notes),
        training=timing.get("training_seconds", 0.0),
        updating=timing.get("updating_seconds", 0.0),
        answering=timing.get("answering_seconds", 0.0),
        answers=timing.get("late_answers", 0),
        parameters=timing.get("parameters", 0),
        rounds=tuple(cast("list[dict[str, float | None]]", finished["rounds"])),
    )


def remove_journal(folder: Path) -> None:
    """Remove what only a run that is being written has."""
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    (folder / JOURNAL).unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
