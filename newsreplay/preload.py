"""What recommenders' processes are forked from: imported there, once, and nowhere else."""

import signal
import sys
from contextlib import suppress

from newsreplay.processes import end_with_parent

if any("multiprocessing.forkserver" in word for word in sys.orig_argv):  # and not where somebody imports all modules
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is told to all; the first process ends the others
    end_with_parent()
    with suppress(Exception):  # what cannot be imported is imported again, and complained of, where it is needed
        from numba.core.registry import cpu_target

        import newsreplay.api  # noqa: F401

        # What numba does before the first kernel that it loads, as much work as all imports.
        cpu_target.target_context.refresh()
        cpu_target.typing_context.refresh()
