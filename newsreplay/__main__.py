"""A command in a process of its own: `python -m newsreplay`, and what the installed script calls."""

from __future__ import annotations

import gc

from newsreplay.cli import main

#: New objects after which Python looks for garbage. Imports make some hundred thousand, all of which stay, and looking
#: through them after every 700 took a tenth of a short run.
NEW_OBJECTS = 50_000


def process() -> None:
    """Call the command that was typed, and end."""
    gc.set_threshold(NEW_OBJECTS)
    main(prog_name="newsreplay")


if __name__ == "__main__":
    process()
