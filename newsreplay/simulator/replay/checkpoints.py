"""Checkpoints: how far a replay has come, kept in a folder, so that another process can go on from there.

They hold the state of the recommender and the answers so far. Answers are written behind those of the checkpoint
before; the state takes the place of the earlier one once it is whole. All of it has digests.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from newsreplay.files import written_whole
from newsreplay.log.rows import Column
from newsreplay.simulator.replay.tuples import Data, KeepingError

RECORD = "checkpoint"  #: the file that names the others
_ANSWERS = ("slates", "scores")
_PIECE = 1 << 20  # bytes that are read at once
_RARE = 20  # keeping a state may take a twentieth of the time


class DamagedError(Exception):
    """What was kept is not what was written; the text names it."""


def sealed_line(value: object) -> bytes:
    """A value as a line of JSON behind its own digest."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()
    return hashlib.sha256(text).hexdigest()[:16].encode() + b" " + text + b"\n"


def opened_line(line: bytes) -> Data:
    """The value of such a line. Raises `DamagedError` where it is not whole."""
    digest, _, text = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or hashlib.sha256(text).hexdigest()[:16].encode() != digest:
        raise DamagedError("a line does not hold what was written")
    return json.loads(text)


class Reached(NamedTuple):
    """How far a replay has come."""

    row: int  #: the next one
    answered: int  #: requests
    placed: int  #: candidates of impressions
    seconds: float  #: that it took, without checkpoints


class Kept(NamedTuple):
    """A checkpoint, read."""

    reached: Reached
    told: Data  #: plain data of JSON
    arrays: dict[str, Column]


class Checkpoints:
    """The checkpoints of one pair in a folder of its own, kept `every` so many seconds at most, and behind row `last`.

    `report` takes a line where one cannot be kept; the replay goes on without.
    """

    def __init__(self, folder: Path, every: float, report: Callable[[str], None], last: int | None = None):
        self.folder, self.every, self.report, self.last = folder, every, report, last
        self.next = time.monotonic() + every
        self.digests = {name: hashlib.sha256() for name in _ANSWERS}
        self.written = dict.fromkeys(_ANSWERS, 0)  # bytes

    def load(self, slates: Column, scores: Column | None, refuse: Callable[[Data], str]) -> Kept | None:
        """The checkpoint there is; the answers so far are written into `slates` and `scores`.

        None where there is none, and, once that is reported, where it is damaged, or where `refuse` says why nobody can
        go on with what was told: that one is removed.
        """
        try:
            record = whole_record(self.folder)
            if record is not None and (why := refuse(record["told"])):
                raise DamagedError(why)
        except DamagedError as error:
            self.report(f"begins anew: {error}")
            record = None
        if record is None:
            shutil.rmtree(self.folder, ignore_errors=True)
            return None
        reached = Reached(*record["reached"])
        self._read_answers("slates", slates[: reached.answered])
        if scores is not None:
            self._read_answers("scores", scores[: reached.placed])
        with np.load(self.folder / record["state"], allow_pickle=False) as file:
            return Kept(reached, record["told"], {name: file[name] for name in file.files})

    def _read_answers(self, name: str, array: Column) -> None:
        with (self.folder / name).open("rb") as file:
            file.readinto(_bytes(array))
        self.digests[name] = hashlib.sha256(_bytes(array))
        self.written[name] = array.nbytes
        os.truncate(self.folder / name, array.nbytes)  # behind that are those of a checkpoint that was not finished

    def due(self, row: int) -> bool:
        """Whether the next one is to be kept behind `row`."""
        return row == self.last or time.monotonic() >= self.next

    def keep(
        self,
        reached: Reached,
        state: Callable[[], tuple[Data, dict[str, Data]]],
        slates: Column,
        scores: Column | None,
    ) -> None:
        """Keep a checkpoint: what `state` returns, plain data of JSON and arrays, and the answers so far."""
        begun = time.monotonic()
        try:
            told, arrays = state()
            files = {"slates": self._append("slates", slates[: reached.answered])}
            if scores is not None:
                files["scores"] = self._append("scores", scores[: reached.placed])
            path = self.folder / f"state-{reached.row}.npz"
            with path.open("wb") as file:
                np.savez(file, **arrays)
                file.flush()
                synced(file.fileno())
            files[path.name] = (size := path.stat().st_size), _digest(path, size)
            record = {"reached": reached, "told": told, "state": path.name, "files": files}
            with written_whole(self.folder / RECORD) as work, work.open("wb") as file:
                file.write(sealed_line(record))
                file.flush()
                synced(file.fileno())
            for old in self.folder.glob("state-*.npz"):
                if old != path:
                    old.unlink()
        except (KeepingError, OSError) as error:
            self.report(f"goes on without checkpoints: {error}")
            self.next = float("inf")
            return
        ended = time.monotonic()
        self.next = ended + max(self.every, _RARE * (ended - begun) if self.every else 0.0)

    def _append(self, name: str, array: Column) -> tuple[int, str]:
        """Write what there is behind what was written; returns how many bytes there are, and their digest."""
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = _bytes(array)[self.written[name] :]
        with (self.folder / name).open("ab") as file:
            file.write(fresh)
            file.flush()
            synced(file.fileno())
        self.digests[name].update(fresh)
        self.written[name] += len(fresh)
        return self.written[name], self.digests[name].hexdigest()


class Goes(Protocol):
    """A replay that can go on from a checkpoint."""

    answered: int
    placed: int

    def kept(self) -> tuple[Data, dict[str, Data]]:
        """Its state: plain data of JSON, and arrays. Raises `KeepingError` where it cannot be kept."""
        ...

    def refuse(self, told: Data) -> str:
        """Why it cannot go on from what told this plain data of itself; empty where it can."""
        ...

    def go_on(self, kept: Kept) -> None:
        """Go on from what was `kept`."""
        ...


class Lap:
    """The rows that one process walks: from the last checkpoint on, where there is one."""

    def __init__(self, checkpoints: Checkpoints | None, replay: Goes, slates: Column, scores: Column | None):
        self.checkpoints, self.replay, self.slates, self.scores = checkpoints, replay, slates, scores
        self.begin = 0  #: its first row
        self.before = 0.0  # seconds that the rows before it took
        kept = None if checkpoints is None else checkpoints.load(slates, scores, replay.refuse)
        if kept is not None:
            replay.go_on(kept)
            self.begin, self.before = kept.reached.row, kept.reached.seconds
        self.begun = time.perf_counter()

    def ended(self, row: int, whole: bool) -> None:
        """Take note that rows up to `row` are done; only behind a `whole` stretch are checkpoints kept.

        So that stretches are the same ones in whichever process.
        """
        if self.checkpoints is None or not whole or not self.checkpoints.due(row):
            return
        replay, stopped = self.replay, time.perf_counter()
        reached = Reached(row, int(replay.answered), int(replay.placed), self.seconds())
        self.checkpoints.keep(reached, replay.kept, self.slates, self.scores)
        self.begun += time.perf_counter() - stopped

    def seconds(self) -> float:
        """Seconds of all rows so far, those of earlier processes included and checkpoints left out."""
        return self.before + time.perf_counter() - self.begun


def whole_record(folder: Path) -> dict[str, Data] | None:
    """What a folder's checkpoint says of itself, once all that it names is known to be whole; None where there is none.

    Raises `DamagedError`.
    """
    try:
        record: dict[str, Data] = opened_line((folder / RECORD).read_bytes())
        for name, (size, digest) in record["files"].items():
            if _digest(folder / name, size) != digest:
                raise DamagedError(f"{folder / name} does not hold what was written")
    except FileNotFoundError as error:
        if error.filename == os.fspath(folder / RECORD):
            return None
        raise DamagedError(f"{error.filename} is not there") from None
    except OSError as error:
        raise DamagedError(f"{error.filename} cannot be read ({error.strerror})") from None
    return record


def synced(file: int) -> None:
    """Have the disk itself hold a file, by its number."""
    getattr(os, "fdatasync", os.fsync)(file)


def _bytes(array: Column) -> memoryview:
    """The memory of a contiguous array."""
    return array.data.cast("B") if array.nbytes else memoryview(bytearray())


def _digest(path: Path, size: int) -> str:
    """The digest of the first `size` bytes of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while size and (piece := file.read(min(size, _PIECE))):
            digest.update(piece)
            size -= len(piece)
    return digest.hexdigest()
