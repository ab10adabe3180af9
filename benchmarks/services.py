"""What a recommender costs as a plain class, as a command, and as a service over HTTP, both ends ours; in one run.

    python benchmarks/services.py --reads 25000

Each read is a row that is told and a request that is answered: over HTTP in JSON two messages, in ORP one. The
recommender is `circular`, whose own work is next to none. Lost is a request without an answer where the compiled
recommender has one; with more than one connection answers differ, since the order of rows does. As a yardstick,
messages of the same size as the standard library's client sends them, on one kept connection. `µs` is the median time
of an answer: on a machine that others use, it tells what the work is, and the rate what is left of the machine.
"""

from __future__ import annotations

import argparse
import http.client
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from newsreplay.log.rows import READ, Event, Log, make_log
from newsreplay.recommenders.base import Recommender, Setting
from newsreplay.recommenders.baselines.circular import Circular
from newsreplay.recommenders.services.child import StdinService
from newsreplay.recommenders.services.web import HttpService
from newsreplay.simulator.replay.replay import replay

EXAMPLES = Path(__file__).parent.parent / "examples"
SETTING = Setting(k=10)


class Latest(Recommender):
    """`circular` as a plain class."""

    def __init__(self) -> None:
        self.latest: dict[int, int] = {}

    def learn(self, event: Event) -> None:
        self.latest.pop(event.item, None)
        self.latest[event.item] = event.row

    def recommend(self, request: Event, k: int) -> list[int]:
        return [item for item in list(self.latest)[: -k - 2 : -1] if item != request.item][:k]


def reads(count: int) -> Log:
    """Reads of 5,000 readers and some hundred articles, one every second."""
    draw = np.random.default_rng(1)
    _, item = np.unique(draw.zipf(1.3, count) % 500, return_inverse=True)
    return make_log(
        time=1_600_000_000_000 + 1000 * np.arange(count),
        kind=np.full(count, READ),
        session=by_first_appearance(draw.integers(0, 5000, count)),
        user=by_first_appearance(draw.integers(0, 5000, count)),
        item=by_first_appearance(item),
        category=np.full(count, -1),
    )


def by_first_appearance(values: np.ndarray) -> np.ndarray:
    _, first, code = np.unique(values, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[code]


@contextmanager
def serving(*words: str) -> Iterator[str]:
    """A service that is running; its address."""
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split(" at ")[1].split(";")[0].strip()
        finally:
            process.terminate()


def show(name: str, log: Log, recommender: object, messages: int, slates: np.ndarray) -> None:
    """Replay, and print what it took; whatever was lost is counted."""
    timed = "connections" not in name  # which settles answers one by one
    done = replay(log, recommender, SETTING._replace(timed=timed))  # type: ignore[arg-type]
    rate = len(slates) / done.seconds
    median = f"{np.median(done.times.recommend) / 1000:7,.0f}" if done.times is not None else "      –"
    lost, differ = (done.slates[:, 0] < slates[:, 0].clip(max=0)).sum(), (done.slates != slates).any(axis=1).sum()
    print(f"{name:40}{rate:12,.0f}{rate * messages:12,.0f}{median}{lost:9,}{differ:9,}")
    for note in done.self_report.notes if done.self_report else ():
        print(f"    {note}")


def bare(url: str, count: int) -> None:
    """What the standard library's client makes of messages like these."""
    body = b'{"type":"recommend","publisher":"bare","time":1600000000000,"user":"1","session":1,"item":"1","k":10}'
    host, port = url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port))
    took = []
    for _ in range(count):
        begun = time.perf_counter()
        connection.request("POST", "/", body, {"Content-Type": "application/json"})
        connection.getresponse().read()
        took.append(time.perf_counter() - begun)
    rate = count / sum(took)
    print(f"{'http.client, recommend alone':40}{rate:12,.0f}{rate:12,.0f}{np.median(took) * 1e6:7,.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reads", type=int, default=25_000, help="requests of each way")
    log = reads(parser.parse_args().reads)
    slates = replay(log, Circular(10**9), SETTING).slates
    ours = [sys.executable, "-m", "newsreplay", "serve", "circular(size=1000000000)", "--port", "0"]
    patient = {"timeout": "1s", "patience": "5s"}
    ways: list[tuple[str, list[str], Callable[[str], object], int]] = [
        ("newsreplay serve, JSON", ours, lambda url: HttpService(url, **patient), 2),
        ("newsreplay serve, JSON, 2 connections", ours, lambda url: HttpService(url, connections=2, **patient), 2),
        ("newsreplay serve, ORP", ours, lambda url: HttpService(url, protocol="orp", **patient), 1),
        (
            "examples/http_service.py, JSON",
            [sys.executable, str(EXAMPLES / "http_service.py"), "0"],
            lambda url: HttpService(url, **patient),
            2,
        ),
        (
            "examples/http_service.js, JSON",
            ["node", str(EXAMPLES / "http_service.js"), "0"],
            lambda url: HttpService(url, **patient),
            2,
        ),
    ]
    print(f"{'':40}{'requests/s':>12}{'messages/s':>12}{'µs':>7}{'lost':>9}{'differ':>9}")
    show("compiled", log, Circular(10**9), 2, slates)
    show("plain class", log, Latest(), 2, slates)
    command = f"'{sys.executable}' '{EXAMPLES / 'stdin_service.py'}'"
    show("examples/stdin_service.py", log, StdinService(command, **patient), 2, slates)
    for name, words, service, messages in ways:
        with serving(*words) as url:
            show(name, log, service(url), messages, slates)
    with serving(*ours) as url:
        bare(url, len(slates) // 5)


if __name__ == "__main__":
    main()
