"""The workers of a Dask scheduler (extra `dask`)."""

from __future__ import annotations

from collections import deque
from typing import TypedDict

from newsreplay.errors import NewsreplayError
from newsreplay.simulator.cluster import Task, WorkerMachine
from newsreplay.simulator.there import Returned, Sent, fingerprint, replay_there, stop

try:
    from distributed import Client, get_worker
except ModuleNotFoundError as error:
    way = 'pip install "newsreplay[dask]"'
    raise NewsreplayError(f"dask:// needs {error.name}, which is not installed: {way}") from None

TIMEOUT = 10.0  #: seconds in which a scheduler must answer


def _replay(sent: Sent, number: int) -> Returned:
    """On a worker: replay a pair, and tell of it under the run's name."""
    worker = get_worker()
    return replay_there(sent, lambda what: worker.log_event(sent.run, (number, what)))


class _WorkerFacts(TypedDict):
    """What a scheduler says of a worker, of that what is looked at."""

    nthreads: int
    memory_limit: int  #: bytes; 0 = not limited
    resources: dict[str, float]


class DaskCluster:
    """A scheduler and its workers; a worker's GPUs are its resource of that name, `dask worker --resources GPU=1`."""

    def __init__(self, address: str):
        """Connect to `host:8786`. Raises `NewsreplayError` where no scheduler answers."""
        try:
            self.client = Client(f"tcp://{address}", timeout=TIMEOUT, set_as_default=False)  # type: ignore[no-untyped-call]
        except (OSError, TimeoutError, ValueError) as error:
            raise NewsreplayError(
                f"no Dask scheduler answers at {address}: {error or type(error).__name__}; start one with "
                "'dask scheduler'"
            ) from None
        self.told: deque[tuple[int, int | str]] = deque()
        self.heard_of: set[str] = set()  # runs whose messages are listened to
        self.started = 0

    def machines(self) -> dict[str, WorkerMachine]:
        """The workers there are now, by address."""
        workers: dict[str, _WorkerFacts] = self.client.scheduler_info(n_workers=-1)["workers"]
        return {
            address: WorkerMachine(
                facts["nthreads"], facts["memory_limit"] or None, int(facts["resources"].get("GPU", 0))
            )
            for address, facts in workers.items()
        }

    def fingerprint(self, address: str) -> dict[str, str]:
        """What `there.fingerprint` says on a worker."""
        said: dict[str, dict[str, str]] = self.client.run(fingerprint, workers=[address])
        return said[address]

    def start(self, address: str, number: int, sent: Sent) -> Task:
        """Start a pair on a worker and no other; each start is a task of its own, whatever became of earlier ones."""
        if sent.run not in self.heard_of:
            self.heard_of.add(sent.run)
            self.client.subscribe_topic(sent.run, self._hear)  # type: ignore[no-untyped-call]
        self.started += 1
        key = f"newsreplay-{sent.run}-{self.started}"
        task: Task = self.client.submit(
            _replay, sent, number, key=key, workers=[address], allow_other_workers=False, pure=False, retries=0
        )
        return task

    def _hear(self, event: tuple[float, tuple[int, int | str]]) -> None:
        """Take in a message, behind its time."""
        number, what = event[1]
        self.told.append((number, what))

    def heard(self) -> list[tuple[int, int | str]]:
        """What pairs have told since this was asked last."""
        return [self.told.popleft() for _ in range(len(self.told))]

    def stop(self, run: str) -> None:
        """Have a run's pairs end on all workers."""
        self.client.run(stop, run)

    def close(self) -> None:
        """Let go of the scheduler."""
        self.client.close()  # type: ignore[no-untyped-call]
