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
def draw_others(clock: Any, alive: Any, reads: Any, options: Any, captures: Any, made: int, end: int) -> int:
    """Draw articles that are alive, unread and no candidates yet, behind a request's candidates; where they end.

    A draw is even or, as often, that of one of the reads of the last day, which are in the windows `reads`. `end` is
    where the candidates end so far.
    """
    length, count, row = captures.length[made], clock[ALIVE], captures.row[made]
    most = end + options.sampled
    first, last = reads.begin[reads.begin.size - 2], reads.begin[reads.begin.size - 1]
    # What is drawn evenly is shuffled to the first places of `alive.item`: when all are, no article is left.
    shuffled = draws = int64(0)
    while end < most and shuffled < count:
        random = draw(options.key, row, draws + 1)
        if last > first and below(2, draw(options.key, row, draws)) == 1:
            drawn = reads.item[(first + below(last - first, random)) % reads.item.size]
        else:
            other = shuffled + below(count - shuffled, random)
            drawn, moved = alive.item[other], alive.item[shuffled]
            alive.item[shuffled], alive.item[other] = drawn, moved
            alive.place[moved], alive.place[drawn] = other, shuffled
            shuffled += 1
        draws += 2
        new = alive.place[drawn] >= 0
        for i in range(captures.at[made], end):
            new = new and captures.item[i] != drawn
        for i in range(length):
            new = new and captures.history[made, i] != drawn
        if new:
            captures.item[end] = drawn
            end += 1
    return int64(end)


@kernel
def chance_of(clock: Any, reads: Any, item: int) -> float:
    """The probability that a draw of `draw_others` is of an article, as if it were alive."""
    first, last = reads.begin[reads.begin.size - 2], reads.begin[reads.begin.size - 1]
    chance: float = 1 / max(1, clock[ALIVE])
    if last > first:
        chance = (chance + reads.counts[item, reads.counts.shape[1] - 1] / (last - first)) / 2
    return chance
