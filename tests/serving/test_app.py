"""What is served over HTTP: two copies of newsreplay talk, strangers are answered, and real NewsREEL messages taken."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import numpy as np
import pytest

from newsreplay.log.rows import READ, make_log
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.registry import start_list
from newsreplay.recommenders.services.web import HttpService
from newsreplay.serving.publishers import Serving
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.replay import replay

uvicorn = pytest.importorskip("uvicorn")
pytest.importorskip("starlette")
from newsreplay.serving.app import App  # noqa: E402

REAL = Path(os.environ.get("NEWSREPLAY_TEST_DATA", "/nowhere"), "newsreel")


@contextmanager
def served(spec: str, k: int = 5) -> Iterator[str]:
    """A recommender that is served; its address."""
    config = uvicorn.Config(App(Serving(start_list(spec)[0], Setting(k=k))), log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


def post(url: str, body: bytes, kind: str = "application/json") -> tuple[int, Any]:
    try:
        with urlopen(Request(url, body, {"Content-Type": kind}), timeout=30) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


def say(url: str, **message: Any) -> tuple[int, Any]:
    return post(url, json.dumps(message).encode())


def say_orp(url: str, kind: str, body: Any) -> tuple[int, Any]:
    fields = {"type": kind, "body": body if isinstance(body, str) else json.dumps(body)}
    return post(url, urlencode(fields).encode(), "application/x-www-form-urlencoded")


def test_two_copies_talk_in_both_protocols_and_answer_the_same() -> None:
    log, setting = made_up_log(200, seed=5)[0], Setting(k=5)
    alone = replay(log, start_list("circular")[0].make(), setting, name="circular")
    patient: Any = {"timeout": "10s", "patience": "10s"}
    for options in ({"scores": True}, {"protocol": "orp"}):
        with served("circular") as url:
            answered = replay(log, HttpService(url, **patient, **options), setting)
        assert np.array_equal(alone.slates, answered.slates)
        if "scores" in options:
            assert np.array_equal(alone.scores, answered.scores)


def test_whoever_asks_is_answered_and_publishers_are_apart() -> None:
    with served("circular") as url:
        for item in (1, "two", 3):
            assert say(url, type="read", user="ann", item=item, publisher="A") == (200, {})
        assert say(url, type="recommend", k=2, publisher="A") == (200, {"items": ["3", "two"]})
        assert say(url, type="recommend", item="3", publisher="A") == (200, {"items": ["two", "1"]})
        assert say(url, type="recommend", publisher="B") == (200, {"items": []})
        assert say(url, type="score", pool=["two", "unheard"], publisher="A") == (200, {"scores": [2.0, None]})
        assert say(url, type="start", publisher="A") == (200, {})
        assert say(url, type="recommend", publisher="A") == (200, {"items": []})
        with urlopen(url, timeout=30) as answer:
            assert json.load(answer)["recommender"] == "circular"


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"{", "not JSON"),
        (b"[]", "no JSON object"),
        (b'{"type": "buy"}', "there are start, publish"),
        (b'{"type": "read"}', "is of an item"),
        (b'{"type": "read", "item": [1]}', "ids are text or whole numbers"),
        (b'{"type": "read", "item": 1, "time": "now"}', "time is 'now'"),
        (b'{"type": "outcome", "pool": [1], "clicked": []}', "0 values for a pool of 1"),
        (b'{"type": "recommend", "k": 0}', "at least 1"),
    ],
)
def test_a_message_that_says_nothing_is_refused_with_the_reason(body: bytes, complaint: str, address: str) -> None:
    status, answer = post(address, body)
    assert status == 400
    assert complaint in answer["error"]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served("circular") as url:
        yield url


def test_too_large_a_message_is_refused(address: str) -> None:
    assert post(address, b" " * 1_100_000)[0] == 413


def test_orp_forms_are_taken_by_their_type(address: str) -> None:
    context = {"simple": {"27": 418, "57": "7"}, "lists": {"11": [9]}}
    for item in (11, "12"):
        read = {"context": {**context, "simple": {**context["simple"], "25": item}}, "timestamp": 1383778799938}
        assert say_orp(address, "event_notification", {**read, "type": "impression"}) == (200, {})
    update = {"id": "13", "domainid": "418", "title": "Ski", "flag": 0}
    assert say_orp(address, "item_update", update) == (200, {})
    status, answer = say_orp(address, "recommendation_request", {**read, "limit": 6})
    assert (status, answer) == (200, {"recs": {"ints": {"3": [11]}}})
    nobody = {"context": {"simple": {"27": 418, "25": 0, "57": 0}}, "limit": 1}
    assert say_orp(address, "recommendation_request", nobody)[1] == {"recs": {"ints": {"3": [12]}}}
    assert say_orp(address, "error_notification", {"code": 440, "message": "empty"}) == (200, {})
    assert say_orp(address, "greeting", {})[0] == 400
    assert say_orp(address, "item_update", "{")[0] == 400


@pytest.mark.skipif(not REAL.is_dir(), reason="NEWSREPLAY_TEST_DATA names no folder with newsreel/")
def test_every_real_message_is_taken_and_every_request_answered(address: str) -> None:
    requests = answered = 0
    for line in (REAL / "2014-07-01.idomaar_700.txt").read_text().splitlines():
        properties = line.split("\t")[3]
        asks = '"event_type": "recommendation_request"' in properties
        status, answer = say_orp(address, "recommendation_request" if asks else "event_notification", properties)
        assert status == 200, answer
        if asks:
            requests += 1
            answered += bool(answer["recs"]["ints"]["3"])
    assert requests == 101
    assert answered >= 95  # of a publisher of which nothing was read before, there is nothing to recommend


def test_the_command_serves_until_it_is_ended() -> None:
    words = [sys.executable, "-m", "newsreplay", "serve", "circular", "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        try:
            url = said.split(" at ")[1].split(";")[0]
            assert say(url, type="read", item="1") == (200, {})
        finally:
            process.terminate()
        assert said.startswith("circular answers at http://127.0.0.1:")


@pytest.mark.slow
def test_of_fifty_thousand_requests_none_is_lost() -> None:
    rows = 50_000
    codes = np.arange(rows) % 100
    kinds, categories = np.full(rows, READ), np.full(rows, -1)
    log = make_log(time=np.arange(rows), kind=kinds, session=codes, user=codes, item=codes, category=categories)
    with served("circular") as url:
        answered = replay(log, HttpService(url, timeout="1m", patience="1m"), Setting(k=1))
    assert answered.slates[1:, 0].tolist() == codes[:-1].tolist()
    assert answered.self_report is not None
    assert answered.self_report.notes == ()
