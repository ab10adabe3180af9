"""What recommenders' processes are forked from: imported there, once, and nowhere else."""

import signal
import sys
from contextlib import suppress

from newsreplay.processes import end_with_parent

if any("multiprocessing.forkserver" in word for word in sys.orig_argv):  # and not where somebody imports all modules
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is told to all; the first process ends the others
    end_with_parent()
    with suppress(Exception):  # what cannot be imported is imported again, and complained of, where it is needed
        import newsreplay.api
        import newsreplay.kernels.dispatching  # noqa: F401 - with numba, for the first kernel
