"""Pairs on many machines: where each is placed, and what becomes of it where its worker is lost.

A `Cluster` is what a system of workers must offer, and small on purpose: who is there, start a pair on one of them,
hear what they tell. Placing, counting losses and comparing versions are the same for all, here.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import NamedTuple, Protocol, TypeVar, cast

from newsreplay.datasets.find import seen_from
from newsreplay.datasets.store import Dataset
from newsreplay.errors import RunError
from newsreplay.files import digest_of
from newsreplay.recommenders.base import Resources
from newsreplay.recommenders.registry import resources_of
from newsreplay.simulator.pairs import failed, replay_pair
from newsreplay.simulator.runs.files import written
from newsreplay.simulator.runs.origin import named_files
from newsreplay.simulator.runs.pair import Judged, Pair
from newsreplay.simulator.there import Returned, Sent, fingerprint, mark_of
from newsreplay.spec import Spec

LOSSES = 3  #: workers that a pair may lose; it is alone on the last of them, so that it is nobody else's fault
PATIENCE = 60.0  #: seconds that pairs wait for a worker that can take them
BEAT = 0.2  #: seconds from one look at the workers to the next

Result = TypeVar("Result")


class WorkerMachine(NamedTuple):
    """A worker."""

    threads: int
    memory: int | None = None  #: bytes; None = not known
    gpus: int = 0


class Task(Protocol):
    """A pair that was started somewhere."""

    def done(self) -> bool:
        """Whether it has ended, or never will."""
        ...

    def cancel(self) -> object:
        """Have it not begin, if it has not."""
        ...

    def result(self) -> Returned:
        """What it brought; raises what it raised."""
        ...


class Cluster(Protocol):
    """A system of workers."""

    def machines(self) -> dict[str, WorkerMachine]:
        """The workers there are now, by address."""
        ...

    def fingerprint(self, address: str) -> dict[str, str]:
        """What `there.fingerprint` says on a worker. Raises whatever went wrong."""
        ...

    def start(self, address: str, number: int, sent: Sent) -> Task:
        """Start `there.replay_there` on this worker and no other; what it tells is heard under `number`."""
        ...

    def heard(self) -> list[tuple[int, int | str]]:
        """What pairs have told since this was asked last: their numbers, and rows done or a line."""
        ...

    def stop(self, run: str) -> None:
        """Have `there.stop` called on all workers."""
        ...

    def close(self) -> None:
        """Let go of the workers, which go on living."""
        ...


class _Job:
    """A pair that waits, or is at work."""

    def __init__(self, number: int, pair: Pair, needs: Resources):
        self.number, self.pair, self.needs = number, pair, needs
        self.future: Future[Judged] = Future()
        self.task: Task | None = None
        self.machine = ""
        self.lost: list[str] = []  # the workers that ended under it
        self.since = monotonic()

    @property
    def alone(self) -> bool:
        """Whether no other pair may share its worker."""
        return len(self.lost) == LOSSES - 1


class ClusterExecutor(Executor):
    """Replays pairs on the workers of a cluster; `submit` takes `replay_pair` and a pair, nothing else."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        report: Callable[[str], None] = lambda _: None,
        patience: float = PATIENCE,
    ):
        """Compare versions with every worker. Raises `RunError` where one has others."""
        self.cluster, self.report, self.patience = cluster, report, patience
        self.run = uuid.uuid4().hex
        self.own = fingerprint()
        self.known: dict[str, bool] = {}  # workers by whether they can be used
        for address in cluster.machines():
            if difference := self._difference(address):
                raise RunError(difference)
            self.known[address] = True
        self.jobs: list[_Job] = []
        self.waiting: deque[_Job] = deque()
        self.at_work: list[_Job] = []
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self._place_all, daemon=True)
        self.thread.start()

    def submit(self, fn: Callable[..., Result], /, *args: object, **kwargs: object) -> Future[Result]:
        """Have a pair replayed on some worker; its future is cancelled as long as it waits."""
        if fn is not replay_pair or kwargs or len(args) != 1:
            raise TypeError("a cluster replays pairs and nothing else")
        pair = cast(Pair, args[0])
        with self.lock:
            job = _Job(len(self.jobs), pair, resources_of(pair.entry))
            self.jobs.append(job)
            self.waiting.append(job)
        return cast(Future[Result], job.future)

    def heard(self) -> list[tuple[Pair, int | str]]:
        """What pairs have told since this was asked last: rows done, or a line."""
        return [(self.jobs[number].pair, what) for number, what in self.cluster.heard()]

    def stop(self) -> None:
        """Have pairs that are at work end at their next stretch."""
        with suppress(Exception):  # of a cluster that is no more
            self.cluster.stop(self.run)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Place no more pairs, and let go of the cluster."""
        self.ended.set()
        if wait:
            self.thread.join()
        self.cluster.close()

    # --- in the thread that places them ------------------------------------------------------------------

    def _place_all(self) -> None:
        while not self.ended.wait(BEAT):
            try:
                machines = self._usable(self.cluster.machines())
                with self.lock:
                    self._look_after(machines)
                    self._place(machines)
            except Exception as error:  # whoever waits must hear of it
                with self.lock:
                    for job in [*self.waiting, *self.at_work]:
                        _tell_error(job, RunError(f"the cluster failed: {type(error).__name__}: {error}"))
                    self.waiting.clear()
                    self.at_work.clear()

    def _usable(self, machines: dict[str, WorkerMachine]) -> dict[str, WorkerMachine]:
        """Those that have the same versions; one that came later and has others is told of and left alone."""
        for address in machines.keys() - self.known.keys():
            difference = self._difference(address)
            self.known[address] = not difference
            self.report(difference or f"a worker more: {address}")
        return {address: machine for address, machine in machines.items() if self.known[address]}

    def _difference(self, address: str) -> str:
        """In words, in what a worker is another one; nothing where it is not."""
        try:
            theirs = self.cluster.fingerprint(address)
        except Exception as error:  # as where newsreplay is not installed
            return (
                f"the worker {address} cannot say which newsreplay it has ({type(error).__name__}: {error}); install "
                f"newsreplay {self.own['newsreplay']} there"
            )
        others = [name for name, own in self.own.items() if theirs.get(name) != own]
        told = ", ".join(f"{name} {theirs.get(name)} (here {self.own[name]})" for name in others)
        return f"the worker {address} has {told}; install the same there" if others else ""

    def _look_after(self, machines: dict[str, WorkerMachine]) -> None:
        """Take in what has ended; send what was on a lost worker elsewhere."""
        for job in [*self.at_work]:
            assert job.task is not None
            if job.task.done():
                self.at_work.remove(job)
                self._deliver(job, job.task)
            elif job.machine not in machines:
                self.at_work.remove(job)
                self._lost(job)

    def _deliver(self, job: _Job, task: Task) -> None:
        try:
            returned = task.result()
            for name, content in returned.files.items():
                with written(job.pair.folder / name) as work:
                    work.write_bytes(content)
            job.future.set_result(returned.judged)
        except BaseException as error:
            _tell_error(job, error)

    def _lost(self, job: _Job) -> None:
        job.lost.append(job.machine)
        assert job.task is not None
        job.task.cancel()  # should the worker come back, it must not write what another one writes by then
        what = f"{job.pair.entry.label} on {job.pair.publisher}"
        if len(job.lost) < LOSSES:
            self.report(f"the worker {job.machine} was lost; {what} is replayed elsewhere")
            job.task, job.since = None, monotonic()
            self.waiting.appendleft(job)
        else:
            error = f"its worker ended, {LOSSES} times: {', '.join(job.lost)}; the last time nothing else ran on it"
            job.future.set_result(failed(job.pair, error, None, 0))

    def _place(self, machines: dict[str, WorkerMachine]) -> None:
        for job in [*self.waiting]:
            address = _room_for(job, machines, self.at_work)
            if address is None:
                if not self.at_work and monotonic() - job.since > self.patience:
                    self.waiting.remove(job)
                    _tell_error(job, RunError(_in_vain(job, machines, self.patience)))
                continue
            self.waiting.remove(job)
            if job.lost or job.future.set_running_or_notify_cancel():
                try:
                    job.task = self.cluster.start(address, job.number, self._sent(job.pair))
                except BaseException as error:
                    _tell_error(job, error)
                    continue
                job.machine = address
                self.at_work.append(job)

    def _sent(self, pair: Pair) -> Sent:
        dataset = Dataset(pair.data)
        asked = pair.asked
        if asked is not None and asked.data is not None:
            asked = asked._replace(data=seen_from(Path.cwd(), asked.data))
        spec = pair.entry.source
        files = named_files(spec, installed=False) if isinstance(spec, Spec) else []
        sources = {str(file): digest_of([file]) for file in files}
        pair = pair._replace(data=pair.data.absolute(), folder=pair.folder.absolute())
        return Sent(pair, self.run, dataset.card["digest"], asked, sources, mark_of(pair.folder))


def _room_for(job: _Job, machines: dict[str, WorkerMachine], at_work: list[_Job]) -> str | None:
    """The worker with the most free threads among those that can take a pair; None where none can."""
    free: dict[str, int] = {}
    for address, machine in machines.items():
        there = [other for other in at_work if other.machine == address]
        threads = machine.threads - sum(min(other.needs.threads, machine.threads) for other in there)
        memory = None if machine.memory is None else machine.memory - sum(other.needs.memory for other in there)
        gpus = machine.gpus - sum(other.needs.gpus for other in there)
        if (job.alone and there) or any(other.alone for other in there):
            continue
        fits = threads >= min(job.needs.threads, machine.threads) > 0 and gpus >= job.needs.gpus
        if fits and (memory is None or memory >= job.needs.memory):
            free[address] = threads
    # A pair that has lost a worker does not come back to its machine while there are others.
    return max(free, key=lambda address: (address not in job.lost, free[address])) if free else None


def _in_vain(job: _Job, machines: dict[str, WorkerMachine], patience: float) -> str:
    needs = job.needs
    wanted = f"{needs.threads} threads, {needs.memory:,} bytes and {needs.gpus} GPUs"
    what = "there is no worker" if not machines else f"no worker has the {wanted} that {job.pair.entry.label} needs"
    return f"{what}, for {patience:.0f} seconds; start one, and run it again"


def _tell_error(job: _Job, error: BaseException) -> None:
    if not job.future.done():
        job.future.set_exception(error)
