"""Compiling ahead: at the first use after installation, kernels are compiled by all cores at once.

Compiling holds the interpreter, so threads would not help; each process fills the disk cache that the run reads. The
run goes on meanwhile: it waits for a kernel that is being compiled, and compiles itself what nobody has begun with.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path

import pyarrow as pa

from newsreplay.datasets.base import Raw
from newsreplay.datasets.preparing.prepare import prepare
from newsreplay.log.rows import IMPRESSION, OUTCOME, READ, make_log
from newsreplay.machine import cores
from newsreplay.processes import OwnProcess
from newsreplay.recommenders.built_ins import ALIASES, BUILT_IN
from newsreplay.recommenders.registry import MIXTURES, Entry, start_list
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.run import run
from newsreplay.spec import Spec, parse_spec

_LONGEST_FIRST = ("minhash", "vsknn", "stan", "popular", "sequences", "random")
_SAME_KERNELS = {"trend": "popular", "vmis": "vsknn"}


@contextmanager
def compiling(entries: Iterable[Entry], impressions: bool, processes: int | None = None) -> Iterator[None]:
    """Compile the built-ins among `entries` in `processes` (None = one a core) while the body runs.

    They are compiled for a log with `impressions`, or for one without.
    """
    specs = [entry.source for entry in entries if isinstance(entry.source, Spec)]
    names: set[str] = set().union(*map(_names, specs))
    wanted = {_SAME_KERNELS.get(name, name) for name in names & set(BUILT_IN)}
    order = [*(name for name in _LONGEST_FIRST if name in wanted), *sorted(wanted - set(_LONGEST_FIRST))]
    workers = min(processes or cores(), len(order))
    if workers < 2:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="newsreplay-") as work:
        # The last one has the least to do: it compiles what all share, too.
        shared = [*[None] * (workers - 1), work]
        compilers = [OwnProcess(_compile, order[n::workers], impressions, shared[n]) for n in range(workers)]
        try:
            yield
        finally:
            for compiler in compilers:
                compiler.kill()


def _names(spec: Spec) -> set[str]:
    """The recommender that a spec names; of a mixture, those that it is made of."""
    name = ALIASES.get(spec.name, spec.name)
    if name not in MIXTURES:
        return {name}
    return set().union(*(_names(parse_spec(part)) for part in spec.positional if isinstance(part, str)))


def _compile(names: list[str], impressions: bool, work: str | None, wire: Connection) -> None:
    for name in names:
        with suppress(Exception):  # whatever went wrong here shows again, and is reported, in the run itself
            compile_walk(name, impressions)
    if work is not None:
        with suppress(Exception):
            compile_shared(Path(work))


def compile_walk(name: str, impressions: bool) -> None:
    """Compile the walk of one recommender, by replaying a read; with `impressions`, one of these, too."""
    kind, item, shown = ([READ, IMPRESSION, OUTCOME], [0, -1, -1], [-1, 0, 0]) if impressions else ([READ], [0], [-1])
    same = {name: [0] * len(kind) for name in ("time", "session", "user", "category")}
    pools = {"at": [0, 1], "item": [0], "clicked": [True]} if impressions else None
    (entry,) = start_list(name)
    replay(make_log(kind=kind, item=item, impression=shown, pools=pools, **same), entry.make())


def compile_shared(work: Path) -> None:
    """Compile what judging and measuring need, by running on two reads in the folder `work`."""
    reads = pa.table({"publisher": ["a"] * 2, "time": [1, 2], "user": ["u"] * 2, "item": ["x", "y"]})
    data = prepare(Raw(reads, rows_in=2), work / "data", name="two reads", kind="table")
    run(data, start_list("circular"), work / "run")
