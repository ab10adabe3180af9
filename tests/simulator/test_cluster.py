"""Pairs on many machines: where they are placed, what a lost worker costs, and a Dask cluster of processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import newsreplay
from newsreplay.errors import NewsreplayError, RunError
from newsreplay.recommenders.base import Resources
from newsreplay.recommenders.registry import resources_of, start_list
from newsreplay.simulator.cluster import ClusterExecutor, WorkerMachine
from newsreplay.simulator.executors import opened_cluster
from newsreplay.simulator.runs.origin import named_files
from newsreplay.simulator.there import Returned, Sent, fingerprint, replay_there
from newsreplay.spec import parse_spec

READS = 20_000

OWN = """
import os, time
from pathlib import Path
from newsreplay import Recommender
from newsreplay.recommenders.base import Resources

class Large(Recommender):
    resources = Resources(threads=2, gpus=1)
    def recommend(self, request, k):
        return []

class Waiting(Recommender):
    # Says where it is at work, and goes on once it may.
    def learn(self, event):
        if event.row == 17_000:
            Path(f"at-{os.getpid()}").touch()
            end = time.monotonic() + 60
            while not Path("on").exists() and time.monotonic() < end:
                time.sleep(0.05)
    def recommend(self, request, k):
        return [request.item - 1] if request.item else []

class Weighed(Recommender):
    def __init__(self, weights):
        self.weights = weights
    def recommend(self, request, k):
        return []

class Killer(Recommender):
    def recommend(self, request, k):
        os._exit(7)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, reads in (("few.csv", 60), ("many.csv", READS)):
        rows = "".join(f"reader{n // 10},news{n * n % 7},{1_600_000_000 + n}\n" for n in range(reads))
        (tmp_path / name).write_text("user,item,time\n" + rows)
    (tmp_path / "own.py").write_text(OWN)
    return tmp_path


# --- workers that a test makes up -------------------------------------------------------------------------


class MadeUpTask:
    def __init__(self, run: Callable[[], Returned]):
        self.returned: Returned | BaseException | None = None
        self.thread = threading.Thread(target=self._run, args=(run,), daemon=True)
        self.thread.start()

    def _run(self, run: Callable[[], Returned]) -> None:
        try:
            self.returned = run()
        except BaseException as error:
            self.returned = error

    def done(self) -> bool:
        return self.returned is not None

    def cancel(self) -> None:
        pass

    def result(self) -> Returned:
        if isinstance(self.returned, Returned):
            return self.returned
        assert isinstance(self.returned, BaseException)
        raise self.returned


class NeverTask(MadeUpTask):
    def done(self) -> bool:
        return False


class MadeUpCluster:
    """Workers in this process; one on which `deadly` starts is lost and another takes its place."""

    def __init__(self, machines: dict[str, WorkerMachine], deadly: str = "", versions: dict[str, str] | None = None):
        self.workers, self.deadly = dict(machines), deadly
        self.versions = versions or fingerprint()
        self.started: list[tuple[str, str]] = []
        self.beside: list[int] = []  # how many others were at work when `deadly` was started
        self.open: list[MadeUpTask] = []
        self.told: list[tuple[int, int | str]] = []
        self.stopped: list[str] = []

    def machines(self) -> dict[str, WorkerMachine]:
        return dict(self.workers)

    def fingerprint(self, address: str) -> dict[str, str]:
        return self.versions

    def start(self, address: str, number: int, sent: Sent) -> MadeUpTask:
        label = sent.pair.entry.label
        self.started.append((label, address))
        if label == self.deadly:
            self.beside.append(sum(not task.done() for task in self.open))
            machine = self.workers.pop(address)
            self.workers[f"{address}'"] = machine
            return NeverTask(lambda: Returned(None, {}))  # type: ignore[arg-type]
        self.open.append(MadeUpTask(lambda: replay_there(sent, lambda what: self.told.append((number, what)))))
        return self.open[-1]

    def heard(self) -> list[tuple[int, int | str]]:
        told, self.told = self.told, []
        return told

    def stop(self, run: str) -> None:
        self.stopped.append(run)

    def close(self) -> None:
        self.workers = {}


def test_a_cluster_gives_the_same_results_and_files(folder: Path) -> None:
    specs = "trend,circular(size=3),oracle"
    newsreplay.run("few.csv", specs, out="here")
    told: list[int] = []

    def progress(what: str, done: int, of: int) -> None:
        told.append(done)

    cluster = MadeUpCluster({"one": WorkerMachine(1), "two": WorkerMachine(2)})
    with ClusterExecutor(cluster) as executor:
        newsreplay.run(
            "few.csv", specs, out="there", executor=executor, progress=lambda what, done, of: told.append(done)
        )
    assert told[-1] == 3 * 60
    for name in ("results.json", *(f"{kind}/few/trend.arrow" for kind in ("slates", "outcomes"))):
        if Path("here", name).exists():
            assert Path("here", name).read_bytes() == Path("there", name).read_bytes(), name
    assert Path("here/results.json").read_bytes() == Path("there/results.json").read_bytes()
    assert cluster.started[-1][0] == "oracle"


def test_files_come_back_from_a_worker_that_does_not_see_the_run_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("newsreplay.simulator.there._is_shared", lambda sent: False)
    with ClusterExecutor(MadeUpCluster({"one": WorkerMachine(1)})) as executor:
        newsreplay.run("few.csv", "trend", out="there", executor=executor)
    newsreplay.run("few.csv", "trend", out="here")
    assert Path("here/SHA256SUMS").read_text().count("\n") == Path("there/SHA256SUMS").read_text().count("\n")
    assert Path("here/results.json").read_bytes() == Path("there/results.json").read_bytes()


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ("own.py:Weighed(weights=w.bin)", ["own.py", "w.bin"]),
        ("blend(mmr(own.py:Large), own_module:Large)", ["own.py", "own_module.py"]),
        ("mmr(numpy:array)", []),  # of a package that is installed
    ],
)
def test_every_file_that_a_spec_names_is_compared_with_the_workers(
    folder: Path, monkeypatch: pytest.MonkeyPatch, spec: str, names: list[str]
) -> None:
    Path("w.bin").write_text("1")
    Path("own_module.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(folder))
    assert [str(file) for file in named_files(parse_spec(spec), installed=False)] == names


def test_a_worker_whose_weights_are_others_is_refused(folder: Path) -> None:
    Path("w.bin").write_text("1")

    class Elsewhere(MadeUpCluster):
        def start(self, address: str, number: int, sent: Sent) -> MadeUpTask:
            Path("w.bin").write_text("2")
            return super().start(address, number, sent)

    with (
        ClusterExecutor(Elsewhere({"one": WorkerMachine(1)})) as executor,
        pytest.raises(RunError, match=r"w.bin of .* is another one; bring it up to date there"),
    ):
        newsreplay.run("few.csv", "own.py:Weighed(weights=w.bin)", executor=executor)


def test_a_pair_waits_for_a_worker_with_what_it_needs(folder: Path) -> None:
    assert resources_of(start_list("own.py:Large")[0]) == Resources(threads=2, gpus=1)
    cluster = MadeUpCluster({"small": WorkerMachine(4), "large": WorkerMachine(2, gpus=1)})
    with ClusterExecutor(cluster) as executor:
        newsreplay.run("few.csv", "own.py:Large,trend", executor=executor)
    assert dict(cluster.started)["own.py:Large"] == "large"
    without = MadeUpCluster({"small": WorkerMachine(4)})
    with (
        ClusterExecutor(without, patience=0.0) as executor,
        pytest.raises(RunError, match="2 threads, 0 bytes and 1 GPU"),
    ):
        newsreplay.run("few.csv", "own.py:Large", executor=executor)


def test_a_pair_under_which_three_workers_end_fails_alone(folder: Path) -> None:
    lines: list[str] = []
    cluster = MadeUpCluster({"one": WorkerMachine(2), "two": WorkerMachine(2)}, deadly="popular")
    with ClusterExecutor(cluster, report=lines.append) as executor:
        run = newsreplay.run("few.csv", "popular,trend,recency", executor=executor)
    status = {pair["recommender"]: pair["status"] for pair in run.info["pairs"]}
    assert status == {"popular": "failed", "trend": "done", "recency": "done"}
    assert "its worker ended, 3 times" in next(
        pair["error"] for pair in run.info["pairs"] if pair["status"] == "failed"
    )
    assert len([label for label, _ in cluster.started if label == "popular"]) == 3
    assert sum("was lost; popular on few is replayed elsewhere" in line for line in lines) == 2


def test_a_worker_with_other_code_is_refused(folder: Path) -> None:
    other = fingerprint() | {"code": "0" * 24, "numpy": "1.0"}
    with pytest.raises(RunError, match=r"the worker one has code 0+ \(here .*\), numpy 1.0 \(here .*install the same"):
        ClusterExecutor(MadeUpCluster({"one": WorkerMachine(1)}, versions=other))


def test_other_addresses_are_no_executors() -> None:
    with (
        pytest.raises(NewsreplayError, match="no executor has the address 'slurm://x'"),
        opened_cluster("slurm://x", print),
    ):
        pass


# --- a real one -------------------------------------------------------------------------------------------


class Processes:
    """A Dask scheduler and workers with a thread each, all processes on this machine."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = os.environ | {"PYTHONPATH": str(Path(newsreplay.__file__).parent.parent)}
        self.all: list[subprocess.Popen[bytes]] = []
        scheduler = self._start("scheduler", "--port", "0", "--no-dashboard")
        self.address = self._told(scheduler, r"Scheduler at: +tcp://(\S+)")
        words = ("worker", f"tcp://{self.address}", "--nthreads", "1", "--no-nanny", "--no-dashboard")
        self.workers = [self._start(*words) for _ in range(2)]
        for worker in self.workers:
            self._told(worker, "Registered to:( )")

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "distributed.cli.dask_" + words[0], "--host", "127.0.0.1", *words[1:]]
        with Path(self.folder, f"log-{len(self.all)}").open("wb") as log:
            process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stderr=log, stdout=log)
        self.all.append(process)
        return process

    def _told(self, process: subprocess.Popen[bytes], pattern: str) -> str:
        log = Path(self.folder, f"log-{self.all.index(process)}")
        end = time.monotonic() + 120
        while time.monotonic() < end and process.poll() is None:
            if match := re.search(pattern, log.read_text("utf-8")):
                return match[1]
            time.sleep(0.1)
        raise AssertionError(log.read_text("utf-8"))

    def close(self) -> None:
        for process in self.all:
            process.kill()
            process.wait()


@pytest.fixture
def dask(folder: Path) -> Iterator[Processes]:
    pytest.importorskip("distributed")
    processes = Processes(folder)
    yield processes
    processes.close()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_worker_of_dask_that_is_killed_mid_run_costs_nothing(folder: Path, dask: Processes) -> None:
    specs = "own.py:Waiting,trend,circular(size=3)"
    Path("on").touch()
    newsreplay.run("many.csv", specs, out="here")
    Path("on").unlink()
    for path in folder.glob("at-*"):
        path.unlink()
    lines: list[str] = []

    def kill() -> None:
        end = time.monotonic() + 60
        while not (found := [*folder.glob("at-*")]) and time.monotonic() < end:
            time.sleep(0.05)
        os.kill(int(found[0].name.removeprefix("at-")), signal.SIGKILL)
        Path("on").touch()

    killer = threading.Thread(target=kill)
    killer.start()
    with opened_cluster(f"dask://{dask.address}", lines.append) as executor:
        run: Any = newsreplay.run("many.csv", specs, out="there", executor=executor)
    killer.join()
    assert all(pair["status"] == "done" for pair in run.info["pairs"])
    assert any("was lost; own.py:Waiting on many is replayed elsewhere" in line for line in lines), lines
    assert Path("here/results.json").read_bytes() == Path("there/results.json").read_bytes()
    assert [process.poll() is None for process in dask.workers].count(False) == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_strangers_files_must_be_those_of_the_worker(folder: Path, dask: Processes) -> None:
    (folder / "elsewhere").mkdir()
    os.chdir(folder / "elsewhere")
    Path("own.py").write_text(OWN + "# another one\n")
    with opened_cluster(f"dask://{dask.address}", print) as executor, pytest.raises(RunError, match="is another one"):
        newsreplay.run(folder / "few.csv", "own.py:Waiting", executor=executor)
