"""The judge where impressions ask for slates (docs/design.md, section 3, "Requests at impressions").

A slate counts for the reads that its impression's own outcome brings, and for the session's reads at later times; to
the slate as a ranking the impression's clicked articles are relevant. What became known at the instant of a request is
beyond it: an article that an impression shows may be published by being shown.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from newsreplay.kernels.compiling import compiled, int64, kernel
from newsreplay.log.publisher import NOBODY, Publisher
from newsreplay.log.rows import IMPRESSION, OUTCOME, Column, Excludes
from newsreplay.simulator.judgement.judge import BELOW, NO_CANDIDATE, OFFERED_LATE, Frame, Outcomes, span
from newsreplay.simulator.replay.excluding import is_marked, mark_read, session_trail


def frame_at_impressions(
    publisher: Publisher,
    warmup: int = 0,
    window: int | None = None,
    max_session_length: int | None = None,
    exclude: Excludes = "current",
) -> Frame:
    """The reads and impressions of the scored sessions.

    What a request excludes (`exclude`) is neither relevant nor reachable at it. Scored are sessions with a clicked
    impression whose first impression lies after the warm-up and within the window (ms), if they have no more than
    `max_session_length` reads and are somebody's.
    """
    log, reads = publisher.log, publisher.requests.row
    shown = shown_impressions(publisher, exclude)
    sessions, first = np.unique(shown.session, return_index=True)
    begin, end = span(publisher, warmup, window)
    opened = log.time[shown.row[first]]
    scored = np.zeros(len(publisher.sessions.id), bool)
    scored[sessions] = (opened >= begin) & (opened < end)
    clicked = np.zeros(len(scored), bool)
    clicked[shown.session[shown.clicks > 0]] = True
    scored &= clicked & ~_of_nobody(publisher)
    if max_session_length is not None:
        scored &= publisher.sessions.reads <= max_session_length
    codes = np.flatnonzero(scored)
    read, starts = _in_sessions(log.session[reads], scored, codes)
    request, asks = _in_sessions(shown.session, scored, codes)
    aligned = Frame(
        session=codes.astype(np.int32),
        begin=starts,
        read=read,
        item=log.item[reads[read]],
        position=np.empty(len(read), np.int32),
        reachable=np.empty(len(read), np.bool_),
        again=np.empty(len(read), np.bool_),
        asked=np.empty(len(read), np.bool_),
        own=np.full(len(read), -1, np.int32),
        asks=asks,
        request=request,
        relevant=np.empty(len(request), np.int32),
        reward=np.empty(0, np.float32),
    )
    marks = _Marks(*(np.full(len(publisher.articles.id), -1, np.int32) for _ in range(2)))
    _align(log, reads, shown, aligned, marks)
    if exclude == "session":
        _reach_unread(log, reads, shown, _first_reads(publisher), aligned)
    return aligned


class Shown(NamedTuple):
    """The impressions of a log, in log order and so by number."""

    row: Column  #: int64[impressions]
    session: Column  #: int32[impressions]
    outcome: Column  #: int64[impressions], time of the outcome, ms; -1 = none is known
    clicks: Column  #: int64[impressions], clicked candidates
    known: Column  #: int64[impressions], articles known before its instant: those with a code below
    left_out: Column  #: int32[impressions], the article on screen, which it excludes; -1 = none
    read: Column  #: bool[places of the pools], candidates that it excludes as read before; none where they are not


def shown_impressions(publisher: Publisher, exclude: Excludes = "current") -> Shown:
    """The impressions of a log, what was clicked of them, and what they exclude as requests."""
    log = publisher.log
    row, told = np.flatnonzero(log.kind == IMPRESSION), np.flatnonzero(log.kind == OUTCOME)
    outcome = np.full(len(row), -1, np.int64)
    outcome[log.impression[told]] = log.time[told]
    sums = np.concatenate([[0], np.cumsum(log.pools.clicked, dtype=np.int64)])[log.pools.at]
    known: Column = np.searchsorted(publisher.articles.published, log.time[row])
    left_out = np.full(len(row), -1, np.int32) if exclude == "nothing" else log.item[row]
    read = np.zeros(len(log.pools.item) if exclude == "session" else 0, np.bool_)
    if exclude == "session":
        _mark_read(session_trail(log), row, log.pools, read)
    clicks = np.where(outcome >= 0, np.diff(sums), 0)
    return Shown(row, log.session[row], outcome, clicks, known, left_out, read)


@compiled
def _mark_read(trail: Any, row: Any, pools: Any, read: Any) -> None:
    for number in range(row.size):
        mark_read(trail, row[number])
        for place in range(pools.at[number], pools.at[number + 1]):
            read[place] = is_marked(trail, pools.item[place])


def _of_nobody(publisher: Publisher) -> Column:
    """The sessions of rows that had neither user nor session: bool[sessions]; they and their readers are called so."""
    import pyarrow.compute as pc  # as much work as all of pyarrow besides

    log = publisher.log
    found = np.zeros(len(publisher.sessions.id), bool)
    named = np.flatnonzero(pc.match_substring_regex(publisher.sessions.id, rf"^{NOBODY}\.\d+$").to_numpy(False))
    if named.size:
        user = np.full(len(found), -1, np.int64)
        row = np.flatnonzero(log.session >= 0)
        user[log.session[row]] = log.user[row]
        readers = publisher.users.take(pa.array(user[named]))
        found[named] = pc.equal(publisher.sessions.id.take(pa.array(named)), readers).to_numpy(False)
    return found


def _in_sessions(session: Column, scored: Column, codes: Column) -> tuple[Column, Column]:
    """The places of rows (`session`: theirs) of the scored sessions, session by session, and where each begins."""
    place = np.flatnonzero(scored[session])
    place = place[np.argsort(session[place], kind="stable")]
    return place.astype(np.int32), np.searchsorted(session[place], np.append(codes, len(scored))).astype(np.int64)


class _Marks(NamedTuple):
    """By article: the last session that has read it by now, and the last request that counted it."""

    read: Column  # int32[articles]
    counted: Column  # int32[articles]


@kernel
def could_offer(shown: Any, request: int, article: int) -> bool:
    """Whether an article was known before an impression and not on screen at it, unless that is not left out."""
    could: bool = article < shown.known[request] and article != shown.left_out[request]
    return could


@kernel
def could_offer_clicked(log: Any, shown: Any, request: int, place: int) -> bool:
    """Whether the candidate at a place of an impression's pool was clicked, and could have stood in its slate."""
    if shown.read.size > 0 and shown.read[place]:
        return False
    return log.pools.clicked[place] and could_offer(shown, request, log.pools.item[place])


@compiled
def _align(log: Any, reads: Any, shown: Any, frame: Any, marks: Any) -> None:
    for number in range(frame.session.size):
        session = frame.session[number]
        begin, end = frame.begin[number], frame.begin[number + 1]
        for ask in range(frame.asks[number], frame.asks[number + 1]):
            frame.relevant[ask] = _count_relevant(log, shown, frame.request[ask], marks)
            _claim(log, reads, shown, frame, begin, end, ask)
        ask = frame.asks[number]
        marked = begin  # the reads before this one are of earlier instants, and marked
        before, other = int64(-1), int64(-1)  # the last request of earlier times, the last with another article
        for at in range(begin, end):
            row = reads[frame.read[at]]
            article = log.item[row]
            while log.time[reads[frame.read[marked]]] < log.time[row]:
                marks.read[log.item[reads[frame.read[marked]]]] = session
                marked += 1
            while ask < frame.asks[number + 1] and log.time[shown.row[frame.request[ask]]] < log.time[row]:
                onto = int64(frame.request[ask])
                if before >= 0 and log.item[shown.row[before]] != log.item[shown.row[onto]]:
                    other = before
                before = onto
                ask += 1
            reachable = before >= 0 and could_offer(shown, before, article)
            reachable = reachable or (other >= 0 and could_offer(shown, other, article))
            if frame.own[at] >= 0:
                reachable = reachable or could_offer(shown, frame.request[frame.own[at]], article)
            frame.position[at] = 1 + marked - begin
            frame.reachable[at] = reachable
            frame.again[at] = marks.read[article] == session
            frame.asked[at] = before >= 0 or frame.own[at] >= 0


@kernel
def _count_relevant(log: Any, shown: Any, request: int, marks: Any) -> int:
    """The distinct clicked articles of an impression that a slate could have offered."""
    count = 0
    if shown.clicks[request] > 0:
        for place in range(log.pools.at[request], log.pools.at[request + 1]):
            article = log.pools.item[place]
            if could_offer_clicked(log, shown, request, place):
                count += marks.counted[article] != request
                marks.counted[article] = request
    return count


@kernel
def _claim(log: Any, reads: Any, shown: Any, frame: Any, begin: int, end: int, ask: int) -> None:
    """Note which reads of its own instant an impression's outcome brings: for every click the first that is free."""
    request = frame.request[ask]
    now = log.time[shown.row[request]]
    if shown.clicks[request] == 0 or shown.outcome[request] != now:  # else its reads are later ones
        return
    low, high = begin, end
    while low < high:
        middle = (low + high) >> 1
        if log.time[reads[frame.read[middle]]] < now:
            low = middle + 1
        else:
            high = middle
    for place in range(log.pools.at[request], log.pools.at[request + 1]):
        if log.pools.clicked[place]:
            at = low
            while at < end and log.time[reads[frame.read[at]]] == now:
                if frame.own[at] < 0 and log.item[reads[frame.read[at]]] == log.pools.item[place]:
                    frame.own[at] = ask
                    break
                at += 1


def _first_reads(publisher: Publisher) -> Column:
    """The row at which the session of each read has read its article for the first time: int32[reads]."""
    requests, first = publisher.requests, np.empty(len(publisher.requests.row), np.int32)
    row_of = np.empty(len(publisher.articles.id), np.int32)
    _find_first_reads(publisher.log.item, requests.row, requests.previous, publisher.sessions.last, row_of, first)
    return first


@compiled
def _find_first_reads(item: Any, row: Any, previous: Any, last: Any, row_of: Any, first: Any) -> None:
    for session in range(last.size):
        step = int64(last[session])
        while step >= 0:
            row_of[item[row[step]]] = row[step]
            step = int64(previous[step])
        step = int64(last[session])
        while step >= 0:
            first[step] = row_of[item[row[step]]]
            step = int64(previous[step])


@compiled
def _reach_unread(log: Any, reads: Any, shown: Any, first: Any, frame: Any) -> None:
    """Say anew which reads are reachable where requests exclude all that their session has read before.

    `first` is the row of the session's first read of each read's article.
    """
    for number in range(frame.session.size):
        for at in range(frame.begin[number], frame.begin[number + 1]):
            row = reads[frame.read[at]]
            article, begun = log.item[row], first[frame.read[at]]
            low, high = frame.asks[number], frame.asks[number + 1]
            while low < high:  # the requests that count for the read by their time, and come before its first
                middle = (low + high) >> 1
                asked = shown.row[frame.request[middle]]
                if asked < begun and log.time[asked] < log.time[row]:
                    low = middle + 1
                else:
                    high = middle
            reachable, ask = False, low - 1
            while ask >= frame.asks[number] and article < shown.known[frame.request[ask]] and not reachable:
                reachable = could_offer(shown, frame.request[ask], article)
                ask -= 1
            if frame.own[at] >= 0 and shown.row[frame.request[frame.own[at]]] < begun:
                reachable = reachable or could_offer(shown, frame.request[frame.own[at]], article)
            frame.reachable[at] = reachable


def judge_at_impressions(
    publisher: Publisher, slates: Column, frame: Frame, late: Column | None = None, exclude: Excludes = "current"
) -> Outcomes:
    """Judge slates (int32[impressions, k], padded with -1) of a frame of `frame_at_impressions`.

    They hold nothing that their requests exclude (`exclude`, as of the frame). Answers marked in `late`
    (bool[impressions]) count as if there had been none.
    """
    log, reads, shown = publisher.log, publisher.requests.row, shown_impressions(publisher, exclude)
    articles = len(publisher.articles.id)
    outcomes = Outcomes(
        np.empty(len(frame.read), np.int16), np.zeros((len(frame.request), -(-slates.shape[1] // 8)), np.uint8)
    )
    late = np.zeros(len(slates), np.bool_) if late is None else late
    stamps = _Stamps(np.zeros(articles, np.int64), np.zeros(articles, np.int64))
    _judge(log, reads, shown, frame, slates, late, outcomes.place, stamps)
    _match(log, shown, frame, slates, late, np.full(articles, -1, np.int32), outcomes.relevant)
    return outcomes


class _Stamps(NamedTuple):
    """By article: the stamp of the last session that was offered it, plus k + 1 - the best place."""

    in_time: Column  # int64[articles]
    late: Column  # int64[articles]: the same of answers that came too late


@compiled
def _judge(log: Any, reads: Any, shown: Any, frame: Any, slates: Any, late: Any, places: Any, stamps: Any) -> None:
    k = slates.shape[1]
    stamp = 0
    for number in range(frame.session.size):
        stamp += k + 1  # so that what an earlier session left behind is never above this one's
        ask = frame.asks[number]
        full = False
        for at in range(frame.begin[number], frame.begin[number + 1]):
            row = reads[frame.read[at]]
            article = log.item[row]
            while ask < frame.asks[number + 1] and log.time[shown.row[frame.request[ask]]] < log.time[row]:
                request = frame.request[ask]
                full = full or (slates[request, k - 1] >= 0 and not late[request])
                _enter(slates[request], shown.known[request], stamp, stamps.late if late[request] else stamps.in_time)
                ask += 1
            best, too_late = stamps.in_time[article] - stamp, stamps.late[article] > stamp
            filled = full
            if frame.own[at] >= 0:
                request = frame.request[frame.own[at]]
                own = _worth(article, slates[request], shown.known[request])
                if late[request]:
                    too_late = too_late or own > 0
                else:
                    filled = filled or slates[request, k - 1] >= 0
                    best = max(best, own)
            if best > 0:
                places[at] = k + 1 - best
            elif too_late:
                places[at] = OFFERED_LATE
            else:
                places[at] = BELOW if filled else NO_CANDIDATE


@kernel
def _enter(slate: Any, known: int, stamp: int, stamps: Any) -> None:
    """Enter what a slate offered that was known before its request."""
    for i in range(slate.size):
        article = slate[i]
        if article >= 0 and article < known:
            stamps[article] = max(stamps[article], stamp + slate.size - i)


@kernel
def _worth(article: int, slate: Any, known: int) -> int:
    """k + 1 - the place at which a slate offered an article that was known before its request; 0 = at none."""
    if article < known:
        for i in range(slate.size):
            if slate[i] == article:
                return int64(slate.size - i)
    return int64(0)


@compiled
def _match(log: Any, shown: Any, frame: Any, slates: Any, late: Any, clicked: Any, matches: Any) -> None:
    """Mark what of each slate is relevant to its impression; `clicked` has the last request that clicked an article."""
    for ask in range(frame.request.size):
        request = frame.request[ask]
        if frame.relevant[ask] == 0 or late[request]:
            continue
        for place in range(log.pools.at[request], log.pools.at[request + 1]):
            if log.pools.clicked[place]:
                clicked[log.pools.item[place]] = request
        for i in range(slates.shape[1]):
            article = slates[request, i]
            if article >= 0 and clicked[article] == request and could_offer(shown, request, article):
                matches[ask, i >> 3] |= np.uint8(1 << (i & 7))
