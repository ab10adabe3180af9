"""One pair on another machine: what it is sent, what it looks at there first, and what it sends back."""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from newsreplay.datasets.again import find_again
from newsreplay.datasets.base import Asked
from newsreplay.datasets.store import Dataset
from newsreplay.errors import DataError, RunError
from newsreplay.files import digest_of
from newsreplay.simulator.pairs import StoppedError, replay_pair
from newsreplay.simulator.runs.origin import code_digest
from newsreplay.simulator.runs.pair import Judged, Pair
from newsreplay.simulator.runs.paths import pair_files
from newsreplay.simulator.runs.place import UNFINISHED
from newsreplay.version import __version__

PACKAGES = ("numpy", "numba", "pyarrow", "torch")  #: whose versions shape answers, where they are installed
PACE = 0.5  #: seconds from one message of a worker to the next

#: Runs that nobody waits for any more, by their names; a worker's process may outlive many runs.
_stopped: set[str] = set()

Tell = Callable[[int | str], None]  #: takes rows done, or a line


class Sent(NamedTuple):
    """A pair, and by what another machine sees whether it has the same data and code."""

    pair: Pair
    run: str  #: a name of the run, of its own
    digest: str  #: of the data
    asked: Asked | None  #: what the data can be found by, its paths absolute
    sources: dict[str, str]  #: files that the recommender names, as in its spec: their digests
    mark: tuple[bytes, int]  #: content and time (ns) of the mark in the run folder, which a shared one has there, too


class Returned(NamedTuple):
    """What came of a pair, and its files, by path in the run folder, where that is not a shared one."""

    judged: Judged
    files: dict[str, bytes]


def fingerprint() -> dict[str, str]:
    """What must be the same on two machines for the same answers: versions, and the digest of newsreplay's code."""
    facts = {"newsreplay": __version__, "code": code_digest(), "python": ".".join(platform.python_version_tuple()[:2])}
    for name in PACKAGES:
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            facts[name] = "none"
    return facts


def mark_of(folder: Path) -> tuple[bytes, int]:
    """The mark of a run that is being written, as `Sent` has it. Raises `OSError` where there is none."""
    path = folder / UNFINISHED
    return path.read_bytes(), path.stat().st_mtime_ns


def stop(run: str) -> None:
    """Have this process's pairs of a run end at their next stretch."""
    _stopped.add(run)


def replay_there(sent: Sent, tell: Tell) -> Returned:
    """Replay and judge a pair on this machine; its files go into the run folder where that is seen from here.

    Raises `RunError` where data or code are not those of the run, `StoppedError` where nobody waits any more.
    """
    _check_sources(sent.sources)
    data = _data_here(sent)
    with tempfile.TemporaryDirectory(prefix="newsreplay-") as work:
        shared = _is_shared(sent)
        pair = sent.pair._replace(data=data, folder=sent.pair.folder if shared else Path(work))
        judged = replay_pair(pair, _Pace(sent, tell), lambda line: tell(str(line)))
        files = {} if shared else _files(pair)
    return Returned(judged, files)


class _Pace:
    """Progress that is told now and then, and ends the pair where nobody waits for it."""

    def __init__(self, sent: Sent, tell: Tell):
        self.sent, self.tell = sent, tell
        self.told = 0.0

    def __call__(self, rows: int) -> None:
        now = time.monotonic()
        if self.sent.run in _stopped:
            raise StoppedError
        if now - self.told > PACE:
            self.told = now
            self.tell(rows)


def _is_shared(sent: Sent) -> bool:
    try:
        return mark_of(sent.pair.folder) == sent.mark
    except OSError:
        return False


def _files(pair: Pair) -> dict[str, bytes]:
    paths = pair_files(pair.folder, pair.publisher, pair.entry.label)
    return {path.relative_to(pair.folder).as_posix(): path.read_bytes() for path in paths if path.exists()}


def _check_sources(sources: dict[str, str]) -> None:
    for name, digest in sources.items():
        if not Path(name).is_file():
            raise RunError(f"there is no {name} in {Path.cwd()} of {platform.node()}; start workers where it lies")
        if digest_of([Path(name)]) != digest:
            raise RunError(f"{Path.cwd() / name} of {platform.node()} is another one; bring it up to date there")


def _data_here(sent: Sent) -> Path:
    """Where the data of the run lie on this machine: where they lay, or where they are prepared now."""
    folder = sent.pair.data
    try:
        if Dataset(folder).card["digest"] == sent.digest:
            return folder
    except DataError:
        pass
    where = f"{platform.node()} does not see {folder}"
    if sent.asked is None or sent.asked.data is None:
        raise RunError(f"{where}; let NEWSREPLAY_HOME be a shared folder, or name data by an address (s3://…)")
    try:
        dataset = find_again(sent.asked, sent.asked.data)
        digest = dataset.card["digest"]
    except DataError as error:
        raise RunError(f"{where}, and cannot prepare {sent.asked.data}: {error}") from None
    if digest != sent.digest:
        raise RunError(f"{where}, and {sent.asked.data} holds other data there (digest {digest}, not {sent.digest})")
    return dataset.folder
