"""What models can be told of an article at the moment of a request, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import routine
from newsreplay.log.rows import DAY, HOUR, Column
from newsreplay.recommenders.neural.stream.counters import write_signals
from newsreplay.recommenders.neural.stream.published import look_up
from newsreplay.recommenders.neural.stream.state import AGE, NOT_YET, START
from newsreplay.recommenders.neural.stream.windows import MINUTES

_SPANS = ("10m", "1h", "6h", "24h")

#: Of completed buckets (`exposure`: share of the impressions that showed it, and `avoidance`: share of its exposures
#: without a click, both NaN where it was never shown; `clicks`; `rate`: clicks per exposure in the last bucket), and
#: its age in full hours, rounded up, at least 1.
COUNTED = ("exposure", "avoidance", "clicks", "rate", "age")
#: Up to the row of the request: reads within the last minutes or hours, hours since the last read (NaN = none), hours
#: since it became known; in logs with impressions, how often it was shown within these spans, and clicks per exposure
#: (at most 1, NaN where it was not shown).
ROLLING = (
    *(f"reads_{span}" for span in _SPANS),
    "idle_hours",
    "known_hours",
    *(f"shown_{span}" for span in _SPANS),
    *(f"click_rate_{span}" for span in _SPANS),
)
SIGNALS = COUNTED + ROLLING
_WINDOWS = len(MINUTES)
_READS = len(COUNTED)
_IDLE = _READS + _WINDOWS
_KNOWN = _IDLE + 1
_SHOWN = _KNOWN + 1
_RATE = _SHOWN + _WINDOWS


class Wanted(NamedTuple):
    """Which signals are noted, by their places in `SIGNALS`."""

    read: Column  # int64[r], of what was read
    offered: Column  # int64[o], of candidates
    buckets: bool  # whether any is of completed buckets
    reads: bool  # whether any is of reads up to the row, or candidates are drawn by them
    shown: bool  # whether any is of exposures up to the row


def wanted(read: Sequence[str], offered: Sequence[str]) -> Wanted:
    """Signals by name. Raises `ValueError` where there is none of that name."""
    unknown = {*read, *offered} - {*SIGNALS}
    if unknown:
        raise ValueError(f"no signal is called {min(unknown)!r}; there are {', '.join(SIGNALS)}")
    places = [np.array([SIGNALS.index(name) for name in names], np.int64) for names in (read, offered)]
    both = np.concatenate(places)
    return Wanted(
        places[0],
        places[1],
        bool((both < AGE).any()),
        bool(((both >= _READS) & (both <= _IDLE)).any()),
        bool((both >= _SHOWN).any()),
    )


@routine
def write(state: Any, options: Any, time: int, item: int, which: Any, out: Any) -> None:
    """The signals `which` of an article at a time; a handle has those of an article that nothing happened to."""
    if which.size == 0:
        return
    known = NOT_YET
    if item >= 0:
        known = state.known[item]
    if known == NOT_YET:
        known = state.clock[START] - DAY
    if state.wanted.buckets:
        write_signals(state.clock, state.counters, options, item, state.scratch)
        if options.published:
            look_up(state.published, item, time, state.scratch)
    for i in range(which.size):
        signal = which[i]
        if signal < AGE:
            out[i] = state.scratch[signal]
        elif signal == AGE:
            out[i] = max(1, (time - known + HOUR - 1) // HOUR)
        elif signal == _KNOWN:
            out[i] = max(0, time - known) / HOUR  # what is learned late may lie before it
        elif signal == _IDLE:
            out[i] = np.nan
            if item >= 0 and state.last[item] != NOT_YET:
                out[i] = max(0, time - state.last[item]) / HOUR
        elif item < 0:
            out[i] = np.nan if signal >= _RATE else 0.0
        elif signal < _IDLE:
            out[i] = state.reads_lately.counts[item, signal - _READS]
        elif signal < _RATE:
            out[i] = state.shown_lately.counts[item, signal - _SHOWN]
        else:
            shown = state.shown_lately.counts[item, signal - _RATE]
            clicked = state.clicked_lately.counts[item, signal - _RATE]
            out[i] = np.nan if shown == 0 else min(1.0, clicked / shown)
