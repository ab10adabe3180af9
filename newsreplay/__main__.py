"""A command in a process of its own: `python -m newsreplay`, and what the installed script calls."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading

from newsreplay.cli import main

#: New objects after which Python looks for garbage. Imports make some hundred thousand, all of which stay, and looking
#: through them after every 700 took a tenth of a short run.
NEW_OBJECTS = 50_000


def process() -> None:
    """Call the command that was typed, and end."""
    gc.set_threshold(NEW_OBJECTS)
    try:
        main(prog_name="newsreplay")
    except SystemExit as end:
        if sys.argv[1:2] == ["run"] and isinstance(end.code, int) and _is_alone():
            _end_at_once(end.code)
        raise


def _is_alone() -> bool:
    """Whether no thread is left that Python would wait for."""
    return all(thread.daemon or thread is threading.main_thread() for thread in threading.enumerate())


def _end_at_once(status: int) -> None:
    """End without taking apart, object by object, what the system takes back in one: a tenth of a short run.

    Nothing of a stranger's that Python would still have to close lives in the process of a run.
    """
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # nobody reads any more, which Python has a status for
        return
    os._exit(status)


if __name__ == "__main__":
    process()
