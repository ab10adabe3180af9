"""One kept connection over HTTP, on which no answer can last, or grow, for ever.

The standard library's client takes six times as long for an exchange, nearly all of it for headers that nobody looks
at (benchmarks/services.py); what a POST needs of HTTP/1.1 is little.
"""

from __future__ import annotations

import base64
import re
import socket
import ssl
import time
from typing import NamedTuple
from urllib.parse import urlsplit

from newsreplay.datasets.remote.address import Address
from newsreplay.errors import SpecError
from newsreplay.recommenders.services.faults import Fault, ServiceFault, quoted
from newsreplay.version import __version__

LARGEST = 1 << 20  #: bytes of an answer
_HEAD = 1 << 16  # bytes before the body
_READ = 1 << 16
_STATUS = re.compile(rb"HTTP/1\.([01]) (\d{3})[ \r\n]")
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"\ncontent-length[ \t]*:[ \t]*(\d{1,18})[ \t]*[\r\n]", re.IGNORECASE)
_CHUNKED = re.compile(rb"\ntransfer-encoding[ \t]*:[^\n]*\bchunked\b", re.IGNORECASE)
_CLOSING = re.compile(rb"\nconnection[ \t]*:[^\n]*\bclose\b", re.IGNORECASE)
_KEEPING = re.compile(rb"\nconnection[ \t]*:[^\n]*\bkeep-alive\b", re.IGNORECASE)
_SIZE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,15})[ \t]*(;[^\n]*)?\r?\n")


class Reply(NamedTuple):
    """What came back."""

    status: int
    body: bytes


class Connection:
    """A connection to one address, opened when it is needed and kept as long as the other side keeps it."""

    def __init__(self, address: Address, content_type: str, patience: float):
        """`patience`: seconds that an exchange may last, from the first byte sent to the last one received.

        Raises `SpecError` for an address that nobody can connect to.
        """
        try:
            parts = urlsplit(address.url)
            self.place = str(parts.hostname or ""), parts.port or (443 if address.scheme == "https" else 80)
            host = parts.netloc.encode("ascii" if parts.netloc.isascii() else "idna").decode()
        except ValueError as error:
            raise SpecError(f"{address.shown} is no address of a service: {error}") from None
        self.tls = ssl.create_default_context() if address.scheme == "https" else None
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        login = address.login
        headers = {
            "Host": host,
            "User-Agent": f"newsreplay/{__version__}",
            "Accept": "application/json",
            "Content-Type": content_type,
        }
        if login is not None:
            headers["Authorization"] = f"Basic {base64.b64encode(':'.join(login).encode()).decode()}"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.head = f"POST {path} HTTP/1.1\r\n{lines}Content-Length: ".encode()
        self.patience = patience
        self.socket: socket.socket | None = None

    def open(self) -> None:
        """Connect, where there is no connection. Raises `ServiceFault`."""
        if self.socket is None:
            self._connect(time.monotonic() + self.patience)

    def close(self) -> None:
        """Close the connection, if there is one; the next exchange opens another."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def exchange(self, body: bytes) -> Reply:
        """Send a message and wait for the whole answer. Raises `ServiceFault`; the connection is closed then."""
        deadline = time.monotonic() + self.patience
        if self.socket is not None and _is_stale(self.socket):
            self.close()
        kept = self.socket is not None
        try:
            reply = self._send(body, deadline)
            if reply is None and kept:  # put away by the other side, which then heard nothing, while this was sent
                reply = self._send(body, deadline)
        except TimeoutError:
            raise ServiceFault(Fault.SILENT, f"no whole answer within {self.patience:g} s") from None
        if reply is None:
            raise ServiceFault(Fault.CLOSED, "the connection was closed before an answer")
        return reply

    def _send(self, body: bytes, deadline: float) -> Reply | None:
        """Send a message once; None where the connection ends before the first byte of an answer."""
        connected = self.socket or self._connect(deadline)
        reader = _Reader(connected, deadline)
        kept = False
        try:
            connected.settimeout(max(0.001, deadline - time.monotonic()))
            connected.sendall(b"%b%d\r\n\r\n%b" % (self.head, len(body), body))
            reply, kept = reader.reply()
        except TimeoutError:
            raise
        except (OSError, EOFError) as error:
            if not reader.begun:
                return None
            raise ServiceFault(Fault.CLOSED, f"the connection was cut off: {_reason(error)}") from None
        finally:
            if not kept:  # also where it is interrupted from outside
                self.close()
        return reply

    def _connect(self, deadline: float) -> socket.socket:
        try:
            connected = socket.create_connection(self.place, max(0.001, deadline - time.monotonic()))
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls is not None:
                connected = self.tls.wrap_socket(connected, server_hostname=self.place[0])
        except (OSError, UnicodeError) as error:  # a host's name may be none that can be written
            raise ServiceFault(Fault.REFUSED, f"it cannot be connected to: {_reason(error)}") from None
        self.socket = connected
        return connected


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _is_stale(connected: socket.socket) -> bool:
    """Whether the other side has closed the connection, or says something unasked."""
    connected.settimeout(0)
    try:
        connected.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        pass
    return True


class _Reader:
    """Reads one answer by its deadline."""

    def __init__(self, connected: socket.socket, deadline: float):
        self.socket, self.deadline = connected, deadline
        self.buffer = b""
        self.begun = False  # whether anything came

    def reply(self) -> tuple[Reply, bool]:
        """The answer, and whether the connection can be kept."""
        status = 100
        while 100 <= status < 200:  # said before the answer
            minor, status, head = self._head()
        kept = not _CLOSING.search(head) if minor == b"1" else bool(_KEEPING.search(head))
        length = _LENGTH.search(head)
        if status in (204, 304):
            body = b""
        elif _CHUNKED.search(head):
            body = self._chunks()
        elif length is not None:
            body = self._take(int(length[1]))
        else:
            body, kept = self._rest(), False
        return Reply(status, body), kept and not self.buffer

    def _more(self) -> bool:
        """Read on; False at the end of the connection."""
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        self.socket.settimeout(remaining)
        more = self.socket.recv(_READ)
        self.buffer += more
        self.begun |= bool(more)
        return bool(more)

    def _need_more(self) -> None:
        if not self._more():
            raise EOFError("closed within an answer")

    def _head(self) -> tuple[bytes, int, bytes]:
        """HTTP's minor version, the status, and the headers between line ends."""
        while not (end := _END_OF_HEAD.search(self.buffer)):
            if len(self.buffer) > _HEAD:
                raise ServiceFault(Fault.NOT_HTTP, f"headers that do not end: {quoted(self.buffer)}")
            if len(self.buffer) >= 5 and not self.buffer.startswith(b"HTTP/"):
                break
            self._need_more()
        status = _STATUS.match(self.buffer)
        if status is None or end is None:
            raise ServiceFault(Fault.NOT_HTTP, f"not HTTP/1.1: {quoted(self.buffer)}")
        head = self.buffer[: end.end()]
        self.buffer = self.buffer[end.end() :]
        return status[1], int(status[2]), head

    def _take(self, length: int) -> bytes:
        _check(length)
        while len(self.buffer) < length:
            self._need_more()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return body

    def _rest(self) -> bytes:
        while self._more():
            _check(len(self.buffer))
        body, self.buffer = self.buffer, b""
        return body

    def _chunks(self) -> bytes:
        body = b""
        while True:
            while b"\n" not in self.buffer:
                _check(len(self.buffer))
                self._need_more()
            size = _SIZE.match(self.buffer)
            if size is None:
                raise ServiceFault(Fault.NOT_HTTP, f"no size of a chunk: {quoted(self.buffer)}")
            self.buffer = self.buffer[size.end() :]
            length = int(size[1], 16)
            _check(len(body) + length)
            if not length:
                break
            body += self._take(length)
            self._line()
        while self._line():  # what may follow the last chunk
            pass
        return body

    def _line(self) -> bytes:
        while b"\n" not in self.buffer:
            _check(len(self.buffer))
            self._need_more()
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.rstrip(b"\r")


def _check(length: int) -> None:
    if length > LARGEST:
        raise ServiceFault(Fault.LARGE, f"an answer of more than {LARGEST:,} bytes")
