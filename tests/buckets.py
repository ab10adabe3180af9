"""Servers on this machine: one that answers as S3 does, and one of plain files over HTTP."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

DATE = "Wed, 01 Jan 2020 00:00:00 GMT"
LATER = "Thu, 02 Jan 2020 00:00:00 GMT"


@dataclass
class Kept:
    """An object of a bucket, or a file of a site."""

    data: bytes
    date: str = DATE
    headers: dict[str, str] = field(default_factory=dict)
    listed: int | None = None  #: the size that lists of the bucket have, if it is another one

    @property
    def iso(self) -> str:
        return "2020-01-01T00:00:00.000Z" if self.date == DATE else "2020-01-02T00:00:00.000Z"


@dataclass
class Server:
    """What lies on the server by path (`bucket/key`), and what it was asked."""

    port: int = 0
    kept: dict[str, Kept] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)  #: method, path with query, headers
    refused: set[str] = field(default_factory=set)  #: buckets and paths that are forbidden
    torn: set[str] = field(default_factory=set)  #: paths of which only half comes
    moved: dict[str, str] = field(default_factory=dict)  #: paths to the addresses that they are answered with

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def put(self, path: str, data: str | bytes, **facts: Any) -> None:
        """Keep something; a bucket is there as long as something lies in it."""
        self.kept[path] = Kept(data.encode() if isinstance(data, str) else data, **facts)

    def forget(self) -> None:
        """Empty the server."""
        for what in (self.kept, self.asked, self.refused, self.torn, self.moved):
            what.clear()

    def reads(self) -> list[str]:
        """The paths of what was read, not only listed."""
        paths = [(method, unquote(urlsplit(path).path).lstrip("/")) for method, path, _ in self.asked]
        return [path for method, path in paths if method == "GET" and path in self.kept]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        self.site.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
        address = urlsplit(self.path)
        path, query = unquote(address.path).strip("/"), parse_qs(address.query, keep_blank_values=True)
        if self.site.refused & {path, path.partition("/")[0]}:
            return self._say(403, self._error("AccessDenied") if body else b"")
        if path in self.site.moved:
            return self._say(302, b"", Location=self.site.moved[path])
        if "list-type" in query:
            return self._say(200, self._listing(path, query))
        if path in self.site.kept:
            return self._object(path, body=body)
        buckets = {name.partition("/")[0] for name in self.site.kept}
        if path in buckets:
            return self._say(200, b"")
        code = "NoSuchKey" if path.partition("/")[0] in buckets else "NoSuchBucket"
        return self._say(404, self._error(code) if body else b"")

    def _object(self, path: str, *, body: bool) -> None:
        kept = self.site.kept[path]
        data, status, extra = kept.data, 200, {}
        wanted = self.headers.get("Range", "")
        if wanted:
            begin, _, end = wanted.removeprefix("bytes=").partition("-")
            data, status = data[int(begin) : int(end) + 1 if end else None], 206
            extra["Content-Range"] = f"bytes {begin}-{int(begin) + len(data) - 1}/{len(kept.data)}"
        if path in self.site.torn and self.command == "GET":
            extra["Content-Length"] = str(len(data))
            self.close_connection = True
            data = data[: len(data) // 2]
        headers = {"Last-Modified": kept.date, "ETag": f'"{hash(kept.data)}"', "Accept-Ranges": "bytes"}
        self._say(status, data, **headers | extra | kept.headers, body=body)

    def _say(self, status: int, data: bytes, *, body: bool = True, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(data)), "Content-Type": "application/xml"} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if body and self.command == "GET":
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(data)

    def _error(self, code: str) -> bytes:
        return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()

    def _listing(self, bucket: str, query: dict[str, list[str]]) -> bytes:
        prefix = query.get("prefix", [""])[0]
        delimiter = query.get("delimiter", [""])[0]
        most = int(query.get("max-keys", ["1000"])[0])
        after = query.get("continuation-token", [""])[0]
        found: dict[str, Kept | None] = {}
        for path, kept in sorted(self.site.kept.items()):
            name, _, key = path.partition("/")
            if name != bucket or not key.startswith(prefix):
                continue
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            found[key if cut < 0 else key[: cut + 1]] = kept if cut < 0 else None
        names = [name for name in found if name > after]
        page = names[:most]
        inner = "".join(self._entry(name, found[name]) for name in page)
        more = len(names) > len(page)
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        return (
            "<?xml version='1.0' encoding='UTF-8'?><ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>"
            f"<Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(page)}</KeyCount>"
            f"<MaxKeys>{most}</MaxKeys><IsTruncated>{str(more).lower()}</IsTruncated>{token}{inner}</ListBucketResult>"
        ).encode()

    def _entry(self, name: str, kept: Kept | None) -> str:
        if kept is None:
            return f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
        return (
            f"<Contents><Key>{escape(name)}</Key><LastModified>{kept.iso}</LastModified>"
            f"<ETag>&quot;{len(kept.data)}&quot;</ETag><Size>{kept.listed or len(kept.data)}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
        )


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """A server while this lasts."""
    site = Server()
    handler = type("Handler", (_Handler,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    site.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
