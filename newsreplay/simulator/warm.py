"""Compiling ahead: at the first use after installation, kernels are compiled by all cores at once.

Compiling holds the interpreter, so threads would not help; each process fills the disk cache that the run reads.
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
from newsreplay.machine import cores
from newsreplay.processes import OwnProcess
from newsreplay.recommenders.registry import ALIASES, BUILT_IN, MIXTURES, Entry, start_list
from newsreplay.simulator.run import run
from newsreplay.spec import Spec, parse_spec

_LONGEST_FIRST = ("minhash", "vsknn", "stan", "popular", "sequences", "random")
_SAME_KERNELS = {"trend": "popular", "vmis": "vsknn"}


@contextmanager
def compiling(entries: Iterable[Entry], processes: int | None = None) -> Iterator[None]:
    """Compile the built-ins among `entries` in `processes` (None = one a core) while the body runs; then wait."""
    specs = [entry.source for entry in entries if isinstance(entry.source, Spec)]
    names: set[str] = set().union(*map(_names, specs))
    wanted = {_SAME_KERNELS.get(name, name) for name in names & set(BUILT_IN)}
    order = [*(name for name in _LONGEST_FIRST if name in wanted), *sorted(wanted - set(_LONGEST_FIRST))]
    workers = min(processes or cores(), len(order))
    if workers < 2:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="newsreplay-") as work:
        compilers = [OwnProcess(_compile, order[number::workers], work) for number in range(workers)]
        try:
            yield
            for compiler in compilers:
                compiler.process.join()
        finally:
            for compiler in compilers:
                compiler.kill()


def _names(spec: Spec) -> set[str]:
    """The recommender that a spec names; of a mixture, those that it is made of."""
    name = ALIASES.get(spec.name, spec.name)
    if name not in MIXTURES:
        return {name}
    return set().union(*(_names(parse_spec(part)) for part in spec.positional if isinstance(part, str)))


def _compile(names: list[str], work: str, wire: Connection) -> None:
    for name in names:
        with suppress(Exception):  # whatever went wrong here shows again, and is reported, in the run itself
            compile_kernels(name, Path(work, name))


def compile_kernels(name: str, work: Path) -> None:
    """Compile all that a run of one recommender needs, by running it on two reads in the folder `work`."""
    reads = pa.table({"publisher": ["a"] * 2, "time": [1, 2], "user": ["u"] * 2, "item": ["x", "y"]})
    data = prepare(Raw(reads, rows_in=2), work / "data", name="two reads", kind="table")
    run(data, start_list(name), work / "run")
