"""A recommender that is a service of its own: what was read last, over HTTP, with nothing but the standard library.

python examples/http_service.py 8000 &
newsreplay run --recommenders "circular,http://localhost:8000"
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

latest = {}  # by publisher: articles by their last read, the newest last


def answer(message):
    articles = latest.setdefault(message.get("publisher"), {})
    if message["type"] == "start":  # a replay begins
        articles.clear()
    elif message["type"] in ("read", "history"):
        articles.pop(message["item"], None)
        articles[message["item"]] = message["time"]
    elif message["type"] == "recommend":
        others = [item for item in reversed(articles) if item != message.get("item")]
        return {"items": others[: message["k"]]}
    return {}


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # the connection is kept
    wbufsize = -1  # head and body go out in one piece; in two, the second waits

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps(answer(message)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *ignored): ...


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Service) as server:
        print(f"listening at http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
