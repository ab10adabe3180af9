"""Compiling ahead: at the first use after installation, kernels are compiled by all cores at once.

Compiling holds the interpreter, so threads would not help; each process fills the disk cache that the run reads.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from newsreplay.datasets.base import Raw
from newsreplay.datasets.preparing.prepare import prepare
from newsreplay.machine import cores
from newsreplay.recommenders.registry import ALIASES, BUILT_IN, Entry, start_list
from newsreplay.simulator.run import run
from newsreplay.spec import Spec

_LONGEST_FIRST = ("minhash", "popular", "sequences", "random")
_SAME_KERNELS = {"trend": "popular"}


@contextmanager
def compiling(entries: Iterable[Entry], processes: int | None = None) -> Iterator[None]:
    """Compile the built-ins among `entries` in `processes` (None = one a core) while the body runs; then wait."""
    names = {ALIASES.get(entry.source.name, entry.source.name) for entry in entries if isinstance(entry.source, Spec)}
    wanted = {_SAME_KERNELS.get(name, name) for name in names & set(BUILT_IN)}
    order = [*(name for name in _LONGEST_FIRST if name in wanted), *sorted(wanted - set(_LONGEST_FIRST))]
    workers = min(processes or cores(), len(order))
    if workers < 2:
        yield
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        tasks = [pool.submit(compile_kernels, name) for name in order]
        yield
        for task in tasks:
            task.exception()  # whatever went wrong here shows again, and is reported, in the run itself


def compile_kernels(name: str) -> None:
    """Compile all that a run of one recommender needs, by running it on two reads."""
    reads = pa.table({"publisher": ["a"] * 2, "time": [1, 2], "user": ["u"] * 2, "item": ["x", "y"]})
    with tempfile.TemporaryDirectory(prefix="newsreplay-") as work:
        data = prepare(Raw(reads, rows_in=2), Path(work) / "data", name="two reads", kind="table")
        run(data, start_list(name), Path(work) / "run")
