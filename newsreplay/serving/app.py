"""The service: POST takes messages in ORP, as forms, and in plain JSON; GET says what is served."""

from __future__ import annotations

import json
import logging

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from newsreplay.escaping import escaped
from newsreplay.recommenders.services.faults import ServiceFault
from newsreplay.recommenders.services.speech import decoded
from newsreplay.serving import orp, plain_json
from newsreplay.serving.publishers import Serving
from newsreplay.serving.told import UnclearMessageError
from newsreplay.traces import one_line

LARGEST = 1 << 20  #: bytes of a message
_FORM = "application/x-www-form-urlencoded"

log = logging.getLogger("newsreplay.serve")


class App:
    """An ASGI application; messages are taken one after the other, in the order in which they come."""

    def __init__(self, serving: Serving):
        self.serving = serving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            request = Request(scope, receive)
            response = await self._response(request)
            await response(scope, receive, send)

    async def _response(self, request: Request) -> Response:
        if request.method in ("GET", "HEAD"):
            return JSONResponse({"recommender": self.serving.entry.label, **self.serving.counts})
        if request.method != "POST":
            return _refusal(405, "POST a message")
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > LARGEST:
                return _refusal(413, f"a message has at most {LARGEST:,} bytes")
        try:
            return Response(json.dumps(self._taken(request, bytes(body))), media_type="application/json")
        except (UnclearMessageError, ServiceFault) as error:
            return _refusal(400, str(error))
        except Exception as error:  # the recommender's, which the next message may find well again
            log.warning("%s", one_line(error), exc_info=True)
            return _refusal(500, one_line(error))

    def _taken(self, request: Request, body: bytes) -> object:
        """What is answered to a message, as JSON."""
        if request.headers.get("content-type", "").startswith(_FORM):
            kind, text = orp.fields(body)
            told = orp.told(kind, decoded(text))
            answer = self.serving.take(told)
            if told.error:
                log.warning("an error notification: %s", escaped(told.error))
            return {} if answer is None else orp.answer(answer)  # type: ignore[arg-type]
        told = plain_json.told(decoded(body))
        answer = self.serving.take(told)
        if answer is None or told.ask is None:
            return {}
        return {"scores" if told.ask.scores else "items": answer}


def _refusal(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status)
