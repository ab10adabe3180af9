"""The articles read lately, and samples of them."""

from __future__ import annotations

from typing import Any, NamedTuple

from newsreplay.kernels.chain import Chain, put_before, take_out
from newsreplay.kernels.compiling import compiled, int64, kernel
from newsreplay.kernels.mixing import below, draw
from newsreplay.log.rows import Column
from newsreplay.recommenders.neural.stream.state import ALIVE, LAST


class Alive(NamedTuple):
    """The articles read lately."""

    chain: Chain  # articles alive, last read first
    read_at: Column  # int64[articles], time of the last read, for articles in the chain
    item: Column  # int32[articles], the articles of the chain in no order
    place: Column  # int32[articles], where an article stands in `item`, -1 = not there


@kernel
def revive(clock: Any, alive: Any, time: int, item: int) -> None:
    """Put the article of a read before all others alive."""
    links = alive.chain
    if alive.place[item] < 0:
        alive.place[item] = clock[ALIVE]
        alive.item[clock[ALIVE]] = item
        clock[ALIVE] += 1
        if links.first[0] < 0:
            clock[LAST] = item
        put_before(links, item, links.first[0])
    elif links.first[0] != item:
        if clock[LAST] == item:
            clock[LAST] = links.before[item]
        take_out(links, item)
        put_before(links, item, links.first[0])
    alive.read_at[item] = time


@kernel
def expire(clock: Any, alive: Any, options: Any, time: int) -> None:
    """Take the articles from those alive that were read too long ago."""
    while clock[LAST] >= 0 and time - alive.read_at[clock[LAST]] >= options.alive_ms:
        item = clock[LAST]
        clock[LAST] = alive.chain.before[item]
        take_out(alive.chain, item)
        clock[ALIVE] -= 1
        place, other = alive.place[item], alive.item[clock[ALIVE]]
        alive.item[place] = other
        alive.place[other] = place
        alive.place[item] = -1


@compiled
def list_alive(alive: Any, options: Any, time: int, but: int, out: Any) -> int:
    """`walk_alive` for Python."""
    return walk_alive(alive, options, time, but, out)


@kernel
def walk_alive(alive: Any, options: Any, time: int, but: int, out: Any) -> int:
    """Write the articles alive to `out`, last read first; returns how many."""
    count = 0
    item = alive.chain.first[0]
    while item >= 0 and count < options.candidates and time - alive.read_at[item] < options.alive_ms:
        if item != but:
            out[count] = item
            count += 1
        item = alive.chain.after[item]
    return int64(count)


@kernel
def draw_others(clock: Any, alive: Any, options: Any, captures: Any, made: int, end: int) -> int:
    """Draw articles that are alive, unread and no candidates yet, behind a request's candidates; where they end.

    `end` is where its candidates end so far.
    """
    length, count = captures.length[made], clock[ALIVE]
    begin, most = end, end + options.sampled
    # The first places of `alive.item` are shuffled one by one, so that no article comes up twice.
    for place in range(count):
        if end >= most:
            break
        other = place + below(count - place, draw(options.key, captures.row[made], place))
        drawn, moved = alive.item[other], alive.item[place]
        alive.item[place], alive.item[other] = drawn, moved
        alive.place[moved], alive.place[drawn] = other, place
        new = True
        for i in range(captures.at[made], begin):
            new = new and captures.item[i] != drawn
        for i in range(length):
            new = new and captures.history[made, i] != drawn
        if new:
            captures.item[end] = drawn
            end += 1
    return int64(end)
