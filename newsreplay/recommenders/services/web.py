"""`http://host:port/path` as a recommender."""

from __future__ import annotations

import time

from newsreplay.datasets.remote import address
from newsreplay.durations import Duration
from newsreplay.errors import DataError, SpecError
from newsreplay.recommenders.services.connection import Connection
from newsreplay.recommenders.services.faults import Fault, ServiceFault, Tally, quoted
from newsreplay.recommenders.services.lanes import MessageLine, check_in_time
from newsreplay.recommenders.services.orp import OrpSpeech
from newsreplay.recommenders.services.service import Service
from newsreplay.recommenders.services.speech import JsonSpeech, Object, Speech, decoded
from newsreplay.spec import whole

_SPEECHES: dict[str, type[Speech]] = {"json": JsonSpeech, "orp": OrpSpeech}


class HttpService(Service):
    """A service over HTTP, spoken to in JSON or in NewsREEL's ORP.

    Messages are told one after the other, in the order of the log, on a connection that is kept. With more
    `connections` as many are on their way at once, those of one session in order: quicker where the service takes its
    time, but it may have learned of other sessions' next rows when it answers, so its rows in tables are marked.
    """

    def __init__(
        self,
        url: str,
        protocol: str = "json",
        timeout: Duration = "100ms",
        patience: Duration = "1s",
        connections: int = 1,
        scores: bool = False,
    ):
        if protocol not in _SPEECHES:
            raise SpecError(f"protocol must be json or orp, not {protocol!r}")
        if protocol == "orp" and scores:
            raise SpecError("ORP has no scores of pools; leave scores out, or speak JSON: protocol=json")
        try:
            self.address = address.parse(url)
        except DataError as error:
            raise SpecError(str(error)) from None
        super().__init__(self.address.shown, _SPEECHES[protocol](), timeout, patience, scores)
        self.connections = whole("connections", connections, at_least=1)
        self.lines()  # an address that nobody can connect to is refused now

    def lines(self) -> list[MessageLine]:
        """See `Service.lines`."""
        kind = self.speech.content_type
        return [HttpLine(Connection(self.address, kind, self.patience), self.timeout) for _ in range(self.connections)]


class HttpLine:
    """A connection as a line: every message is a POST."""

    def __init__(self, connection: Connection, timeout: float):
        self.connection, self.timeout = connection, timeout
        self.open, self.close = connection.open, connection.close

    def tell(self, message: bytes) -> None:
        """See `MessageLine.tell`."""
        self._exchange(message)

    def ask(self, message: bytes, row: int, tally: Tally) -> Object:
        """See `MessageLine.ask`."""
        begun = time.monotonic()
        text = self._exchange(message)
        check_in_time(begun, self.timeout)
        return decoded(text)

    def _exchange(self, message: bytes) -> bytes:
        reply = self.connection.exchange(message)
        if not 200 <= reply.status < 300:
            redirected = ", and redirects are not followed" if 300 <= reply.status < 400 else ""
            raise ServiceFault(Fault.STATUS, f"status {reply.status}{redirected}: {quoted(reply.body)}")
        return reply.body
