"""Downloading public data sets: their addresses, their terms, and a download that survives a bad line.

Addresses change and terms are their owners': `SOURCES` has for every data set what is known of both, and since
when. What wants a login or a form is described, not fetched. No address here was tried by newsreplay's own tests.

What comes over the line is not trusted: only http and https, sizes are limited and counted, a published size and
checksum are compared, and an archive is unpacked only as plain files below its own folder.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import re
import ssl
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from newsreplay.datasets.fetching.disk import FETCHING, LIMITS, Limits, Progress, Report, check_room, words
from newsreplay.datasets.fetching.pace import Items, TooSlowError, at_pace
from newsreplay.datasets.fetching.sources import Remote, describe, find_source, prepare_command, shown
from newsreplay.datasets.fetching.unpack import unpack_once
from newsreplay.datasets.reading.plain import is_page
from newsreplay.errors import DataError
from newsreplay.version import __version__

TIMEOUT = 60.0  #: seconds of silence after which a connection counts as broken
PAUSES = (1, 2, 5, 15, 30)  #: seconds before trying again, while nothing new comes
HEADERS = {"User-Agent": f"newsreplay/{__version__}", "Accept-Encoding": "identity"}
SLACK = 1.5  #: how much larger than published a file may be where the published size is rounded


def fetch(
    name: str,
    folder: Path,
    *,
    report: Report = lambda _: None,
    progress: Progress = lambda what, done, total: None,
    sleep: Callable[[float], None] = time.sleep,
    limits: Limits = LIMITS,
) -> Path:
    """Downloads the data set `name` into `folder` and returns the path to prepare.

    What has been downloaded already is checked and kept, what broke off goes on where it stopped, and archives that no
    reader reads are unpacked into a folder of their own. `sleep` waits (seconds) before another try. Raises
    `DataError` with the way out: where the data wants a login, the network or the disk fails, or what came is
    not what was published or not safe to unpack.
    """
    source = find_source(name)
    if not source.files:
        raise DataError(
            f"{name} cannot be downloaded by a program.\n{describe(source)}\n"
            f"{source.by_hand.format(folder=folder)}\nThen run: {prepare_command(source, folder, name)}"
        )
    unpacked = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in source.files:
            path, target = folder / file.name, folder / file.folder
            if file.unpack and target.is_dir():
                report(f"{target} is there already")
            else:
                by_hand = f"get the file in another way (see {source.page}), put it at {path} and run this again"
                Download(file, path, source.page, by_hand, report, progress, sleep, limits).obtain()
                if file.unpack:
                    unpack_once(path, target, progress, limits)
            unpacked += [target] if file.unpack else []
    except OSError as error:
        raise DataError(f"cannot write to {folder}: {error.strerror or error}") from error
    return unpacked[0] if len(source.files) == len(unpacked) == 1 else folder


class _BrokenError(Exception):
    """A download that may go on when it is tried again."""


class AnswerHead(NamedTuple):
    """What stands above the bytes of an answer."""

    status: int
    headers: http.client.HTTPMessage
    length: int | None  #: bytes that follow

    @property
    def is_page(self) -> bool:
        """Whether it is a web page that follows."""
        return self.headers.get_content_type() == "text/html"


class _Part(NamedTuple):
    """A file that is not whole yet, and the note beside it that names what it is a part of."""

    path: Path
    note: Path

    @property
    def length(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def known(self, url: str) -> tuple[str, int | None]:
        """The validator (an ETag or a date) and the whole size of what the part is from; drops any other part."""
        try:
            note = json.loads(self.note.read_bytes())
            origin, validator, total = note["url"], note["validator"], note["total"]
        except (OSError, ValueError, TypeError, KeyError):
            origin = validator = total = None
        usable = origin == _digest(url) and isinstance(validator, str) and validator and isinstance(total, int | None)
        if not usable:
            self.drop()
            return "", None
        return validator, total

    def begin(self, url: str, validator: str, total: int | None) -> None:
        self.drop()
        self.note.write_text(json.dumps({"url": _digest(url), "validator": validator, "total": total}))

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


@dataclass(frozen=True)
class Download:
    """One file on its way to `path`."""

    file: Remote
    path: Path
    page: str  #: where to look when the address has changed
    by_hand: str  #: how to get the file where the server does not give it out
    report: Report
    progress: Progress
    sleep: Callable[[float], None]
    limits: Limits
    login: tuple[str, str] | None = field(default=None, repr=False)  #: user and password, for this server alone
    room: str = FETCHING  #: what to do where the disk is full

    @property
    def part(self) -> _Part:
        """The file as far as it has come."""
        return _Part(self.path.with_name(self.path.name + ".part"), self.path.with_name(self.path.name + ".part.json"))

    def obtain(self) -> None:
        """Checks the file that is there, or downloads it, checks it and gives it its name."""
        if self.path.exists():
            fault = self.fault(self.path)
            if fault:
                raise DataError(f"{self.path} is not the published file: {fault}; remove it and run this again")
            self.report(f"{self.path} is there already")
            return
        self.receive_all()
        fault = self.fault(self.part.path)
        if fault:
            self.part.drop()
            raise DataError(
                f"{self.file.shown} came whole but is not the published file: {fault}. Run this again; if it "
                f"happens again, the file has changed: see {self.page}"
            )
        self.part.path.rename(self.path)
        self.part.drop()

    def fault(self, path: Path) -> str:
        """What distinguishes a file from the published one; empty where nothing does."""
        size = path.stat().st_size
        if self.file.size not in (None, size):
            return f"it has {size:,} bytes, not {self.file.size:,}"
        with path.open("rb") as stream:
            if is_page(stream.read(512)):
                return "it is a web page"
        if self.file.sha256 is not None:
            digest = hashlib.sha256()
            with path.open("rb") as stream:
                while data := stream.read(self.limits.chunk):
                    digest.update(data)
                    self.progress(f"checking {self.file.name}", stream.tell(), size)
            if digest.hexdigest() != self.file.sha256:
                return f"its SHA-256 is {digest.hexdigest()}, not {self.file.sha256}"
        return ""

    def receive_all(self) -> None:
        """Goes on with the part that is there, and tries again as long as enough comes."""
        enough = self.limits.least  # what a connection must bring to be worth another
        longest, fruitless = -enough, 0
        while True:
            try:
                return self.receive()
            except _BrokenError as error:
                fruitless = 0 if self.part.length >= longest + enough else fruitless + 1
                longest = max(longest, self.part.length)
                if fruitless == len(PAUSES):
                    raise DataError(
                        f"{self.file.shown} cannot be downloaded: {error}. Run this again later: it goes on where "
                        f"it stopped ({self.part.length:,} bytes)"
                    ) from error
                self.report(f"{self.file.name}: {error}; trying again in {PAUSES[fruitless]} s")
                self.sleep(PAUSES[fruitless])

    def receive(self) -> None:
        """One connection; returns when the part is whole."""
        validator, total = self.part.known(self.file.url)
        done = self.part.length
        if done and done == total:
            return
        headers = HEADERS
        if done:
            headers = headers | {"Range": f"bytes={done}-", "If-Range": validator}
        with contextlib.closing(self.arriving(headers)) as arriving:
            answer, _ = next(arriving)
            if answer.is_page:
                self.part.drop()
                self.check_answer(answer)
            if answer.status == 206 and done:
                total = self.goes_on(answer, done, total, validator)
            else:
                self.check_answer(answer)
                done, total = 0, answer.length
                self.part.begin(self.file.url, _validator(answer), total)
            self.check_size(total)
            check_room(self.path.parent, self.limits, (total or done) - done, self.room)
            with self.part.path.open("ab") as out:
                for _, data in arriving:
                    done += len(data)
                    if done > self.limit:
                        break
                    out.write(data)
                    self.progress(self.file.name, done, total)
                    check_room(self.path.parent, self.limits, way_out=self.room)
        if done > self.limit:
            self.check_size(done)
        if total is not None and done != total:
            if done > total:
                self.part.drop()
            raise _BrokenError(f"the connection ended after {done:,} of {total:,} bytes")

    def head(self) -> AnswerHead:
        """What the server says of the file before its bytes come."""
        try:
            with contextlib.closing(self.arriving(HEADERS)) as arriving:
                answer, _ = next(arriving)
        except _BrokenError as error:
            raise DataError(f"{self.file.shown}: {error}; look at the address and the network") from None
        self.check_answer(answer)
        return answer

    def check_answer(self, answer: AnswerHead) -> None:
        """Refuses what is not the file, from its start."""
        if answer.status != 200 and not answer.is_page:
            raise DataError(
                f"{self.file.shown}: the server answers {answer.status}, not with the file: see {self.page}"
            )
        if answer.is_page:
            raise DataError(
                f"{self.file.shown}: the server sends a web page, not the file; it may want a login: see {self.page}"
            )

    def arriving(self, headers: dict[str, str]) -> Items[AnswerHead]:
        """The server's answer, then its bytes as they come; a server that is too slow has broken off."""
        try:
            yield from at_pace(self.exchange(headers), self.limits.window, self.limits.least)
        except TooSlowError:
            pace = f"less than {self.limits.slowest:,} bytes a second for {self.limits.window:g} s"
            raise _BrokenError(f"the server sends {pace}") from None

    def exchange(self, headers: dict[str, str]) -> Items[AnswerHead]:
        """The server's answer, then its bytes, however slow it is."""
        with self.answer(headers) as answer:
            head = AnswerHead(answer.status, answer.headers, answer.length)
            yield head, b""
            for data in _body(answer, self.limits.chunk):
                yield head, data

    def goes_on(self, answer: AnswerHead, done: int, total: int | None, validator: str) -> int | None:
        """The whole size, where the answer is the rest of what the part is from."""
        stretch = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", answer.headers.get("Content-Range", ""))
        whole = int(stretch[2]) if stretch and stretch[2] != "*" else total
        header = "ETag" if validator.startswith('"') else "Last-Modified"
        same = answer.headers.get(header) in (None, validator) and total in (None, whole)
        if stretch is None or int(stretch[1]) != done or not same:
            self.part.drop()
            raise _BrokenError("the server does not go on where the download stopped")
        return whole

    @property
    def limit(self) -> int:
        """The most bytes that are written."""
        if self.file.size is not None:
            return self.file.size
        return self.limits.largest if self.file.about is None else int(SLACK * self.file.about)

    def check_size(self, total: int | None) -> None:
        """Refuses a file that is larger than it may be."""
        if total is not None and (total > self.limit or self.file.size not in (None, total)):
            self.part.drop()
            raise DataError(
                f"{self.file.shown} has {total:,} bytes or more and was expected to have "
                f"{'' if self.file.size else 'at most '}{self.limit:,}: it has changed, see {self.page}"
            )

    @contextlib.contextmanager
    def answer(self, headers: dict[str, str]) -> Iterator[http.client.HTTPResponse]:
        """The server's answer, after redirects, where it is no refusal."""
        url = self.file.url
        _check_scheme(url, url)
        request = urllib.request.Request(url, headers=headers)
        if self.login is not None:
            request.add_unredirected_header("Authorization", _basic(self.login))
        try:
            answer = _opener().open(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:
                self.part.drop()
                raise _BrokenError("the server has less than what was downloaded before") from error
            if error.code in (408, 425, 429) or error.code >= 500:
                raise _BrokenError(f"the server answers {error.code}") from error
            refusal = {401: "wants a login", 403: "refuses it", 404: "no longer has it", 410: "no longer has it"}
            why = refusal.get(error.code, "does not give it out")
            raise DataError(f"{self.file.shown}: the server {why} (status {error.code}); {self.by_hand}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLCertVerificationError):
                fault = f"the server's certificate is faulty ({words(reason)})"
                raise DataError(f"{self.file.shown}: {fault}; {self.by_hand}") from error
            raise _BrokenError(f"the server cannot be reached ({words(reason)})") from error
        with answer:
            yield answer


def _digest(url: str) -> str:
    """What stands for an address that may hold a secret."""
    return hashlib.blake2b(url.encode(), digest_size=16).hexdigest()


def _basic(login: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(login).encode()).decode()


def _validator(answer: AnswerHead) -> str:
    """What `If-Range` can compare; a weak ETag does not promise the same bytes."""
    tag: str = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")


def _body(answer: http.client.HTTPResponse, size: int) -> Iterator[bytes]:
    while True:
        try:
            data = answer.read1(size)
        except (OSError, http.client.HTTPException) as error:
            raise _BrokenError(f"the connection broke off ({words(error)})") from error
        if not data:
            return
        yield data


def _opener() -> urllib.request.OpenerDirector:
    """As `urllib.request.build_opener`, without its handlers of files, FTP and data."""
    opener = urllib.request.OpenerDirector()
    opener.add_handler(urllib.request.ProxyHandler())
    opener.add_handler(urllib.request.HTTPHandler())
    opener.add_handler(urllib.request.HTTPSHandler())
    opener.add_handler(urllib.request.HTTPDefaultErrorHandler())
    opener.add_handler(urllib.request.HTTPErrorProcessor())
    opener.add_handler(_Redirects())
    return opener


def _check_scheme(url: str, requested: str) -> None:
    scheme = urlsplit(url).scheme
    if scheme not in ("http", "https") or (scheme == "http" and urlsplit(requested).scheme == "https"):
        raise DataError(
            f"{shown(requested)} leads to {shown(url)!r}: only http and https are followed, and https not to http"
        )


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        with contextlib.ExitStack() as refused:
            refused.callback(fp.close)
            _check_scheme(newurl, req.full_url)
            refused.pop_all()
        return super().redirect_request(req, fp, code, msg, headers, newurl)
