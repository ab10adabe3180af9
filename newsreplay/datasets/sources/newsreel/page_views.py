"""Resent messages, and the widgets of one page view, recognised."""

from __future__ import annotations

import numpy as np

from newsreplay.datasets.base import Block
from newsreplay.datasets.sources.newsreel.message import CLICK, NOTHING, VIEW, Id
from newsreplay.datasets.sources.newsreel.scan import MessageColumns
from newsreplay.log.rows import Column

PAGE_VIEW = 300_000  #: ms within which the widgets of a page send their messages
MOST_WIDGETS = 20  #: of a page
RESENT = "message sent again (same message id and time)"
SAME_VIEW = "further widget of a page view, without a list"


Sent = tuple[Id, int]  # message id, time
Reading = tuple[Id, Id, Id]  # publisher, reader, article
View = tuple[int, tuple[Id, ...]]  # when the first message of a page view came, and the widgets that have sent one


class RecentMessages:
    """What was seen of late in a file: the messages by id and time, the page views by reader and article."""

    def __init__(self, remembered: int) -> None:
        self.remembered = remembered  #: messages, at least
        self.sent: tuple[set[Sent], set[Sent]] = (set(), set())  # new and old
        self.views: tuple[dict[Reading, View], dict[Reading, View]] = ({}, {})

    def forget(self) -> None:
        """Forget the older half where the newer one is full."""
        if len(self.sent[0]) > self.remembered:
            self.sent = (set(), self.sent[0])
        if len(self.views[0]) > self.remembered:
            self.views = ({}, self.views[0])


def leave_out_resends(columns: MessageColumns, memory: RecentMessages, block: Block) -> None:
    """Mark messages as `NOTHING` whose id and time an earlier one had."""
    sent, before = memory.sent
    lines = np.flatnonzero((columns.what != NOTHING) & (columns.number != -1))
    (numbers,) = columns.plain(columns.number[None, lines])
    messages = list(zip(numbers, columns.time[lines].tolist(), strict=True))
    new = set(messages)
    if len(new) < len(messages) or not sent.isdisjoint(new) or not before.isdisjoint(new):
        for line, message in zip(lines.tolist(), messages, strict=True):
            if message in sent or message in before:
                block.dropped[RESENT] += 1
                columns.what[line] = NOTHING
            sent.add(message)
    sent |= new


def follow(columns: MessageColumns, memory: RecentMessages, block: Block) -> Column:
    """Find out which lines belong to a page view whose read was counted before."""
    views, before = memory.views
    further = np.zeros(len(columns.what), np.bool_)
    item, publisher, user, widget = columns.plain(columns.ids)
    what, times, pool_at = columns.what.tolist(), columns.time.tolist(), columns.pool_at.tolist()
    happened = (columns.what == VIEW) | (columns.what == CLICK)
    known = columns.ids[2] != -1
    (pool,) = columns.plain(columns.pool[None]) if (columns.what == CLICK).any() else ([],)
    if nobody := int(np.count_nonzero(happened & ~known)):
        block.counts["nobody"] += nobody
    for line in np.flatnonzero(happened & known).tolist():
        time = times[line]
        if what[line] == CLICK:
            for clicked in pool[pool_at[line] : pool_at[line + 1]]:
                views[publisher[line], user[line], clicked] = (time, ())
            continue
        key = (publisher[line], user[line], item[line])
        view = views.get(key) or before.get(key)
        began, widgets = view or (-PAGE_VIEW, ())
        if abs(time - began) >= PAGE_VIEW or widget[line] in widgets or len(widgets) >= MOST_WIDGETS:
            views[key] = (time, (widget[line],))
            continue
        views[key] = (began, (*widgets, widget[line]))
        if pool_at[line] == pool_at[line + 1]:
            block.dropped[SAME_VIEW] += 1
            columns.what[line] = NOTHING
        else:
            block.counts["further"] += 1
            further[line] = True
    return further
