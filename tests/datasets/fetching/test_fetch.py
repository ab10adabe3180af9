"""Fetching data sets: against a server on this machine that breaks off, lies, changes its mind and means harm."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import random
import shutil
import ssl
import stat
import tarfile
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result

from newsreplay.cli import main
from newsreplay.datasets import kinds
from newsreplay.datasets.fetching import download as fetching
from newsreplay.datasets.fetching.disk import LIMITS, Limits
from newsreplay.datasets.fetching.download import fetch
from newsreplay.datasets.fetching.sources import SOURCES, Remote, Source
from newsreplay.datasets.fetching.unpack import unpack
from newsreplay.errors import DataError

BODY = bytes(range(256)) * 1200  # 307,200 bytes
NONE_SPARE = Limits(spare=0)
TAG = '"first"'
Answer = Callable[[BaseHTTPRequestHandler], None]


class Site:
    """A server whose answers are listed: the first request gets the first, the last one stays."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[dict[str, str]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append({name.lower(): value for name, value in self.headers.items()})
                answer = site.answers.pop(0) if len(site.answers) > 1 else site.answers[0]
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client has seen enough
                    answer(self)
                self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = False
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "*")
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    site.server.shutdown()
    thread.join()
    site.server.server_close()


def whole(body: bytes = BODY, *, tag: str | None = TAG, **headers: str) -> Answer:
    """A good server: it honours Range where If-Range names what it has."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        begin = 0
        wanted = request.headers.get("Range")
        if wanted and request.headers.get("If-Range") in (tag, headers.get("Last_Modified")):
            begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if begin >= len(body) and begin:
            return plain(416)(request)
        request.send_response(206 if begin else 200)
        if begin:
            request.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
        request.send_header("Content-Length", str(len(body) - begin))
        if tag:
            request.send_header("ETag", tag)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body[begin:])
        return None

    return answer


def says(status: int, body: bytes, **headers: str) -> Answer:
    """Exactly this, whatever was asked."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def plain(status: int) -> Answer:
    return says(status, b"", Content_Length="0")


def torn(keep: int, body: bytes = BODY, tag: str = TAG) -> Answer:
    """The connection ends after `keep` bytes of the body."""
    return says(200, body[:keep], Content_Length=str(len(body)), ETag=tag)


def endless(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(bytes(1 << 16))


class Fetched:
    """One fetch of one file called `week.tar`, from a site, into a folder."""

    def __init__(self, site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.site, self.folder, self.monkeypatch = site, folder, monkeypatch
        self.slept: list[float] = []
        self.said: list[str] = []
        self.seen: list[tuple[str, int, int | None]] = []

    def __call__(self, *answers: Answer, name: str = "week.tar", limits: Limits = NONE_SPARE, **facts: Any) -> Path:
        if answers:
            self.site.answers = list(answers)
        file = Remote(f"{self.site.url}/data/{name}", **facts)
        source = Source("adressa", "A week", "Be kind.", "https://terms.example/", files=(file,))
        self.monkeypatch.setitem(SOURCES, "week", source)
        return fetch(
            "week",
            self.folder,
            report=self.said.append,
            progress=lambda *what: self.seen.append(what),
            sleep=self.slept.append,
            limits=limits,
        )

    def left(self) -> list[str]:
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*"))

    def bytes(self) -> bytes:
        return (self.folder / "week.tar").read_bytes()


@pytest.fixture
def fetched(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fetched:
    return Fetched(site, tmp_path / "raw" / "week", monkeypatch)


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


# What comes over the line


def test_a_file_is_downloaded_under_its_own_name_and_nothing_else_is_left(fetched: Fetched) -> None:
    folder = fetched(whole())
    assert folder == fetched.folder
    assert fetched.bytes() == BODY
    assert fetched.left() == ["week.tar"]
    assert fetched.seen[-1] == ("week.tar", len(BODY), len(BODY))
    assert fetched.slept == []


def test_a_file_that_is_there_is_not_asked_for_again(fetched: Fetched) -> None:
    fetched(whole())
    fetched()
    assert len(fetched.site.asked) == 1
    assert "there already" in fetched.said[-1]


def test_a_download_that_breaks_off_goes_on_where_it_stopped(fetched: Fetched) -> None:
    fetched(torn(100_000), whole())
    assert fetched.bytes() == BODY
    assert fetched.site.asked[1]["range"] == "bytes=100000-"
    assert fetched.site.asked[1]["if-range"] == TAG
    assert fetched.slept == [1]
    assert fetched.left() == ["week.tar"]


def test_a_download_goes_on_in_the_next_run(fetched: Fetched) -> None:
    with pytest.raises(DataError, match=r"Run this again later: it goes on where it stopped \(100,000 bytes\)"):
        fetched(torn(100_000), plain(503))
    assert fetched.slept == [1, 2, 5, 15, 30]
    assert fetched.left() == ["week.tar.part", "week.tar.part.json"]
    fetched(whole())
    assert fetched.bytes() == BODY
    assert fetched.site.asked[-1]["range"] == "bytes=100000-"


def test_a_download_that_was_killed_before_it_got_its_name_is_not_repeated(fetched: Fetched) -> None:
    with pytest.raises(DataError):
        fetched(torn(100_000), plain(500))
    (fetched.folder / "week.tar.part").write_bytes(BODY)
    fetched.site.asked.clear()
    fetched(plain(500))
    assert fetched.bytes() == BODY
    assert fetched.site.asked == []


def at_most(size: int) -> Answer:
    """Sends so many bytes of what it announces, from where it is asked to."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        begin = int(request.headers.get("Range", "bytes=0-")[6:-1])
        request.send_response(206 if begin else 200)
        request.send_header("ETag", TAG)
        request.send_header("Content-Range", f"bytes {begin}-{len(BODY) - 1}/{len(BODY)}")
        request.send_header("Content-Length", str(len(BODY) - begin))
        request.end_headers()
        request.wfile.write(BODY[begin : begin + size])

    return answer


def test_every_stretch_that_brings_something_is_a_new_beginning(fetched: Fetched) -> None:
    fetched(at_most(30_000))
    assert fetched.bytes() == BODY
    assert fetched.slept == [1] * 10


IMPATIENT = Limits(spare=0, window=0.2, slowest=10_000)


def drips(announced: bytes) -> Answer:
    """Sends `announced`, and then a byte now and then until nobody listens any more."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(announced)
        for _ in range(75):
            request.wfile.write(b"7")
            time.sleep(0.02)

    return answer


STATUS = b"HTTP/1.1 200 OK\r\n"
DRIPS = {
    "the body": STATUS + b"Content-Length: 307200\r\n\r\n",
    "a body without an end": STATUS + b"\r\n",
    "the length of a chunk": STATUS + b"Transfer-Encoding: chunked\r\n\r\n5;",
    "a chunk": STATUS + b"Transfer-Encoding: chunked\r\n\r\n100000\r\n",
    "the headers": STATUS + b"ETag: ",
    "the status": b"HTTP/1.1 2",
}


@pytest.mark.parametrize("announced", DRIPS.values(), ids=DRIPS)
def test_a_server_that_sends_a_byte_now_and_then_is_given_up(fetched: Fetched, announced: bytes) -> None:
    with pytest.raises(
        DataError, match=r"the server sends less than 10,000 bytes a second for 0\.2 s\. Run this again"
    ):
        fetched(drips(announced), limits=IMPATIENT)
    assert fetched.slept == [1, 2, 5, 15, 30]


def test_after_a_server_was_too_slow_the_download_goes_on_where_it_stopped(fetched: Fetched) -> None:
    start = STATUS + f"ETag: {TAG}\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()

    def slows_down(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(start + BODY[:100_000])
        time.sleep(0.5)

    fetched(slows_down, whole(), limits=IMPATIENT)
    assert fetched.bytes() == BODY
    assert fetched.site.asked[1]["range"] == "bytes=100000-"


def test_connections_that_end_after_a_byte_are_given_up(fetched: Fetched) -> None:
    with pytest.raises(DataError, match=r"it goes on where it stopped \(6 bytes\)"):
        fetched(at_most(1))
    assert fetched.slept == [1, 2, 5, 15, 30]


def test_a_slow_server_that_keeps_its_pace_is_waited_for(fetched: Fetched) -> None:
    def steady(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(STATUS + f"Content-Length: {len(BODY)}\r\n\r\n".encode())
        for begin in range(0, len(BODY), 10_240):
            request.wfile.write(BODY[begin : begin + 10_240])
            time.sleep(0.005)

    fetched(steady, limits=Limits(spare=0, window=0.3, slowest=100))
    assert fetched.bytes() == BODY
    assert fetched.slept == []


PAGE = b"<!DOCTYPE html>\n<html><body>Please log in.</body></html>"


@pytest.mark.parametrize("kind", ["text/html", "text/html; charset=utf-8", "TEXT/HTML"])
def test_an_answer_that_is_a_web_page_is_not_taken_for_the_file(fetched: Fetched, kind: str) -> None:
    with pytest.raises(DataError, match=r"sends a web page, not the file; it may want a login: see https://terms\.ex"):
        fetched(whole(PAGE, Content_Type=kind))
    assert fetched.left() == []


@pytest.mark.parametrize("kind", ["application/x-tar", "application/octet-stream", "text/plain"])
def test_a_web_page_that_is_called_something_else_is_not_taken_for_the_file(fetched: Fetched, kind: str) -> None:
    with pytest.raises(DataError, match="came whole but is not the published file: it is a web page"):
        fetched(whole(PAGE, Content_Type=kind))
    assert fetched.left() == []


def test_a_rest_that_is_a_web_page_is_not_appended(fetched: Fetched) -> None:
    begin = len(BODY) - len(PAGE)
    place = f"bytes {begin}-{len(BODY) - 1}/{len(BODY)}"
    page = says(206, PAGE, Content_Range=place, ETag=TAG, Content_Length=str(len(PAGE)), Content_Type="text/html")
    with pytest.raises(DataError, match="sends a web page"):
        fetched(torn(begin), page)


def test_a_web_page_that_was_downloaded_before_is_not_kept_for_the_file(fetched: Fetched) -> None:
    fetched.folder.mkdir(parents=True)
    (fetched.folder / "week.tar").write_bytes(PAGE)
    with pytest.raises(DataError, match=r"week\.tar is not the published file: it is a web page; remove it and run"):
        fetched(whole())


def test_a_file_that_changed_meanwhile_is_downloaded_from_its_start(fetched: Fetched) -> None:
    other = BODY[::-1]
    fetched(torn(100_000), whole(other, tag='"second"'))
    assert fetched.bytes() == other


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": '"second"', "Content_Range": f"bytes 100000-{len(BODY) - 1}/{len(BODY)}"},
        {"ETag": TAG, "Content_Range": f"bytes 100000-{len(BODY)}/{len(BODY) + 1}"},
        {"ETag": TAG, "Content_Range": f"bytes 99999-{len(BODY) - 1}/{len(BODY)}"},
        {"ETag": TAG, "Content_Range": "bytes from here"},
        {"ETag": TAG},
    ],
    ids=["another ETag", "another size", "another place", "nonsense", "no place"],
)
def test_a_rest_of_something_else_is_not_appended(fetched: Fetched, headers: dict[str, str]) -> None:
    rest = says(206, b"x" * (len(BODY) - 100_000), Content_Length=str(len(BODY) - 100_000), **headers)
    fetched(torn(100_000), rest, whole())
    assert fetched.bytes() == BODY
    assert "range" not in fetched.site.asked[2]


def test_a_rest_from_another_date_is_not_appended(fetched: Fetched) -> None:
    start = says(200, BODY[:9], Content_Length=str(len(BODY)), Last_Modified="Mon, 02 Jan 2017 00:00:00 GMT")
    rest = says(
        206,
        b"x" * (len(BODY) - 9),
        Content_Length=str(len(BODY) - 9),
        Content_Range=f"bytes 9-{len(BODY) - 1}/{len(BODY)}",
        Last_Modified="Tue, 03 Jan 2017 00:00:00 GMT",
    )
    fetched(start, rest, whole())
    assert fetched.bytes() == BODY


def test_a_date_serves_where_there_is_no_strong_etag(fetched: Fetched) -> None:
    date = "Mon, 02 Jan 2017 00:00:00 GMT"
    start = says(200, BODY[:9], Content_Length=str(len(BODY)), ETag='W/"weak"', Last_Modified=date)
    fetched(start, whole(tag=None, Last_Modified=date))
    assert fetched.bytes() == BODY
    assert fetched.site.asked[1]["if-range"] == date


def test_a_file_without_etag_and_date_is_downloaded_from_its_start(fetched: Fetched) -> None:
    fetched(says(200, BODY[:9], Content_Length=str(len(BODY))), whole())
    assert fetched.bytes() == BODY
    assert "range" not in fetched.site.asked[1]


def test_a_server_that_ignores_range_is_taken_from_the_start(fetched: Fetched) -> None:
    fetched(torn(100_000), says(200, BODY, Content_Length=str(len(BODY)), ETag=TAG))
    assert fetched.bytes() == BODY
    assert ["range" in asked for asked in fetched.site.asked] == [False, True]


def test_a_part_of_another_address_is_not_gone_on_with(fetched: Fetched) -> None:
    fetched.folder.mkdir(parents=True)
    (fetched.folder / "week.tar.part").write_bytes(b"x" * 50)
    note = {"url": "http://elsewhere.example/week.tar", "validator": TAG, "total": len(BODY)}
    (fetched.folder / "week.tar.part.json").write_text(json.dumps(note))
    fetched(whole())
    assert fetched.bytes() == BODY
    assert "range" not in fetched.site.asked[0]


@pytest.mark.parametrize("note", [b"", b"[]", b'{"url": 1}', b"\xff", b'{"url": "u", "validator": 1, "total": []}'])
def test_a_part_without_a_note_that_can_be_read_is_not_gone_on_with(fetched: Fetched, note: bytes) -> None:
    fetched.folder.mkdir(parents=True)
    (fetched.folder / "week.tar.part").write_bytes(b"x" * 50)
    (fetched.folder / "week.tar.part.json").write_bytes(note)
    fetched(whole())
    assert fetched.bytes() == BODY


def test_a_part_longer_than_the_file_is_not_gone_on_with(fetched: Fetched) -> None:
    with pytest.raises(DataError):
        fetched(torn(100_000), plain(500))
    (fetched.folder / "week.tar.part").write_bytes(BODY + b"x")
    fetched(whole())
    assert fetched.bytes() == BODY


def test_a_server_that_has_less_than_the_part_is_taken_from_the_start(fetched: Fetched) -> None:
    fetched(torn(100_000), plain(416), whole(BODY[:50], tag='"second"'))
    assert fetched.bytes() == BODY[:50]


def test_a_server_that_announces_more_than_it_sends_is_given_up(fetched: Fetched) -> None:
    with pytest.raises(DataError, match=r"ended after 307,200 of 400,000 bytes"):
        fetched(says(200, BODY, Content_Length="400000"))
    assert "week.tar" not in fetched.left()


def test_a_chunked_answer_that_breaks_off_is_not_taken_for_a_whole_one(fetched: Fetched) -> None:
    def chunked(request: BaseHTTPRequestHandler) -> None:
        request.protocol_version = "HTTP/1.1"
        says(200, b"3e8\r\n" + BODY[:500], Transfer_Encoding="chunked", ETag=TAG)(request)

    fetched(chunked, whole())
    assert fetched.bytes() == BODY


def test_a_server_that_announces_less_than_was_published_is_refused(fetched: Fetched) -> None:
    with pytest.raises(DataError, match=r"has 50 bytes or more and was expected to have 307,200: it has changed"):
        fetched(says(200, BODY, Content_Length="50"), size=len(BODY))
    assert fetched.left() == []


def test_less_than_was_published_without_an_announcement_is_refused(fetched: Fetched) -> None:
    with pytest.raises(DataError, match=r"is not the published file: it has 50 bytes, not 307,200"):
        fetched(says(200, BODY[:50]), size=len(BODY))
    assert fetched.left() == []


def test_a_larger_file_than_published_is_refused_before_it_comes(fetched: Fetched) -> None:
    with pytest.raises(DataError, match=r"it has changed, see https://terms\.example/"):
        fetched(whole(), size=len(BODY) - 1)
    assert fetched.seen == []
    assert fetched.left() == []


def test_a_published_size_that_is_rounded_leaves_room_for_half_as_much_again(fetched: Fetched) -> None:
    fetched(whole(), about=int(len(BODY) / 1.5) + 1)
    assert fetched.bytes() == BODY
    (fetched.folder / "week.tar").unlink()
    with pytest.raises(DataError, match="at most 306,000: it has changed"):
        fetched(whole(), about=204_000)


@pytest.mark.parametrize("facts", [{"about": 300_000}, {"size": 300_000}, {}])
def test_an_endless_body_is_cut_off(fetched: Fetched, facts: dict[str, int]) -> None:
    with pytest.raises(DataError, match="it has changed"):
        fetched(endless, limits=Limits(spare=0, largest=300_000, chunk=10_000), **facts)
    assert fetched.seen[-1][1] <= 450_000
    assert fetched.left() == []


def test_a_checksum_is_compared(fetched: Fetched) -> None:
    fetched(whole(), sha256=hashlib.sha256(BODY).hexdigest())
    assert fetched.bytes() == BODY
    assert ("checking week.tar", len(BODY), len(BODY)) in fetched.seen


def test_another_file_of_the_same_size_is_refused_and_removed(fetched: Fetched) -> None:
    with pytest.raises(DataError, match="came whole but is not the published file: its SHA-256 is"):
        fetched(whole(BODY[::-1]), sha256=hashlib.sha256(BODY).hexdigest(), size=len(BODY))
    assert fetched.left() == []


def test_a_file_put_there_by_hand_is_checked_and_never_removed(fetched: Fetched) -> None:
    fetched.folder.mkdir(parents=True)
    (fetched.folder / "week.tar").write_bytes(b"<html>Please log in")
    with pytest.raises(DataError, match="is not the published file: it has 19 bytes, not 307,200; remove it"):
        fetched(plain(404), size=len(BODY))
    assert fetched.left() == ["week.tar"]
    assert fetched.site.asked == []


@pytest.mark.parametrize(
    ("status", "words"), [(401, "wants a login"), (403, "refuses it"), (404, "no longer has it"), (451, "out")]
)
def test_a_refusal_says_how_else_to_get_the_file_and_is_not_repeated(fetched: Fetched, status: int, words: str) -> None:
    with pytest.raises(DataError, match=rf"{words}.*status {status}.*put it at .*week\.tar and run this again"):
        fetched(plain(status))
    assert len(fetched.site.asked) == 1
    assert fetched.left() == []


def test_a_server_in_trouble_is_asked_again_for_a_while(fetched: Fetched) -> None:
    fetched(plain(500), plain(503), plain(429), whole())
    assert fetched.bytes() == BODY
    assert fetched.slept == [1, 2, 5]
    assert "the server answers 503; trying again in 2 s" in fetched.said[1]


def test_a_success_without_the_file_is_not_taken_for_the_file(fetched: Fetched) -> None:
    with pytest.raises(DataError, match="answers 202, not with the file"):
        fetched(says(202, b"wait", Content_Length="4"))
    with pytest.raises(DataError, match="answers 206, not with the file"):
        fetched(says(206, b"wait", Content_Length="4", Content_Range="bytes 0-3/4"))
    assert fetched.left() == []


def test_a_server_that_is_not_there_is_said_to_be(fetched: Fetched) -> None:
    fetched.site.url = "http://127.0.0.1:1"
    with pytest.raises(DataError, match="cannot be reached"):
        fetched()


def test_an_answer_that_is_no_http_is_said_to_be_none(fetched: Fetched) -> None:
    def noise(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"\0\1\2 what?\r\n\r\n")

    with pytest.raises(DataError, match="cannot be reached"):
        fetched(noise)


def test_a_faulty_certificate_is_no_reason_to_try_again(fetched: Fetched, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError(ssl.SSLCertVerificationError("self-signed"))

    monkeypatch.setattr(fetching.urllib.request.OpenerDirector, "open", refuse)
    with pytest.raises(DataError, match=r"certificate is faulty.*put it at"):
        fetched(whole())
    assert fetched.slept == []


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/week.tar", "data:,x", "gopher://x/"])
@pytest.mark.parametrize("header", ["Location", "URI"])
def test_a_redirect_to_another_scheme_is_refused(fetched: Fetched, target: str, header: str) -> None:
    words = "only http and https are followed" if target.startswith("ftp") else r"does not give it out \(status 302\)"
    with pytest.raises(DataError, match=words):
        fetched(says(302, b"", Content_Length="0", **{header: target}))
    assert fetched.left() == []


@pytest.mark.parametrize(("asked", "found"), [("https", "http"), ("http", "ftp")])
def test_a_refused_redirect_closes_the_connection(asked: str, found: str) -> None:
    connection = io.BytesIO()
    request = urllib.request.Request(f"{asked}://a.example/x")
    with pytest.raises(DataError, match="https not to http"):
        fetching._Redirects().redirect_request(request, connection, 302, "", {}, f"{found}://b.example/x")
    assert connection.closed


@pytest.mark.parametrize(("asked", "found"), [("http", "https"), ("https", "https"), ("http", "http")])
def test_a_redirect_to_the_same_or_better_is_followed(asked: str, found: str) -> None:
    request = urllib.request.Request(f"{asked}://a.example/x", headers={"Range": "bytes=5-"})
    new = fetching._Redirects().redirect_request(request, io.BytesIO(), 302, "", {}, f"{found}://b.example/x")
    assert new.full_url == f"{found}://b.example/x"
    assert new.get_header("Range") == "bytes=5-"


def test_an_address_of_another_scheme_is_not_opened(fetched: Fetched, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "week.tar").write_bytes(b"local")
    fetched.site.url = tmp_path.as_uri()
    with pytest.raises(DataError, match="only http and https"):
        fetched()


def test_a_redirect_is_followed_and_a_download_through_it_goes_on(fetched: Fetched) -> None:
    there = says(302, b"", Content_Length="0", Location="/elsewhere/x?token=1")
    fetched(there, torn(100_000), there, whole())
    assert fetched.bytes() == BODY
    assert fetched.site.asked[3]["range"] == "bytes=100000-"


def test_a_circle_of_redirects_ends(fetched: Fetched) -> None:
    with pytest.raises(DataError, match=r"does not give it out \(status 302\)"):
        fetched(says(302, b"", Content_Length="0", Location="/again"))


def disk(monkeypatch: pytest.MonkeyPatch, *free: int) -> None:
    """What is found free, one after the other; the last one stays."""
    left = list(free)
    usage = type(shutil.disk_usage("."))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, left.pop(0) if len(left) > 1 else left[0]))


def test_a_file_for_which_there_is_no_room_is_not_begun(fetched: Fetched, monkeypatch: pytest.MonkeyPatch) -> None:
    disk(monkeypatch, len(BODY) - 1)
    with pytest.raises(DataError, match=r"GB are free .* choose another folder with --to"):
        fetched(whole())
    assert fetched.seen == []


def test_a_disk_that_fills_stops_a_download_that_goes_on_later(
    fetched: Fetched, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Limits(spare=1, chunk=10_000)
    disk(monkeypatch, 10**9, 10**9, 0)
    with pytest.raises(DataError, match="GB are free"):
        fetched(whole(), limits=limits)
    assert 0 < fetched.seen[-1][1] < len(BODY)
    disk(monkeypatch, 10**9)
    fetched(whole(), limits=limits)
    assert fetched.bytes() == BODY
    assert "range" in fetched.site.asked[-1]


def test_a_folder_that_cannot_be_made_is_named(fetched: Fetched) -> None:
    fetched.folder.parent.parent.mkdir(exist_ok=True)
    fetched.folder.parent.write_text("a file")
    with pytest.raises(DataError, match=r"cannot write to .*week"):
        fetched(whole())


# What an archive holds


def test_a_zip_is_unpacked_into_its_own_folder_and_removed(fetched: Fetched) -> None:
    body = zipped({"train/a.tsv": b"1\t2\n", "./b.txt": b"b", "empty/": b""})
    path = fetched(whole(body), name="news.zip", unpack=True)
    assert path == fetched.folder / "news"
    assert fetched.left() == ["news", "news/b.txt", "news/empty", "news/train", "news/train/a.tsv"]
    assert (path / "train" / "a.tsv").read_bytes() == b"1\t2\n"


def test_what_is_unpacked_is_not_fetched_again(fetched: Fetched) -> None:
    fetched(whole(zipped({"a": b"1"})), name="news.zip", unpack=True)
    fetched(name="news.zip", unpack=True)
    assert len(fetched.site.asked) == 1


def test_an_archive_put_there_by_hand_is_unpacked(fetched: Fetched) -> None:
    fetched.folder.mkdir(parents=True)
    (fetched.folder / "news.zip").write_bytes(zipped({"a": b"1"}))
    assert fetched(plain(404), name="news.zip", unpack=True) == fetched.folder / "news"
    assert fetched.left() == ["news", "news/a"]


def test_two_archives_are_prepared_from_the_folder_above(site: Site, tmp_path: Path, monkeypatch: Any) -> None:
    files = (Remote(f"{site.url}/train.zip", unpack=True), Remote(f"{site.url}/dev.zip", unpack=True))
    monkeypatch.setitem(SOURCES, "two", Source("mind", "", "", "", files=files))
    site.answers = [whole(zipped({"a": b"1"}))]
    assert fetch("two", tmp_path / "two") == tmp_path / "two"
    assert (tmp_path / "two" / "train" / "a").exists()
    assert (tmp_path / "two" / "dev" / "a").exists()


def test_a_refused_archive_leaves_nothing_behind(fetched: Fetched) -> None:
    with pytest.raises(DataError, match=r"not safe to unpack\. It was removed; run this again"):
        fetched(whole(zipped({"good.txt": b"1", "../evil.txt": b"2"})), name="news.zip", unpack=True)
    assert fetched.left() == []
    assert [path.name for path in fetched.folder.parent.iterdir()] == ["week"]


def test_a_text_that_is_no_archive_is_refused(fetched: Fetched) -> None:
    with pytest.raises(DataError, match="cannot be unpacked: File is not a zip file"):
        fetched(whole(b"Please accept our terms"), name="news.zip", unpack=True)
    assert fetched.left() == []


def test_a_page_that_is_no_archive_is_called_a_page(fetched: Fetched) -> None:
    with pytest.raises(DataError, match="is not the published file: it is a web page"):
        fetched(whole(b"<html>Please accept our terms"), name="news.zip", unpack=True)
    assert fetched.left() == []


NAMES = ["/etc/x", "../x", "a/../../x", "a/..", "C:/x", "c:x", "a\\x", "..\\x", "\\\\host\\x", "x" * 256, "é" * 128]


@pytest.mark.parametrize("name", [*NAMES, "a\0.txt"])
def test_a_zip_with_an_unsafe_name_is_refused(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    info = zipfile.ZipInfo("x")
    info.filename = info.orig_filename = name
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, b"data")
    refuses(path, "not safe to unpack")


@pytest.mark.parametrize("name", NAMES)
def test_a_tar_with_an_unsafe_name_is_refused(tmp_path: Path, name: str) -> None:
    refuses(tarred(tmp_path, (name, {}, b"data")), "not safe to unpack")


def test_a_tar_with_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tarred(tmp_path, ("caf\udce9", {}, b"data"), format=tarfile.GNU_FORMAT)
    refuses(path, "not safe to unpack")


@pytest.mark.parametrize("name", ["", ".", "./", "/"])
def test_a_file_without_a_name_is_refused(tmp_path: Path, name: str) -> None:
    refuses(tarred(tmp_path, (name, {}, b"data")), "no plain file|not safe")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
def test_a_zip_with_a_link_or_device_is_refused(tmp_path: Path, kind: int) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = (kind | 0o777) << 16
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, b"/etc/passwd")
    refuses(path, "a link, a device or encrypted")


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    data = bytearray(zipped({"a": b"1"}))
    directory = data.index(b"PK\1\2")
    data[6] |= 1
    data[directory + 8] |= 1
    path = tmp_path / "bad.zip"
    path.write_bytes(data)
    refuses(path, "a link, a device or encrypted")


@pytest.mark.parametrize(
    "facts",
    [
        {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
        {"type": tarfile.LNKTYPE, "linkname": "good"},
        {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3},
        {"type": tarfile.BLKTYPE, "devmajor": 8},
        {"type": tarfile.FIFOTYPE},
        {"type": tarfile.GNUTYPE_SPARSE},
    ],
    ids=["symlink", "hard link", "character device", "block device", "pipe", "file with holes"],
)
def test_a_tar_with_a_link_or_device_is_refused(tmp_path: Path, facts: dict[str, Any]) -> None:
    refuses(tarred(tmp_path, ("good", {}, b"1"), ("odd", facts, b"")), "'odd' is no plain file but a link")


@pytest.mark.parametrize(
    ("first", "second"),
    [("a", "a"), ("a", "A"), ("a/b", "A/B"), ("é", "e\u0301"), ("a", "./a"), ("a", "a/b"), ("a/b", "a"), ("a", "A/")],
)
def test_two_members_that_meet_on_some_disk_are_refused(tmp_path: Path, first: str, second: str) -> None:
    path = tmp_path / "bad.zip"
    expected = pytest.warns(UserWarning, match="Duplicate name") if first == second else contextlib.nullcontext()
    with expected, zipfile.ZipFile(path, "w") as archive:
        archive.writestr(first, b"1")
        archive.writestr(second, b"")
    refuses(path, "twice")


def test_a_folder_may_be_named_more_than_once(tmp_path: Path) -> None:
    folder = {"type": tarfile.DIRTYPE}
    path = tarred(tmp_path, ("./", folder, b""), ("a", folder, b""), ("a/b", {}, b"1"), ("a/", folder, b""))
    unpack(path, tmp_path / "out")
    assert (tmp_path / "out" / "a" / "b").read_bytes() == b"1"


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_bomb_is_stopped_while_it_is_written(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"bomb.{kind}"
    if kind == "zip":
        path.write_bytes(zipped({"zeros": bytes(20_000_000)}))
    else:
        tarred(tmp_path, ("zeros", {}, bytes(20_000_000)), name="bomb.tar.gz")
    seen: list[int] = []
    with pytest.raises(DataError, match="unpacks to more than"):
        unpack(path, tmp_path / "out", lambda what, done, of: seen.append(done))
    assert not seen or seen[-1] <= 50 * path.stat().st_size
    assert [left.name for left in tmp_path.iterdir()] == [path.name]


def test_a_size_in_a_header_is_not_believed(tmp_path: Path) -> None:
    data = bytearray(zipped({"zeros": bytes(20_000_000)}))
    entry = data.index(b"PK\1\2")
    data[22:26] = data[entry + 24 : entry + 28] = (10).to_bytes(4, "little")
    path = tmp_path / "bad.zip"
    path.write_bytes(data)
    refuses(path, "Bad CRC")


def test_a_zip_member_without_a_name_is_refused(tmp_path: Path) -> None:
    data = zipped({"a": b"1"})
    entry, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    nameless = data[:26] + b"\0\0" + data[28:30] + data[31:entry]
    listed = data[entry : entry + 28] + b"\0\0" + data[entry + 30 : entry + 46]
    closing = data[end : end + 12] + len(listed).to_bytes(4, "little") + len(nameless).to_bytes(4, "little") + b"\0\0"
    path = tmp_path / "bad.zip"
    path.write_bytes(nameless + listed + closing)
    refuses(path, "no plain file")


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_whatever_is_damaged_an_archive_is_unpacked_or_refused(tmp_path: Path, name: str) -> None:
    whole = zipped({"a/b": b"1" * 50, "c": b"2", "d/": b""})
    if name != "a.zip":
        whole = tarred(tmp_path, ("a/b", {}, b"1" * 50), ("é" * 60, {"mtime": 1.5}, b"2"), name=name).read_bytes()
    chance = random.Random(7)
    path = tmp_path / name
    refused = 0
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 1, 3])):
            data[chance.randrange(len(data))] = chance.choice([0, 46, 47, 255, chance.randrange(256)])
        path.write_bytes(data[: chance.choice([len(data), chance.randrange(len(data))])])
        try:
            unpack(path, tmp_path / "out")
            shutil.rmtree(tmp_path / "out")
        except DataError:
            refused += 1
        assert list(tmp_path.iterdir()) == [path]
    assert refused > 50


def test_no_archive_unpacks_beyond_all_bounds(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({"a": b"12345", "b": b"123456"}))
    refuses(path, "more than 10 bytes", Limits(unpacked=10))


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    few = Limits(members=3)
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({f"f{number}": b"1" for number in range(4)}))
    refuses(path, "more than 3 members", few)
    refuses(tarred(tmp_path, *((f"f{number}", {}, b"1") for number in range(4))), "more than 3 members", few)


def test_a_list_of_members_beyond_all_bounds_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({f"f{number:0200}": b"1" for number in range(100)}))
    refuses(path, "lists more than 3 members", Limits(members=3, chunk=1000))


def test_a_long_header_of_a_tar_is_not_read_into_memory(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    path = tmp_path / "bad.tar"
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    refuses(path, "a header of 1,073,741,824 bytes")


def test_headers_without_end_are_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("p")
    info.type, info.size = tarfile.XHDTYPE, 0
    path = tmp_path / "bad.tar"
    path.write_bytes(info.tobuf(tarfile.USTAR_FORMAT) * 5000)
    refuses(path, "cannot be unpacked")


def test_a_tar_that_goes_on_after_its_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tarred(tmp_path, ("a", {}, b"1"), name="long.tar.gz")
    data = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(data + bytes(40 << 20), 1))
    refuses(path, "goes on after its end")


@pytest.mark.parametrize("keep", [100, 5_000, 60_000])
@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_a_torn_archive_is_refused_wherever_it_is_torn(tmp_path: Path, kind: str, keep: int) -> None:
    noise = hashlib.shake_256(b"noise").digest(100_000)
    path = tmp_path / f"a.{kind}"
    if kind == "zip":
        path.write_bytes(zipped({"a": noise, "b": noise}))
    else:
        tarred(tmp_path, ("a", {}, noise), ("b", {}, noise), name=path.name)
    path.write_bytes(path.read_bytes()[:keep])
    refuses(path, "cannot be unpacked|damaged")


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_damaged_archive_is_refused_by_its_checksum(tmp_path: Path, kind: str) -> None:
    noise = hashlib.shake_256(b"noise").digest(100_000)
    path = tmp_path / f"a.{kind}"
    if kind == "zip":
        path.write_bytes(zipped({"a": noise}))
    else:
        tarred(tmp_path, ("a", {}, noise), name=path.name)
    data = bytearray(path.read_bytes())
    data[50_000] ^= 1
    path.write_bytes(data)
    refuses(path, "cannot be unpacked|damaged")


def test_a_damaged_header_is_not_taken_for_the_end(tmp_path: Path) -> None:
    path = tarred(tmp_path, ("a", {}, b"1"), ("b", {}, b"2"), ("c", {}, b"3"))
    data = bytearray(path.read_bytes())
    data[data.index(b"b\0\0\0")] ^= 1
    path.write_bytes(data)
    refuses(path, "damaged")


def test_an_archive_without_files_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({"folder/": b""}))
    refuses(path, "holds no file")


def test_a_tar_is_unpacked(tmp_path: Path) -> None:
    for name in ("a.tar", "b.tar.gz"):
        path = tarred(tmp_path, ("week/20170101", {}, b"one"), ("week/20170102", {}, b"two"), name=name)
        unpack(path, tmp_path / name[0])
        assert (tmp_path / name[0] / "week" / "20170102").read_bytes() == b"two"


def test_what_is_unpacked_is_neither_run_nor_shared_by_what_the_archive_says(tmp_path: Path) -> None:
    path = tarred(tmp_path, ("run.sh", {"mode": 0o7777}, b"#!"))
    unpack(path, tmp_path / "out")
    assert not (tmp_path / "out" / "run.sh").stat().st_mode & 0o7111


def test_a_rest_of_an_earlier_unpacking_is_not_mixed_in(tmp_path: Path) -> None:
    (tmp_path / "out.unpacking").mkdir()
    (tmp_path / "out.unpacking" / "old").write_bytes(b"old")
    unpack(tarred(tmp_path, ("a", {}, b"1")), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a"]


def test_a_disk_that_fills_while_unpacking_leaves_the_archive(fetched: Fetched, monkeypatch: Any) -> None:
    fetched.folder.mkdir(parents=True)
    (fetched.folder / "news.zip").write_bytes(zipped({"a": b"1"}))
    disk(monkeypatch, -1)
    with pytest.raises(DataError, match="GB are free"):
        fetched(plain(404), name="news.zip", unpack=True)
    assert fetched.left() == ["news.zip"]


def tarred(
    folder: Path,
    *members: tuple[str, dict[str, Any], bytes],
    name: str = "made.tar",
    format: int = tarfile.PAX_FORMAT,
) -> Path:
    path = folder / name
    with tarfile.open(path, "w:gz" if name.endswith("gz") else "w", format=format) as archive:  # type: ignore[call-overload]
        for member, facts, data in members:
            info = tarfile.TarInfo(member)
            info.size = len(data)
            for fact, value in facts.items():
                setattr(info, fact, value)
            archive.addfile(info, io.BytesIO(data))
    return path


def refuses(path: Path, words: str, limits: Limits = LIMITS) -> None:
    """Unpacking fails with these words, and nothing new lies beside the archive."""
    before = sorted(path.parent.rglob("*"))
    with pytest.raises(DataError, match=words):
        unpack(path, path.parent / "out", limits=limits)
    assert sorted(path.parent.rglob("*")) == before
    assert not (path.parent.parent / "x").exists()


# What is known of the data sets


def test_every_data_set_has_terms_a_page_and_files_or_a_way_by_hand() -> None:
    for name, source in SOURCES.items():
        assert source.kind in kinds(), name
        assert source.terms, name
        assert urlsplit(source.page).scheme == "https", name
        assert bool(source.files) != bool(source.by_hand), name
        assert "{folder}" in source.by_hand or source.files, name
        assert source.state or not source.files, name
        names = [file.name for file in source.files]
        assert len(set(names)) == len(names)
        for file in source.files:
            assert urlsplit(file.url).scheme in ("http", "https")
            assert file.name.endswith((".zip", ".tar.gz"))
            assert file.sha256 is None or len(bytes.fromhex(file.sha256)) == 32
            assert file.size or file.about


def test_an_address_without_encryption_has_a_checksum_or_says_what_it_lacks() -> None:
    open_lines = [name for name, source in SOURCES.items() if any(f.url.startswith("http:") for f in source.files)]
    assert open_lines == ["adressa", "adressa-3months"]
    assert SOURCES["adressa"].files[0].sha256


# The command


def run(*arguments: str, input: str | None = None) -> Result:
    return CliRunner().invoke(main, ["data", "fetch", "--no-prepare", *arguments], input=input)


@pytest.fixture
def small(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """`mind-small` comes from the site, as one file that is not unpacked."""
    site.answers = [whole()]
    file = Remote(f"{site.url}/week.tar", size=len(BODY))
    source = Source("mind", "MIND", "No resale.", "https://terms.example/", "Tried.", (file,))
    monkeypatch.setitem(SOURCES, "mind-small", source)
    return site


def test_the_terms_are_shown_and_yes_accepts_them(small: Site, tmp_path: Path) -> None:
    result = run("mind-small", "--to", str(tmp_path / "my data"), "--yes")
    assert result.exit_code == 0, result.output
    for words in ("MIND", "No resale.", "https://terms.example/", f"{small.url}/week.tar (0 MB)", "Tried."):
        assert words in result.stdout
    assert result.stdout.splitlines()[-1] == (
        f"now run: newsreplay data prepare mind '{tmp_path / 'my data'}' --name mind-small"
    )
    assert (tmp_path / "my data" / "week.tar").read_bytes() == BODY


def test_without_a_folder_it_goes_below_the_home(small: Site, empty_home: Path) -> None:
    assert run("mind-small", "--yes").exit_code == 0
    assert (empty_home / "raw" / "mind-small" / "week.tar").exists()


def test_in_a_pipe_the_terms_are_not_accepted_by_accident(small: Site, empty_home: Path) -> None:
    result = run("mind-small", input="y\n")
    assert result.exit_code == 1
    assert "add --yes if you accept them" in result.output
    assert small.asked == []
    assert not empty_home.exists()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "accepted"), [("y\n", True), ("n\n", False), ("\n", False), ("", False)])
def test_on_a_terminal_the_terms_are_asked_for(
    small: Site, empty_home: Path, monkeypatch: pytest.MonkeyPatch, typed: str, accepted: bool
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    status = 0
    try:
        main.main(["data", "fetch", "mind-small", "--no-prepare"], prog_name="newsreplay")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    assert status == (0 if accepted else 1)
    assert bool(small.asked) == accepted


def test_a_pipe_sees_no_progress_bar(small: Site, tmp_path: Path) -> None:
    result = run("mind-small", "--to", str(tmp_path), "--yes")
    assert result.stderr == ""


def test_what_wants_a_login_is_described_and_fails(empty_home: Path) -> None:
    result = run("globo", "--to", "there")
    assert result.exit_code == 1
    assert "kaggle.com" in result.output
    assert "no commercial use" in result.output
    assert "Then run: newsreplay data prepare globo there" in result.output


def test_an_unknown_name_gets_a_suggestion() -> None:
    result = run("mind-smal")
    assert result.exit_code == 1
    assert "Did you mean 'mind-small'?" in result.output
    assert "adressa-3months" in result.output


def test_the_help_names_every_data_set() -> None:
    words = set(run("--help").output.replace(",", " ").replace(";", " ").split())
    assert set(SOURCES) <= words


def test_an_error_is_one_message_and_no_traceback(small: Site, tmp_path: Path) -> None:
    small.answers = [plain(404)]
    result = run("mind-small", "--to", str(tmp_path), "--yes")
    assert result.exit_code == 1
    assert "no longer has it (status 404)" in result.output
    assert "Traceback" not in result.output
