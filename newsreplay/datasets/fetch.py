"""Downloading public data sets: their addresses, their terms, and a download that survives a bad line.

Addresses change and terms are their owners': `SOURCES` says for every data set what is known of both, and since
when. What wants a login or a form is described, not fetched. No address here was tried by newsreplay's own tests.

What comes over the line is not trusted: only http and https, sizes are limited and counted, a published size and
checksum are compared, and an archive is unpacked only as plain files below its own folder.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import http.client
import io
import json
import re
import shlex
import shutil
import ssl
import stat
import struct
import tarfile
import time
import unicodedata
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple, Self
from urllib.parse import urlsplit

from newsreplay import __version__
from newsreplay.errors import DataError
from newsreplay.home import home
from newsreplay.registry import did_you_mean

Say = Callable[[str], None]
Progress = Callable[[str, int, int | None], None]  #: what, bytes done, of how many if that is known

TIMEOUT = 60.0  #: seconds of silence after which a connection counts as broken
PAUSES = (1, 2, 5, 15, 30)  #: seconds before trying again, while nothing new comes
CHUNK = 1 << 20  #: bytes
LARGEST = 200 * 10**9  #: bytes of a download whose size nobody publishes
SLACK = 1.5  #: how much larger than published a file may be where the published size is rounded
SPARE = 100 << 20  #: bytes of the disk that stay free
MEMBERS = 100_000  #: in an archive
LONGEST_NAME = 255  #: bytes, folders included
LONGEST_HEADER = 1 << 16  #: bytes of a tar header that is no file
PADDING = 16 << 20  #: bytes that may follow the last member of a tar
EXPANSION = 50  #: an archive may unpack to this many times its size
UNPACKED = 500 * 10**9  #: bytes, whatever the archive's size


@dataclass(frozen=True)
class Remote:
    """A file to download. `size` (bytes) and `sha256` are exact and checked; `about` is a published rounded size."""

    url: str
    size: int | None = None
    about: int | None = None
    sha256: str | None = None
    unpack: bool = False

    @property
    def name(self) -> str:
        """The file's name in the folder it is downloaded to."""
        return PurePosixPath(urlsplit(self.url).path).name

    @property
    def folder(self) -> str:
        """The name of the folder an archive is unpacked to.

        >>> Remote("https://news.example/data/week.tar.gz?download=1").folder
        'week'
        """
        return re.sub(r"\.(zip|tar|tgz|tar\.gz)$", "", self.name)


@dataclass(frozen=True)
class Source:
    """A public data set: what it is, on which terms, where, and the kind it is prepared as.

    `state` says how the addresses are known. Without `files`, `by_hand` says how the data can be had.
    """

    kind: str
    title: str
    terms: str
    page: str
    state: str = ""
    files: tuple[Remote, ...] = ()
    by_hand: str = ""


_ADRESSA_TERMS = """\
Non-commercial use only; others name CC BY-NC-SA 4.0, the terms on the page below hold.
Publications cite Gulla et al. (2017), The Adressa Dataset for News Recommendation."""
_MIND_TERMS = """\
Microsoft Research License Terms: non-commercial research, teaching and testing; results may be published,
the data or a substantial part of it may not be passed on. Publications cite Wu et al. (2020), MIND."""
_EBNERD_TERMS = """\
Ekstra Bladet's General License Terms. The page below shows them before it gives out the addresses: read and
accept them there first. Publications cite Kruse et al. (2024), EB-NeRD."""
_ADRESSA_STATE = """\
Address used by several projects up to 2026. The server's certificate is said to be faulty: where that stops the
download, fetch the file with a browser, put it into the folder and run this again."""
_MIND_STATE = """\
The first addresses (mind201910small and recodatasets at Azure) are closed. This is the copy that the Recommenders
project, once Microsoft's, keeps at Hugging Face: downloaded without a login by others in August 2026. The copy
that msnews.github.io names, huggingface.co/datasets/yjw1029/MIND, wants a login."""
_EBNERD_STATE = "Addresses as the page gives them out after accepting; others used them in August 2026."

_RECLAB = "http://reclab.idi.ntnu.no/dataset/"
_MIND = "https://huggingface.co/datasets/Recommenders/MIND/resolve/main/"
_EBNERD = "https://ebnerd-dataset.s3.eu-west-1.amazonaws.com/"
_MIND_PAGE = "https://github.com/msnews/MIND/blob/master/MSR%20License_Data.pdf"


def _mind(title: str, *files: Remote) -> Source:
    return Source("mind", title, _MIND_TERMS, _MIND_PAGE, _MIND_STATE, files)


def _ebnerd(size: str, about: int) -> Source:
    file = Remote(f"{_EBNERD}ebnerd_{size}.zip", about=about, unpack=True)
    page = "https://recsys.eb.dk/dataset/"
    return Source("ebnerd", f"EB-NeRD, {size}", _EBNERD_TERMS, page, _EBNERD_STATE, (file,))


def _adressa(title: str, file: Remote) -> Source:
    return Source("adressa", title, _ADRESSA_TERMS, "https://reclab.idi.ntnu.no/dataset/", _ADRESSA_STATE, (file,))


# Sizes and checksums are others' records: of Adressa's week in OmniRec, of MIND in the tests of Recommenders
# (sizes) and in notes of 2026-08-16 that compared them with the server's own (checksums).
SOURCES = {
    "adressa": _adressa(
        "Adressa, light version, one week (January 2017)",
        Remote(
            f"{_RECLAB}one_week.tar.gz",
            about=1_400_000_000,
            sha256="a68a1af8322e7fabada7a8b8a118ba0564beab7eb0433e80b3dec13cf5158e03",
        ),
    ),
    "adressa-3months": _adressa(
        "Adressa, light version, ten weeks (January to March 2017)",
        Remote(f"{_RECLAB}three_month.tar.gz", about=16_000_000_000),
    ),
    "mind-demo": _mind(
        "MIND, demo (5,000 readers)",
        Remote(f"{_MIND}MINDdemo_train.zip", 17_372_879, unpack=True),
        Remote(f"{_MIND}MINDdemo_dev.zip", 10_080_022, unpack=True),
    ),
    "mind-small": _mind(
        "MIND, small (50,000 readers)",
        Remote(
            f"{_MIND}MINDsmall_train.zip",
            52_994_575,
            sha256="6ef97a271580b98ccfc4301ada55cc639423cb0576a78b8dcfcf74a4dbcc3194",
            unpack=True,
        ),
        Remote(
            f"{_MIND}MINDsmall_dev.zip",
            30_948_560,
            sha256="d6ce515dcaa6b6d47ddf0a326eebc8a31b84735ae410285c9882ca2a06eec669",
            unpack=True,
        ),
    ),
    "mind-large": _mind(
        "MIND, large, train and dev (the test split has no clicks)",
        Remote(f"{_MIND}MINDlarge_train.zip", 531_360_717, unpack=True),
        Remote(f"{_MIND}MINDlarge_dev.zip", 103_592_887, unpack=True),
    ),
    "ebnerd-demo": _ebnerd("demo", 20_000_000),
    "ebnerd-small": _ebnerd("small", 80_000_000),
    "ebnerd-large": _ebnerd("large", 3_000_000_000),
    "globo": Source(
        kind="globo",
        title="News Portal User Interactions by Globo.com",
        terms="Education and research only, no commercial use. Publications cite the two papers the page names.",
        page="https://www.kaggle.com/datasets/gspmoreira/news-portal-user-interactions-by-globocom",
        by_hand="Log in at Kaggle, download the archive from that page and unpack it into {folder}.",
    ),
    "deskdrop": Source(
        kind="deskdrop",
        title="Articles sharing and reading from CI&T Deskdrop",
        terms="The licence stands on the page.",
        page="https://www.kaggle.com/datasets/gspmoreira/articles-sharing-reading-from-cit-deskdrop",
        by_hand="Log in at Kaggle, download the archive from that page and unpack it into {folder}.",
    ),
    "nemig": Source(
        kind="nemig",
        title="NeMig, news about migration",
        terms="The data files: CC BY-NC-SA 4.0. Publications cite Iana et al. (2023), NeMig.",
        page="https://github.com/andreeaiana/nemig",
        by_hand="The German part is the folder data/news_recommendation of that repository; more is at\n"
        "https://zenodo.org/records/7908392, and the full texts are sent on request to the authors. Put a\n"
        "behaviors.tsv and a news.tsv (id, topic, sentiment, title, abstract, address, date) into {folder}.\n"
        "There are no event times: add --file-order to the command.",
    ),
    "newsreel": Source(
        kind="newsreel",
        title="The logs of plista and CLEF NewsREEL",
        terms="They were given to registered participants of the challenge, on terms signed with the organisers.",
        page="https://www.newsreelchallenge.org/how-to-participate/",
        by_hand="They are not public any more and no address is known. If you have them, put them into {folder}.",
    ),
    "streamingrec": Source(
        kind="streamingrec",
        title="Click and item files of StreamingRec",
        terms="The terms are those of the log they are made from (Outbrain: at Kaggle; plista: see newsreel).",
        page="https://github.com/mjugo/StreamingRec",
        by_hand="Nobody publishes such files: StreamingRec's import makes them, as its Readme describes. Put the\n"
        "files of clicks and of items into {folder}.",
    ),
}


def find_source(name: str) -> Source:
    """The data set called `name`; raises `DataError` where there is none."""
    if name not in SOURCES:
        raise DataError(
            f"no data set called {name!r} can be fetched; there are {', '.join(SOURCES)}. "
            f"{did_you_mean(name, SOURCES)}".strip()
        )
    return SOURCES[name]


def default_folder(name: str) -> Path:
    """Where `fetch` puts a data set unless told otherwise: `$NEWSREPLAY_HOME/raw/NAME`."""
    return home() / "raw" / name


def describe(source: Source) -> str:
    """What is fetched and on which terms, to be read before accepting them."""
    lines = [source.title, source.terms, f"Terms: {source.page}"]
    lines += [f"  {file.url} ({_bytes(file)})" for file in source.files]
    return "\n".join([*lines, source.state] if source.state else lines)


def _bytes(file: Remote) -> str:
    size = file.size or file.about
    return "size unknown" if size is None else f"{'' if file.size else 'some '}{size / 1e6:,.0f} MB"


def prepare_command(source: Source, path: Path) -> str:
    """The command that prepares what lies at `path`."""
    return f"newsreplay data prepare {source.kind} {shlex.quote(str(path))}"


def fetch(
    name: str,
    folder: Path,
    *,
    say: Say = lambda _: None,
    progress: Progress = lambda what, done, of: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """Downloads the data set `name` into `folder` and returns the path to prepare.

    What is there already is checked and kept, what broke off goes on where it stopped, and archives that no
    reader reads are unpacked into a folder of their own. `sleep` waits (seconds) before another try. Raises
    `DataError` with the way out: where the data wants a login, the network or the disk fails, or what came is
    not what was published or not safe to unpack.
    """
    source = find_source(name)
    if not source.files:
        raise DataError(
            f"{name} cannot be downloaded by a program.\n{describe(source)}\n"
            f"{source.by_hand.format(folder=folder)}\nThen run: {prepare_command(source, folder)}"
        )
    unpacked = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in source.files:
            path, target = folder / file.name, folder / file.folder
            if file.unpack and target.is_dir():
                say(f"{target} is there already")
            else:
                _Download(file, path, source.page, say, progress, sleep).obtain()
                if file.unpack:
                    _unpack_once(path, target, progress)
            unpacked += [target] if file.unpack else []
    except OSError as error:
        raise DataError(f"cannot write to {folder}: {error.strerror or error}") from error
    return unpacked[0] if len(source.files) == len(unpacked) == 1 else folder


class _BrokenError(Exception):
    """A download that may go on when it is tried again."""


class _Part(NamedTuple):
    """A file that is not whole yet, and the note beside it that says of what it is a part."""

    path: Path
    note: Path

    @property
    def length(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def known(self, url: str) -> tuple[str, int | None]:
        """The validator (an ETag or a date) and the whole size of what the part is from; drops any other part."""
        try:
            note = json.loads(self.note.read_bytes())
            found, validator, total = note["url"], note["validator"], note["total"]
        except (OSError, ValueError, TypeError, KeyError):
            found = validator = total = None
        usable = found == url and isinstance(validator, str) and validator and isinstance(total, int | None)
        if not usable:
            self.drop()
            return "", None
        return validator, total

    def begin(self, url: str, validator: str, total: int | None) -> None:
        self.drop()
        self.note.write_text(json.dumps({"url": url, "validator": validator, "total": total}))

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Download:
    """One file on its way to `path`; `page` is where to look when the address has changed."""

    file: Remote
    path: Path
    page: str
    say: Say
    progress: Progress
    sleep: Callable[[float], None]

    @property
    def part(self) -> _Part:
        return _Part(self.path.with_name(self.path.name + ".part"), self.path.with_name(self.path.name + ".part.json"))

    def obtain(self) -> None:
        """Checks the file that is there, or downloads it, checks it and gives it its name."""
        if self.path.exists():
            fault = self.fault(self.path)
            if fault:
                raise DataError(f"{self.path} is not the published file: {fault}; remove it and run this again")
            self.say(f"{self.path} is there already")
            return
        self.receive_all()
        fault = self.fault(self.part.path)
        if fault:
            self.part.drop()
            raise DataError(
                f"{self.file.url} came whole but is not the published file: {fault}. Run this again; if it "
                f"happens again, the file has changed: see {self.page}"
            )
        self.part.path.rename(self.path)
        self.part.drop()

    def fault(self, path: Path) -> str:
        """What distinguishes a file from the published one; empty where nothing does."""
        size = path.stat().st_size
        if self.file.size not in (None, size):
            return f"it has {size:,} bytes, not {self.file.size:,}"
        if self.file.sha256 is not None:
            digest = hashlib.sha256()
            with path.open("rb") as stream:
                while data := stream.read(CHUNK):
                    digest.update(data)
                    self.progress(f"checking {self.file.name}", stream.tell(), size)
            if digest.hexdigest() != self.file.sha256:
                return f"its SHA-256 is {digest.hexdigest()}, not {self.file.sha256}"
        return ""

    def receive_all(self) -> None:
        """Goes on with the part that is there, and tries again as long as more comes."""
        longest, fruitless = -1, 0
        while True:
            try:
                return self.receive()
            except _BrokenError as error:
                fruitless = 0 if self.part.length > longest else fruitless + 1
                longest = max(longest, self.part.length)
                if fruitless == len(PAUSES):
                    raise DataError(
                        f"{self.file.url} cannot be downloaded: {error}. Run this again later: it goes on where "
                        f"it stopped ({self.part.length:,} bytes)"
                    ) from error
                self.say(f"{self.file.name}: {error}; trying again in {PAUSES[fruitless]} s")
                self.sleep(PAUSES[fruitless])

    def receive(self) -> None:
        """One connection; returns when the part is whole."""
        validator, total = self.part.known(self.file.url)
        done = self.part.length
        if done and done == total:
            return
        headers = {"User-Agent": f"newsreplay/{__version__}", "Accept-Encoding": "identity"}
        if done:
            headers |= {"Range": f"bytes={done}-", "If-Range": validator}
        with self.answer(headers) as answer:
            if answer.status == 206 and done:
                total = self.goes_on(answer, done, total, validator)
            elif answer.status == 200:
                done, total = 0, answer.length
                self.part.begin(self.file.url, _validator(answer), total)
            else:
                raise DataError(
                    f"{self.file.url}: the server answers {answer.status}, not with the file: see {self.page}"
                )
            self.check_size(total)
            _room(self.path.parent, (total or done) - done)
            with self.part.path.open("ab") as out:
                for data in _body(answer):
                    done += len(data)
                    if done > self.limit:
                        break
                    out.write(data)
                    self.progress(self.file.name, done, total)
                    _room(self.path.parent)
        if done > self.limit:
            self.check_size(done)
        if total is not None and done != total:
            if done > total:
                self.part.drop()
            raise _BrokenError(f"the connection ended after {done:,} of {total:,} bytes")

    def goes_on(self, answer: http.client.HTTPResponse, done: int, total: int | None, validator: str) -> int | None:
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
        return LARGEST if self.file.about is None else int(SLACK * self.file.about)

    def check_size(self, total: int | None) -> None:
        if total is not None and (total > self.limit or self.file.size not in (None, total)):
            self.part.drop()
            raise DataError(
                f"{self.file.url} has {total:,} bytes or more and was expected to have "
                f"{'' if self.file.size else 'at most '}{self.limit:,}: it has changed, see {self.page}"
            )

    @contextlib.contextmanager
    def answer(self, headers: dict[str, str]) -> Iterator[http.client.HTTPResponse]:
        """The server's answer, after redirects, where it is no refusal."""
        url = self.file.url
        _check_scheme(url, url)
        by_hand = f"get the file in another way (see {self.page}), put it at {self.path} and run this again"
        try:
            answer = _opener().open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:
                self.part.drop()
                raise _BrokenError("the server has less than what was downloaded before") from error
            if error.code in (408, 425, 429) or error.code >= 500:
                raise _BrokenError(f"the server answers {error.code}") from error
            refusal = {401: "wants a login", 403: "refuses it", 404: "no longer has it", 410: "no longer has it"}
            why = refusal.get(error.code, "does not give it out")
            raise DataError(f"{url}: the server {why} (status {error.code}); {by_hand}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise DataError(f"{url}: the server's certificate is faulty ({_words(reason)}); {by_hand}") from error
            raise _BrokenError(f"the server cannot be reached ({_words(reason)})") from error
        with answer:
            yield answer


def _room(folder: Path, needed: int = 0) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE:
        raise DataError(
            f"{folder}: {free / 1e9:.1f} GB are free and {(needed + SPARE) / 1e9:.1f} GB are needed; make room or "
            "choose another folder with --to, then run this again: what is whole is kept"
        )


def _validator(answer: http.client.HTTPResponse) -> str:
    """What `If-Range` can compare; a weak ETag does not promise the same bytes."""
    tag: str = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")


def _body(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            data = answer.read1(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _BrokenError(f"the connection broke off ({_words(error)})") from error
        if not data:
            return
        yield data


def _words(error: object) -> str:
    return str(error) or type(error).__name__


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


def _check_scheme(url: str, asked: str) -> None:
    scheme = urlsplit(url).scheme
    if scheme not in ("http", "https") or (scheme == "http" and urlsplit(asked).scheme == "https"):
        raise DataError(f"{asked} leads to {url!r}: only http and https are followed, and https not to http")


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        with contextlib.ExitStack() as refused:
            refused.callback(fp.close)
            _check_scheme(newurl, req.full_url)
            refused.pop_all()
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _RefusedError(DataError):
    """An archive that is damaged or not safe to unpack."""


def _unpack_once(archive: Path, target: Path, progress: Progress) -> None:
    """Unpacks and removes the archive: beside its folder, a reader would read everything twice."""
    try:
        unpack(archive, target, progress)
    except _RefusedError as error:
        archive.unlink()
        raise DataError(f"{error}. It was removed; run this again to download it anew") from error
    archive.unlink()


_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    LookupError,
    OverflowError,
    RuntimeError,  # so NotImplementedError and RecursionError
)


def unpack(archive: Path, target: Path, progress: Progress = lambda what, done, of: None) -> None:
    """Unpacks a zip or tar(.gz) archive into the new folder `target`, wholly or not at all.

    Raises `DataError` where the archive is damaged, or holds what no data set needs: names that lead out of the
    folder, links, devices, the same name twice, more than 100,000 members, or more than 50 times its own size.
    """
    fresh = target.with_name(target.name + ".unpacking")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    try:
        _write_members(archive, fresh, progress)
        fresh.rename(target)
    except _DAMAGE as error:
        raise _RefusedError(f"{archive} cannot be unpacked: {_words(error)}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


class _Member(NamedTuple):
    name: str
    is_folder: bool
    is_file: bool
    open: Callable[[], IO[bytes]]


def _write_members(archive: Path, folder: Path, progress: Progress) -> None:
    limit = min(UNPACKED, EXPANSION * archive.stat().st_size)
    files: set[str] = set()
    folders: set[str] = set()
    written = 0
    members = _zip_members if archive.name.lower().endswith(".zip") else _tar_members
    for count, member in enumerate(members(archive), start=1):
        if count > MEMBERS:
            raise _RefusedError(f"{archive} has more than {MEMBERS:,} members")
        parts = _safe_parts(archive, member)
        # Case and accents are one name on some file systems: what collides anywhere is refused everywhere.
        keys = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
        keys = [unicodedata.normalize("NFKC", key).casefold() for key in keys]
        above = keys if member.is_folder else keys[:-1]
        if not files.isdisjoint(above) or (member.is_file and keys[-1] in files | folders):
            raise _RefusedError(f"{archive} holds {member.name!r} twice")
        folders.update(above)
        path = folder.joinpath(*parts)
        if member.is_folder:
            path.mkdir(parents=True, exist_ok=True)
            continue
        files.add(keys[-1])
        path.parent.mkdir(parents=True, exist_ok=True)
        with member.open() as stream, path.open("xb") as out:
            while data := stream.read(CHUNK):
                written += len(data)
                if written > limit:
                    raise _RefusedError(f"{archive} unpacks to more than {limit:,} bytes: no data set does")
                _room(folder)
                out.write(data)
                progress(f"unpacking {archive.name}", written, None)
    if not files:
        raise _RefusedError(f"{archive} holds no file")


def _safe_parts(archive: Path, member: _Member) -> list[str]:
    name = member.name
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not (member.is_folder or (member.is_file and parts)):
        raise _RefusedError(f"{archive}: {name[:300]!r} is no plain file but a link, a device or encrypted")
    length = len(name.encode(errors="surrogatepass"))
    outside = name.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", "".join(parts[:1]))
    if outside or length > LONGEST_NAME or re.search(r"[\\\0\ud800-\udfff]", name):
        raise _RefusedError(f"{archive} holds the name {name[:300]!r}, which is not safe to unpack")
    return parts


class _Directory(io.FileIO):
    """Keeps `zipfile` from reading a list of members that is larger than any it would be let unpack."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > max(CHUNK, MEMBERS * 2 * LONGEST_NAME):
            raise _RefusedError(f"the archive lists more than {MEMBERS:,} members")
        return super().read(-1 if size is None else size) or b""

    def seek(self, position: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET and position < 0:
            raise zipfile.BadZipFile("a member begins before the archive")
        return super().seek(position, whence)


def _zip_members(path: Path) -> Iterator[_Member]:
    with _Directory(path) as file, zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            mode = stat.S_IFMT(info.external_attr >> 16)
            name = info.orig_filename  # as it stands in the archive; `filename` ends at a NUL byte
            folder = name.endswith("/") and mode in (0, stat.S_IFDIR)
            plain = not name.endswith("/") and mode in (0, stat.S_IFREG) and not info.flag_bits & 1
            yield _Member(name, folder, plain, functools.partial(archive.open, info))


class _Header(tarfile.TarInfo):
    """Keeps `tarfile` from reading long headers into memory, and from taking a damaged one for the end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf.strip(b"\0"):
                raise _RefusedError(f"the archive is damaged: {error}") from error
            raise
        if not header.isreg() and header.size > LONGEST_HEADER:
            raise _RefusedError(f"the archive has a header of {header.size:,} bytes")
        return header


def _tar_members(path: Path) -> Iterator[_Member]:
    with path.open("rb") as start:
        gzipped = start.read(2) == b"\x1f\x8b"
    # Not tarfile's own "r|gz", which checks no checksum and takes a torn file for a whole one.
    with (
        gzip.open(path) if gzipped else path.open("rb") as stream,
        tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header) as archive,
    ):
        for info in archive:
            plain = info.isreg() and not info.issparse()
            yield _Member(info.name, info.isdir(), plain, functools.partial(_tar_file, archive, info))
        for _ in range(PADDING // CHUNK):
            if not stream.read(CHUNK):
                return
        raise _RefusedError(f"{path} goes on after its end")


def _tar_file(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    stream = archive.extractfile(info)
    if stream is None:
        raise tarfile.ReadError(f"{info.name!r} has no contents")
    return stream


@contextlib.contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress bar on the terminal of stderr; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda what, done, of: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, of: bar.update(task, description=what, completed=done, total=of)
