"""When a recommender's success changed: ADWIN (Bifet & Gavaldà 2007) over the sessions of a run, in river's version."""

from __future__ import annotations

import numpy as np

from newsreplay.errors import NewsreplayError
from newsreplay.report.slices import PublisherColumns


def changes(columns: PublisherColumns) -> dict[str, list[int]]:
    """By recommender the times, ms UTC, at which its share of sessions with a hit at 1 had changed.

    The scored sessions are gone through by the time at which they begin (sessions of one time in log order), each 1 if
    it has a hit and 0 if not. A time is that of the session with which ADWIN, as river sets it, is sure that the mean
    before was another: somewhat later than the change. What a session reads later counts, so this is for looking back.
    Raises `NewsreplayError` where river is not installed.
    """
    try:
        from river.drift import ADWIN
    except ModuleNotFoundError:
        raise NewsreplayError('drift needs river, which is not installed: pip install "newsreplay[river]"') from None

    begin, time = columns.sessions.begin, columns.sessions.time
    order = np.argsort(time, kind="stable")
    found = {}
    for name in columns.names:
        hits = np.concatenate([[0], np.cumsum(columns.hits(name, 1))])
        success = hits[begin[1:]] > hits[begin[:-1]]
        detector, times = ADWIN(), []  # type: ignore[no-untyped-call]
        for hit, when in zip(success[order].tolist(), time[order].tolist(), strict=True):
            detector.update(hit)  # type: ignore[no-untyped-call]
            if detector.drift_detected:
                times.append(when)
        found[name] = times
    return found
