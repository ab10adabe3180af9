"""A recommender that is a command: what was read last, in JSON lines over standard input and output.

newsreplay run --recommenders "circular,stdin:python examples/stdin_service.py"
"""

import json
import sys

latest = {}  # articles by their last read, the newest last

for line in sys.stdin:
    message = json.loads(line)
    if message["type"] in ("read", "history"):
        latest.pop(message["item"], None)
        latest[message["item"]] = message["time"]
    elif message["type"] == "recommend":  # what asks is answered with a line, anything else is not
        others = [item for item in reversed(latest) if item != message.get("item")]
        print(json.dumps({"items": others[: message["k"]]}), flush=True)
