"""The judge: which slates came true.

Eq. 1 and 2 of Kille & Lommatzsch (2019), and the slates as rankings; docs/design.md has the definitions.
`frame` aligns the reads of the scored sessions, session by session; `judge` finds for each of them the place at which
it had been offered, and which places of its own slate were read later. Every measure at every cut-off is a sum over
these two (`tally`), whatever it is summed by.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import compiled, int64
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import Column
from newsreplay.simulator.judgement.measures import SLATES

# Places of a read that no slate had offered in time.
BELOW = 0  #: ranked below k, as far as one can know: some earlier slate was full
NO_CANDIDATE = -1  #: never a candidate: every earlier slate of the session ended before k
OFFERED_LATE = -2  #: offered in nothing but answers that came too late


class Frame(NamedTuple):
    """The reads of the scored sessions, session by session, each in order; the same for all recommenders."""

    session: Column  #: int32[sessions], codes, ascending
    begin: Column  #: int64[sessions + 1], session i has the places begin[i] … begin[i + 1] - 1
    request: Column  #: int32[reads], the request that the read raised
    relevant: Column  #: int32[reads], distinct articles read later in the session, the current one excepted
    reachable: Column  #: bool[reads], known and not on screen at some earlier request of the session
    again: Column  #: bool[reads], the session has read the article before


class Outcomes(NamedTuple):
    """What became of one recommender's slates, by the places of a frame."""

    place: Column  #: int16[reads], best place at which an earlier slate of the session has the article; or see above
    relevant: Column  #: uint8[reads, ceil(k / 8)], bit p: the article at place p (from 0) of the slate is read later


def span(publisher: Publisher, warmup: int, window: int | None) -> tuple[int, int]:
    """When scoring begins and ends, ms; both count from the log's first read."""
    begin = int(publisher.log.time[publisher.requests.row[0]]) + warmup
    return begin, int(np.iinfo(np.int64).max) if window is None else begin + window


def frame(
    publisher: Publisher,
    warmup: int = 0,
    window: int | None = None,
    max_session_length: int | None = None,
) -> Frame:
    """The reads of the scored sessions: at least two reads, begun after the warm-up and within the window (ms)."""
    sessions, log, requests = publisher.sessions, publisher.log, publisher.requests
    begin, end = span(publisher, warmup, window)
    scored = (sessions.reads >= 2) & (sessions.first_time >= begin) & (sessions.first_time < end)
    if max_session_length is not None:
        scored &= sessions.reads <= max_session_length
    codes = np.flatnonzero(scored)
    starts = np.concatenate([[0], np.cumsum(sessions.reads[codes], dtype=np.int64)])
    reads = int(starts[-1])
    aligned = Frame(
        codes.astype(np.int32),
        starts,
        np.empty(reads, np.int32),
        np.empty(reads, np.int32),
        np.empty(reads, np.bool_),
        np.empty(reads, np.bool_),
    )
    # An article is known from the first row that carries it, and codes count up by first appearance.
    known = np.maximum.accumulate(log.item, dtype=np.int32)[requests.row] + np.int32(1)
    seen = np.full(len(publisher.articles.id), -1, np.int32)
    _align(log.item, requests.row, requests.previous, sessions.last, known, seen, aligned)
    return aligned


@compiled
def _align(item: Any, row: Any, previous: Any, last: Any, known: Any, seen: Any, frame: Any) -> None:
    for number in range(frame.session.size):
        session = frame.session[number]
        begin, end = frame.begin[number], frame.begin[number + 1]
        step = int64(last[session])
        distinct = 0
        for place in range(end - 1, begin - 1, -1):
            frame.request[place] = step
            current = item[row[step]]
            had = seen[current] == session
            frame.relevant[place] = distinct - had
            if not had:
                seen[current] = session
                distinct += 1
            step = previous[step]
        # Marks of the way back become marks of the way there: -2 - session cannot be one of the others.
        onward = -2 - session
        other = int64(-1)  # the last request before this one with another article on screen
        for place in range(begin, end):
            request = frame.request[place]
            current = item[row[request]]
            if place > begin and item[row[frame.request[place - 1]]] != current:
                other = frame.request[place - 1]
            frame.reachable[place] = other >= 0 and current < known[other]
            frame.again[place] = seen[current] == onward
            seen[current] = onward


def judge(publisher: Publisher, slates: Column, frame: Frame, late: Column | None = None) -> Outcomes:
    """Judge slates (int32[requests, k], padded with -1) in one pass over the frame.

    Answers marked in `late` (bool[requests]) count as if there had been none.
    """
    reads, k = len(frame.request), slates.shape[1]
    outcomes = Outcomes(np.empty(reads, np.int16), np.zeros((reads, -(-k // 8)), np.uint8))
    articles = len(publisher.articles.id)
    scratch = _Offered(
        np.zeros(articles, np.int64),
        np.full(articles, -1, np.int32),
        np.zeros(articles if late is not None else 0, np.int64),
        np.zeros(0, np.bool_) if late is None else late,
    )
    _judge(publisher.log.item, publisher.requests.row, frame, slates, outcomes, scratch)
    return outcomes


class _Offered(NamedTuple):
    offered: Column  # int64[articles]: stamp of the last session that was offered it, plus k - the best place
    later: Column  # int32[articles]: last session found to read the article later
    offered_late: Column  # int64[articles]: stamp of the last session that was offered it too late
    late: Column  # bool[requests], or nothing


@compiled
def _judge(item: Any, row: Any, frame: Any, slates: Any, outcomes: Any, scratch: Any) -> None:
    k = slates.shape[1]
    stamp = 0
    timed = scratch.late.size > 0
    for number in range(frame.session.size):
        session = frame.session[number]
        begin, end = frame.begin[number], frame.begin[number + 1]
        # Stamps grow by more than k, so what an earlier session left behind is never above this one's.
        stamp += k + 1
        full = False
        for at in range(begin, end):  # forward: what was offered before
            request = frame.request[at]
            current = item[row[request]]
            place = k + 1 - (scratch.offered[current] - stamp)
            if place > k:
                place = int64(BELOW) if full else int64(NO_CANDIDATE)
                if timed and scratch.offered_late[current] == stamp:
                    place = int64(OFFERED_LATE)
            outcomes.place[at] = place
            late = timed and scratch.late[request]
            for i in range(k):
                candidate = slates[request, i]
                if candidate < 0:
                    break
                if late:
                    scratch.offered_late[candidate] = stamp
                else:
                    scratch.offered[candidate] = max(scratch.offered[candidate], stamp + k - i)
            full = full or (slates[request, k - 1] >= 0 and not late)
        for at in range(end - 1, begin - 1, -1):  # backward: what is relevant to a request is read after it
            request = frame.request[at]
            current = item[row[request]]
            if frame.relevant[at] > 0 and not (timed and scratch.late[request]):
                for i in range(k):
                    candidate = slates[request, i]
                    if candidate < 0:
                        break
                    if candidate != current and scratch.later[candidate] == session:
                        outcomes.relevant[at, i >> 3] |= np.uint8(1 << (i & 7))
            scratch.later[current] = session


def tally(frame: Frame, outcomes: Outcomes, group: Column, groups: int, cuts: tuple[int, ...]) -> Column:
    """Sums of all measures over the sessions of each group, float64[groups, cut-offs, len(SLATES)].

    `group` (int32[sessions]) has the group of each session of the frame.
    """
    sums = np.zeros((groups, len(cuts), len(SLATES)))
    ideal = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, max(cuts) + 2)))])
    _tally(frame, outcomes, group, np.array(cuts, np.int64), ideal, np.zeros(len(cuts), np.int64), sums)
    return sums


@compiled
def _tally(frame: Any, outcomes: Any, group: Any, cuts: Any, ideal: Any, hits: Any, sums: Any) -> None:
    for number in range(frame.session.size):
        total = sums[group[number]]
        hits[:] = 0
        for at in range(frame.begin[number], frame.begin[number + 1]):
            place = outcomes.place[at]
            if place > 0:
                for c in range(cuts.size):
                    hits[c] += place <= cuts[c]
            relevant, first, gain = 0, 0, 0.0
            place = 0
            for c in range(cuts.size):
                while place < cuts[c]:
                    byte = outcomes.relevant[at, place >> 3]
                    if byte == 0:  # most are
                        place = (place | 7) + 1
                        continue
                    if byte >> (place & 7) & 1:
                        relevant += 1
                        gain += ideal[place + 1] - ideal[place]
                        if first == 0:
                            first = place + 1
                    place += 1
                if relevant > 0:
                    total[c, 2] += 1
                    total[c, 3] += 1 / first
                    total[c, 4] += gain / ideal[min(cuts[c], int64(frame.relevant[at]))]
                    total[c, 5] += relevant / frame.relevant[at]
        for c in range(cuts.size):
            total[c, 0] += hits[c]
            total[c, 1] += hits[c] > 0
