"""The judge: which slates came true.

Eq. 1 and 2 of Kille & Lommatzsch (2019), and the slates as rankings; docs/design.md has the definitions.
`frame` aligns the reads of the scored sessions, session by session; `judge` finds for each of them the place at which
it had been offered, and which places of its own slate were read later. Every measure at every cut-off is a sum over
these two (`tally`), whatever it is summed by.

Later, earlier and again mean time, never rows: the reads of one instant know nothing of each other. An impression's
several clicks are such reads, after an outcome row that has just named them all. Where impressions ask for slates,
`at_impressions` has the frame and the judge.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import compiled, int64, kernel
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import Column, Excludes, Log
from newsreplay.simulator import scratch
from newsreplay.simulator.judgement.measures import SLATES

# Places of a read that no slate had offered in time.
BELOW = 0  #: ranked below k, as far as one can know: some slate of an earlier time was full
NO_CANDIDATE = -1  #: never a candidate: every slate of the session at earlier times ended before k
OFFERED_LATE = -2  #: offered in nothing but answers that came too late


class Frame(NamedTuple):
    """The reads and the requests of the scored sessions, session by session, each in order; for all recommenders.

    Where reads ask for slates they are the requests, too: `asks` is `begin`, and `request` is `read`.
    """

    session: Column  #: int32[sessions], codes, ascending
    begin: Column  #: int64[sessions + 1], session i has the reads begin[i] … begin[i + 1] - 1
    read: Column  #: int32[reads], number of the read in the log
    item: Column  #: int32[reads], the article that was read
    position: Column  #: int32[reads], 1 + the reads of the session at earlier times; reads of one instant share it
    reachable: Column  #: bool[reads], known and not excluded at some request that counts for the read
    again: Column  #: bool[reads], the session has read the article at an earlier time
    asked: Column  #: bool[reads], some request counts for the read: one at an earlier time, or its own impression
    own: Column  #: int32[reads], the request whose outcome brought the read, -1 = none; empty where reads ask
    asks: Column  #: int64[sessions + 1], session i has the requests asks[i] … asks[i + 1] - 1
    request: Column  #: int32[requests], number of the request in the log
    relevant: Column  #: int32[requests], distinct articles that are relevant to it
    reward: Column  #: float32[reads], what a hit of the read is worth; empty: every hit counts one


class Outcomes(NamedTuple):
    """What became of one recommender's slates, by the places of a frame."""

    place: Column  #: int16[reads], best place of the article in the slates that count for the read; or see above
    relevant: Column  #: uint8[requests, ceil(k / 8)], bit p: the article at place p (from 0) is relevant


def span(publisher: Publisher, warmup: int, window: int | None) -> tuple[int, int]:
    """When scoring begins and ends, ms; both count from the log's first read."""
    begin = int(publisher.log.time[publisher.requests.row[0]]) + warmup
    return begin, int(np.iinfo(np.int64).max) if window is None else begin + window


def with_two_reads(
    publisher: Publisher,
    warmup: int = 0,
    window: int | None = None,
    max_session_length: int | None = None,
) -> Column:
    """Which sessions have two reads, begin after the warm-up and within the window (ms) and are not too long: bool."""
    sessions = publisher.sessions
    begin, end = span(publisher, warmup, window)
    found: Column = (sessions.reads >= 2) & (sessions.first_time >= begin) & (sessions.first_time < end)
    return found if max_session_length is None else found & (sessions.reads <= max_session_length)


def frame(
    publisher: Publisher,
    warmup: int = 0,
    window: int | None = None,
    max_session_length: int | None = None,
    exclude: Excludes = "current",
) -> Frame:
    """The reads of the scored sessions: those of `with_two_reads` whose first and last read differ in time.

    What a request excludes (`exclude`) is neither relevant nor reachable at it.
    """
    sessions, log, requests = publisher.sessions, publisher.log, publisher.requests
    scored = with_two_reads(publisher, warmup, window, max_session_length)
    for part in scratch.stretches(len(scored)):  # without a read, `scored` is False already
        scored[part] &= log.time[requests.row[sessions.last[part]]] > sessions.first_time[part]
    codes, starts = _begun(scored, sessions.reads)
    reads = int(starts[-1])
    request = scratch.empty(reads, np.int32)
    aligned = Frame(
        session=codes,
        begin=starts,
        read=request,
        item=scratch.empty(reads, np.int32),
        position=scratch.empty(reads, np.int32),
        reachable=scratch.empty(reads, np.bool_),
        again=scratch.empty(reads, np.bool_),
        asked=scratch.empty(reads, np.bool_),
        own=np.empty(0, np.int32),
        asks=starts,
        request=request,
        relevant=scratch.empty(reads, np.int32),
        reward=np.empty(0, np.float32),
    )
    known = known_at(log, requests.row)
    seen = np.full(len(publisher.articles.id), -1, np.int32)
    columns = _Columns(log.time, log.item, requests.row, requests.previous, sessions.last, known)
    _align(columns, exclude != "nothing", seen, aligned)
    if exclude == "session":
        ends = np.full((2, len(seen)), -1, np.int64)
        _align_to_unread(columns, ends, aligned)
    return aligned


def _begun(scored: Column, reads: Column) -> tuple[Column, Column]:
    """The codes of the scored sessions (bool[sessions]), int32[n]; where each begins by their `reads`, int64[n + 1].

    >>> _begun(np.array([True, False, True]), np.array([2, 1, 3]))
    (array([0, 2], dtype=int32), array([0, 2, 5]))
    """
    count = int(np.count_nonzero(scored))
    codes, begin = scratch.empty(count, np.int32), scratch.zeros(count + 1, np.int64)
    done = 0
    for part in scratch.stretches(len(scored)):
        found = part.start + np.flatnonzero(scored[part])
        ends = begin[done + 1 : done + 1 + len(found)]
        codes[done : done + len(found)] = found
        np.cumsum(reads[found], out=ends)
        ends += begin[done]
        done += len(found)
    return codes, begin


def sessions_at(begin: Column, part: slice) -> Column:
    """Of some places of a frame the number of the session that each is in, int64[places]; these begin at `begin`.

    >>> sessions_at(np.array([0, 2, 5, 6]), slice(1, 4))
    array([0, 1, 1])
    """
    first = int(np.searchsorted(begin, part.start, side="right")) - 1
    end = int(np.searchsorted(begin, part.stop))
    bounds = np.clip(begin[first : end + 1], part.start, part.stop)
    return np.repeat(np.arange(first, end), np.diff(bounds))


def known_at(log: Log, rows: Column) -> Column:
    """How many articles are known at some log rows (ascending): int32[rows].

    An article is known from the first row that carries it, and codes count up by first appearance.
    """
    known = scratch.empty(len(rows), np.int32)
    highest = np.int32(-1)
    for part in scratch.stretches(len(log.item)):
        # Of the rows' own type, since NumPy would copy all of them to another one.
        begin, end = np.searchsorted(rows, np.array([part.start, part.stop], rows.dtype))
        so_far = np.maximum.accumulate(np.maximum(log.item[part], highest))
        known[begin:end] = so_far[rows[begin:end] - part.start] + 1
        highest = so_far[-1]
    return known


class _Columns(NamedTuple):
    """What frames are made of."""

    time: Column  # int64[rows]
    item: Column  # int32[rows]
    row: Column  # int32[requests]
    previous: Column  # int32[requests], the request before it in its session
    last: Column  # int32[sessions], its last request
    known: Column  # int32[requests], how many articles are known at it


@compiled
def _align(log: Any, leaves_out: bool, seen: Any, frame: Any) -> None:
    """Fill a frame by requests that leave the article on screen out, or nothing."""
    time, item, row, known = log.time, log.item, log.row, log.known
    for number in range(frame.session.size):
        session = frame.session[number]
        begin, end = frame.begin[number], frame.begin[number + 1]
        step = int64(log.last[session])
        distinct = 0
        marked = end  # the places from here on are of later instants, and seen
        for place in range(end - 1, begin - 1, -1):
            frame.request[place] = step
            frame.item[place] = item[row[step]]
            if place < end - 1 and time[row[step]] < time[row[frame.request[place + 1]]]:
                while marked > place + 1:
                    marked -= 1
                    distinct += seen[frame.item[marked]] != session
                    seen[frame.item[marked]] = session
            frame.relevant[place] = distinct - (leaves_out and seen[frame.item[place]] == session)
            step = log.previous[step]
        # Marks of the way back become marks of the way there: -2 - session cannot be one of the others.
        onward = -2 - session
        marked = begin  # the places before this one are of earlier instants, and seen
        other = int64(-1)  # the last request before this one with another article on screen
        before, other_before = int64(-1), int64(-1)  # the last request of earlier instants, and `other` at that
        for place in range(begin, end):
            request = frame.request[place]
            current = frame.item[place]
            if place > begin:
                ahead = int64(frame.request[place - 1])
                if time[row[ahead]] < time[row[request]]:
                    before, other_before = ahead, other
                    while marked < place:
                        seen[frame.item[marked]] = onward
                        marked += 1
                if frame.item[place - 1] != current:
                    other = ahead
            away = before
            if leaves_out and before >= 0 and item[row[before]] == current:
                away = other_before
            frame.position[place] = 1 + marked - begin
            frame.asked[place] = marked > begin
            frame.reachable[place] = away >= 0 and current < known[away]
            frame.again[place] = seen[current] == onward


@compiled
def _align_to_unread(log: Any, ends: Any, frame: Any) -> None:
    """Say anew what is relevant and reachable where requests exclude all that their session has read up to their row.

    `ends` has the places of an article's first and last read in the session. An article is relevant to a request before
    its first read, in row order, if its last one is of a later instant.
    """
    first, last = ends[0], ends[1]
    for number in range(frame.session.size):
        begin, end = frame.begin[number], frame.begin[number + 1]
        for place in range(begin, end):
            item = frame.item[place]
            if first[item] < begin:
                first[item] = place
            last[item] = place
            # The last request before its first read that is of an earlier instant than this one.
            away = min(begin + frame.position[place] - 2, first[item] - 1)
            frame.reachable[place] = away >= begin and item < log.known[frame.request[away]]
        later = coming = begun = 0  # first reads after this place: in later instants; in its own, of what is read later
        for place in range(end - 1, begin - 1, -1):
            if place < end - 1 and frame.position[place] < frame.position[place + 1]:
                later += begun
                coming = begun = 0
            frame.relevant[place] = later + coming
            item = frame.item[place]
            if first[item] == place:
                begun += 1
                coming += frame.position[last[item]] > frame.position[place]


def judge(
    publisher: Publisher, slates: Column, frame: Frame, late: Column | None = None, exclude: Excludes = "current"
) -> Outcomes:
    """Judge slates (int32[requests, k], padded with -1) in one pass over the frame.

    They hold nothing that their requests exclude (`exclude`, as of the frame). Answers marked in `late`
    (bool[requests]) count as if there had been none.
    """
    reads, k = len(frame.request), slates.shape[1]
    outcomes = Outcomes(scratch.empty(reads, np.int16), scratch.zeros((reads, -(-k // 8)), np.uint8))
    articles = len(publisher.articles.id)
    marks = _InSession(
        np.full(articles + 1, -1, np.int32),
        np.empty(articles, np.int32),
        np.empty(articles, np.int32),
        np.full(articles if late is not None else 0, -1, np.int32),
    )
    too_late = np.zeros(0, np.bool_) if late is None else late
    _judge(frame, slates, too_late, exclude != "nothing", outcomes, marks)
    return outcomes


class _InSession(NamedTuple):
    """By article: what the session at hand has to do with it."""

    session: Column  # int32[articles + 1], the last session found to read it; the last place is that of padding, -1
    last: Column  # int32[articles], the position of the session's last read of it
    best: Column  # int32[articles], the best place at which the session was offered it so far; above k = at none
    offered_late: Column  # int32[articles], the last session that was offered it too late, or nothing


@compiled
def _judge(frame: Any, slates: Any, late: Any, leaves_out: bool, outcomes: Any, marks: Any) -> None:
    """Fill in outcomes.

    Of what a slate offers only the articles matter that its session reads, and these are marked before.
    """
    k, item = slates.shape[1], frame.item
    for number in range(frame.session.size):
        session = frame.session[number]
        begin, end = frame.begin[number], frame.begin[number + 1]
        for at in range(begin, end):
            marks.session[item[at]] = session
            marks.last[item[at]] = frame.position[at]
            marks.best[item[at]] = k + 1
        full = False
        entered = begin  # the places before this one are of earlier instants, and their slates are entered
        for at in range(begin, end):
            while entered - begin < frame.position[at] - 1:
                slate = slates[frame.request[entered]]
                if late.size > 0 and late[frame.request[entered]]:
                    _enter_late(slate, session, marks)
                else:
                    left_out = int64(item[entered]) if leaves_out else int64(-1)
                    _enter(slate, frame, entered, session, left_out, outcomes.relevant[entered], marks)
                    full = full or slate[k - 1] >= 0
                entered += 1
            place = int64(marks.best[item[at]])
            if place > k:
                place = int64(BELOW) if full else int64(NO_CANDIDATE)
                if late.size > 0 and marks.offered_late[item[at]] == session:
                    place = int64(OFFERED_LATE)
            outcomes.place[at] = place


@kernel
def _enter(slate: Any, frame: Any, at: int, session: int, left_out: int, relevant: Any, marks: Any) -> None:
    """Enter a slate as offered, and note which of its places are relevant: those that are read at a later time."""
    for i in range(slate.size):
        candidate = slate[i]
        if marks.session[candidate] == session:
            marks.best[candidate] = min(marks.best[candidate], i + 1)
            later = marks.last[candidate] > frame.position[at] and candidate != left_out
            if later and frame.relevant[at] > 0:
                relevant[i >> 3] |= np.uint8(1 << (i & 7))


@kernel
def _enter_late(slate: Any, session: int, marks: Any) -> None:
    """Enter a slate that came too late."""
    for i in range(slate.size):
        candidate = slate[i]
        if marks.session[candidate] == session:
            marks.offered_late[candidate] = session


def tally(frame: Frame, outcomes: Outcomes, group: Column, groups: int, cuts: tuple[int, ...]) -> Column:
    """Sums of all measures over the sessions of each group, float64[groups, cut-offs, len(SLATES)].

    `group` (int32[sessions]) has the group of each session of the frame. Event-level success sums the rewards of hits
    where the frame has any, else it counts hits.
    """
    sums = scratch.zeros((groups, len(cuts), len(SLATES)), np.float64)
    ideal = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, max(cuts) + 2)))])
    _tally(frame, outcomes, group, np.array(cuts, np.int64), ideal, np.zeros(len(cuts), np.int64), sums)
    if frame.reward.size:
        _reward(frame, outcomes.place, group, np.array(cuts, np.int64), sums)
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
        if hits[cuts.size - 1] > 0:  # most sessions have none
            for c in range(cuts.size):
                total[c, 0] += hits[c]
                total[c, 1] += hits[c] > 0
        for at in range(frame.asks[number], frame.asks[number + 1]):
            if _any(outcomes.relevant[at]):  # most slates have nothing relevant
                _add_slate(outcomes.relevant[at], frame.relevant[at], cuts, ideal, total)


@kernel
def _any(matches: Any) -> bool:
    found = False
    for byte in range(matches.size):
        found |= matches[byte] != 0
    return found


@kernel
def _add_slate(matches: Any, of: int, cuts: Any, ideal: Any, total: Any) -> None:
    """Add a slate as a ranking; `of` so many articles that are relevant."""
    relevant, first, place, gain = 0, 0, 0, 0.0
    for c in range(cuts.size):
        while place < cuts[c]:
            byte = matches[place >> 3]
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
            total[c, 4] += gain / ideal[min(cuts[c], int64(of))]
            total[c, 5] += relevant / of


def hit_sessions(frame: Frame, place: Column, cuts: tuple[int, ...]) -> Column:
    """Which sessions have a hit at each cut-off: bool[sessions, cut-offs]; `place` is that of `Outcomes`."""
    hit = scratch.zeros((len(cuts), len(frame.session)), np.bool_).T
    _hit_sessions(frame.begin, place, np.array(cuts, np.int64), hit)
    return hit


@compiled
def _hit_sessions(begin: Any, places: Any, cuts: Any, hit: Any) -> None:
    for number in range(begin.size - 1):
        for at in range(begin[number], begin[number + 1]):
            if places[at] > 0:
                for c in range(cuts.size):
                    hit[number, c] |= places[at] <= cuts[c]


@compiled
def _reward(frame: Any, places: Any, group: Any, cuts: Any, sums: Any) -> None:
    """Put the rewards of hits in place of their number."""
    sums[:, :, 0] = 0
    for number in range(frame.session.size):
        total = sums[group[number]]
        for at in range(frame.begin[number], frame.begin[number + 1]):
            if places[at] > 0:
                for c in range(cuts.size):
                    if places[at] <= cuts[c]:
                        total[c, 0] += frame.reward[at]
