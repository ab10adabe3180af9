"""Whatever a service does on loopback, the replay ends, says what happened, and keeps the other answers."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from newsreplay.errors import RecommenderError, SpecError
from newsreplay.log.rows import READ, Log, make_log
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.registry import start_list
from newsreplay.recommenders.services.web import HttpService
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.walk import Replayed

ROWS = 40
QUICK: Any = {"timeout": "80ms", "patience": "120ms"}
Behaviour = Callable[[socket.socket, dict[str, Any]], None]


def reads(rows: int = ROWS) -> Log:
    """Two readers in turn, two articles in turn."""
    codes = [row % 2 for row in range(rows)]
    return make_log(time=range(rows), kind=[READ] * rows, session=codes, user=codes, item=codes, category=[-1] * rows)


def http(body: bytes, status: bytes = b"200 OK", headers: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n%b" % (status, len(body), headers, body)


GOOD = http(b'{"items": ["0", "1"]}')  # the article that is not on screen, and the one that is


@contextmanager
def service(behaviour: Behaviour) -> Iterator[str]:
    """A server that reads messages and leaves their answers to `behaviour`; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_accept, args=(listening, behaviour), daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)  # or it goes on accepting


def _accept(listening: socket.socket, behaviour: Behaviour) -> None:
    with suppress(OSError):
        while True:
            connected, _ = listening.accept()
            threading.Thread(target=_serve, args=(connected, behaviour), daemon=True).start()


def _serve(connected: socket.socket, behaviour: Behaviour) -> None:
    with suppress(OSError), connected, connected.makefile("rb") as stream:
        while head := stream.readline():
            length = 0
            while (head := stream.readline()) not in (b"\r\n", b""):
                name, _, value = head.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            behaviour(connected, json.loads(stream.read(length)))


def asked(behave: Behaviour, after: int = 0) -> Behaviour:
    """Behave so at requests from number `after` on; answer well before, and what only tells of a row."""
    count = 0

    def behaviour(connected: socket.socket, message: dict[str, Any]) -> None:
        nonlocal count
        count += message["type"] == "recommend"
        if message["type"] == "recommend" and count > after:
            behave(connected, message)
        else:
            connected.sendall(GOOD)

    return behaviour


def outcome(behaviour: Behaviour, rows: int = ROWS, **options: Any) -> tuple[Replayed, str]:
    with service(behaviour) as url:
        done = replay(reads(rows), HttpService(url, **(QUICK | options)), Setting(k=2))
    assert done.self_report is not None
    return done, " ".join(done.self_report.notes)


def says(answer: bytes) -> Behaviour:
    return lambda connected, message: connected.sendall(answer)


def test_a_service_that_behaves_is_answered_for() -> None:
    done, notes = outcome(says(GOOD))
    assert done.slates[1:].tolist() == [[1 - row % 2, -1] for row in range(1, ROWS)]
    assert "misses" not in notes
    assert "1 unknown ids left out" in notes  # of the first row: nobody has read the second article by then


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        (http(b"<html>"), "10 not JSON"),
        (http(b"[]"), "10 of another form"),
        (http(b'{"recs": {}}'), "10 of another form"),
        (http(b'{"items": [null]}'), "10 of another form"),
        (http(b"gone", b"404 Not Found"), "10 of a bad status"),
        (http(b"", b"302 Found", b"Location: http://127.0.0.1:9/\r\n"), "10 of a bad status"),
        (b"\x00\xff rubbish", "10 not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", "10 too large"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3b9aca00\r\n", "10 too large"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{", "10 without an answer in time"),
        (http(b'{"items": ["nobody-knows"]}'), "11 unknown ids left out"),
    ],
)
def test_answers_of_no_use_are_misses_and_counted_by_kind(answer: bytes, note: str) -> None:
    done, notes = outcome(asked(says(answer), after=30))
    assert note in notes
    assert (done.slates[2:30] >= 0).any(axis=1).all()
    assert (done.slates[30:] == -1).all()


def test_a_body_without_an_end_is_cut_off() -> None:
    def endless(connected: socket.socket, message: dict[str, Any]) -> None:
        connected.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connected.sendall(b"x" * 65536)

    assert "5 too large" in outcome(asked(endless, after=35))[1]


def test_a_byte_at_a_time_does_not_keep_the_replay_up() -> None:
    def drips(connected: socket.socket, message: dict[str, Any]) -> None:
        for place in range(len(GOOD)):
            connected.sendall(GOOD[place : place + 1])
            time.sleep(0.02)

    assert "5 without an answer in time" in outcome(asked(drips, after=35))[1]


def test_a_late_answer_is_a_miss_and_the_next_one_counts() -> None:
    def slow(connected: socket.socket, message: dict[str, Any]) -> None:
        time.sleep(0.06 if message["time"] == 20 else 0)
        connected.sendall(GOOD)

    done, notes = outcome(asked(slow), timeout="40ms", patience="10s")
    assert "late (> 40ms)" in notes
    assert done.slates[20].tolist() == [-1, -1]
    assert done.slates[39].tolist() == [0, -1]


def test_a_service_that_hangs_or_dies_for_good_is_given_up_with_what_happened() -> None:
    with pytest.raises(RecommenderError, match="no answer to 50 requests in a row by row 69"):
        outcome(asked(lambda connected, message: connected.shutdown(socket.SHUT_RDWR), after=20), rows=200)
    with pytest.raises(RecommenderError, match="no answer to 50 messages in a row"):
        outcome(lambda connected, message: None, rows=200, timeout="5ms", patience="5ms")


def test_where_nobody_listens_the_replay_does_not_begin() -> None:
    with service(says(GOOD)) as url:
        pass
    with pytest.raises(RecommenderError, match=r"cannot be connected to: .*is the service running"):
        replay(reads(), HttpService(url), Setting())


def test_a_connection_that_the_service_closes_after_each_answer_is_opened_anew() -> None:
    def closes(connected: socket.socket, message: dict[str, Any]) -> None:
        connected.sendall(GOOD)
        connected.shutdown(socket.SHUT_RDWR)

    done, notes = outcome(closes)
    assert "misses" not in notes
    assert (done.slates[2:, 0] >= 0).all()


def test_messages_come_in_the_order_of_the_log_and_with_more_connections_in_that_of_each_session() -> None:
    for connections in (1, 3):
        seen: list[tuple[str, int]] = []

        def remembers(connected: socket.socket, message: dict[str, Any], seen: Any = seen) -> None:
            if message["type"] != "start":
                seen.append((message["session"], message["time"], message["type"]))
            connected.sendall(GOOD)

        done, _ = outcome(remembers, connections=connections)
        wanted = [(row % 2, row, what) for row in range(ROWS) for what in ("read", "recommend")]
        if connections == 1:
            assert seen == wanted
        for session in (0, 1):
            assert [one for one in seen if one[0] == session] == [one for one in wanted if one[0] == session]
        assert done.slates[39].tolist() == [0, -1]


def test_addresses_and_options_that_make_no_sense_are_refused_at_once() -> None:
    for spec, complaint in (
        ("http://localhost:99999", "no address"),
        ("http://", "names no host"),
        ("http://localhost(protocol=soap)", "json or orp"),
        ("http://localhost(protocol=orp, scores=true)", "no scores"),
        ("http://localhost(timeout=0)", "at least 1ms"),
        ("http://localhost(connections=0)", "connections"),
        ("http://ann:secret@localhost(depth=3)", "http://localhost has no parameter 'depth'"),
    ):
        with pytest.raises(SpecError, match=complaint) as raised:
            start_list(spec)
        assert "secret" not in str(raised.value)


def test_what_is_secret_in_an_address_is_used_and_not_shown() -> None:
    heads: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def answer() -> None:
            connected, _ = listening.accept()
            with connected:
                heads.append(connected.recv(65536))
                connected.sendall(http(b"{}"))

        thread = threading.Thread(target=answer)
        thread.start()
        entry = start_list(f'"http://ann:pass@127.0.0.1:{port}/x?key=1"(timeout=50ms, patience=50ms)')[0]
        assert entry.label == f"http://127.0.0.1:{port}/x(timeout=50ms, patience=50ms)"
        with suppress(RecommenderError):
            replay(reads(2), entry.make(), Setting(k=1))
        thread.join(10)
    assert heads[0].startswith(b"POST /x?key=1 HTTP/1.1\r\n")
    assert b"Authorization: Basic YW5uOnBhc3M=\r\n" in heads[0]
