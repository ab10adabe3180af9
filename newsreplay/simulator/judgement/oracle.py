"""The oracle: what a recommender could reach that knew what each reader is about to read.

Not a recommender, since those cannot see the future: a run works its answers out from the log when a start list names
`oracle`. It offers only what is known at the request, so that its success is the ceiling of what any recommender
of known articles can have.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.chain import chain, put_before, take_out
from newsreplay.kernels.compiling import compiled, int64, kernel
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import Asks, Column, Excludes
from newsreplay.simulator.judgement.at_impressions import could_offer_clicked, shown_impressions
from newsreplay.simulator.judgement.judge import known_at


def foresee(
    publisher: Publisher, slates: Column, scores: Column, asks: Asks = "reads", exclude: Excludes = "current"
) -> None:
    """Fill slates (int32[requests, k]) with what each session reads next, and scores (float64[places]) with clicks.

    A request's list has the distinct articles that the session reads at later times, in row order, as far as they are
    known at the request, without what that excludes. The j-th request of a session at one instant begins at place
    (j - 1) mod length of its list and goes around, so that several requests offer several articles first. Where
    impressions ask, what became known at a request's instant is out of its list, and the impression's own clicks stand
    before it, in pool order.
    """
    log, requests, sessions = publisher.log, publisher.requests, publisher.sessions
    articles = len(publisher.articles.id)
    coming = _Coming(
        *chain(articles),
        np.full(articles, -1, np.int32),
        np.full(articles, len(log.time), np.int32),
        exclude == "session",
    )
    if asks == "impressions":
        shown = shown_impressions(publisher, exclude)
        order = np.argsort(shown.session, kind="stable")
        room = np.empty(slates.shape[1] + int(shown.clicks.max(initial=0)), np.int32)
        _foresee_at_impressions(log, requests, sessions.last, shown, order, coming, room, slates)
    else:
        _foresee(log, requests, sessions.last, known_at(log, requests.row), exclude != "nothing", coming, slates)
    scores[:] = log.pools.clicked


class _Coming(NamedTuple):
    """A chain (`kernels.chain`) of what the session reads later, the soonest first."""

    after: Column  # int32[articles]
    before: Column  # int32[articles]
    first: Column  # int32[1]
    listed: Column  # int32[articles], the session in whose chain an article is, -1 = none
    read_at: Column  # int32[articles], the row at which the session reads it first, where only that is excluded
    unread: bool  # whether it is: whether requests exclude what the session has read


@compiled
def _foresee(log: Any, requests: Any, last: Any, known: Any, leaves_out: bool, coming: Any, slates: Any) -> None:
    """Each session backward, instant by instant."""
    time, item, row, previous = log.time, log.item, requests.row, requests.previous
    for session in range(last.size):
        coming.first[0] = -1
        _note_first_reads(log, requests, int64(last[session]), coming)
        latest = int64(last[session])  # request of the instant at hand
        while latest >= 0:
            reads = 0
            step = latest
            while step >= 0 and time[row[step]] == time[row[latest]]:
                reads += 1
                step = int64(previous[step])
            step = latest
            for turn in range(reads - 1, -1, -1):
                out = int64(item[row[step]]) if leaves_out else int64(-1)
                _offer(slates[step], row[step], out, known[step], turn, coming)
                step = int64(previous[step])
            step = latest
            for _ in range(reads):
                current = item[row[step]]
                if coming.listed[current] == session:
                    take_out(coming, current)
                coming.listed[current] = session
                put_before(coming, current, coming.first[0])
                step = int64(previous[step])
            latest = step


@kernel
def _note_first_reads(log: Any, reads: Any, step: int, coming: Any) -> None:
    """Note when a session, whose last read is `step`, reads each article first, if that matters."""
    while coming.unread and step >= 0:
        coming.read_at[log.item[reads.row[step]]] = reads.row[step]
        step = int64(reads.previous[step])


@kernel
def _is_left_out(candidate: int, row: int, left_out: int, coming: Any) -> bool:
    """Whether the request of a row excludes an article: the one that it leaves out, or one that was read by then."""
    return candidate == left_out or (coming.unread and coming.read_at[candidate] <= row)


@kernel
def _offer(slate: Any, row: int, left_out: int, known: int, turn: int, coming: Any) -> None:
    """Fill a slate from place `turn` of the list on, and around; what is not known leaves the chain for good."""
    length = 0
    candidate = int64(coming.first[0])
    while candidate >= 0 and (turn > 0 or length < slate.size):
        following = int64(coming.after[candidate])
        if candidate >= known:  # nor was it known at any earlier request
            take_out(coming, candidate)
            coming.listed[candidate] = -1
        elif not _is_left_out(candidate, row, left_out, coming):
            length += 1
        candidate = following
    skipped = turn % length if length > 0 else 0
    candidate = int64(coming.first[0])
    place = 0
    while candidate >= 0 and place < length:
        if not _is_left_out(candidate, row, left_out, coming):
            at = place - skipped if place >= skipped else place - skipped + length
            if at < slate.size:
                slate[at] = candidate
            place += 1
        candidate = int64(coming.after[candidate])


@compiled
def _foresee_at_impressions(
    log: Any, reads: Any, last: Any, shown: Any, order: Any, coming: Any, room: Any, slates: Any
) -> None:
    """The requests backward, session by session (`order`); what is read after them is put into the chain meanwhile."""
    step = int64(-1)
    for place in range(order.size - 1, -1, -1):
        request = order[place]
        session, row = shown.session[request], shown.row[request]
        if place == order.size - 1 or shown.session[order[place + 1]] != session:
            coming.first[0] = -1
            step = int64(last[session])
            _note_first_reads(log, reads, step, coming)
        while step >= 0 and log.time[reads.row[step]] > log.time[row]:
            article = log.item[reads.row[step]]
            if coming.listed[article] == session:
                take_out(coming, article)
            coming.listed[article] = session
            put_before(coming, article, coming.first[0])
            step = int64(reads.previous[step])
        turn = 0  # requests of the session and the instant before this one
        while place > turn and _are_together(log, shown, order[place - turn - 1], request):
            turn += 1
        listed = room[: slates.shape[1] + shown.clicks[request]]
        listed[:] = -1
        _offer(listed, row, shown.left_out[request], shown.known[request], turn, coming)
        _put_clicks_first(log, shown, request, listed, slates[request])


@kernel
def _are_together(log: Any, shown: Any, request: int, other: int) -> bool:
    same: bool = shown.session[request] == shown.session[other]
    return same and log.time[shown.row[request]] == log.time[shown.row[other]]


@kernel
def _put_clicks_first(log: Any, shown: Any, request: int, listed: Any, slate: Any) -> None:
    """Fill a slate with the impression's clicks, then with what is listed, each article once."""
    filled = int64(0)
    if shown.clicks[request] > 0:
        for place in range(log.pools.at[request], log.pools.at[request + 1]):
            if could_offer_clicked(log, shown, request, place):
                filled = _append(slate, filled, log.pools.item[place])
    for i in range(listed.size):
        if listed[i] >= 0:
            filled = _append(slate, filled, listed[i])


@kernel
def _append(slate: Any, filled: int, article: int) -> int:
    """Append an article that does not stand in the slate yet, if there is room; returns how many stand there."""
    if filled == slate.size:
        return filled
    for i in range(filled):
        if slate[i] == article:
            return filled
    slate[filled] = article
    return filled + 1
